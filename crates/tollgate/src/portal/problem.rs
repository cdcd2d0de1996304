//! The one form of an error on the people-facing port: problem details (RFC 9457) with a stable code.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::writes::TryAgain;
use crate::entropy::EntropyError;
use crate::store::{Refusal, StoreError};

/// The stable reason of a refusal. Its text is a public contract, and an anchor on the problems page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// 401: nobody is signed in.
    Unauthenticated,
    /// 401: who is signed in has to prove it anew for this.
    ReauthenticationRequired,
    /// 403: who is known, may not.
    Forbidden,
    /// 404: there is no such thing, or it is somebody else's.
    NotFound,
    /// 400: a login at the issuer did not lead to a session here.
    LoginFailed,
    /// 405.
    MethodNotAllowed,
    /// 400: the request breaks a rule; `errors` say where.
    Invalid,
    /// 408: the body did not arrive in time.
    Timeout,
    /// 409: it contradicts what is there.
    Conflict,
    /// 412: somebody else changed it meanwhile.
    PreconditionFailed,
    /// 413.
    TooLarge,
    /// 415: not JSON.
    UnsupportedMediaType,
    /// 422: the idempotency key was used for another request.
    IdempotencyMismatch,
    /// 429.
    RateLimited,
    /// 500: a bug of ours.
    Internal,
    /// 503: something we need is away.
    Unavailable,
    /// 503: this deployment is not configured for it.
    NotConfigured,
}

impl Code {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 17] = [
        Self::Unauthenticated,
        Self::ReauthenticationRequired,
        Self::Forbidden,
        Self::NotFound,
        Self::LoginFailed,
        Self::MethodNotAllowed,
        Self::Invalid,
        Self::Timeout,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::IdempotencyMismatch,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
        Self::NotConfigured,
    ];

    /// The text in `code`.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        self.row().1
    }

    /// The human sentence that goes with it.
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED, "Nobody is signed in"),
            Self::ReauthenticationRequired => {
                ("reauthentication_required", StatusCode::UNAUTHORIZED, "Prove anew who you are")
            }
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "You may not do this"),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "There is no such thing here"),
            Self::LoginFailed => ("login_failed", StatusCode::BAD_REQUEST, "The login did not succeed"),
            Self::MethodNotAllowed => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed here")
            }
            Self::Invalid => ("invalid", StatusCode::BAD_REQUEST, "The request is not valid"),
            Self::Timeout => ("timeout", StatusCode::REQUEST_TIMEOUT, "The request took too long"),
            Self::Conflict => ("conflict", StatusCode::CONFLICT, "It contradicts what is there"),
            Self::PreconditionFailed => {
                ("precondition_failed", StatusCode::PRECONDITION_FAILED, "It was changed meanwhile")
            }
            Self::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE, "The request is too large"),
            Self::UnsupportedMediaType => {
                ("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be JSON")
            }
            Self::IdempotencyMismatch => (
                "idempotency_mismatch",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The idempotency key belongs to another request",
            ),
            Self::RateLimited => ("rate_limited", StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
            Self::Internal => {
                ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong in Tollgate")
            }
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Not available right now"),
            Self::NotConfigured => {
                ("not_configured", StatusCode::SERVICE_UNAVAILABLE, "This is not configured here")
            }
        }
    }
}

/// One part of a request that broke a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where: a JSON pointer into the body, or the name of a parameter or header.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

/// A refusal. What it says goes out to the caller: nothing internal, no secret.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after_secs: Option<u64>,
    /// Whether the same request may succeed when it is done again at once.
    again: bool,
    /// For [`Code::ReauthenticationRequired`].
    step_up: Option<StepUp>,
}

/// How recent a proof has to be, and where to give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepUp {
    /// The oldest that it may be, in seconds.
    pub max_age_secs: u64,
    /// Where a browser gives it, as a path of this server.
    pub login: Option<&'static str>,
}

/// The document as it is sent (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemDocument {
    /// Where the code is explained, relative to this server.
    #[schema(example = "/docs/problems#not_found")]
    pub r#type: String,
    /// What happened, the same for every occurrence.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do next.
    pub detail: String,
    /// The stable code.
    #[schema(example = "not_found")]
    pub code: &'static str,
    /// What exactly is wrong, when the request is not valid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Where a browser proves anew who is there, for `reauthentication_required`; `&next=/path` can be added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/login?again=true")]
    pub login: Option<&'static str>,
}

/// What a handler returns.
pub type Answer<T> = Result<T, Problem>;

impl Problem {
    /// A refusal with a sentence for the caller.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_secs: None,
            again: false,
            step_up: None,
        }
    }

    /// Who is signed in has to prove it anew (RFC 9470).
    pub fn reauthenticate(detail: impl Into<Cow<'static, str>>, step_up: StepUp) -> Self {
        Self { step_up: Some(step_up), ..Self::new(Code::ReauthenticationRequired, detail) }
    }

    /// There is no such thing, or it is somebody else's: the two must not be told apart.
    pub fn not_found() -> Self {
        Self::new(
            Code::NotFound,
            "Nothing of this id is visible to you. Check the id, and who you are signed in as.",
        )
    }

    /// One field is wrong.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let error = FieldError { pointer: pointer.into(), detail: detail.into() };
        let detail = format!("{}: {}", error.pointer, error.detail);
        Self { errors: vec![error], ..Self::new(Code::Invalid, detail) }
    }

    /// When trying again makes sense.
    #[must_use]
    pub const fn retry_after(mut self, secs: u64) -> Self {
        self.retry_after_secs = Some(secs);
        self
    }

    /// What happened and what to do next.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The stable code.
    pub const fn code(&self) -> Code {
        self.code
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => {
                Self::new(Code::Conflict, "Something of this name or kind is there already.")
            }
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "an API request met a store that is away");
                Self::new(Code::Unavailable, "The database cannot be reached. Try again shortly.")
                    .retry_after(1)
            }
            StoreError::Again(_) => {
                tracing::debug!(%error, "an API request met others that wrote the same");
                let detail = "Too many write the same at once; nothing was changed. Try again shortly.";
                Self { again: true, ..Self::new(Code::Unavailable, detail).retry_after(1) }
            }
            StoreError::NoWrites(_) => {
                tracing::error!(%error, "an API request could not be written");
                let detail = "The database takes no writes right now: it is full or read-only. Nothing was changed, and \
                              keys work on. Ask an operator to look at the log.";
                Self::new(Code::Unavailable, detail).retry_after(10)
            }
            StoreError::Url
            | StoreError::Migration(_)
            | StoreError::Inconsistent { .. }
            | StoreError::Damaged(_) => {
                tracing::error!(%error, "an API request met a broken store");
                Self::new(
                    Code::Unavailable,
                    "The database is not usable. Ask an operator to look at the log.",
                )
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let said = sentence(&refusal.to_string());
        match refusal {
            // Word for word what an unknown id gets.
            Refusal::Missing(_) => Self::not_found(),
            Refusal::Key(refusal) => super::keys::problem(refusal),
            Refusal::Invitation => Self::new(Code::NotFound, said),
            Refusal::ProjectRoleNeeded(_)
            | Refusal::OrganizationRoleNeeded(_)
            | Refusal::PlatformAdminNeeded
            | Refusal::AboveOwnRole { .. }
            | Refusal::MembershipNeeded(_)
            | Refusal::MappingAbove { .. }
            | Refusal::Subject => Self::new(Code::Forbidden, said),
            Refusal::Stale { .. } => Self::new(Code::PreconditionFailed, said),
            Refusal::LastOwner | Refusal::LastAdmin => Self::new(Code::Invalid, said),
            Refusal::NoHeir(_) => Self::invalid("to", refusal.to_string()),
            Refusal::Role(_) => Self::invalid("/role", refusal.to_string()),
            Refusal::Oneself
            | Refusal::Personal
            | Refusal::InvitationNeeded
            | Refusal::NameTaken { .. }
            | Refusal::Twice(_) => Self::new(Code::Conflict, said),
        }
    }
}

/// The text with a capital first letter and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

impl From<EntropyError> for Problem {
    fn from(error: EntropyError) -> Self {
        tracing::error!(%error, "no random bytes");
        Self::new(Code::Unavailable, "Nothing secret can be made right now. Try again shortly.")
            .retry_after(1)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (code, status, title) = self.code.row();
        let document = ProblemDocument {
            r#type: format!("/docs/problems#{code}"),
            title,
            status: status.as_u16(),
            detail: self.detail.into_owned(),
            code,
            errors: self.errors,
            login: self.step_up.and_then(|step_up| step_up.login),
        };
        let mut response = (status, Json(document)).into_response();
        if self.again {
            response.extensions_mut().insert(TryAgain);
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tollgate\""));
        }
        if let Some(StepUp { max_age_secs, .. }) = self.step_up {
            // RFC 9470 section 3.
            let challenge = format!(
                "Bearer realm=\"tollgate\", error=\"insufficient_user_authentication\", \
                 error_description=\"A more recent authentication is required\", max_age=\"{max_age_secs}\""
            );
            if let Ok(value) = HeaderValue::from_str(&challenge) {
                headers.insert(header::WWW_AUTHENTICATE, value);
            }
        }
        if let Some(secs) = self.retry_after_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_errors() {
        let texts: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|c| c.status().is_client_error() || c.status().is_server_error()));
    }

    #[test]
    fn an_outage_is_503_and_never_the_callers_fault() {
        for error in [
            StoreError::Unavailable("x".into()),
            StoreError::Again("x".into()),
            StoreError::NoWrites("x".into()),
            StoreError::Damaged("x".into()),
        ] {
            let problem = Problem::from(error);
            assert_eq!(problem.code().status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(!problem.detail.contains(": x"), "nothing internal: {}", problem.detail);
        }
    }
}
