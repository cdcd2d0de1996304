//! The API in this process: a fresh SQLite, an issuer of which the test holds the key, and calls that read like sentences.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_core::jwt::{Algorithm, Audiences, IssuerRules};
use tollgate_core::key_life::KeyLifetimes;
use tollgate_core::models::RouteModels;
use tollgate_core::policy::Policy;
use tollgate_core::route::{HostPattern, PathPattern, Requirement, Route};
use tollgate_core::testing::TestKey;
use tollgate_core::time::Timestamp;
use tower::ServiceExt as _;

use super::secret_scanning::SCANNER;
use crate::clock::Clock;
use crate::entropy::SystemEntropy;
use crate::portal::introspection::IntrospectionClient;
use crate::portal::{Portal, PortalOptions, PortalParts, router};
use crate::store::api_keys::KeyPolicy;
use crate::store::{Store, StoreOptions};
use crate::telemetry::Metrics;
use crate::views::{
    ApiKeysOptions, ApiKeysView, CurrentRulebook, IssuerSource, Jitter, KeyLocation, KeysView, Rulebook,
    ViewDeps,
};

/// The group of the deployment's administrators.
pub const ADMINS: &str = "platform-admins";
const ISSUER: &str = "https://issuer.test/realms/one";

/// A route by the name of `chat`.
fn chat() -> Route {
    Route {
        name: "chat".into(),
        policy: None,
        hosts: vec![HostPattern::Any],
        paths: vec![PathPattern::prefix("/v1").unwrap()],
        methods: None,
        requirement: Requirement::Authenticated,
        forward_credential: false,
        unauthenticated_status: None,
        query_credential: None,
        models: RouteModels::default(),
    }
}

/// A clock that stands until it is moved.
pub struct StandingClock(AtomicI64);

impl StandingClock {
    pub const fn at(millis: i64) -> Self {
        Self(AtomicI64::new(millis))
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// A running API.
pub struct Api {
    pub store: Arc<Store>,
    pub clock: Arc<StandingClock>,
    /// Keys as the doors see them, when it has them.
    pub view: Option<ApiKeysView>,
    pub metrics: Arc<Metrics>,
    router: Router,
    key: TestKey,
    _dir: Option<TempDir>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Reply {
    /// The body, when the status is this one; anything else ends the test.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// The problem's code, when the status is this one.
    #[track_caller]
    pub fn problem(self, status: u16) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        self.expect(status)["code"].as_str().unwrap().to_owned()
    }
}

/// A service that may ask about credentials.
pub fn introspection_clients() -> Vec<IntrospectionClient> {
    vec![
        IntrospectionClient::new("authorino", "s3cret-of-authorino+%"),
        IntrospectionClient::new("other", "s3cret-of-the-other"),
    ]
}

/// What views need, with a store of nobody.
pub fn deps() -> ViewDeps {
    let clock = Arc::new(StandingClock::at(0));
    let metrics = Arc::new(Metrics::new(&["envoy_grpc"], clock.now()));
    ViewDeps { store: None, clock, metrics, jitter: Arc::new(Jitter::new(1)) }
}

/// A rulebook without routes and API keys.
pub fn rulebook(keys: KeysView) -> CurrentRulebook {
    CurrentRulebook::new(Rulebook {
        api_keys: None,
        policy: Policy::new(vec![], vec![]).unwrap(),
        keys,
        deadline: Duration::from_secs(5),
        max_concurrent: 100,
    })
}

/// The options of a portal in tests.
pub fn options() -> PortalOptions {
    PortalOptions {
        max_body_bytes: 65_536,
        body_timeout: Duration::from_secs(5),
        requests_per_minute: 100_000.try_into().unwrap(),
        admin_groups: vec![ADMINS.into()],
        open_organizations: false,
        keys: KeyPolicy { max_per_project: 100, lifetimes: KeyLifetimes::default() },
        trusted_proxies: vec![],
        token_reauthenticate_after: None,
        sign_in: None,
        secret_scanners: vec![SCANNER.public()],
    }
}

impl Api {
    /// On a fresh SQLite.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("tollgate.db").display());
        let mut api = Self::on(url).await;
        api._dir = Some(dir);
        api
    }

    /// On this database.
    pub async fn on(url: String) -> Self {
        let timeout = Duration::from_secs(5);
        let options =
            StoreOptions { url, pool_size: 8, connect_timeout: timeout, statement_timeout: timeout };
        let store = Store::open(&options).unwrap();
        store.health().await.unwrap();
        Self::with(store).await
    }

    /// On a fresh SQLite, with other options.
    pub async fn start_with(change: impl FnOnce(&mut PortalOptions)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("tollgate.db").display());
        let mut api = Self::on_with(url, change).await;
        api._dir = Some(dir);
        api
    }

    /// On this database, with other options. A rush of writers waits in line for it.
    pub async fn on_with(url: String, change: impl FnOnce(&mut PortalOptions)) -> Self {
        let timeout = Duration::from_secs(60);
        let options =
            StoreOptions { url, pool_size: 8, connect_timeout: timeout, statement_timeout: timeout };
        let store = Store::open(&options).unwrap();
        crate::store::tests::rig::becomes_ready(&store).await;
        Self::built(store, None, change).await
    }

    /// On a fresh SQLite, with a view of keys as the doors have it.
    pub async fn watching() -> Self {
        Self::with_keys(true).await
    }

    /// With a view of keys that nothing was read into.
    pub async fn unfilled() -> Self {
        Self::with_keys(false).await
    }

    async fn with_keys(filled: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let timeout = Duration::from_secs(5);
        let url = format!("sqlite://{}", dir.path().join("tollgate.db").display());
        let options =
            StoreOptions { url, pool_size: 8, connect_timeout: timeout, statement_timeout: timeout };
        let store = Store::open(&options).unwrap();
        store.health().await.unwrap();
        let metrics = Arc::new(Metrics::new(&["envoy_grpc"], Timestamp::from_millis(0)));
        let view = ApiKeysView::new(ApiKeysOptions::default(), metrics);
        let mut api = Self::built(Arc::clone(&store), Some(view.clone()), |_| {}).await;
        if filled {
            tokio::spawn(view.clone().run(store, api.clock.clone(), Arc::new(Jitter::new(1))));
            view.ready(tokio::time::Instant::now() + timeout).await;
        }
        api._dir = Some(dir);
        api
    }

    /// On this store.
    pub async fn with(store: Arc<Store>) -> Self {
        Self::built(store, None, |_| {}).await
    }

    /// Every file of the SQLite database, as bytes.
    pub fn database(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self._dir.as_ref().unwrap().path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    async fn built(
        store: Arc<Store>,
        view: Option<ApiKeysView>,
        change: impl FnOnce(&mut PortalOptions),
    ) -> Self {
        let clock = Arc::new(StandingClock(AtomicI64::new(1_800_000_000_000)));
        let key = TestKey::generate(Algorithm::EdDSA, "k1");
        let rules =
            Arc::new(IssuerRules::new("one", vec![ISSUER.into()], Audiences::OneOf(vec!["api".into()])));
        let metrics = Arc::new(Metrics::new(&["envoy_grpc"], clock.now()));
        let deps = ViewDeps {
            store: None,
            clock: clock.clone(),
            metrics: Arc::clone(&metrics),
            jitter: Arc::new(Jitter::new(1)),
        };
        let source = IssuerSource {
            rules: Arc::clone(&rules),
            location: KeyLocation::Static { document: key.key_set() },
            allow_http: false,
            refresh: Duration::from_secs(3600),
            cooldown: Duration::from_secs(3600),
            max_stale: Duration::from_secs(86_400),
            fetch_timeout: Duration::from_secs(1),
            max_bytes: 1 << 20,
            ca_file: None,
        };
        let rulebook = Rulebook {
            api_keys: view.clone(),
            policy: Policy::new(vec![chat()], vec![rules]).unwrap(),
            keys: KeysView::start(vec![source], None, &deps).unwrap(),
            deadline: Duration::from_secs(5),
            max_concurrent: 100,
        };
        let mut options = options();
        change(&mut options);
        let portal = Portal::new(PortalParts {
            store: Some(Arc::clone(&store)),
            rulebook: CurrentRulebook::new(rulebook),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            login: None,
            introspection: introspection_clients(),
            metrics: Arc::clone(&metrics),
            options,
        });
        let router = router(portal);
        Self { store, clock, metrics, view, router, key, _dir: None }
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// An access token of this subject, valid for an hour.
    pub fn token(&self, subject: &str, groups: &[&str]) -> String {
        self.token_with(subject, &json!({"groups": groups}))
    }

    /// An access token with these further claims.
    pub fn token_with(&self, subject: &str, more: &Value) -> String {
        let now = self.clock.now().as_secs();
        let mut claims = json!({
            "iss": ISSUER, "aud": "api", "sub": subject, "iat": now, "exp": now + 3600, "typ": "Bearer",
            "preferred_username": subject, "email": format!("{subject}@example.com"), "email_verified": true,
        });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.key.sign_claims(&claims)
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = match serde_json::from_slice(&bytes) {
            Ok(json) => json,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(_) => Value::from(String::from_utf8_lossy(&bytes).into_owned()),
        };
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// A call below `/api/v1` as the bearer of this token, with these headers and a JSON body unless it is null.
    pub async fn call_with(
        &self,
        (method, path): (&str, &str),
        token: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Reply {
        let method: Method = method.parse().unwrap();
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Value::Null => request.body(Body::empty()),
            body => request.header("content-type", "application/json").body(Body::from(body.to_string())),
        };
        self.send(request.unwrap()).await
    }

    /// As [`Api::call_with`], without headers.
    pub async fn call(&self, method: &str, path: &str, token: &str, body: Value) -> Reply {
        self.call_with((method, path), token, &[], &body).await
    }

    /// A GET.
    pub async fn get(&self, path: &str, token: &str) -> Reply {
        self.call("GET", path, token, Value::Null).await
    }
}
