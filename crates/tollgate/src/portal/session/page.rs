//! What a person sees when a login does not go on: a page in a browser, a problem for everything else.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::portal::docs::{escape, html};
use crate::portal::problem::Problem;

/// The refusal in the form that the caller reads.
pub fn refusal(headers: &HeaderMap, problem: Problem) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accepts.contains("text/html") {
        return problem.into_response();
    }
    let (status, title) = (problem.code().status(), problem.code().title());
    let again = if status == StatusCode::NOT_FOUND || status == StatusCode::FORBIDDEN {
        ""
    } else {
        "<p><a href=\"/login\">Log in again</a></p>"
    };
    let body = format!("<p>{}</p>{again}", escape(problem.detail()));
    let page = html(title, &body);
    // The problem's own headers (retry-after, no-store) hold for the page too.
    let mut response = problem.into_response();
    let (page_parts, page_body) = page.into_parts();
    response.headers_mut().remove(header::CONTENT_LENGTH);
    for name in [header::CONTENT_TYPE, header::CONTENT_SECURITY_POLICY] {
        if let Some(value) = page_parts.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response.headers_mut().remove(header::WWW_AUTHENTICATE);
    *response.body_mut() = page_body;
    response
}
