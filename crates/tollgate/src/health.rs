//! Whether the process lives, and whether it should get checks: two questions with two answers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tollgate_core::time::Timestamp;

use crate::clock::Clock;
use crate::store::Store;
use crate::views::{ApiKeysStatus, Bus, CurrentRulebook, IssuerStatus};

/// For the database, within a probe.
const STORE_PATIENCE: Duration = Duration::from_millis(500);
/// When the view was last compared with the database so long ago, the database does not answer, whether a failure has been
/// noticed yet or not.
const KEYS_OVERDUE_MILLIS: i64 = 3000;

/// How one part of the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// As it should be.
    Ready,
    /// Checks go on, something behind them does not.
    Degraded,
    /// Checks cannot be decided.
    NotReady,
}

/// One part and its state, in the words of an operator.
#[derive(Clone, Debug, Serialize)]
pub struct Component {
    name: String,
    state: Condition,
    detail: String,
}

/// The answer of `/health/ready` on the metrics port; on the people's port only its yes or no.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    status: Condition,
    components: Vec<Component>,
}

/// What readiness is judged from.
#[derive(Clone)]
pub struct Health {
    /// Policy and keys in force.
    pub rulebook: CurrentRulebook,
    /// The store, when one is configured.
    pub store: Option<Arc<Store>>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Cancelled once the process is on its way out.
    pub draining: CancellationToken,
}

impl Health {
    /// Judges every part now.
    pub async fn report(&self) -> Report {
        let issuers = self.rulebook.borrow().keys.status();
        let mut components: Vec<Component> = issuers.iter().map(issuer).collect();
        // With several issuers, the callers of the others can still be served.
        if components.iter().any(|c| c.state < Condition::NotReady) {
            for component in &mut components {
                component.state = component.state.min(Condition::Degraded);
            }
        }
        let keys = self.rulebook.borrow().api_keys.as_ref().map(|view| view.status(self.clock.now()));
        if let Some(keys) = keys {
            components.push(api_keys(&keys, self.clock.now(), !issuers.is_empty()));
        }
        if let Some(store) = &self.store {
            // A probe does not wait as long as a connection may take.
            components.push(match tokio::time::timeout(STORE_PATIENCE, store.health()).await {
                Ok(Ok(())) => part("store", Condition::Ready, "reachable"),
                Ok(Err(error)) => part("store", Condition::Degraded, error.to_string()),
                Err(_) => part("store", Condition::Degraded, "the database does not answer"),
            });
        }
        if self.draining.is_cancelled() {
            components.push(part("process", Condition::NotReady, "stopping"));
        }
        let status = components.iter().map(|c| c.state).max().unwrap_or(Condition::Ready);
        Report { status, components }
    }

    /// `/health` and `/health/ready` of the people's port: ready or not, and nothing of what the process is made of, since
    /// anybody may ask.
    pub fn router(self) -> Router {
        Router::new()
            .route("/health", get(async || Json(serde_json::json!({"status": "live"}))))
            .route("/health/ready", get(ready))
            .with_state(self)
    }

    /// `/health/ready` of the metrics port, part by part: for operators and their tools.
    pub fn details_router(self) -> Router {
        Router::new().route("/health/ready", get(ready_in_detail)).with_state(self)
    }
}

impl Report {
    /// What is not as it should be, in one sentence.
    pub fn summary(&self) -> String {
        let troubled = self.components.iter().filter(|c| c.state > Condition::Ready);
        let parts: Vec<String> = troubled.map(|c| format!("{}: {}", c.name, c.detail)).collect();
        if parts.is_empty() { "ready".to_owned() } else { parts.join("; ") }
    }

    fn code(&self) -> StatusCode {
        if self.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    }

    /// Whether checks should be sent here.
    pub fn is_ready(&self) -> bool {
        self.status < Condition::NotReady
    }
}

async fn ready(State(health): State<Health>) -> Response {
    let report = health.report().await;
    let word = if report.is_ready() { "ready" } else { "not_ready" };
    (report.code(), Json(serde_json::json!({"status": word}))).into_response()
}

async fn ready_in_detail(State(health): State<Health>) -> Response {
    let report = health.report().await;
    (report.code(), Json(report)).into_response()
}

fn issuer(status: &IssuerStatus) -> Component {
    let name = format!("issuer {}", status.name);
    match (&status.last_error, status.keys) {
        (None, 0) => part(name, Condition::NotReady, "no key set has been fetched yet"),
        (Some(error), 0) => part(name, Condition::NotReady, format!("no signing keys: {error}")),
        (None, keys) => part(name, Condition::Ready, format!("{keys} signing keys")),
        (Some(error), keys) => {
            part(name, Condition::Degraded, format!("{keys} signing keys, not refreshed: {error}"))
        }
    }
}

/// API keys. While they are being read for the first time, a gateway had better ask another replica. When they cannot be
/// read, this one is as good as any for tokens, if there are issuers.
fn api_keys(status: &ApiKeysStatus, now: Timestamp, tokens_go_on: bool) -> Component {
    let without_keys = if tokens_go_on { Condition::Degraded } else { Condition::NotReady };
    let heard = match status.bus {
        Bus::None => "changes are polled for",
        Bus::Listening => "changes are listened for",
        Bus::Lost => "changes are polled for until notifications are back",
    };
    match (&status.filled, &status.error) {
        (None, None) => part("keys", Condition::NotReady, "API keys are being read"),
        (None, Some(error)) => part("keys", without_keys, format!("API keys could not be read: {error}")),
        (Some(filled), error) if filled.too_old => {
            let error = error.as_deref().unwrap_or("the database does not answer");
            part("keys", without_keys, format!("what is known of API keys is too old: {error}"))
        }
        (Some(filled), error)
            if error.is_some() || now.millis_since(filled.present_at) > KEYS_OVERDUE_MILLIS =>
        {
            let error = error.as_deref().unwrap_or("the database does not answer");
            let detail = format!("{} API keys as of Unix time {}: {error}", filled.keys, filled.present_at);
            part("keys", Condition::Degraded, detail)
        }
        (Some(filled), _) => part("keys", Condition::Ready, format!("{} API keys; {heard}", filled.keys)),
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("rulebook", &self.rulebook).finish_non_exhaustive()
    }
}

fn part(name: impl Into<String>, state: Condition, detail: impl Into<String>) -> Component {
    Component { name: name.into(), state, detail: detail.into() }
}
