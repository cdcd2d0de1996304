//! The issuer as clients meet it: whole flows over its router, signatures checked by another library.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod code;
mod device;
mod keys;
mod people;
mod tokens;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Request, StatusCode, header};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use tollgate_core::time::Timestamp;
use tower::ServiceExt;

use super::users::sha256;
use super::*;

const TOKEN: &str = "/realms/master/protocol/openid-connect/token";
const AUTH: &str = "/realms/master/protocol/openid-connect/auth";
const USERINFO: &str = "/realms/master/protocol/openid-connect/userinfo";
const USERS: &str = "/admin/realms/master/users";
const REDIRECT: &str = "http://127.0.0.1:4711/callback?from=issuer";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Any start will do: 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600;

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// Bytes that count up: different in every draw, the same in every run.
#[derive(Default)]
struct CountingEntropy(AtomicU8);

impl Entropy for CountingEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        buffer.fill(self.0.fetch_add(1, Ordering::Relaxed));
        Ok(())
    }
}

struct World {
    issuer: Arc<DevIssuer>,
    clock: Arc<TestClock>,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap().to_owned())
    }

    fn location(&self) -> Url {
        Url::parse(self.headers[header::LOCATION].to_str().unwrap()).unwrap()
    }

    fn query(&self, name: &str) -> Option<String> {
        self.location().query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

impl World {
    fn new() -> Self {
        Self::with(DevIssuerOptions::default())
    }

    fn with(options: DevIssuerOptions) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(START)));
        let issuer =
            DevIssuer::new(options, Arc::<TestClock>::clone(&clock), Arc::new(CountingEntropy::default()))
                .unwrap();
        let router = Arc::clone(&issuer).router();
        Self { issuer, clock, router }
    }

    fn later(&self, secs: i64) {
        self.clock.0.fetch_add(secs, Ordering::Relaxed);
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(encode(fields))).unwrap()).await
    }

    async fn password(&self, username: &str, password: &str) -> Answer {
        let fields = [
            ("username", username),
            ("password", password),
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
        ];
        self.form(TOKEN, &fields).await
    }

    async fn access_token(&self, username: &str, password: &str) -> String {
        self.password(username, password).await.json()["access_token"].as_str().unwrap().to_owned()
    }

    async fn create_user(&self, token: &str, body: &Value) -> Answer {
        let request = Request::post(USERS)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// The claims, when `jsonwebtoken` accepts the signature by a key of the published set. Time is checked by hand,
    /// because that library reads the machine's clock.
    fn verified(&self, token: &str, audience: &str) -> Option<Value> {
        let keys: JwkSet = serde_json::from_value(self.issuer.jwks()).unwrap();
        let header = decode_header(token).unwrap();
        assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::RS256, Some("JWT")));
        let key = keys.find(&header.kid.unwrap())?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.set_audience(&[audience]);
        validation.set_issuer(&["http://127.0.0.1:8080/realms/master"]);
        Some(decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims)
    }

    async fn login(&self, fields: &[(&str, &str)]) -> Answer {
        let mut all = fields.to_vec();
        all.extend([("username", "alice"), ("password", "alice")]);
        self.form(AUTH, &all).await
    }

    async fn code(&self) -> String {
        let challenge = challenge();
        self.login(&request(&challenge)).await.query("code").unwrap()
    }

    async fn redeem(&self, code: &str, change: (&str, &str)) -> Answer {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("client_id", "tollgate-dev"),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        for field in &mut fields {
            if field.0 == change.0 {
                field.1 = change.1;
            }
        }
        self.form(TOKEN, &fields).await
    }
}

fn encode(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(sha256(&[VERIFIER.as_bytes()]))
}

fn request(challenge: &str) -> Vec<(&str, &str)> {
    vec![
        ("response_type", "code"),
        ("client_id", "tollgate-dev"),
        ("redirect_uri", REDIRECT),
        ("scope", "openid email"),
        ("state", "st&te=1"),
        ("nonce", "n-0S6"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ]
}

fn changed<'a>(mut fields: Vec<(&'a str, &'a str)>, name: &str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    for field in &mut fields {
        if field.0 == name {
            field.1 = value;
        }
    }
    fields
}

fn options_in(dir: &Path) -> DevIssuerOptions {
    DevIssuerOptions { state_dir: Some(dir.to_owned()), ..DevIssuerOptions::default() }
}
