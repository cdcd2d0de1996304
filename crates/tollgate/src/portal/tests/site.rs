//! A portal with browser login, an issuer that answers as the test says, and a browser with cookies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_core::jwt::{Algorithm, Audiences, IssuerRules};
use tollgate_core::policy::Policy;
use tollgate_core::testing::TestKey;
use tower::ServiceExt as _;
use url::Url;

use super::rig::{StandingClock, options as portal_options};
use crate::clock::Clock;
use crate::entropy::SystemEntropy;
use crate::portal::session::{Login, LoginOptions};
use crate::portal::{Portal, PortalParts, router};
use crate::store::{Store, StoreOptions};
use crate::telemetry::Metrics;
use crate::views::{
    CurrentRulebook, FetchLimits, IssuerSource, Jitter, KeyLocation, KeysView, Rulebook, ViewDeps,
};

pub const HERE: &str = "https://tollgate.test";
pub const CLIENT: &str = "tollgate-portal";

/// What the issuer's token endpoint does next.
#[derive(Clone)]
pub enum Answers {
    /// These tokens.
    Tokens(Value),
    /// This status and this text.
    Text(u16, String),
    /// Nothing, for longer than anybody waits.
    Silence,
}

/// The issuer as the test tells it to be.
pub struct Issuer {
    pub url: String,
    pub key: TestKey,
    pub answers: Mutex<Answers>,
    /// The forms that reached the token endpoint, with the `Authorization` header as `authorization`.
    pub exchanges: Mutex<Vec<BTreeMap<String, String>>>,
    /// Members of the discovery document that differ.
    pub metadata: Mutex<Value>,
}

impl Issuer {
    async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            key: TestKey::generate(Algorithm::ES256, "k1"),
            answers: Mutex::new(Answers::Text(500, String::new())),
            exchanges: Mutex::default(),
            metadata: Mutex::new(json!({})),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/token", post(token))
            .with_state(Arc::clone(&issuer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }
}

async fn configuration(State(issuer): State<Arc<Issuer>>) -> Json<Value> {
    let url = &issuer.url;
    let mut document = json!({
        "issuer": url, "authorization_endpoint": format!("{url}/auth"), "token_endpoint": format!("{url}/token"),
        "end_session_endpoint": format!("{url}/logout"), "jwks_uri": format!("{url}/certs"),
        "authorization_response_iss_parameter_supported": true,
    });
    for (name, value) in issuer.metadata.lock().unwrap().as_object().unwrap() {
        document[name] = value.clone();
    }
    Json(document)
}

async fn token(State(issuer): State<Arc<Issuer>>, headers: HeaderMap, body: String) -> Response {
    let mut form: BTreeMap<String, String> =
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    if let Some(value) = headers.get("authorization") {
        form.insert("authorization".into(), value.to_str().unwrap().into());
    }
    issuer.exchanges.lock().unwrap().push(form);
    let answers = issuer.answers.lock().unwrap().clone();
    match answers {
        Answers::Tokens(tokens) => Json(tokens).into_response(),
        Answers::Text(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
        Answers::Silence => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
    }
}

/// An empty SQLite in a directory of its own.
pub async fn fresh_store() -> (Arc<Store>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let timeout = Duration::from_secs(5);
    let store = Store::open(&StoreOptions {
        url: format!("sqlite://{}", dir.path().join("tollgate.db").display()),
        pool_size: 4,
        connect_timeout: timeout,
        statement_timeout: timeout,
    })
    .unwrap();
    store.health().await.unwrap();
    (store, dir)
}

/// Login as a confidential client of this issuer.
pub fn login_options(issuer: &str) -> LoginOptions {
    LoginOptions {
        public_url: HERE.parse().unwrap(),
        issuer: "one".into(),
        client_id: CLIENT.into(),
        client_secret: Some("s3cret/+ä".into()),
        scopes: vec!["openid".into(), "profile".into()],
        discovery_url: Some(format!("{issuer}/.well-known/openid-configuration").parse().unwrap()),
        authorization_url: None,
        token_url: None,
        end_session_url: None,
        logout_type_required: false,
        attempts_per_minute: 1000.try_into().unwrap(),
        idle: Duration::from_secs(3600),
        reauthenticate_after: Some(Duration::from_secs(3600)),
        lifetime: Duration::from_secs(8 * 3600),
        fetch: FetchLimits {
            timeout: Duration::from_secs(2),
            max_bytes: 65_536,
            allow_http: true,
            ca_file: None,
        },
    }
}

/// A portal that trusts the issuer `one` of this URL and key set.
pub fn portal(
    store: &Arc<Store>,
    clock: Arc<dyn Clock>,
    (issuer, key_set): (&str, String),
    login: Login,
) -> Router {
    let audiences = Audiences::OneOf(vec!["api".into()]);
    let rules = Arc::new(IssuerRules::new("one", vec![issuer.to_owned()], audiences));
    let metrics = Arc::new(Metrics::new(&["envoy_grpc"], clock.now()));
    let deps = ViewDeps {
        store: None,
        clock: clock.clone(),
        metrics: Arc::clone(&metrics),
        jitter: Arc::new(Jitter::new(1)),
    };
    let source = IssuerSource {
        rules: Arc::clone(&rules),
        location: KeyLocation::Static { document: key_set },
        allow_http: true,
        refresh: Duration::from_secs(3600),
        cooldown: Duration::from_secs(3600),
        max_stale: Duration::from_secs(86_400),
        fetch_timeout: Duration::from_secs(1),
        max_bytes: 1 << 20,
        ca_file: None,
    };
    let mut policy = Policy::new(vec![], vec![rules]).unwrap();
    policy.max_token_bytes = 8192;
    let rulebook = Rulebook {
        policy,
        keys: KeysView::start(vec![source], None, &deps).unwrap(),
        api_keys: None,
        deadline: Duration::from_secs(5),
        max_concurrent: 100,
    };
    router(Portal::new(PortalParts {
        store: Some(Arc::clone(store)),
        rulebook: CurrentRulebook::new(rulebook),
        clock,
        entropy: Arc::new(SystemEntropy),
        login: Some(login),
        introspection: vec![],
        metrics,
        options: portal_options(),
    }))
}

/// The portal and its issuer.
pub struct Site {
    pub issuer: Arc<Issuer>,
    pub clock: Arc<StandingClock>,
    pub store: Arc<Store>,
    pub router: Router,
    _dir: TempDir,
}

/// Where an address of the issuer sends the browser.
pub struct Begun {
    pub target: Url,
    pub state: String,
    pub nonce: String,
}

impl Site {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut LoginOptions)) -> Self {
        let (store, dir) = fresh_store().await;
        let issuer = Issuer::start().await;
        let clock = Arc::new(StandingClock::at(1_800_000_000_000));
        let mut options = login_options(&issuer.url);
        change(&mut options);
        let router =
            portal(&store, clock.clone(), (&issuer.url, issuer.key.key_set()), Login::new(options).unwrap());
        Self { issuer, clock, store, router, _dir: dir }
    }

    /// Every file of the database, as bytes.
    pub fn database(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self._dir.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// A good ID token for this login.
    pub fn id_claims(&self, begun: &Begun) -> Value {
        let now = self.clock.now().as_secs();
        json!({"iss": self.issuer.url, "aud": CLIENT, "sub": "user-1", "exp": now + 300, "iat": now, "typ": "ID",
            "nonce": begun.nonce, "sid": "sid-1", "preferred_username": "alice", "auth_time": now - 60,
            "email": "alice@example.com", "email_verified": true, "groups": ["dev"]})
    }

    /// The issuer will answer with these claims as ID token.
    pub fn will_answer(&self, id_claims: &Value) {
        let tokens = json!({"access_token": "opaque-access", "token_type": "Bearer", "expires_in": 300,
            "id_token": self.issuer.key.sign_claims(id_claims)});
        *self.issuer.answers.lock().unwrap() = Answers::Tokens(tokens);
    }

    /// A logout token with members changed, or taken out where the change is null.
    pub fn logout_token(&self, change: &Value) -> String {
        let now = self.clock.now().as_secs();
        let mut claims = json!({"iss": self.issuer.url, "aud": CLIENT, "sub": "user-1", "sid": "sid-1", "iat": now,
            "exp": now + 120, "jti": "j-1", "typ": "Logout",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}}});
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        self.issuer.key.sign_claims(&claims)
    }
}

/// A browser: keeps cookies, follows nothing by itself.
pub struct Browser<'s> {
    pub site: &'s Site,
    pub cookies: BTreeMap<String, String>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.text);
        self.headers["location"].to_str().unwrap()
    }
}

impl<'s> Browser<'s> {
    pub const fn new(site: &'s Site) -> Self {
        Self { site, cookies: BTreeMap::new() }
    }

    /// Sends a request with this browser's cookies and keeps what is set. Paths are below the site's root.
    pub async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Page {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", pairs.join("; "));
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.site.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for line in parts.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (pair, attributes) = line.split_once(';').unwrap();
            assert!(attributes.contains("HttpOnly") && attributes.contains("Path=/"), "{line}");
            assert!(attributes.contains("SameSite=Lax") && attributes.contains("Secure"), "{line}");
            assert!(!attributes.contains("Domain"), "{line}");
            let (name, value) = pair.split_once('=').unwrap();
            assert!(name.starts_with("__Host-tollgate"), "{line}");
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        for (name, expected) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(parts.headers[name], expected, "{path}");
        }
        let policy = parts.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{path}");
        assert!(!parts.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{path}");
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, text }
    }

    pub async fn get(&mut self, path: &str) -> Page {
        self.send("GET", path, &[], "").await
    }

    /// Begins a login.
    pub async fn begin(&mut self, path: &str) -> Begun {
        let target: Url = self.get(path).await.location().parse().unwrap();
        let asked: BTreeMap<String, String> = target.query_pairs().into_owned().collect();
        Begun { state: asked["state"].clone(), nonce: asked["nonce"].clone(), target }
    }

    /// Comes back with a code and the issuer's name.
    pub async fn come_back(&mut self, begun: &Begun) -> Page {
        let path = format!("/login/callback?code=c-1&state={}&iss={}", begun.state, self.site.issuer.url);
        self.get(&path).await
    }

    /// Logs in from begin to end.
    pub async fn log_in(&mut self) {
        let begun = self.begin("/login").await;
        self.site.will_answer(&self.site.id_claims(&begun));
        let page = self.come_back(&begun).await;
        assert_eq!(page.location(), format!("{HERE}/docs"));
    }

    /// Whether the API knows who this is.
    pub async fn is_known(&mut self) -> bool {
        let page = self.get("/api/v1/me").await;
        assert!([200, 401].contains(&page.status.as_u16()), "{page:?}");
        page.status == 200
    }

    /// The token for writes.
    pub async fn csrf_token(&mut self) -> String {
        self.get("/api/v1/me").await.json()["csrf_token"].as_str().unwrap().to_owned()
    }
}
