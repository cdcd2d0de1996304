//! The two loads: closed for throughput, open for latency.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Calls in flight during the closed loop.
pub const IN_FLIGHT: usize = 64;

/// One kind of call. `n` numbers the calls of a phase from 0.
pub trait Call: Clone + Send + Sync + 'static {
    /// Makes one call; an error ends the measurement, since a wrong answer has no speed.
    fn call(&self, n: u64) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// What a phase measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Calls a second.
    pub rate: f64,
    /// Latencies in microseconds.
    pub latency: Histogram<u64>,
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

/// Keeps `in_flight` calls under way for `phase`, or until `limit` calls have been made.
pub async fn closed<C: Call>(
    call: &C,
    in_flight: usize,
    phase: Duration,
    limit: u64,
) -> anyhow::Result<Measured> {
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let end = start + phase;
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let (call, next) = (call.clone(), Arc::clone(&next));
        workers.spawn(async move {
            let mut latency = histogram()?;
            while Instant::now() < end {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= limit {
                    break;
                }
                let begin = Instant::now();
                call.call(n).await?;
                latency.saturating_record(micros(begin.elapsed()));
            }
            anyhow::Ok(latency)
        });
    }
    let mut latency = histogram()?;
    while let Some(done) = workers.join_next().await {
        latency.add(done??)?;
    }
    Ok(Measured { rate: latency.len() as f64 / start.elapsed().as_secs_f64(), latency })
}

/// Starts `rate` calls a second for `phase`, whether earlier ones have ended or not, and measures each from its
/// scheduled start. At most `limit` calls.
pub async fn open<C: Call>(call: &C, rate: f64, phase: Duration, limit: u64) -> anyhow::Result<Measured> {
    let total = ((rate * phase.as_secs_f64()) as u64).clamp(1, limit);
    let interval = Duration::from_secs_f64(1.0 / rate);
    let start = Instant::now() + Duration::from_millis(20);
    let mut calls = JoinSet::new();
    let mut latency = histogram()?;
    for n in 0..total {
        let due = start + interval.mul_f64(n as f64);
        // The timer ticks in milliseconds: sleeping only when well ahead keeps the schedule, in small bursts.
        if due > Instant::now() + Duration::from_millis(1) {
            sleep_until(due).await;
        }
        let call = call.clone();
        calls.spawn(async move {
            call.call(n).await?;
            anyhow::Ok(micros(due.elapsed()))
        });
        while let Some(done) = calls.try_join_next() {
            latency.saturating_record(done??);
        }
    }
    while let Some(done) = calls.join_next().await {
        latency.saturating_record(done??);
    }
    Ok(Measured { rate: total as f64 / start.elapsed().as_secs_f64(), latency })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
