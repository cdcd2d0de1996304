//! The backend behind the gateway: says back what it received, remembers it, and can answer as a slow stream.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::server::Server;

/// One request as it reached the backend.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path and query, exactly as received.
    pub target: String,
    /// In order, names in lower case, repeated names repeated.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Seen {
    /// Every value of a header, in order, as text.
    pub fn values(&self, name: &str) -> Vec<String> {
        let named = self.headers.iter().filter(|(other, _)| other == name);
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    fn json(&self) -> Value {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))).collect();
        let body = String::from_utf8_lossy(&self.body);
        json!({"method": self.method, "target": self.target, "headers": headers, "body": body})
    }
}

/// The backend. `POST /stream?chunks=N&delay_ms=D` answers N server-sent events, D apart; everything else is said back
/// as JSON `{method, target, headers: [[name, value]…], body}`.
#[derive(Debug)]
pub struct Upstream {
    server: Server,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    pub async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let server =
            Server::start(Router::new().fallback(move |request| answer(request, Arc::clone(&log)))).await;
        Self { server, seen }
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// All requests so far, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(request: Request, log: Arc<Mutex<Vec<Seen>>>) -> Response {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let seen = Seen {
        method: parts.method.to_string(),
        target: parts.uri.path_and_query().map_or_else(|| parts.uri.to_string(), ToString::to_string),
        headers: headers.collect(),
        // A client that stops in the middle leaves an empty body here.
        body: to_bytes(body, 64 << 20).await.unwrap_or_default().to_vec(),
    };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(seen.clone());
    if parts.uri.path() == "/stream" {
        let query = parts.uri.query().unwrap_or_default().to_owned();
        return stream(number(&query, "chunks").unwrap_or(5), number(&query, "delay_ms").unwrap_or(50));
    }
    axum::Json(seen.json()).into_response()
}

fn stream(chunks: u64, delay_ms: u64) -> Response {
    let events = futures_util::stream::unfold(0, move |at| async move {
        if at == chunks {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        Some((Ok::<_, Infallible>(Bytes::from(format!("data: {at}\n\n"))), at + 1))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}

fn number(query: &str, name: &str) -> Option<u64> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}
