//! How many bytes of requests are held at once. Every head, every body that arrives, and every answer that its client has not
//! taken yet is charged. When there is no room, whatever has been arriving for the longest time is given up: a request that
//! arrives whole is never refused for the sake of one that does not end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;

/// Bytes that requests of one or more ports may hold together.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    used: AtomicUsize,
    /// What can be given up, the oldest first. Requests that arrive in one piece are never entered.
    arriving: Mutex<BTreeMap<u64, Arc<Slot>>>,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Slot {
    bytes: AtomicUsize,
    given_up: AtomicBool,
    waker: AtomicWaker,
}

/// Bytes that one request, or one connection with half a head, holds; given back when dropped.
#[derive(Debug)]
pub struct Held {
    budget: Budget,
    slot: Arc<Slot>,
    /// The place among those that can be given up; 0 is none.
    ticket: AtomicU64,
}

/// There is no room, and nothing older that could be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Budget {
    /// Of this many bytes.
    pub fn new(limit: usize) -> Self {
        let (used, next) = (AtomicUsize::new(0), AtomicU64::new(1));
        Self(Arc::new(Inner { limit, used, arriving: Mutex::default(), next }))
    }

    /// Bytes that are held now.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Something that holds nothing yet.
    pub fn open(&self) -> Held {
        Held { budget: self.clone(), slot: Arc::default(), ticket: AtomicU64::new(0) }
    }

    fn take(&self, bytes: usize) -> bool {
        let Inner { limit, used, .. } = &*self.0;
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|sum| sum <= limit)
        })
        .is_ok()
    }

    fn arriving(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Slot>>> {
        self.0.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up what has been arriving for the longest time; false when there is nothing.
    fn give_up_oldest(&self) -> bool {
        let Some((_, oldest)) = self.arriving().pop_first() else { return false };
        oldest.given_up.store(true, Ordering::Release);
        self.give_back(&oldest);
        oldest.waker.wake();
        true
    }

    fn give_back(&self, slot: &Slot) {
        let bytes = slot.bytes.swap(0, Ordering::Relaxed);
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Held {
    /// Holds more.
    ///
    /// # Errors
    /// There is no room, or this itself was given up.
    pub fn grow(&self, bytes: usize) -> Result<(), Full> {
        while !self.is_given_up() {
            if self.budget.take(bytes) {
                self.slot.bytes.fetch_add(bytes, Ordering::Relaxed);
                return Ok(());
            }
            if !self.budget.give_up_oldest() {
                return Err(Full);
            }
        }
        Err(Full)
    }

    /// Holds nothing any more, and goes on.
    pub fn empty(&self) {
        self.settled();
        self.budget.give_back(&self.slot);
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.slot.bytes.load(Ordering::Relaxed)
    }

    /// Waits for its peer: from now on it can be given up.
    pub fn waiting(&self) {
        if self.ticket.load(Ordering::Relaxed) == 0 {
            let ticket = self.budget.0.next.fetch_add(1, Ordering::Relaxed);
            self.ticket.store(ticket, Ordering::Relaxed);
            self.budget.arriving().insert(ticket, Arc::clone(&self.slot));
        }
    }

    /// Has arrived whole: it cannot be given up any more.
    pub fn settled(&self) {
        let ticket = self.ticket.swap(0, Ordering::Relaxed);
        if ticket != 0 {
            self.budget.arriving().remove(&ticket);
        }
    }

    /// Whether it was given up.
    pub fn is_given_up(&self) -> bool {
        self.slot.given_up.load(Ordering::Acquire)
    }

    /// The same; the task is woken when that happens later.
    pub fn poll_given_up(&self, context: &Context<'_>) -> bool {
        self.slot.waker.register(context.waker());
        self.is_given_up()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.empty();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn v2_what_is_given_back_can_be_taken_again() {
        let budget = Budget::new(10);
        let (a, b) = (budget.open(), budget.open());
        a.grow(6).unwrap();
        assert_eq!(b.grow(5), Err(Full), "what has arrived is not given up");
        b.grow(4).unwrap();
        drop(a);
        b.grow(6).unwrap();
        assert_eq!((budget.used(), b.bytes()), (10, 10));
        b.empty();
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn v2_the_oldest_that_arrives_gives_way_to_what_is_new() {
        let budget = Budget::new(10);
        let slow: Vec<Held> = (0..5).map(|_| budget.open()).collect();
        for held in &slow {
            held.grow(2).unwrap();
            held.waiting();
        }
        slow[1].settled();
        let new = budget.open();
        new.grow(3).unwrap();
        let given_up: Vec<bool> = slow.iter().map(Held::is_given_up).collect();
        assert_eq!(given_up, [true, false, true, false, false]);
        assert_eq!(slow[0].grow(1), Err(Full), "what was given up holds nothing more");
        assert_eq!((budget.used(), slow[0].bytes()), (9, 0));
        drop((slow, new));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn v2_bytes_are_never_lost_nor_counted_twice_between_threads() {
        let budget = Budget::new(1000);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let budget = &budget;
                scope.spawn(move || {
                    for round in 0..2000 {
                        let held = budget.open();
                        let _refused = held.grow(100 + thread);
                        if round % 2 == 0 {
                            held.waiting();
                        }
                        let _refused = held.grow(50 + round % 7);
                        assert!(budget.used() <= 1000);
                    }
                });
            }
        });
        assert_eq!(budget.used(), 0);
        assert!(budget.arriving().is_empty());
    }
}
