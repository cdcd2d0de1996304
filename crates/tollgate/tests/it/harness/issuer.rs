//! An OpenID Connect issuer that a test steers: what discovery and the key set answer, how late, and how often they were
//! asked. It signs nothing; keys and tokens come from the test.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::server::Server;

/// What one of the two documents answers.
#[derive(Clone, Debug)]
pub struct Document {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Waited out before the answer begins.
    pub delay: Duration,
}

impl Document {
    /// A 200 with this JSON, at once.
    pub fn json(body: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status: 200, headers, body: body.to_string().into_bytes(), delay: Duration::ZERO }
    }

    /// A bare status, at once.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO }
    }

    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

#[derive(Debug)]
struct State {
    discovery: Document,
    jwks: Document,
    discovery_requests: usize,
    jwks_requests: usize,
}

/// The issuer. Its identifier is its base URL, without a slash at the end.
#[derive(Debug)]
pub struct Issuer {
    port: u16,
    /// `None` while it is stopped.
    server: Option<Server>,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    /// Starts with a correct discovery document and these public keys (JWK objects).
    pub async fn start(keys: &[Value]) -> Self {
        let state = Arc::new(Mutex::new(State {
            discovery: Document::status(503),
            jwks: Document::json(&json!({"keys": keys})),
            discovery_requests: 0,
            jwks_requests: 0,
        }));
        let server = Server::start(router(&state)).await;
        let issuer = Self { port: server.port(), server: Some(server), state };
        issuer.set_discovery(Document::json(&issuer.discovery()));
        issuer
    }

    /// The `iss` value.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn jwks_url(&self) -> String {
        format!("{}/jwks", self.url())
    }

    /// A correct discovery document, to start from when a test wants a wrong one.
    pub fn discovery(&self) -> Value {
        json!({
            "issuer": self.url(),
            "jwks_uri": self.jwks_url(),
            "token_endpoint": format!("{}/token", self.url()),
            "authorization_endpoint": format!("{}/authorize", self.url()),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }

    pub fn set_discovery(&self, document: Document) {
        self.with(|state| state.discovery = document);
    }

    pub fn set_jwks(&self, document: Document) {
        self.with(|state| state.jwks = document);
    }

    /// Publishes these public keys (JWK objects) and no others.
    pub fn set_keys(&self, keys: &[Value]) {
        self.set_jwks(Document::json(&json!({"keys": keys})));
    }

    /// How often discovery was asked for, counted when the request arrives.
    pub fn discovery_requests(&self) -> usize {
        self.with(|state| state.discovery_requests)
    }

    /// How often the key set was asked for, counted when the request arrives.
    pub fn jwks_requests(&self) -> usize {
        self.with(|state| state.jwks_requests)
    }

    /// Closes the port and cuts every connection.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Comes back on the same port, with what was set before.
    pub async fn resume(&mut self) {
        if self.server.is_none() {
            self.server = Some(Server::start_on(self.port, router(&self.state)).await);
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn router(state: &Arc<Mutex<State>>) -> Router {
    let state = Arc::clone(state);
    Router::new().fallback(move |request| answer(request, Arc::clone(&state)))
}

async fn answer(request: Request, state: Arc<Mutex<State>>) -> Response {
    let document = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        match request.uri().path() {
            "/.well-known/openid-configuration" => {
                state.discovery_requests += 1;
                state.discovery.clone()
            }
            "/jwks" => {
                state.jwks_requests += 1;
                state.jwks.clone()
            }
            _ => Document::status(404),
        }
    };
    tokio::time::sleep(document.delay).await;
    let mut response = (StatusCode::from_u16(document.status).unwrap(), document.body).into_response();
    response.headers_mut().remove("content-type");
    for (name, value) in &document.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        response.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    response
}
