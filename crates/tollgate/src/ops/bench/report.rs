//! What a run measured, for people and for the record.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp as Moment;
use serde::Serialize;
use tollgate_core::time::Timestamp;

use super::BenchOptions;
use super::load::{Loop, Measured};
use super::machine::Machine;
use crate::ops::table::columns;

/// The quantiles that are reported, with their names.
const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    version: &'static str,
    /// RFC 3339.
    started_at: String,
    gateway: String,
    host: String,
    method: String,
    path: String,
    load: Load,
    /// Whether it was stopped before its end.
    stopped: bool,
    /// Whether the load came from the machine that it was on.
    same_machine: bool,
    elapsed_secs: f64,
    requests: u64,
    requests_per_sec: f64,
    /// Answers by status.
    statuses: BTreeMap<u16, u64>,
    /// Requests without an answer, by reason.
    failures: BTreeMap<&'static str, u64>,
    /// All that did not end as expected.
    unexpected: u64,
    body_bytes: u64,
    /// Milliseconds of answered requests; from the scheduled start in an open loop.
    latency_ms: BTreeMap<&'static str, f64>,
    /// For each second of the run.
    seconds: Vec<Second>,
    machine: Machine,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "loop", rename_all = "snake_case")]
enum Load {
    Closed { concurrency: usize },
    Open { rate: f64, at_once: usize },
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Second {
    requests: u64,
    unexpected: u64,
}

impl Report {
    pub(super) fn new(
        options: &BenchOptions,
        plan: &Loop,
        loopback: bool,
        started_at: Timestamp,
        measured: Measured,
        machine: Machine,
    ) -> Self {
        let Measured { tally, elapsed, stopped } = measured;
        let latency = &tally.latency;
        let ms = |micros: f64| (micros / 10.0).round() / 100.0;
        let mut latency_ms: BTreeMap<&'static str, f64> = BTreeMap::new();
        if !latency.is_empty() {
            latency_ms.extend(QUANTILES.map(|(name, q)| (name, ms(latency.value_at_quantile(q) as f64))));
            latency_ms.extend([
                ("min", ms(latency.min() as f64)),
                ("mean", ms(latency.mean())),
                ("stdev", ms(latency.stdev())),
                ("max", ms(latency.max() as f64)),
            ]);
        }
        let second =
            |(requests, unexpected): &(u64, u64)| Second { requests: *requests, unexpected: *unexpected };
        let moment = Moment::from_millisecond(started_at.as_millis());
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_at: moment.map(|moment| moment.to_string()).unwrap_or_default(),
            gateway: options.gateway.url.clone(),
            host: options.gateway.host_text().to_owned(),
            method: options.method.to_string(),
            path: options.path.clone(),
            load: match plan.rate {
                None => Load::Closed { concurrency: plan.at_once },
                Some(rate) => Load::Open { rate, at_once: plan.at_once },
            },
            stopped,
            same_machine: loopback,
            elapsed_secs: round(elapsed),
            requests: tally.requests(),
            requests_per_sec: (tally.requests() as f64 / elapsed.as_secs_f64() * 10.0).round() / 10.0,
            seconds: tally.seconds.iter().map(second).collect(),
            statuses: tally.statuses,
            failures: tally.failures,
            unexpected: tally.unexpected,
            body_bytes: tally.bytes,
            latency_ms,
            machine,
        }
    }

    /// Whether every request ended as expected.
    pub const fn is_good(&self) -> bool {
        self.unexpected == 0 && self.requests > 0
    }

    /// Requests that ended.
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// For a person.
    pub fn to_text(&self) -> String {
        let load = match self.load {
            Load::Closed { concurrency } => format!("closed loop, {concurrency} at once"),
            Load::Open { rate, at_once } => {
                format!(
                    "open loop, {rate} a second (at most {at_once} at once), latency from the scheduled start"
                )
            }
        };
        let mut answers: Vec<String> =
            self.statuses.iter().map(|(status, count)| format!("{status} × {count}")).collect();
        answers.extend(self.failures.iter().map(|(why, count)| format!("{why} × {count}")));
        let stopped = if self.stopped { ", stopped early" } else { "" };
        let shared = if self.same_machine { "; shared by load and servers" } else { "" };
        let latency = ["min", "p50", "p75", "p90", "p95", "p99", "p99.9", "max"];
        let row =
            |name: &&str| Some(vec![format!("  {name}"), format!("{:>10.2}", self.latency_ms.get(*name)?)]);
        let table = columns(&latency.iter().filter_map(row).collect::<Vec<_>>());
        let mut text = format!(
            "{} {}{} (host {}): {load}\n\n\
             requests  {} in {} s: {} a second{stopped}\n\
             answers   {}\n",
            self.method,
            self.gateway,
            self.path,
            self.host,
            self.requests,
            self.elapsed_secs,
            self.requests_per_sec,
            answers.join(", "),
        );
        if !table.is_empty() {
            text += &format!("\nlatency, ms\n{table}\n");
        }
        text += &format!("\nmachine   {}{shared}", self.machine.summary());
        if self.unexpected > 0 {
            text += &format!(
                "\n\n{} of {} requests did not end as expected{}",
                self.unexpected,
                self.requests,
                self.advice()
            );
        }
        text
    }

    fn advice(&self) -> &'static str {
        let has = |status: u16| self.statuses.contains_key(&status);
        if self.failures.contains_key("no connection") {
            ": nobody answers at the gateway, or it has no room for more connections"
        } else if has(401) || has(403) {
            ": the token was refused; `tollgate verify` says why"
        } else if has(429) {
            ": a limit was reached, so this measured the limit"
        } else if has(503) {
            ": the gateway or Tollgate shed load; /metrics tells which (tollgate_checks_shed_total)"
        } else {
            "; the gateway's access log says why"
        }
    }
}

fn round(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
