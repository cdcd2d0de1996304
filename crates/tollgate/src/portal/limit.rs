//! How many requests one person, or one address that nobody has signed in from, may send.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, NotUntil, Quota};

use super::problem::{Code, Problem};

/// Keys that are remembered before the idle ones are forgotten.
const SWEEP_AT: usize = 50_000;

/// Requests a minute, per person and per address.
#[derive(Debug)]
pub struct RateLimits {
    people: DefaultKeyedRateLimiter<String>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
}

impl RateLimits {
    /// The same bound for a person and for an address without one.
    pub fn new(requests_per_minute: NonZeroU32) -> Self {
        let quota = Quota::per_minute(requests_per_minute);
        Self {
            people: DefaultKeyedRateLimiter::keyed(quota),
            addresses: DefaultKeyedRateLimiter::keyed(quota),
            clock: DefaultClock::default(),
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
        self.people.check_key(&id.to_owned()).map_err(|until| self.problem(&until))
    }

    /// Counts a request that could not be attributed to a person.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn address(&self, address: IpAddr) -> Result<(), Problem> {
        if self.addresses.len() > SWEEP_AT {
            self.addresses.retain_recent();
        }
        self.addresses.check_key(&address).map_err(|until| self.problem(&until))
    }

    fn problem(&self, until: &NotUntil<<DefaultClock as Clock>::Instant>) -> Problem {
        let wait = until.wait_time_from(self.clock.now()).as_secs() + 1;
        Problem::new(Code::RateLimited, format!("Slow down, and try again in {wait} s.")).retry_after(wait)
    }
}
