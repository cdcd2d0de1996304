//! Versions of things: `ETag` out, `If-Match` in (RFC 9110 sections 8.8.3 and 13.1.1).

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Portal;
use super::problem::{Code, Problem};

/// The version that the caller has seen, if they said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(Option<i64>);

impl IfMatch {
    /// The version that the caller has seen, for a store that checks it under its lock.
    pub const fn version(self) -> Option<i64> {
        self.0
    }

    /// Whether the thing may be changed, given its present version.
    ///
    /// # Errors
    /// `precondition_failed` when the caller has seen another version.
    pub fn check(self, version: i64) -> Result<(), Problem> {
        match self.0 {
            Some(seen) if seen != version => Err(Problem::new(
                Code::PreconditionFailed,
                "Somebody changed it after you read it. Read it again, and decide again.",
            )),
            _ => Ok(()),
        }
    }
}

impl FromRequestParts<Portal> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Portal) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        let version =
            text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|v| v.parse().ok());
        version
            .map(|version| Self(Some(version)))
            .ok_or_else(|| Problem::invalid("If-Match", "must be the ETag of the thing, or *"))
    }
}

/// A thing with its version, as an answer.
#[derive(Clone, Debug)]
pub struct Versioned<T>(pub i64, pub T);

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.1).into_response();
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", self.0)) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}
