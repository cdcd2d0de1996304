//! Prometheus metrics. Label values come from closed sets or from the configuration, never from a request.

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use tollgate_core::denial::DenialCode;
use tollgate_core::time::Timestamp;

use super::directory_metrics::DirectoryMetrics;
use super::key_metrics::KeyMetrics;

/// The media type of what [`Metrics::render`] writes.
pub const OPENMETRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds: from the 10 µs of a remembered token to Envoy's default timeout of 200 ms.
const LATENCY_BUCKETS: [f64; 14] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.2,
];

pub(super) type Labels = Vec<(&'static str, String)>;

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    checks: DoorCounters,
    check_seconds: Family<Labels, Histogram>,
    gather_seconds: Histogram,
    verify_seconds: Histogram,
    in_flight: Gauge,
    shed: Counter,
    panics: Counter,
    token_cache_hits: Counter,
    token_cache_misses: Counter,
    token_cache_entries: Gauge,
    token_cache_bytes: Gauge,
    view_keys: Family<Labels, Gauge>,
    view_refreshed: Family<Labels, Gauge>,
    jwks_fetches: Family<Labels, Counter>,
    jwks_fetch_seconds: Family<Labels, Histogram>,
    reloads: Family<Labels, Counter>,
    connections: Family<Labels, Gauge>,
    connections_refused: Family<Labels, Counter>,
    log_lines_dropped: Counter,
    keys: KeyMetrics,
    directories: DirectoryMetrics,
}

/// Counters resolved once, so that counting a check hashes no label.
#[derive(Debug)]
struct DoorCounters {
    doors: &'static [&'static str],
    /// For each door: the permit counter, then one for each denial code in the order of [`DenialCode::ALL`].
    counters: Vec<[Counter; 1 + DenialCode::ALL.len()]>,
    latency: Vec<Histogram>,
}

fn histogram() -> Histogram {
    Histogram::new(LATENCY_BUCKETS)
}

pub(super) fn by(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

impl Metrics {
    /// Metrics for these doors, at zero. `started` is reported as the process start.
    pub fn new(doors: &'static [&'static str], started: Timestamp) -> Self {
        let mut registry = Registry::with_prefix("tollgate");
        let checks = Family::<Labels, Counter>::default();
        let check_seconds = Family::<Labels, Histogram>::new_with_constructor(histogram);
        let metrics = Self {
            checks: DoorCounters::new(doors, &checks, &check_seconds),
            check_seconds,
            gather_seconds: histogram(),
            verify_seconds: histogram(),
            in_flight: Gauge::default(),
            shed: Counter::default(),
            panics: Counter::default(),
            token_cache_hits: Counter::default(),
            token_cache_misses: Counter::default(),
            token_cache_entries: Gauge::default(),
            token_cache_bytes: Gauge::default(),
            view_keys: Family::default(),
            view_refreshed: Family::default(),
            jwks_fetches: Family::default(),
            jwks_fetch_seconds: Family::new_with_constructor(histogram),
            reloads: Family::default(),
            connections: Family::default(),
            connections_refused: Family::default(),
            log_lines_dropped: Counter::default(),
            keys: KeyMetrics::register(&mut registry),
            directories: DirectoryMetrics::register(&mut registry),
            registry: Registry::default(),
        };
        let r = &mut registry;
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        r.register("build", "The running version", build);
        let start = Gauge::<i64, AtomicI64>::default();
        start.set(started.as_secs());
        r.register_with_unit("process_start_time", "Unix time of the start", Unit::Seconds, start);
        r.register("checks", "Checks by door, verdict and denial code", checks);
        let seconds = "Time from the door's message to its answer";
        r.register_with_unit("check_duration", seconds, Unit::Seconds, metrics.check_seconds.clone());
        let gather = "Time to look up the facts of a check";
        r.register_with_unit("gather_duration", gather, Unit::Seconds, metrics.gather_seconds.clone());
        let verify = "Time to decide with a token that was not remembered";
        r.register_with_unit("verify_duration", verify, Unit::Seconds, metrics.verify_seconds.clone());
        r.register("checks_in_flight", "Checks under way", metrics.in_flight.clone());
        r.register("checks_shed", "Checks refused because too many were under way", metrics.shed.clone());
        r.register("panics", "Checks that panicked; each is a bug", metrics.panics.clone());
        r.register("token_cache_hits", "Tokens that were remembered", metrics.token_cache_hits.clone());
        r.register(
            "token_cache_misses",
            "Tokens that had to be verified",
            metrics.token_cache_misses.clone(),
        );
        r.register("token_cache_entries", "Tokens remembered now", metrics.token_cache_entries.clone());
        let bytes = "Approximate size of the remembered tokens";
        r.register_with_unit("token_cache_size", bytes, Unit::Bytes, metrics.token_cache_bytes.clone());
        r.register("view_keys", "Usable signing keys by issuer", metrics.view_keys.clone());
        let refreshed = "Unix time of the last good key set by issuer";
        r.register_with_unit("view_refreshed_time", refreshed, Unit::Seconds, metrics.view_refreshed.clone());
        r.register("jwks_fetches", "Key set fetches by issuer and outcome", metrics.jwks_fetches.clone());
        let fetch = "Time of a key set fetch, discovery included";
        r.register_with_unit("jwks_fetch_duration", fetch, Unit::Seconds, metrics.jwks_fetch_seconds.clone());
        r.register("config_reloads", "Configuration reloads by outcome", metrics.reloads.clone());
        r.register("connections", "Open connections by listener", metrics.connections.clone());
        let refused = "Connections for which the listener, or their address, had no place";
        r.register("connections_refused", refused, metrics.connections_refused.clone());
        let dropped = "Log lines dropped because the reader of the log was too slow";
        r.register("log_lines_dropped", dropped, metrics.log_lines_dropped.clone());
        Self { registry, ..metrics }
    }

    /// One check is over; `denial` is its code when it was refused.
    pub fn check(&self, door: &'static str, denial: Option<DenialCode>, took: Duration) {
        self.checks.count(door, denial, took);
    }

    /// Facts were gathered.
    pub fn gathered(&self, took: Duration) {
        self.gather_seconds.observe(took.as_secs_f64());
    }

    /// A token that was not remembered was decided on.
    pub fn verified(&self, took: Duration) {
        self.verify_seconds.observe(took.as_secs_f64());
    }

    /// A token was, or was not, remembered.
    pub fn token_cache(&self, hit: bool) {
        if hit {
            self.token_cache_hits.inc()
        } else {
            self.token_cache_misses.inc()
        };
    }

    /// The token cache's present size.
    pub fn token_cache_size(&self, entries: usize, bytes: u64) {
        self.token_cache_entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.token_cache_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// What is measured of API keys.
    pub const fn keys(&self) -> &KeyMetrics {
        &self.keys
    }

    /// What is measured of issuers' directories.
    pub const fn directories(&self) -> &DirectoryMetrics {
        &self.directories
    }

    /// Checks under way now.
    pub fn in_flight(&self, checks: i64) {
        self.in_flight.set(checks);
    }

    /// A check was refused for overload.
    pub fn shed(&self) {
        self.shed.inc();
    }

    /// A check panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// A key set fetch ended with `outcome`.
    pub fn jwks_fetch(&self, issuer: &str, outcome: &'static str, took: Duration) {
        self.jwks_fetches
            .get_or_create(&vec![("issuer", issuer.to_owned()), ("outcome", outcome.to_owned())])
            .inc();
        self.jwks_fetch_seconds.get_or_create(&by("issuer", issuer)).observe(took.as_secs_f64());
    }

    /// An issuer has `keys` usable keys, from a set that was good at `refreshed`.
    pub fn keys_loaded(&self, issuer: &str, keys: usize, refreshed: Option<Timestamp>) {
        self.view_keys.get_or_create(&by("issuer", issuer)).set(i64::try_from(keys).unwrap_or(i64::MAX));
        if let Some(refreshed) = refreshed {
            self.view_refreshed.get_or_create(&by("issuer", issuer)).set(refreshed.as_secs());
        }
    }

    /// The configuration was read again.
    pub fn config_reload(&self, ok: bool) {
        let outcome = if ok { "ok" } else { "error" };
        self.reloads.get_or_create(&by("outcome", outcome)).inc();
    }

    /// A listener's open connections changed by `change`.
    pub fn connections(&self, listener: &'static str, change: i64) {
        self.connections.get_or_create(&by("listener", listener)).inc_by(change);
    }

    /// A listener was full.
    pub fn connection_refused(&self, listener: &'static str) {
        self.connections_refused.get_or_create(&by("listener", listener)).inc();
    }

    /// A counter for the log writer.
    pub fn log_lines_dropped(&self) -> Counter<u64, AtomicU64> {
        self.log_lines_dropped.clone()
    }

    /// All metrics as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl DoorCounters {
    fn new(
        doors: &'static [&'static str],
        checks: &Family<Labels, Counter>,
        seconds: &Family<Labels, Histogram>,
    ) -> Self {
        let counter = |door: &str, verdict: &str, code: &str| {
            let labels = [("door", door), ("verdict", verdict), ("code", code)];
            checks.get_or_create_owned(&labels.map(|(name, value)| (name, value.to_owned())).to_vec())
        };
        let counters = doors
            .iter()
            .map(|door| {
                std::array::from_fn(|at| match at.checked_sub(1) {
                    None => counter(door, "allow", ""),
                    Some(code) => counter(door, "deny", DenialCode::ALL[code].as_str()),
                })
            })
            .collect();
        let latency = doors.iter().map(|door| seconds.get_or_create_owned(&by("door", door))).collect();
        Self { doors, counters, latency }
    }

    fn count(&self, door: &'static str, denial: Option<DenialCode>, took: Duration) {
        let Some(at) = self.doors.iter().position(|known| *known == door) else { return };
        let slot = denial.map_or(0, |code| {
            1 + DenialCode::ALL.iter().position(|known| *known == code).unwrap_or(DenialCode::ALL.len() - 1)
        });
        self.counters[at][slot].inc();
        self.latency[at].observe(took.as_secs_f64());
    }
}

/// `GET /metrics`, and nothing else.
pub fn metrics_router(metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(serve)).with_state(metrics)
}

async fn serve(State(metrics): State<Arc<Metrics>>) -> ([(http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, OPENMETRICS_CONTENT_TYPE)], metrics.render())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::directory_metrics::RoundOutcome;
    use super::*;

    #[test]
    fn checks_are_counted_by_door_verdict_and_code() {
        let metrics = Metrics::new(&["envoy_grpc", "nginx"], Timestamp::from_secs(1));
        metrics.check("envoy_grpc", None, Duration::from_micros(20));
        metrics.check("envoy_grpc", Some(DenialCode::TokenExpired), Duration::from_micros(20));
        metrics.keys_loaded("one", 2, Some(Timestamp::from_secs(5)));
        let text = metrics.render();
        for line in [
            "tollgate_checks_total{door=\"envoy_grpc\",verdict=\"allow\",code=\"\"} 1",
            "tollgate_checks_total{door=\"envoy_grpc\",verdict=\"deny\",code=\"token_expired\"} 1",
            "tollgate_checks_total{door=\"nginx\",verdict=\"allow\",code=\"\"} 0",
            "tollgate_view_keys{issuer=\"one\"} 2",
            "tollgate_view_refreshed_time_seconds{issuer=\"one\"} 5",
        ] {
            assert!(text.contains(line), "{line}\nis not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    /// Every metric with one sample, so that all names are there.
    fn all_names() -> String {
        let metrics = Metrics::new(&["envoy_grpc"], Timestamp::from_secs(1));
        metrics.keys_loaded("one", 1, Some(Timestamp::from_secs(1)));
        metrics.jwks_fetch("one", "changed", Duration::from_millis(1));
        metrics.config_reload(true);
        metrics.connections("grpc", 1);
        metrics.connection_refused("grpc");
        metrics.keys().filled(true, Duration::from_millis(1));
        metrics.directories().begin("one");
        metrics.directories().round("one", RoundOutcome::Done, 1, Timestamp::from_secs(1));
        metrics.render()
    }

    fn names_in(text: &str) -> Vec<String> {
        let word = |c: char| c.is_ascii_lowercase() || c == '_';
        let starts = text.match_indices("tollgate_").map(|(at, _)| &text[at..]);
        starts.map(|rest| rest.chars().take_while(|c| word(*c)).collect()).collect()
    }

    #[test]
    fn the_dashboard_and_the_manual_name_only_what_is_measured() {
        let dashboard = include_str!("../../../../docs/operations/grafana-dashboard.json");
        let manual = include_str!("../../../../docs/operations/metrics.md");
        let board: serde_json::Value = serde_json::from_str(dashboard).unwrap();
        assert!(
            board["panels"].as_array().unwrap().len() > 10 && board["schemaVersion"].as_u64() >= Some(39)
        );
        let rendered = all_names();
        for name in names_in(dashboard).into_iter().chain(names_in(manual)) {
            assert!(rendered.contains(&name), "{name} is documented and not measured");
        }
        for line in rendered.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let family = line.split(' ').next().unwrap();
            assert!(manual.contains(&format!("`{family}")), "{family} is measured and not in the manual");
            assert!(dashboard.contains(family), "{family} is measured and not on the dashboard");
        }
    }
}
