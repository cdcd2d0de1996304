//! What reached the backend, as JSON: proof that the gateway took the credential away and set the identity.
//!
//! `/echo` and every path below it answer so, and every other path does when the request has the header `x-demo-echo`.

use std::collections::BTreeMap;

use axum::Json;
use axum::body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::error::{ApiError, Dialect};

/// Asks for an echo on any path. Not an `x-tollgate-` name: those are taken from clients at the gateway.
const ASKING: &str = "x-demo-echo";
/// Bytes of a body that are counted.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// Headers whose value is shown as present, never as it is.
const CREDENTIALS: [&str; 7] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "x-amz-security-token",
];
/// Query parameters of the same kind.
const CREDENTIAL_PARAMETERS: [&str; 5] = ["key", "api_key", "api-key", "access_token", "token"];
const MASK: &str = "<present>";

/// Answers with the request.
pub(super) async fn show(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = body::to_bytes(body, MAX_BODY).await else {
        return ApiError::too_large(MAX_BODY).respond(Dialect::OpenAi);
    };
    let answer = json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path(),
        "query": parts.uri.query().map(masked_query),
        "version": format!("{:?}", parts.version),
        "headers": shown_headers(&parts.headers),
        "body_bytes": bytes.len(),
    });
    (StatusCode::OK, Json(answer)).into_response()
}

/// Turns any request with the asking header into an echo.
pub(super) async fn on_request(request: Request, next: Next) -> Response {
    if request.headers().contains_key(ASKING) { show(request).await } else { next.run(request).await }
}

/// Every header with all its values, in order.
fn shown_headers(headers: &HeaderMap) -> BTreeMap<&str, Vec<String>> {
    let mut shown: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let text = if CREDENTIALS.contains(&name.as_str()) {
            MASK.to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        shown.entry(name.as_str()).or_default().push(text);
    }
    shown
}

fn masked_query(query: &str) -> String {
    let mask = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if CREDENTIAL_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) => {
            format!("{name}={MASK}")
        }
        _ => pair.to_owned(),
    };
    query.split('&').map(mask).collect::<Vec<_>>().join("&")
}
