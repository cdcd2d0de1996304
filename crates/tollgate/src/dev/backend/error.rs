//! Refusals in the two dialects that SDKs parse: OpenAI's `{"error": {…}}` and Anthropic's `{"type": "error", …}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::json;

/// Whose error shape a path speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    OpenAi,
    Anthropic,
}

impl Dialect {
    /// Anthropic on `/v1/messages`, OpenAI elsewhere.
    pub(super) fn of(path: &str) -> Self {
        if path == "/v1/messages" || path.starts_with("/v1/messages/") {
            Self::Anthropic
        } else {
            Self::OpenAi
        }
    }
}

/// A refusal, before it is put in a dialect.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: Option<&'static str>,
    param: Option<&'static str>,
    message: String,
}

impl ApiError {
    /// 400: a member is missing or of the wrong type.
    pub(super) fn invalid(param: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: None, param, message: message.into() }
    }

    /// 400: a member that has to be there is not.
    pub(super) fn missing(param: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: Some("missing_required_parameter"),
            param: Some(param),
            message: format!("Missing required parameter: '{param}'."),
        }
    }

    /// 404: no such model, or not one for this endpoint.
    pub(super) fn model_not_found(name: &str) -> Self {
        let shown: String = name.chars().take(100).collect();
        Self {
            status: StatusCode::NOT_FOUND,
            code: Some("model_not_found"),
            param: Some("model"),
            message: format!("The model `{shown}` does not exist or you do not have access to it."),
        }
    }

    /// 413.
    pub(super) fn too_large(limit: usize) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            code: Some("request_too_large"),
            param: None,
            message: format!("The request body is larger than {limit} bytes."),
        }
    }

    /// 405.
    pub(super) fn wrong_method(method: &Method) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: Some("method_not_supported"),
            param: None,
            message: format!("Not allowed to {method} on this path."),
        }
    }

    /// 404 for a path that is not served.
    pub(super) fn unknown_path(path: &str) -> Self {
        let shown: String = path.chars().take(200).collect();
        Self {
            status: StatusCode::NOT_FOUND,
            code: Some("unknown_url"),
            param: None,
            message: format!("Unknown request URL: {shown}."),
        }
    }

    /// The response in the words of `dialect`.
    pub(super) fn respond(self, dialect: Dialect) -> Response {
        let body = match dialect {
            Dialect::OpenAi => json!({ "error": {
                "message": self.message,
                "type": "invalid_request_error",
                "param": self.param,
                "code": self.code,
            } }),
            Dialect::Anthropic => json!({ "type": "error", "error": {
                "type": match self.status {
                    StatusCode::NOT_FOUND => "not_found_error",
                    StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
                    _ => "invalid_request_error",
                },
                "message": self.message,
            } }),
        };
        (self.status, Json(body)).into_response()
    }
}

/// [`ApiError`] in OpenAI's shape, for handlers that use `?`.
#[derive(Debug)]
pub(super) struct OpenAiError(ApiError);

/// [`ApiError`] in Anthropic's shape, for handlers that use `?`.
#[derive(Debug)]
pub(super) struct AnthropicError(ApiError);

impl From<ApiError> for OpenAiError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<ApiError> for AnthropicError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for OpenAiError {
    fn into_response(self) -> Response {
        self.0.respond(Dialect::OpenAi)
    }
}

impl IntoResponse for AnthropicError {
    fn into_response(self) -> Response {
        self.0.respond(Dialect::Anthropic)
    }
}
