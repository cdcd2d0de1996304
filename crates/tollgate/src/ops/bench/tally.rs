//! Counting: latencies, statuses, failures, and how they spread over the run.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Microseconds that are told apart: up to an hour, to three digits.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// How one request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With an answer.
    Answer {
        /// Its status.
        status: u16,
        /// Length of its body.
        bytes: u64,
        /// Whether it is the answer that counts as right.
        expected: bool,
    },
    /// Without one, for this kind of reason.
    Failure(&'static str),
}

/// What was counted.
#[derive(Debug)]
pub(super) struct Tally {
    /// Latencies of answers, in microseconds.
    pub latency: Histogram<u64>,
    pub statuses: BTreeMap<u16, u64>,
    pub failures: BTreeMap<&'static str, u64>,
    pub bytes: u64,
    pub unexpected: u64,
    /// For each second of the run: requests that ended in it, and how many of them unexpectedly.
    pub seconds: Vec<(u64, u64)>,
}

impl Tally {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            latency: Histogram::new_with_bounds(1, LONGEST_MICROS, 3)?,
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
            bytes: 0,
            unexpected: 0,
            seconds: Vec::new(),
        })
    }

    /// Counts one request that took `took` and ended at `at` since the start of the run.
    pub fn record(&mut self, ending: Ending, took: Duration, at: Duration) {
        let unexpected = match ending {
            Ending::Answer { status, bytes, expected } => {
                self.latency.saturating_record(u64::try_from(took.as_micros()).unwrap_or(LONGEST_MICROS));
                *self.statuses.entry(status).or_default() += 1;
                self.bytes += bytes;
                !expected
            }
            Ending::Failure(why) => {
                *self.failures.entry(why).or_default() += 1;
                true
            }
        };
        let second = usize::try_from(at.as_secs()).unwrap_or(0);
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, (0, 0));
        }
        let (requests, wrong) = &mut self.seconds[second];
        *requests += 1;
        *wrong += u64::from(unexpected);
        self.unexpected += u64::from(unexpected);
    }

    /// All requests, answered or not.
    pub fn requests(&self) -> u64 {
        self.seconds.iter().map(|(requests, _)| requests).sum()
    }

    /// Takes in what another worker counted.
    pub fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.latency.add(&other.latency)?;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (why, count) in &other.failures {
            *self.failures.entry(why).or_default() += count;
        }
        self.bytes += other.bytes;
        self.unexpected += other.unexpected;
        if self.seconds.len() < other.seconds.len() {
            self.seconds.resize(other.seconds.len(), (0, 0));
        }
        for (mine, theirs) in self.seconds.iter_mut().zip(&other.seconds) {
            mine.0 += theirs.0;
            mine.1 += theirs.1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn two_workers_add_up() {
        let ms = Duration::from_millis;
        let (mut one, mut two) = (Tally::new().unwrap(), Tally::new().unwrap());
        one.record(Ending::Answer { status: 200, bytes: 10, expected: true }, ms(1), ms(100));
        two.record(Ending::Answer { status: 503, bytes: 5, expected: false }, ms(9), ms(1500));
        two.record(Ending::Failure("timeout"), ms(99), ms(1600));
        one.add(&two).unwrap();
        assert_eq!(one.requests(), 3);
        assert_eq!((one.unexpected, one.bytes), (2, 15));
        assert_eq!(one.seconds, [(1, 0), (2, 2)]);
        assert_eq!(one.statuses, BTreeMap::from([(200, 1), (503, 1)]));
        assert_eq!(one.failures, BTreeMap::from([("timeout", 1)]));
        assert_eq!(one.latency.len(), 2, "a request without an answer has no latency");
    }
}
