//! Limits per minute and of concurrency. They protect backends and need no exact count, so they are kept in memory: each
//! live replica has its share. Over any minute all replicas together let pass at most the limit and one burst more; while
//! the number of replicas changes, at most the limit times the old number over the new one, until each has heard of it (one
//! round). A share is never below 1, so that more replicas than requests per minute let one request each pass.

use std::collections::BTreeMap;

use super::credit::Tick;
use super::status::{Limited, Refused};
use crate::input::CheckId;

/// A limit per minute as this replica enforces it, by the generic cell rate algorithm: a token bucket that stores one
/// number, the tick at which it is full again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    limit: Limited,
    per_minute: u64,
    /// In nanoseconds, so that a million tokens a minute do not round to nothing.
    full_at: i128,
}

/// The state of a limit after a request: the values of `x-ratelimit-limit-…`, `-remaining-…` and `-reset-…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateState {
    /// What a minute allows, all replicas together.
    pub limit: u64,
    /// What is left right now, as far as this replica knows: its own rest times the replicas.
    pub remaining: u64,
    /// Milliseconds until all of it is there again.
    pub reset_millis: u64,
}

/// Requests under way: each holds a slot with a lease, which ends by itself when nobody says that the request goes on.
#[derive(Clone, Debug, Default)]
pub struct Concurrency {
    slots: BTreeMap<CheckId, Tick>,
}

/// Nanoseconds of a minute.
const MINUTE: i128 = 60_000_000_000;

const NANOS_PER_MILLI: i128 = 1_000_000;

/// Before every tick, and far enough from the end of the numbers.
const LONG_AGO: i128 = -(1 << 100);

/// This replica's part of a limit: rounded up, so that all together are never below it.
const fn share(limit: u64, replicas: u32) -> u64 {
    let share = limit.div_ceil(if replicas == 0 { 1 } else { replicas as u64 });
    if share == 0 { 1 } else { share }
}

impl Rate {
    /// A full bucket of this much per minute, at least 1.
    pub const fn new(limit: Limited, per_minute: u64) -> Self {
        Self { limit, per_minute: if per_minute == 0 { 1 } else { per_minute }, full_at: LONG_AGO }
    }

    /// Lets a request of this weight pass (1 of requests, its estimate of tokens), or says when it would.
    ///
    /// A weight above the whole minute passes when the bucket is full, and then empties it for longer: it would wait for
    /// ever otherwise.
    ///
    /// # Errors
    /// [`Refused::Rate`]
    pub fn pass(&mut self, weight: u64, now: Tick, replicas: u32) -> Result<RateState, Refused> {
        let (now, each) = (nanos(now), self.nanos_each(replicas));
        let full_at = self.full_at.max(now);
        let after = full_at + each * i128::from(weight);
        let late = (after - now - MINUTE).min(full_at - now);
        if late > 0 {
            return Err(Refused::Rate {
                limit: self.limit,
                allowed: self.per_minute,
                retry_after_millis: millis(late),
            });
        }
        self.full_at = after;
        Ok(self.state_at(now, replicas))
    }

    /// Gives back what a request was estimated to weigh above what it did, or takes what it weighed more.
    pub fn correct(&mut self, estimated: u64, actual: u64, replicas: u32) {
        let each = self.nanos_each(replicas);
        self.full_at += each * (i128::from(actual) - i128::from(estimated));
    }

    /// How it stands.
    pub fn state(&self, now: Tick, replicas: u32) -> RateState {
        self.state_at(nanos(now), replicas)
    }

    fn state_at(&self, now: i128, replicas: u32) -> RateState {
        let used = (self.full_at.max(now) - now).min(MINUTE);
        let rest = (MINUTE - used) / self.nanos_each(replicas);
        let rest = u64::try_from(rest).unwrap_or(0).saturating_mul(u64::from(replicas.max(1)));
        RateState {
            limit: self.per_minute,
            remaining: rest.min(self.per_minute),
            reset_millis: millis(self.full_at.max(now) - now),
        }
    }

    /// Nanoseconds that one unit takes to come back here. Rounded up: never faster than the limit.
    fn nanos_each(&self, replicas: u32) -> i128 {
        let share = i128::from(share(self.per_minute, replicas));
        (MINUTE + share - 1) / share
    }
}

fn nanos(tick: Tick) -> i128 {
    i128::from(tick.as_millis()) * NANOS_PER_MILLI
}

fn millis(nanos: i128) -> u64 {
    u64::try_from((nanos + NANOS_PER_MILLI - 1) / NANOS_PER_MILLI).unwrap_or(u64::MAX)
}

impl Concurrency {
    /// Takes a slot until `lease_end`, unless this replica's share of the limit is under way.
    ///
    /// # Errors
    /// [`Refused::Concurrency`]
    pub fn enter(
        &mut self,
        check: CheckId,
        limit: u32,
        replicas: u32,
        now: Tick,
        lease_end: Tick,
    ) -> Result<(), Refused> {
        self.slots.retain(|_, end| now < *end);
        let allowed = u32::try_from(share(u64::from(limit), replicas)).unwrap_or(u32::MAX);
        let running = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        if running >= allowed && !self.slots.contains_key(&check) {
            return Err(Refused::Concurrency { allowed, running });
        }
        self.slots.insert(check, lease_end);
        Ok(())
    }

    /// The request goes on.
    pub fn alive(&mut self, check: CheckId, lease_end: Tick) {
        if let Some(end) = self.slots.get_mut(&check) {
            *end = (*end).max(lease_end);
        }
    }

    /// The request has ended.
    pub fn leave(&mut self, check: CheckId) {
        self.slots.remove(&check);
    }

    /// Requests under way at this tick.
    pub fn running(&self, now: Tick) -> usize {
        self.slots.values().filter(|end| now < **end).count()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    const fn at(millis: i64) -> Tick {
        Tick::from_millis(millis)
    }

    proptest! {
        /// In no minute more than the limit, and one burst of the same size that was saved up before.
        #[test]
        fn the_bound_holds_over_any_minute(
            per_minute in 1_u64..200, replicas in 1_u32..6, gaps in prop::collection::vec((0_usize..6, 0_i64..2_000), 1..600),
        ) {
            let mut rates = vec![Rate::new(Limited::RequestsPerMinute, per_minute); replicas as usize];
            let (mut now, mut passed) = (0, Vec::new());
            for (at_replica, gap) in gaps {
                now += gap;
                let rate = &mut rates[at_replica % replicas as usize];
                if rate.pass(1, at(now), replicas).is_ok() {
                    passed.push(now);
                }
            }
            let bound = 2 * per_minute.div_ceil(u64::from(replicas)) * u64::from(replicas);
            for (first, start) in passed.iter().enumerate() {
                let within = passed[first..].iter().take_while(|moment| **moment < start + 60_000).count();
                prop_assert!(within as u64 <= bound, "{within} in a minute, limit {per_minute}, bound {bound}");
            }
        }

        /// Whoever waits as long as was said passes.
        #[test]
        fn what_was_said_is_kept(per_minute in 1_u64..1_000_000, weights in prop::collection::vec(0_u64..100_000, 1..50)) {
            let (mut rate, mut now) = (Rate::new(Limited::TokensPerMinute, per_minute), 0);
            for weight in weights {
                if let Err(refused) = rate.pass(weight, at(now), 1) {
                    let Refused::Rate { retry_after_millis, .. } = refused else { panic!("{refused:?}") };
                    now += i64::try_from(retry_after_millis).unwrap();
                    prop_assert!(rate.pass(weight, at(now), 1).is_ok(), "{weight} after {retry_after_millis} ms");
                }
            }
        }

        #[test]
        fn nothing_overflows(per_minute: u64, weight: u64, actual: u64, now: i64, later: i64, replicas: u32) {
            let mut rate = Rate::new(Limited::TokensPerMinute, per_minute);
            let _first = rate.pass(weight, at(now), replicas);
            rate.correct(weight, actual, replicas);
            let _second = rate.pass(weight, at(later), replicas);
            prop_assert!(rate.state(at(later), replicas).remaining <= per_minute.max(1));
        }
    }

    #[test]
    fn what_the_headers_say() {
        let mut rate = Rate::new(Limited::RequestsPerMinute, 60);
        let first = rate.pass(1, at(0), 1).unwrap();
        assert_eq!((first.limit, first.remaining, first.reset_millis), (60, 59, 1_000));
        for _ in 1..60 {
            rate.pass(1, at(0), 1).unwrap();
        }
        assert_eq!(rate.state(at(0), 1).remaining, 0);
        let refused = rate.pass(1, at(0), 1).unwrap_err();
        assert_eq!(
            refused,
            Refused::Rate { limit: Limited::RequestsPerMinute, allowed: 60, retry_after_millis: 1_000 }
        );
        assert!(rate.pass(1, at(999), 1).is_err());
        assert!(rate.pass(1, at(1_000), 1).is_ok());
        assert_eq!(rate.state(at(500_000), 1), RateState { limit: 60, remaining: 60, reset_millis: 0 });
    }

    #[test]
    fn an_estimate_is_corrected_by_what_it_was() {
        let mut rate = Rate::new(Limited::TokensPerMinute, 1_000);
        rate.pass(900, at(0), 1).unwrap();
        assert!(rate.pass(200, at(0), 1).is_err());
        rate.correct(900, 100, 1);
        assert_eq!(rate.pass(200, at(0), 1).unwrap().remaining, 700);
    }

    #[test]
    fn a_request_above_the_whole_minute_passes_when_nothing_else_does() {
        let mut rate = Rate::new(Limited::TokensPerMinute, 100);
        rate.pass(250, at(0), 1).unwrap();
        assert_eq!(rate.pass(1, at(0), 1).unwrap_err().retry_after_secs(), 91);
        assert!(rate.pass(250, at(149_999), 1).is_err());
        assert!(rate.pass(250, at(150_000), 1).is_ok());
    }

    #[test]
    fn slots_are_shared_and_cannot_leak() {
        let check = |bits| CheckId::from_bits(bits);
        let mut running = Concurrency::default();
        for bits in 0..2 {
            running.enter(check(bits), 5, 3, at(0), at(30_000)).unwrap();
        }
        assert_eq!(
            running.enter(check(9), 5, 3, at(0), at(30_000)),
            Err(Refused::Concurrency { allowed: 2, running: 2 })
        );
        // The same check twice is one slot.
        running.enter(check(0), 5, 3, at(0), at(30_000)).unwrap();
        running.leave(check(1));
        running.enter(check(2), 5, 3, at(0), at(40_000)).unwrap();
        running.alive(check(0), at(50_000));
        assert_eq!([0, 39_999, 40_000, 50_000].map(|tick| running.running(at(tick))), [2, 2, 1, 0]);
        // Nobody said that they ended.
        running.enter(check(3), 5, 3, at(50_000), at(60_000)).unwrap();
        running.enter(check(4), 1, 3, at(60_000), at(70_000)).unwrap();
        assert_eq!(running.running(at(60_000)), 1);
    }
}
