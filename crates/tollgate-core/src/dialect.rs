//! The shape of an error body: what the caller's SDK can parse.

use serde_json::json;

use crate::denial::{Denial, DenialClass};
use crate::input::CheckId;

/// The error format of the API that a path belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `{"error": {"message", "type", "param", "code"}}`: OpenAI and everything that imitates it.
    OpenAi,
    /// `{"type": "error", "error": {"type", "message"}, "request_id"}`: Anthropic.
    Anthropic,
    /// `{"error": {"code", "message", "status"}}`: Google APIs.
    Google,
    /// The status' reason phrase as plain text.
    Text,
}

impl Dialect {
    /// The dialect of a canonical path.
    pub fn of_path(path: &str) -> Self {
        let below =
            |prefix: &str| path.strip_prefix(prefix).is_some_and(|r| r.is_empty() || r.starts_with('/'));
        if below("/v1/messages") || below("/anthropic") {
            Self::Anthropic
        } else if below("/v1beta") {
            Self::Google
        } else if below("/v1") || below("/openai") {
            Self::OpenAi
        } else {
            Self::Text
        }
    }

    /// The body's media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::OpenAi | Self::Anthropic | Self::Google => "application/json",
        }
    }

    /// The body of a denial. Nothing of the request is echoed, nothing internal goes out.
    pub fn body(self, denial: &Denial, status: http::StatusCode, check_id: CheckId) -> String {
        let code = denial.code().public();
        let (class, message) = (code.class(), code.public_message());
        match self {
            Self::Text => status.canonical_reason().unwrap_or("Denied").to_owned(),
            Self::OpenAi => json!({"error": {
                "message": message, "type": open_ai_type(class), "param": null, "code": code.as_str(),
            }})
            .to_string(),
            Self::Anthropic => json!({
                "type": "error",
                "error": {"type": anthropic_type(class), "message": message},
                "request_id": check_id.to_string(),
            })
            .to_string(),
            Self::Google => json!({"error": {
                "code": status.as_u16(), "message": message, "status": google_status(class),
                "details": [{"reason": code.as_str()}],
            }})
            .to_string(),
        }
    }
}

const fn open_ai_type(class: DenialClass) -> &'static str {
    match class {
        DenialClass::Malformed => "invalid_request_error",
        DenialClass::Unauthenticated => "authentication_error",
        DenialClass::Forbidden => "permission_error",
        DenialClass::Limited => "rate_limit_error",
        DenialClass::Unavailable => "server_error",
    }
}

const fn anthropic_type(class: DenialClass) -> &'static str {
    match class {
        DenialClass::Malformed => "invalid_request_error",
        DenialClass::Unauthenticated => "authentication_error",
        DenialClass::Forbidden => "permission_error",
        DenialClass::Limited => "rate_limit_error",
        DenialClass::Unavailable => "overloaded_error",
    }
}

const fn google_status(class: DenialClass) -> &'static str {
    match class {
        DenialClass::Malformed => "INVALID_ARGUMENT",
        DenialClass::Unauthenticated => "UNAUTHENTICATED",
        DenialClass::Forbidden => "PERMISSION_DENIED",
        DenialClass::Limited => "RESOURCE_EXHAUSTED",
        DenialClass::Unavailable => "UNAVAILABLE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_pick_their_dialect() {
        let table = [
            ("/v1/chat/completions", Dialect::OpenAi),
            ("/v1", Dialect::OpenAi),
            ("/v1/messages", Dialect::Anthropic),
            ("/v1/messages/count_tokens", Dialect::Anthropic),
            ("/v1/messagesx", Dialect::OpenAi),
            ("/v1beta/models/gemini:generateContent", Dialect::Google),
            ("/", Dialect::Text),
            ("/v10", Dialect::Text),
        ];
        for (path, dialect) in table {
            assert_eq!(Dialect::of_path(path), dialect, "{path}");
        }
    }
}
