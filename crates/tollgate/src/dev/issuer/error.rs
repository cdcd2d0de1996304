//! Refusals of the OAuth endpoints, in the words of RFC 6749 section 5.2.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::entropy::EntropyError;
use super::keys::KeyError;

/// A refusal that a client sees.
#[derive(Debug)]
pub(super) struct RequestError {
    status: StatusCode,
    code: &'static str,
    description: &'static str,
}

impl RequestError {
    pub(super) const fn invalid_request(description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "invalid_request", description }
    }

    pub(super) const fn invalid_client() -> Self {
        let description = "Invalid client or invalid client credentials";
        Self { status: StatusCode::UNAUTHORIZED, code: "invalid_client", description }
    }

    pub(super) const fn invalid_grant(description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "invalid_grant", description }
    }

    /// RFC 8628 section 3.5.
    pub(super) const fn device(code: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, description }
    }

    pub(super) const fn unsupported_grant_type() -> Self {
        let description = "Use password, authorization_code with PKCE, device_code or refresh_token";
        Self { status: StatusCode::BAD_REQUEST, code: "unsupported_grant_type", description }
    }

    /// RFC 6750 section 3.1.
    pub(super) const fn invalid_token() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            code: "invalid_token",
            description: "Token verification failed",
        }
    }

    pub(super) const fn forbidden(description: &'static str) -> Self {
        Self { status: StatusCode::FORBIDDEN, code: "forbidden", description }
    }

    pub(super) const fn realm_unknown() -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "realm_not_found", description: "Realm does not exist" }
    }

    const fn server_error() -> Self {
        let description = "The issuer could not make the answer";
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "server_error", description }
    }
}

impl From<EntropyError> for RequestError {
    fn from(error: EntropyError) -> Self {
        tracing::error!(%error, "development issuer");
        Self::server_error()
    }
}

impl From<KeyError> for RequestError {
    fn from(error: KeyError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "development issuer");
        Self::server_error()
    }
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.code, "error_description": self.description }));
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = match self.code {
                "invalid_client" => r#"Basic realm="development issuer""#,
                _ => r#"Bearer realm="development issuer", error="invalid_token""#,
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
