//! The two loops.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, header};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Progress;
use super::tally::{Ending, Tally};

/// One request, ready to be sent again and again.
#[derive(Clone, Debug)]
pub(super) struct Shot {
    pub client: reqwest::Client,
    pub method: Method,
    pub url: reqwest::Url,
    pub headers: HeaderMap,
    /// Changes while the run goes on, when tokens are renewed.
    pub authorization: Arc<ArcSwap<HeaderValue>>,
    pub body: Option<Bytes>,
    pub expect_status: Option<u16>,
}

/// The load that was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loop {
    /// Requests under way at once, at most.
    pub at_once: usize,
    /// Requests a second; a closed loop without it.
    pub rate: Option<f64>,
    pub requests: Option<u64>,
    pub duration: Option<Duration>,
}

/// What was measured.
#[derive(Debug)]
pub(super) struct Measured {
    pub tally: Tally,
    /// From the first request to the end of the last.
    pub elapsed: Duration,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

#[derive(Debug, Default)]
struct Counts {
    started: AtomicU64,
    ended: AtomicU64,
    unexpected: AtomicU64,
}

impl Shot {
    async fn fire(&self) -> Ending {
        let mut request =
            self.client.request(self.method.clone(), self.url.clone()).headers(self.headers.clone());
        request = request.header(header::AUTHORIZATION, HeaderValue::clone(&self.authorization.load()));
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ending::Failure(kind(&error)),
        };
        let status = response.status().as_u16();
        let expected = self.expect_status.map_or((200..300).contains(&status), |wanted| status == wanted);
        let (mut bytes, mut body) = (0, response.bytes_stream());
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => bytes += piece.len() as u64,
                Err(error) => return Ending::Failure(kind(&error)),
            }
        }
        Ending::Answer { status, bytes, expected }
    }
}

fn kind(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_body() || error.is_decode() {
        "answer cut short"
    } else {
        "connection lost"
    }
}

/// Runs the load until its end, or until `stop`.
pub(super) async fn run(
    shot: Shot,
    plan: &Loop,
    stop: CancellationToken,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> anyhow::Result<Measured> {
    let counts = Arc::new(Counts::default());
    let start = Instant::now();
    let end = plan.duration.map(|duration| start + duration);
    let load = async {
        match plan.rate {
            None => closed(&shot, plan, start, end, &counts, &stop).await,
            Some(rate) => open(&shot, plan, rate, start, end, &counts, &stop).await,
        }
    };
    let ticking = async {
        let second = Duration::from_secs(1);
        let mut ticks = interval_at(start + second, second);
        loop {
            ticks.tick().await;
            let (requests, unexpected) =
                (counts.ended.load(Ordering::Relaxed), counts.unexpected.load(Ordering::Relaxed));
            progress(Progress { elapsed: start.elapsed(), requests, unexpected });
        }
    };
    let tally = tokio::select! {
        tally = load => tally?,
        () = ticking => Tally::new()?,
    };
    Ok(Measured { tally, elapsed: start.elapsed(), stopped: stop.is_cancelled() })
}

impl Counts {
    fn end(&self, ending: &Ending) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        if !matches!(ending, Ending::Answer { expected: true, .. }) {
            self.unexpected.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Keeps `at_once` requests under way.
async fn closed(
    shot: &Shot,
    plan: &Loop,
    start: Instant,
    end: Option<Instant>,
    counts: &Arc<Counts>,
    stop: &CancellationToken,
) -> anyhow::Result<Tally> {
    let limit = plan.requests.unwrap_or(u64::MAX);
    let mut workers = JoinSet::new();
    for _ in 0..plan.at_once {
        let (shot, counts, stop) = (shot.clone(), Arc::clone(counts), stop.clone());
        workers.spawn(async move {
            let mut tally = Tally::new()?;
            while end.is_none_or(|end| Instant::now() < end) && !stop.is_cancelled() {
                if counts.started.fetch_add(1, Ordering::Relaxed) >= limit {
                    break;
                }
                let begin = Instant::now();
                let ending = shot.fire().await;
                counts.end(&ending);
                tally.record(ending, begin.elapsed(), start.elapsed());
            }
            anyhow::Ok(tally)
        });
    }
    let mut tally = Tally::new()?;
    while let Some(done) = workers.join_next().await {
        tally.add(&done??)?;
    }
    Ok(tally)
}

/// Starts requests on a schedule, whether earlier ones have ended or not. One that could not start in time, because as many
/// as allowed were under way, is still measured from its place in the schedule.
async fn open(
    shot: &Shot,
    plan: &Loop,
    rate: f64,
    start: Instant,
    end: Option<Instant>,
    counts: &Arc<Counts>,
    stop: &CancellationToken,
) -> anyhow::Result<Tally> {
    let limit = plan.requests.unwrap_or(u64::MAX);
    let gate = Arc::new(Semaphore::new(plan.at_once));
    let mut under_way = JoinSet::new();
    let mut tally = Tally::new()?;
    for n in 0..limit {
        let due = start + Duration::from_secs_f64(n as f64 / rate);
        if stop.is_cancelled() || end.is_some_and(|end| due >= end) {
            break;
        }
        // The timer ticks in milliseconds: sleeping only when well ahead keeps the schedule, in small bursts.
        if due > Instant::now() + Duration::from_millis(1) {
            tokio::select! {
                () = sleep_until(due) => {}
                () = stop.cancelled() => break,
            }
        }
        let permit = Arc::clone(&gate).acquire_owned().await?;
        let (shot, counts) = (shot.clone(), Arc::clone(counts));
        under_way.spawn(async move {
            let ending = shot.fire().await;
            counts.end(&ending);
            drop(permit);
            (ending, due.elapsed(), start.elapsed())
        });
        while let Some(done) = under_way.try_join_next() {
            let (ending, took, at) = done?;
            tally.record(ending, took, at);
        }
    }
    while let Some(done) = under_way.join_next().await {
        let (ending, took, at) = done?;
        tally.record(ending, took, at);
    }
    Ok(tally)
}
