//! What is measured of API keys: the view of them, and the notes of their use.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tollgate_core::time::Timestamp;

use super::metrics::{Labels, by};

/// Seconds from a commit to its effect: from an idle machine's millisecond to an outage.
const LAG_BUCKETS: [f64; 13] =
    [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0];
/// Seconds to read everything.
const FILL_BUCKETS: [f64; 9] = [0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0];

/// How a look for a fresh key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreshLookup {
    /// It had arrived.
    Found,
    /// There is none.
    Absent,
    /// The check's deadline passed.
    Late,
    /// Too many were waiting already.
    Refused,
    /// The store gave no answer.
    Unavailable,
}

impl FreshLookup {
    const ALL: [Self; 5] = [Self::Found, Self::Absent, Self::Late, Self::Refused, Self::Unavailable];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Absent => "absent",
            Self::Late => "late",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What came of a report that a key's secret was found in public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeakOutcome {
    /// It worked until then.
    Ended,
    /// It did not work any more.
    Harmless,
    /// It was reported before.
    Repeated,
    /// It is no secret of a key.
    Unknown,
}

impl LeakOutcome {
    const ALL: [Self; 4] = [Self::Ended, Self::Harmless, Self::Repeated, Self::Unknown];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Harmless => "harmless",
            Self::Repeated => "repeated",
            Self::Unknown => "unknown",
        }
    }
}

/// The metrics of API keys.
#[derive(Debug)]
pub struct KeyMetrics {
    keys: Gauge,
    bytes: Gauge,
    rules: Gauge,
    position: Gauge,
    present: Gauge,
    lag: Histogram,
    fills: Family<Labels, Counter>,
    fill_seconds: Histogram,
    bus: Gauge,
    /// In the order of [`FreshLookup::ALL`].
    fresh: [Counter; 5],
    uses_written: Counter,
    uses_dropped: Counter,
    /// In the order of [`LeakOutcome::ALL`].
    leaks: [Counter; 4],
}

impl KeyMetrics {
    /// All at zero, and known to `r`.
    pub(super) fn register(r: &mut Registry) -> Self {
        let fresh = Family::<Labels, Counter>::default();
        let leaks = Family::<Labels, Counter>::default();
        let metrics = Self {
            keys: Gauge::default(),
            bytes: Gauge::default(),
            rules: Gauge::default(),
            position: Gauge::default(),
            present: Gauge::default(),
            lag: Histogram::new(LAG_BUCKETS),
            fills: Family::default(),
            fill_seconds: Histogram::new(FILL_BUCKETS),
            bus: Gauge::default(),
            fresh: FreshLookup::ALL.map(|o| fresh.get_or_create_owned(&by("outcome", o.as_str()))),
            uses_written: Counter::default(),
            uses_dropped: Counter::default(),
            leaks: LeakOutcome::ALL.map(|o| leaks.get_or_create_owned(&by("outcome", o.as_str()))),
        };
        r.register("key_view_keys", "API keys in memory", metrics.keys.clone());
        let bytes = "Size of the table of API keys, without what keys share";
        r.register_with_unit("key_view_size", bytes, Unit::Bytes, metrics.bytes.clone());
        r.register("key_view_token_rules", "Rules against tokens in memory", metrics.rules.clone());
        r.register(
            "key_view_position",
            "Number of the last change that is in force",
            metrics.position.clone(),
        );
        let present = "Unix time at which the view was last known to contain everything";
        r.register_with_unit("key_view_present_time", present, Unit::Seconds, metrics.present.clone());
        let lag = "Time from the commit of a change to its effect here";
        r.register_with_unit("key_view_lag", lag, Unit::Seconds, metrics.lag.clone());
        r.register("key_view_fills", "Times that everything was read, by outcome", metrics.fills.clone());
        let fill = "Time to read everything";
        r.register_with_unit("key_view_fill_duration", fill, Unit::Seconds, metrics.fill_seconds.clone());
        let bus = "1 while notifications of the database arrive";
        r.register("key_view_listening", bus, metrics.bus.clone());
        r.register("key_fresh_lookups", "Looks for keys that may just have been made, by outcome", fresh);
        r.register("key_uses_written", "Last uses of keys that were written", metrics.uses_written.clone());
        let dropped =
            "Last uses of keys that were not written, because there were too many or the store was away";
        r.register("key_uses_dropped", dropped, metrics.uses_dropped.clone());
        r.register("key_leaks", "Reports of secrets found in public, by outcome", leaks);
        metrics
    }

    /// The view holds so many keys, bytes and token rules.
    pub fn holds(&self, keys: usize, bytes: usize, rules: usize) {
        for (gauge, value) in [(&self.keys, keys), (&self.bytes, bytes), (&self.rules, rules)] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    /// The view contains everything up to change `seq`; `present` when that was all there was.
    pub fn position(&self, seq: i64, present: Option<Timestamp>) {
        self.position.set(seq);
        if let Some(at) = present {
            self.present.set(at.as_secs());
        }
    }

    /// A change took effect so many milliseconds after it was committed, by two clocks that may differ.
    #[expect(clippy::cast_precision_loss, reason = "a metric of some milliseconds")]
    pub fn lag(&self, millis: i64) {
        self.lag.observe(millis.max(0) as f64 / 1000.0);
    }

    /// Everything was read, or not.
    pub fn filled(&self, ok: bool, took: Duration) {
        self.fills.get_or_create(&by("outcome", if ok { "ok" } else { "error" })).inc();
        self.fill_seconds.observe(took.as_secs_f64());
    }

    /// Whether notifications arrive.
    pub fn bus(&self, listening: bool) {
        self.bus.set(i64::from(listening));
    }

    /// A look for a fresh key ended.
    pub fn fresh_lookup(&self, outcome: FreshLookup) {
        self.fresh[outcome as usize].inc();
    }

    /// A secret scanner reported something.
    pub fn leak_reported(&self, outcome: LeakOutcome) {
        self.leaks[outcome as usize].inc();
    }

    /// Last uses were written.
    pub fn uses_written(&self, uses: usize) {
        self.uses_written.inc_by(uses as u64);
    }

    /// Last uses were given up.
    pub fn uses_dropped(&self, uses: usize) {
        self.uses_dropped.inc_by(uses as u64);
    }
}
