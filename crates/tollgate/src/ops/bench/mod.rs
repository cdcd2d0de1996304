//! `tollgate bench`: a load on a gateway, and how it bore it.
//!
//! Two loads. The closed loop keeps a number of requests under way and finds the throughput, as `hey` does. The open loop
//! starts requests on a schedule and measures each from when it should have started, so that a stall is seen by every
//! request that it delays; a closed loop waits politely and sees it once (coordinated omission).

mod load;
mod machine;
mod report;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use http::{HeaderValue, Method, header};
use tokio_util::sync::CancellationToken;
use tollgate_core::time::Timestamp;

use self::load::{Loop, Shot};
pub use self::report::Report;
use super::target::Gateway;
use super::token::{Token, TokenSource};
use crate::clock::Clock;

/// The longest run, in seconds.
pub const MAX_SECONDS: u64 = 3600;
/// The most requests of one run.
pub const MAX_REQUESTS: u64 = 10_000_000;
/// The most requests under way at once.
pub const MAX_CONCURRENCY: usize = 10_000;
/// The fastest schedule, in requests a second.
pub const MAX_RATE: f64 = 100_000.0;
/// Requests under way at once in a closed loop unless said otherwise; what the integration guide uses.
pub const CONCURRENCY: usize = 10;
/// The same in an open loop, where it only bounds what a stalled gateway can pile up.
const OPEN_IN_FLIGHT: usize = 1000;
/// Between looks at the token's age.
const RENEW_EVERY: Duration = Duration::from_secs(1);

/// What to send, how, and how long.
#[derive(Debug)]
pub struct BenchOptions {
    /// The gateway.
    pub gateway: Gateway,
    /// Where the token comes from.
    pub token: TokenSource,
    /// Path with query.
    pub path: String,
    /// The method.
    pub method: Method,
    /// A JSON body.
    pub body: Option<Vec<u8>>,
    /// Stop after this many requests.
    pub requests: Option<u64>,
    /// Stop after this time.
    pub duration: Option<Duration>,
    /// Requests under way at once.
    pub concurrency: Option<usize>,
    /// Requests a second: an open loop.
    pub rate: Option<f64>,
    /// The status that counts as right; any success without it.
    pub expect_status: Option<u16>,
    /// For one request.
    pub timeout: Duration,
    /// The target may be another machine.
    pub not_loopback: bool,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Since its start.
    pub elapsed: Duration,
    /// Requests that ended.
    pub requests: u64,
    /// Those that ended otherwise than expected.
    pub unexpected: u64,
}

/// Runs the load; `progress` is told once a second. `stop` ends it early, with what was measured until then.
///
/// # Errors
/// The run has no end, no bounds or no token, or the target is another machine and that was not said.
pub async fn run(
    options: BenchOptions,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> anyhow::Result<Report> {
    let plan = plan(&options)?;
    let addresses = options.gateway.addresses().await?;
    let loopback = addresses.iter().all(|address| address.ip().is_loopback());
    if !loopback && !options.not_loopback {
        bail!(
            "{} is not this machine: a load test there slows down everybody who uses it, an AI backend may bill every \
             request, and providers may take it for an attack. If it is yours and you mean it, say --yes-not-loopback",
            options.gateway.url
        );
    }
    let address = *addresses.first().context("the gateway has no address")?;
    let token = options.token.first().await?;
    let started_at = clock.now();
    warn_of_expiry(&options, &token, started_at)?;
    let authorization = Arc::new(ArcSwap::from_pointee(token.bearer()?));
    let client = client(&options, address)?;
    let mut headers = http::HeaderMap::new();
    headers.insert(header::HOST, options.gateway.host.clone());
    if options.body.is_some() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let shot = Shot {
        client,
        method: options.method.clone(),
        url: url(&options.gateway, &options.path)?,
        headers,
        authorization: Arc::clone(&authorization),
        body: options.body.clone().map(Into::into),
        expect_status: options.expect_status,
    };
    let machine = machine::Machine::here();
    let done = stop.child_token();
    let renewing = renew(&options.token, token, &authorization, clock.as_ref());
    let measured = {
        let _end = done.clone().drop_guard();
        tokio::select! {
            measured = load::run(shot, &plan, done.clone(), progress) => measured?,
            never = renewing => match never {},
        }
    };
    Ok(Report::new(&options, &plan, loopback, started_at, measured, machine))
}

/// What was asked for, within bounds.
fn plan(options: &BenchOptions) -> anyhow::Result<Loop> {
    if options.requests.is_none() && options.duration.is_none() {
        bail!(
            "the run would have no end: say how many requests (-n 100, as the integration guide does) or how long (--duration 30)"
        );
    }
    if options.requests.is_some_and(|n| n == 0 || n > MAX_REQUESTS) {
        bail!("-n must be from 1 to {MAX_REQUESTS}");
    }
    if options.duration.is_some_and(|d| d.is_zero() || d > Duration::from_secs(MAX_SECONDS)) {
        bail!("--duration must be from 1 to {MAX_SECONDS} seconds");
    }
    if options.rate.is_some_and(|rate| !(rate > 0.0 && rate <= MAX_RATE)) {
        bail!("--rate must be above 0 and at most {MAX_RATE}");
    }
    let usual = if options.rate.is_some() { OPEN_IN_FLIGHT } else { CONCURRENCY };
    let at_once = options.concurrency.unwrap_or(usual);
    if at_once == 0 || at_once > MAX_CONCURRENCY {
        bail!("-c must be from 1 to {MAX_CONCURRENCY}");
    }
    Ok(Loop { at_once, rate: options.rate, requests: options.requests, duration: options.duration })
}

/// A token that ends before the run does would measure refusals.
fn warn_of_expiry(options: &BenchOptions, token: &Token, now: Timestamp) -> anyhow::Result<()> {
    let Some(left) = token.seconds_left(now) else { return Ok(()) };
    let needed = options.duration.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
    if options.token.renews() || left > needed {
        return Ok(());
    }
    if left <= 0 {
        bail!("the token expired {} s ago; get a new one, or let --token-url fetch it", -left);
    }
    bail!(
        "the token lives for {left} s and the run takes {needed} s; shorten it, or let --token-url fetch tokens while it runs"
    )
}

fn client(options: &BenchOptions, address: std::net::SocketAddr) -> anyhow::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(MAX_CONCURRENCY)
        .timeout(options.timeout)
        .user_agent(concat!("tollgate-bench/", env!("CARGO_PKG_VERSION")));
    if let Some(tls) = &options.gateway.tls {
        builder = builder.tls_backend_preconfigured((*tls.config).clone());
        builder = builder.resolve(&tls.server_name.to_str(), address);
    }
    Ok(builder.build()?)
}

/// Over TLS the URL names what the certificate must name; the address is pinned to the gateway's.
fn url(gateway: &Gateway, path: &str) -> anyhow::Result<reqwest::Url> {
    let base = match &gateway.tls {
        Some(tls) => format!("https://{}:{}", tls.server_name.to_str(), gateway.port),
        None => gateway.url.clone(),
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{base}{slash}{path}").parse().with_context(|| format!("--path '{path}'"))
}

/// Keeps the token fresh, for as long as it is polled.
async fn renew(
    source: &TokenSource,
    mut token: Token,
    authorization: &ArcSwap<HeaderValue>,
    clock: &dyn Clock,
) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        match source.renewed(&token, clock.now()).await {
            Ok(None) => {}
            Ok(Some(new)) => {
                if let Ok(value) = new.bearer() {
                    authorization.store(Arc::new(value));
                }
                token = new;
            }
            // The old one may live for some seconds yet; if none comes, the answers will say so.
            Err(error) => tracing::warn!("no new token: {error:#}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::ops::target::GatewayOptions;

    fn options() -> BenchOptions {
        let url = "http://127.0.0.1:1".to_owned();
        BenchOptions {
            gateway: Gateway::new(&GatewayOptions { url, ..GatewayOptions::default() }).unwrap(),
            token: TokenSource::Given("x".into()),
            path: "/".into(),
            method: Method::GET,
            body: None,
            requests: None,
            duration: None,
            concurrency: None,
            rate: None,
            expect_status: None,
            timeout: Duration::from_secs(1),
            not_loopback: false,
        }
    }

    #[test]
    fn a_run_has_an_end_and_bounds() {
        let said = |options: BenchOptions| plan(&options).unwrap_err().to_string();
        assert!(said(options()).contains("no end"));
        assert!(said(BenchOptions { rate: Some(5.0), ..options() }).contains("no end"));
        assert!(said(BenchOptions { requests: Some(0), ..options() }).contains("-n"));
        assert!(said(BenchOptions { requests: Some(1), concurrency: Some(0), ..options() }).contains("-c"));
        assert!(
            said(BenchOptions { requests: Some(1), rate: Some(f64::NAN), ..options() }).contains("--rate")
        );
        let long = Duration::from_secs(MAX_SECONDS + 1);
        assert!(said(BenchOptions { duration: Some(long), ..options() }).contains("--duration"));
        let closed = plan(&BenchOptions { requests: Some(100), ..options() }).unwrap();
        assert_eq!((closed.at_once, closed.rate), (CONCURRENCY, None));
        let open = plan(&BenchOptions { requests: Some(100), rate: Some(50.0), ..options() }).unwrap();
        assert_eq!(open.at_once, OPEN_IN_FLIGHT);
    }
}
