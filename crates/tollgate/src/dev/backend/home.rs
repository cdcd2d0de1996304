//! The page at `/`, the health answer, and the access log.

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, Response};
use jiff::Timestamp as Moment;
use serde_json::{Value, json};

use super::Shared;
use crate::listener::PeerAddr;

const PAGE: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sample AI backend</title>
<meta name="viewport" content="width=device-width,initial-scale=1"></head>
<body><main><h1>Sample AI backend</h1>
<p>You reached the backend behind the gateway. It speaks the OpenAI and the Anthropic API:</p>
<ul>
<li><code>GET /v1/models</code></li>
<li><code>POST /v1/chat/completions</code></li>
<li><code>POST /v1/responses</code></li>
<li><code>POST /v1/embeddings</code></li>
<li><code>POST /v1/messages</code></li>
<li><code>ANY /echo</code> shows the request as it arrived</li>
</ul></main></body></html>
"#;

/// `GET /`
pub(super) async fn page() -> Html<&'static str> {
    Html(PAGE)
}

/// `GET /health`
pub(super) async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// One line per request, in the form web servers have used since the nineties. The query stays out: it can hold keys. So
/// do health checks, of which there are more than of anything else.
pub(super) async fn access_log(State(backend): Shared, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<PeerAddr>().map(|PeerAddr(peer)| peer.ip().to_canonical());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let version = request.version();
    let response = next.run(request).await;
    if path == "/health" {
        return response;
    }
    let peer = peer.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
    let time = Moment::from_millisecond(backend.now().as_millis())
        .map(|moment| moment.strftime("%d/%b/%Y %H:%M:%S").to_string())
        .unwrap_or_default();
    tracing::info!(
        target: "tollgate::backend",
        "{peer} - - [{time}] \"{method} {path} {version:?}\" {} -",
        response.status().as_u16(),
    );
    response
}
