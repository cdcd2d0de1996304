//! How many requests one person, or one address that nobody has signed in from, may send.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};
use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::problem::{Code, Problem};
use crate::listener::counted_as;
use crate::store::SecretDigest;

/// Keys that are remembered before the idle ones are forgotten.
const SWEEP_AT: usize = 50_000;
/// Addresses that have no attempt left, and secrets that were good, that are remembered.
const REMEMBERED: usize = 10_000;

/// Requests a minute, per person and per address.
#[derive(Debug)]
pub struct RateLimits {
    people: DefaultKeyedRateLimiter<String>,
    addresses: Addresses,
    /// Addresses without an attempt left, and until when.
    spent: Cache<IpAddr, Instant>,
    /// Secrets that were good when they were last looked up: whoever has one does not wait for those who guess beside them.
    good: Cache<SecretDigest, ()>,
    clock: DefaultClock,
    every: Duration,
}

type Addresses =
    RateLimiter<IpAddr, DefaultKeyedStateStore<IpAddr>, DefaultClock, StateInformationMiddleware>;

impl RateLimits {
    /// The same bound for a person and for an address without one.
    pub fn new(requests_per_minute: NonZeroU32) -> Self {
        let quota = Quota::per_minute(requests_per_minute);
        Self {
            people: DefaultKeyedRateLimiter::keyed(quota),
            addresses: RateLimiter::keyed(quota).with_middleware(),
            spent: Cache::new(REMEMBERED),
            good: Cache::new(REMEMBERED),
            clock: DefaultClock::default(),
            every: quota.replenish_interval(),
        }
    }

    /// Counts a request of a person.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn person(&self, id: &str) -> Result<(), Problem> {
        if self.people.len() > SWEEP_AT {
            self.people.retain_recent();
        }
        self.people.check_key(&id.to_owned()).map_err(|until| waiting(self.wait(&until)))
    }

    /// Whether an address has an attempt left, before anything is read or looked up for it. Counts nothing.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn admit(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let Some(until) = address.and_then(|address| self.spent.get(&counted_as(address))) else {
            return Ok(());
        };
        match until.checked_duration_since(Instant::now()) {
            Some(wait) if !wait.is_zero() => Err(waiting(wait)),
            _ => Ok(()),
        }
    }

    /// The same for an address that shows a secret. One that was good lately is looked up whoever else is at the address.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn admit_secret(&self, address: Option<IpAddr>, secret: &SecretDigest) -> Result<(), Problem> {
        if self.good.get(secret).is_some() { Ok(()) } else { self.admit(address) }
    }

    /// Notes that this secret is good.
    pub fn good_secret(&self, secret: SecretDigest) {
        self.good.insert(secret, ());
    }

    /// Notes that this secret is good no more.
    pub fn bad_secret(&self, secret: &SecretDigest) {
        self.good.remove(secret);
    }

    /// Counts a request that could not be attributed to a person.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn address(&self, address: IpAddr) -> Result<(), Problem> {
        if self.addresses.len() > SWEEP_AT {
            self.addresses.retain_recent();
        }
        let address = counted_as(address);
        let (wait, refused) = match self.addresses.check_key(&address) {
            Ok(left) if left.remaining_burst_capacity() > 0 => return Ok(()),
            Ok(_) => (self.every, None),
            Err(until) => {
                let wait = self.wait(&until);
                (wait, Some(waiting(wait)))
            }
        };
        self.spent.insert(address, Instant::now() + wait);
        refused.map_or(Ok(()), Err)
    }

    fn wait(&self, until: &NotUntil<<DefaultClock as Clock>::Instant>) -> Duration {
        until.wait_time_from(self.clock.now())
    }
}

fn waiting(wait: Duration) -> Problem {
    let wait = wait.as_secs() + 1;
    Problem::new(Code::RateLimited, format!("Slow down, and try again in {wait} s.")).retry_after(wait)
}
