//! A whole gate for the doors' tests, without a process around it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests, one of which panics on purpose")]

use std::sync::Arc;
use std::time::Duration;

use tollgate_core::models::{ModelCatalogue, RouteModels};
use tollgate_core::policy::Policy;
use tollgate_core::route::{HostPattern, PathPattern, Requirement, Route};
use tollgate_core::time::Timestamp;

use super::gate::{Gate, GateParts};
use crate::clock::Clock;
use crate::telemetry::{DecisionLog, DecisionLogOptions, Decisions, Metrics, Traces};
use crate::views::{CurrentRulebook, Jitter, KeysView, Rulebook, TokenCache, ViewDeps};

/// Always the same moment.
pub struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }
}

fn route(name: &str, host: HostPattern, path: &str, requirement: Requirement) -> Route {
    Route {
        name: name.into(),
        policy: None,
        hosts: vec![host],
        paths: vec![PathPattern::prefix(path).unwrap()],
        methods: None,
        requirement,
        forward_credential: false,
        unauthenticated_status: None,
        query_credential: None,
        models: RouteModels::default(),
    }
}

/// A clock with a bug.
pub struct Broken;

impl Clock for Broken {
    fn now(&self) -> Timestamp {
        panic!("a bug")
    }
}

/// `/public` is open on `ai.example`; all else there needs a credential; other hosts have no route.
pub fn gate(max_concurrent: usize) -> Arc<Gate> {
    gate_with(max_concurrent, Arc::new(Still))
}

/// As [`gate`], with another clock.
pub fn gate_with(max_concurrent: usize, clock: Arc<dyn Clock>) -> Arc<Gate> {
    gate_on(routes(), max_concurrent, clock)
}

/// As [`gate`], and the list of models below `/public` is answered: it has one, `m`.
pub fn gate_with_catalogue() -> Arc<Gate> {
    let mut routes = routes();
    routes[0].models.catalogue = Some(ModelCatalogue::new(vec!["m".into()]).unwrap());
    gate_on(routes, 1, Arc::new(Still))
}

fn routes() -> Vec<Route> {
    let host = || HostPattern::parse("ai.example").unwrap();
    vec![
        route("public", host(), "/public", Requirement::Public),
        route("rest", host(), "/", Requirement::Authenticated),
    ]
}

fn gate_on(routes: Vec<Route>, max_concurrent: usize, clock: Arc<dyn Clock>) -> Arc<Gate> {
    let metrics = Arc::new(Metrics::new(&["envoy_grpc", "envoy_http", "nginx", "forward_auth"], Still.now()));
    let deps = ViewDeps {
        store: None,
        clock: Arc::new(Still),
        metrics: Arc::clone(&metrics),
        jitter: Arc::new(Jitter::new(1)),
    };
    let rulebook = Rulebook {
        policy: Policy::new(routes, vec![]).unwrap(),
        keys: KeysView::start(vec![], None, &deps).unwrap(),
        api_keys: None,
        deadline: Duration::from_secs(5),
        max_concurrent,
    };
    let silent = DecisionLogOptions { decisions: Decisions::None, ..DecisionLogOptions::default() };
    Arc::new(Gate::new(GateParts {
        rulebook: CurrentRulebook::new(rulebook),
        tokens: TokenCache::new(1 << 20),
        last_used: None,
        clock,
        seed: 1,
        metrics,
        decisions: DecisionLog::new(silent),
        traces: Traces::start(None).unwrap(),
    }))
}
