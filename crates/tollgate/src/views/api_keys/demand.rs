//! The fresh-key rule: a key that was made a moment ago may not have arrived yet. A miss on such an id waits once until
//! the view has caught up with the store; all who wait share one round, and rounds are bounded, so that a flood of unknown
//! keys costs the database no more than one of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

/// Checks that may wait at once; there are far more seats for checks than these.
const WAITERS: usize = 512;

/// Where rounds are asked for and awaited.
#[derive(Debug)]
pub(super) struct Demand {
    wake: Notify,
    rounds: watch::Sender<Rounds>,
    waiting: AtomicUsize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rounds {
    begun: u64,
    ended: u64,
    /// Whether the one that ended last had brought the view to the present.
    present: bool,
}

/// How waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// The view contains everything that was committed before the wait began.
    Present,
    /// The store gave no answer.
    Failed,
    /// The deadline passed.
    Late,
    /// Too many wait already.
    Full,
}

impl Demand {
    pub fn new() -> Self {
        Self {
            wake: Notify::new(),
            rounds: watch::Sender::new(Rounds::default()),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits for a round that begins from now on, if there is a seat for one more check.
    pub async fn wait(&self, deadline: Instant) -> Awaited {
        let Some(_seat) = Seat::take(&self.waiting) else { return Awaited::Full };
        self.wait_seated(deadline).await
    }

    /// The same without a seat, for those whose number something else bounds.
    pub async fn wait_seated(&self, deadline: Instant) -> Awaited {
        let mut rounds = self.rounds.subscribe();
        // One that is under way may have read what it needed before the key was there.
        let next = rounds.borrow_and_update().begun + 1;
        self.wake();
        match timeout_at(deadline, rounds.wait_for(|rounds| rounds.ended >= next)).await {
            Ok(Ok(rounds)) if rounds.present => Awaited::Present,
            Ok(_) => Awaited::Failed,
            Err(_) => Awaited::Late,
        }
    }

    /// Asks for a round.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Returns when a round was asked for.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// A round begins.
    pub fn begin(&self) {
        self.rounds.send_modify(|rounds| rounds.begun += 1);
    }

    /// The round that began last has ended.
    pub fn end(&self, present: bool) {
        self.rounds.send_modify(|rounds| {
            rounds.ended = rounds.begun;
            rounds.present = present;
        });
    }
}

/// A place among those who wait; given back also when the caller goes away.
struct Seat<'a>(&'a AtomicUsize);

impl<'a> Seat<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let seat = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < WAITERS).then_some(seat)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
