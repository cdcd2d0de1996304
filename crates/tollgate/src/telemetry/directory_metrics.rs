//! What is measured of issuers' directories: whether they answer, and what became of people on their word.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tollgate_core::time::Timestamp;

use super::metrics::{Labels, by};

/// How one round of questions ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundOutcome {
    /// Everybody was asked about.
    Done,
    /// Some answers were unusable; nothing became of those people.
    Partial,
    /// So many would have been suspended that none was.
    Held,
    /// The directory gave no usable answer; nobody was suspended.
    Outage,
    /// Our own database was away, or another replica took the work over.
    Store,
}

impl RoundOutcome {
    const ALL: [Self; 5] = [Self::Done, Self::Partial, Self::Held, Self::Outage, Self::Store];

    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Held => "held",
            Self::Outage => "outage",
            Self::Store => "store",
        }
    }
}

/// The metrics of directories, by issuer.
#[derive(Debug, Default)]
pub struct DirectoryMetrics {
    rounds: Family<Labels, Counter>,
    checked: Family<Labels, Gauge>,
    people: Family<Labels, Gauge>,
    suspended: Family<Labels, Counter>,
    resumed: Family<Labels, Counter>,
}

impl DirectoryMetrics {
    /// None yet, and known to `r`.
    pub(super) fn register(r: &mut Registry) -> Self {
        let metrics = Self::default();
        let rounds = "Rounds of questions to an issuer's directory, by outcome";
        r.register("directory_rounds", rounds, metrics.rounds.clone());
        let checked = "Unix time at which this replica last asked a directory about everybody";
        r.register_with_unit("directory_checked_time", checked, Unit::Seconds, metrics.checked.clone());
        let people = "People that the last round asked about";
        r.register("directory_people", people, metrics.people.clone());
        r.register(
            "directory_suspended",
            "People suspended on a directory's word",
            metrics.suspended.clone(),
        );
        let resumed = "People let in again on a directory's word";
        r.register("directory_resumed", resumed, metrics.resumed.clone());
        metrics
    }

    /// This issuer has a directory: its series begin at zero, so that an alert sees the first failure.
    pub fn begin(&self, issuer: &str) {
        for outcome in RoundOutcome::ALL {
            drop(self.rounds.get_or_create(&labels(issuer, outcome)));
        }
        drop(self.suspended.get_or_create(&by("issuer", issuer)));
        drop(self.resumed.get_or_create(&by("issuer", issuer)));
    }

    /// A round is over; `people` were asked about, at `now`.
    pub fn round(&self, issuer: &str, outcome: RoundOutcome, people: usize, now: Timestamp) {
        self.rounds.get_or_create(&labels(issuer, outcome)).inc();
        if outcome == RoundOutcome::Done {
            self.checked.get_or_create(&by("issuer", issuer)).set(now.as_secs());
            self.people.get_or_create(&by("issuer", issuer)).set(i64::try_from(people).unwrap_or(i64::MAX));
        }
    }

    /// Somebody was suspended, or let in again.
    pub fn obeyed(&self, issuer: &str, suspended: bool) {
        let counter = if suspended { &self.suspended } else { &self.resumed };
        counter.get_or_create(&by("issuer", issuer)).inc();
    }
}

fn labels(issuer: &str, outcome: RoundOutcome) -> Labels {
    vec![("issuer", issuer.to_owned()), ("outcome", outcome.as_str().to_owned())]
}
