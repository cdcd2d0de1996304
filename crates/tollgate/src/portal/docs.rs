//! The API's documentation, served by the process itself: the OpenAPI document, and pages made of it. No script, and
//! nothing is fetched from elsewhere.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use utoipa::openapi::OpenApi;

use super::Portal;
use super::problem::Code;
use super::routes::openapi;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}\
h1,h2,h3{line-height:1.2}code{font:14px ui-monospace,monospace;background:#f2f4f7;padding:.1em .3em;border-radius:3px}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;border-bottom:1px solid #d8dee6;padding:.4rem .6rem;vertical-align:top}\
.m{font-weight:600;display:inline-block;min-width:4.5rem}@media(prefers-color-scheme:dark){body{color:#e6e9ee;background:#14171b}code{background:#232830}td,th{border-color:#343b45}a{color:#8ab4f8}}";

/// Serves the OpenAPI document.
pub fn document(
    document: &OpenApi,
) -> impl Fn() -> std::future::Ready<Response> + Clone + Send + Sync + 'static {
    let text = document.to_json().unwrap_or_default();
    move || std::future::ready(([(header::CONTENT_TYPE, "application/json")], text.clone()).into_response())
}

/// `GET /docs`: every endpoint.
pub async fn page(State(_): State<Portal>) -> Response {
    let document = serde_json::to_value(openapi()).unwrap_or_default();
    let mut out = String::from(
        "<p>Everything a person or tool can do. The whole description is <a href=\"/api/v1/openapi.json\">openapi.json</a> \
         (OpenAPI 3.1); what an error code means is on <a href=\"/docs/problems\">the problems page</a>.</p>\
         <p>Send an access token of your company login: <code>Authorization: Bearer …</code>, or \
         <a href=\"/login?next=/docs\">log in with this browser</a>.</p>",
    );
    let mut tag = String::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let group = operation["tags"][0].as_str().unwrap_or("other");
            if group != tag {
                if !tag.is_empty() {
                    out.push_str("</table>");
                }
                tag = group.to_owned();
                let _ = write!(out, "<h2>{}</h2><table>", escape(group));
            }
            let _ = write!(
                out,
                "<tr><td><span class=\"m\">{}</span> <code>{}</code></td><td>{}</td></tr>",
                escape(&method.to_uppercase()),
                escape(path),
                escape(summary(operation)),
            );
        }
    }
    if !tag.is_empty() {
        out.push_str("</table>");
    }
    html("Tollgate API", &out)
}

/// `GET /docs/problems`: what each error code means.
pub async fn problems() -> Response {
    let mut out = String::from(
        "<p>Errors are <code>application/problem+json</code> (RFC 9457). <code>code</code> never changes its meaning; \
         <code>detail</code> says what to do next.</p><table><tr><th>code</th><th>status</th></tr>",
    );
    for code in Code::ALL {
        let (text, status) = (code.as_str(), code.status());
        let _ = write!(
            out,
            "<tr id=\"{text}\"><td><code>{text}</code></td><td>{}</td></tr>",
            escape(&status.to_string())
        );
    }
    out.push_str("</table>");
    html("Problems", &out)
}

fn summary(operation: &Value) -> &str {
    operation["summary"].as_str().unwrap_or_default()
}

pub(super) fn html(title: &str, body: &str) -> Response {
    let title = escape(title);
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title}</h1>{body}</html>"
    );
    let mut response = Html(page).into_response();
    // The one style stands in the page; nothing else may run or load.
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; object-src 'none'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    if let Ok(value) = policy.parse() {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, value);
    }
    response
}

/// Text that stands for itself in HTML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}
