//! Credit in memory: what checks take from, without a lock and without waiting.

use std::sync::atomic::{AtomicI64, Ordering};

use super::amount::Amount;
use super::round::Slot;

/// Milliseconds on the monotonic clock of one process, which also runs while the machine sleeps. Only differences mean
/// anything; the wall clock may be wrong by days without harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(i64);

/// What one replica may hold of one budget in one window without asking. Made anew for each window, so that no check takes
/// from a window that is over.
#[derive(Debug)]
pub struct Credit {
    slot: Slot,
    /// Negative once it is closed.
    available: AtomicI64,
    /// The tick from which it may not be used any more.
    expires: AtomicI64,
}

/// Nothing is taken from a closed credit, and nothing can be put back.
const CLOSED: i64 = i64::MIN;

impl Tick {
    /// At this many milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// So much later.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds since `earlier`.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Credit {
    /// No credit yet.
    pub const fn new(slot: Slot) -> Self {
        Self { slot, available: AtomicI64::new(0), expires: AtomicI64::new(i64::MIN) }
    }

    /// Of which window.
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// What can be taken.
    pub fn available(&self) -> Amount {
        Amount::at_least_zero(self.available.load(Ordering::Acquire))
    }

    /// Whether it may be used at this tick.
    pub fn is_usable(&self, now: Tick) -> bool {
        now.0 < self.expires.load(Ordering::Acquire) && self.available.load(Ordering::Acquire) != CLOSED
    }

    /// Takes this much, or nothing.
    pub fn take(&self, amount: Amount, now: Tick) -> bool {
        self.is_usable(now)
            && self
                .available
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |available| {
                    (available >= amount.get()).then(|| available - amount.get())
                })
                .is_ok()
    }

    /// Puts back what was taken a moment ago. `false` when it was closed meanwhile: the amount must then be given back to
    /// the ledger, see [`super::replica::Replica::give_back`].
    pub fn put_back(&self, amount: Amount) -> bool {
        self.available
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |available| {
                (available >= 0).then(|| available.saturating_add(amount.get()))
            })
            .is_ok()
    }

    /// Adds what was granted, and says until when all of it may be used.
    pub fn grant(&self, amount: Amount, expires: Tick) {
        self.put_back(amount);
        self.expires.store(expires.0, Ordering::Release);
    }

    /// Takes all that is left.
    pub fn drain(&self) -> Amount {
        let left = self
            .available
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |available| (available > 0).then_some(0));
        Amount::at_least_zero(left.unwrap_or(0))
    }

    /// Takes all that is left, for good.
    pub fn close(&self) -> Amount {
        Amount::at_least_zero(self.available.swap(CLOSED, Ordering::AcqRel))
    }
}

/// Takes from every credit of a chain, or from none. `Err` has the place of one that lacks, and what could not be put
/// back into others.
///
/// For a moment the others may seem to lack what is put back: a check that comes in between waits for a round, and is
/// not refused for it.
///
/// # Errors
/// [`Lack`]
pub fn take_all<'c>(
    chain: &(impl Iterator<Item = (&'c Credit, Amount)> + Clone),
    now: Tick,
) -> Result<(), Lack> {
    for (at, (credit, amount)) in chain.clone().enumerate() {
        if credit.take(amount, now) {
            continue;
        }
        let taken = chain.clone().take(at);
        let stranded = taken.filter(|(credit, amount)| !credit.put_back(*amount));
        return Err(Lack { at, stranded: stranded.map(|(credit, amount)| (credit.slot, amount)).collect() });
    }
    Ok(())
}

/// Which credit lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// Its place in the chain.
    pub at: usize,
    /// What was taken from credits that were closed before it could be put back.
    pub stranded: Vec<(Slot, Amount)>,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::thread;

    use super::*;
    use crate::budget::owner::BudgetId;
    use crate::budget::round::Period;

    fn credit(budget: u128, amount: i64) -> Credit {
        let credit = Credit::new(Slot { budget: BudgetId::from_bits(budget), period: Period(1) });
        credit.grant(Amount::new(amount).unwrap(), Tick::from_millis(1_000));
        credit
    }

    fn n(amount: i64) -> Amount {
        Amount::new(amount).unwrap()
    }

    const NOW: Tick = Tick::from_millis(0);

    #[test]
    fn all_or_nothing() {
        let (a, b) = (credit(1, 10), credit(2, 5));
        let chain = |amount| [(&a, n(amount)), (&b, n(amount))].into_iter();
        assert_eq!(take_all(&chain(6), NOW), Err(Lack { at: 1, stranded: vec![] }));
        assert_eq!((a.available(), b.available()), (n(10), n(5)));
        assert_eq!(take_all(&chain(5), NOW), Ok(()));
        assert_eq!((a.available(), b.available()), (n(5), n(0)));
    }

    #[test]
    fn nothing_is_taken_after_its_time_or_from_a_closed_one() {
        let credit = credit(1, 10);
        assert!(!credit.take(n(1), Tick::from_millis(1_000)));
        assert!(credit.take(n(1), Tick::from_millis(999)));
        assert_eq!(credit.close(), n(9));
        assert!(!credit.take(n(0), NOW) && !credit.put_back(n(1)) && !credit.is_usable(NOW));
        assert_eq!((credit.close(), credit.drain(), credit.available()), (n(0), n(0), n(0)));
    }

    /// Threads that take, put back and drain: in the end every unit is somewhere, once.
    #[test]
    fn no_unit_is_lost_or_made_by_threads() {
        let credits = [credit(1, 1_000), credit(2, 700)];
        let takers = 4;
        let taken: i64 = thread::scope(|scope| {
            let taker = || {
                let chain = || credits.iter().map(|credit| (credit, n(3)));
                (0..500).map(|_| i64::from(take_all(&chain(), NOW).is_ok())).sum::<i64>()
            };
            let running: Vec<_> = (0..takers).map(|_| scope.spawn(taker)).collect();
            running.into_iter().map(|taker| taker.join().unwrap()).sum()
        });
        assert_eq!(taken, 700 / 3);
        assert_eq!(credits.map(|credit| credit.close().get() + taken * 3), [1_000, 700]);
    }
}
