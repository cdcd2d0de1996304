//! Tests of the key view against an issuer on a real socket, and of the token cache. This room holds what they share: a
//! clock that stands until it is moved, keys, sources with short times, and ways to wait.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that meets the unexpected must stop")]

mod authorities;
mod demand;
mod documents;
mod issuer;
mod lifetime;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::time::Instant;
use tollgate_core::jwt::{Algorithm, Audiences, IssuerRules};
use tollgate_core::time::Timestamp;

use super::{FoundKey, IssuerSource, IssuerStatus, Jitter, KeyLocation, KeysView, ViewDeps};
use crate::clock::Clock;
use crate::telemetry::Metrics;

/// The name of the one issuer that most tests have.
const NAME: &str = "one";
/// For what must happen: long, so that a busy machine does not matter.
const PATIENCE: Duration = Duration::from_secs(20);

/// A clock that stands until it is moved.
struct StandingClock(AtomicI64);

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// What a view needs of the world, and the means to move it.
struct World {
    clock: Arc<StandingClock>,
    deps: ViewDeps,
}

fn world() -> World {
    let clock = Arc::new(StandingClock(AtomicI64::new(1_800_000_000_000)));
    let metrics = Arc::new(Metrics::new(&["envoy_grpc"], Timestamp::from_secs(1)));
    let deps = ViewDeps { store: None, clock: clock.clone(), metrics, jitter: Arc::new(Jitter::new(1)) };
    World { clock, deps }
}

impl World {
    fn start(&self, source: IssuerSource) -> KeysView {
        KeysView::start(vec![source], None, &self.deps).unwrap()
    }

    fn pass(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap();
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
    }
}

/// Keys at `jwks`, refreshed by nothing but demand, with a cool-down that no test outlasts.
fn source(location: KeyLocation) -> IssuerSource {
    let rules = IssuerRules::new(NAME, vec!["http://issuer.test".into()], Audiences::Any);
    IssuerSource {
        rules: Arc::new(rules),
        location,
        allow_http: true,
        refresh: Duration::from_secs(3600),
        cooldown: Duration::from_secs(3600),
        max_stale: Duration::from_secs(86_400),
        fetch_timeout: PATIENCE,
        max_bytes: 1 << 20,
        ca_file: None,
    }
}

/// The public half of a fresh Ed25519 key.
fn jwk(kid: &str) -> Value {
    jwk_of(kid, &Ed25519KeyPair::generate().unwrap())
}

fn jwk_of(kid: &str, pair: &Ed25519KeyPair) -> Value {
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "alg": "EdDSA", "x": x})
}

/// A set of fresh keys with these ids.
fn set(kids: &[&str]) -> Value {
    json!({"keys": kids.iter().map(|kid| jwk(kid)).collect::<Vec<_>>()})
}

async fn find(view: &KeysView, kid: &str, within: Duration) -> FoundKey {
    view.find_key(NAME, Some(kid), Algorithm::EdDSA, Instant::now() + within).await
}

/// Whether the key is there without waiting for anything.
async fn has(view: &KeysView, kid: &str) -> bool {
    matches!(find(view, kid, Duration::ZERO).await, FoundKey::Key { .. })
}

fn status(view: &KeysView) -> IssuerStatus {
    view.status().remove(0)
}

/// Waits until the view says what `wanted` wants.
async fn until(view: &KeysView, wanted: impl Fn(&IssuerStatus) -> bool) {
    eventually(|| wanted(&status(view)), || format!("{:?}", status(view))).await;
}

async fn eventually(wanted: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    let end = Instant::now() + PATIENCE;
    while !wanted() {
        assert!(Instant::now() < end, "never happened: {}", otherwise());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for the first good key set.
async fn loaded(view: &KeysView) {
    until(view, |status| status.keys > 0 && status.last_error.is_none()).await;
}

/// Waits for the first failure, and gives its text.
async fn failed(view: &KeysView) -> String {
    until(view, |status| status.last_error.is_some()).await;
    status(view).last_error.unwrap()
}
