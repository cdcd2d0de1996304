//! Why a check was refused: a closed set, so that a new reason cannot appear without every `match` learning it.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;

use crate::caller::Caller;
use crate::models::ModelOfRequest;

/// The stable, machine-readable reason of a denial. The text of [`DenialCode::as_str`] is a public contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DenialCode {
    /// The request itself could not be read: no canonical path, host or method.
    RequestMalformed,
    /// Nothing was presented.
    CredentialMissing,
    /// What was presented is neither a key nor a token.
    CredentialMalformed,
    /// Two credentials, and no honest way to choose.
    CredentialAmbiguous,
    /// A token was refused; which check failed is for the log only.
    TokenInvalid,
    /// A good token whose time is over.
    TokenExpired,
    /// No configured issuer made this token.
    TokenIssuerUnknown,
    /// A good token that was ended before its time: by its id, its session, its subject or its age.
    TokenRevoked,
    /// A Keycloak lightweight token: valid, but without a subject.
    TokenLightweight,
    /// No such key.
    KeyUnknown,
    /// The key was revoked or disabled.
    KeyRevoked,
    /// The key's time is over.
    KeyExpired,
    /// The caller is known and may not do this, or no route matches.
    NotAllowed,
    /// The caller may not use this model.
    ModelNotAllowed,
    /// A restricted caller, and the model of the request cannot be told.
    ModelUndecidable,
    /// The project, or its organization, is suspended.
    ProjectSuspended,
    /// The person or service account is suspended.
    CallerSuspended,
    /// The key may not be used from this address.
    AddressNotAllowed,
    /// The budget is used up.
    BudgetExhausted,
    /// Too many requests.
    RateLimited,
    /// A source that the decision needs cannot be asked.
    Unavailable,
    /// More checks are under way than the configured bound.
    Overloaded,
    /// The check's own deadline passed before it could be decided.
    Deadline,
}

/// Whom a denial blames: it decides status, challenge and error type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialClass {
    /// The request cannot be read: 400.
    Malformed,
    /// Who calls is not known: the configured unauthenticated status, 401 or 403.
    Unauthenticated,
    /// Who calls is known, and may not: 403.
    Forbidden,
    /// Later, perhaps: 429.
    Limited,
    /// We cannot decide: 503.
    Unavailable,
}

impl DenialCode {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 23] = [
        Self::RequestMalformed,
        Self::CredentialMissing,
        Self::CredentialMalformed,
        Self::CredentialAmbiguous,
        Self::TokenInvalid,
        Self::TokenExpired,
        Self::TokenRevoked,
        Self::TokenIssuerUnknown,
        Self::TokenLightweight,
        Self::KeyUnknown,
        Self::KeyRevoked,
        Self::KeyExpired,
        Self::NotAllowed,
        Self::ModelNotAllowed,
        Self::ModelUndecidable,
        Self::ProjectSuspended,
        Self::CallerSuspended,
        Self::AddressNotAllowed,
        Self::BudgetExhausted,
        Self::RateLimited,
        Self::Unavailable,
        Self::Overloaded,
        Self::Deadline,
    ];

    /// The stable text, as it appears in bodies, logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestMalformed => "request_malformed",
            Self::CredentialMissing => "credential_missing",
            Self::CredentialMalformed => "credential_malformed",
            Self::CredentialAmbiguous => "credential_ambiguous",
            Self::TokenInvalid => "token_invalid",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::TokenIssuerUnknown => "token_issuer_unknown",
            Self::TokenLightweight => "token_lightweight",
            Self::KeyUnknown => "key_unknown",
            Self::KeyRevoked => "key_revoked",
            Self::KeyExpired => "key_expired",
            Self::NotAllowed => "not_allowed",
            Self::ModelNotAllowed => "model_not_allowed",
            Self::ModelUndecidable => "model_undecidable",
            Self::ProjectSuspended => "project_suspended",
            Self::CallerSuspended => "caller_suspended",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::BudgetExhausted => "budget_exhausted",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Overloaded => "overloaded",
            Self::Deadline => "deadline",
        }
    }

    /// Whom this denial blames.
    pub const fn class(self) -> DenialClass {
        match self {
            Self::RequestMalformed => DenialClass::Malformed,
            Self::CredentialMissing
            | Self::CredentialMalformed
            | Self::CredentialAmbiguous
            | Self::TokenInvalid
            | Self::TokenExpired
            | Self::TokenRevoked
            | Self::TokenIssuerUnknown
            | Self::TokenLightweight
            | Self::KeyUnknown
            | Self::KeyRevoked
            | Self::KeyExpired => DenialClass::Unauthenticated,
            Self::NotAllowed
            | Self::ModelNotAllowed
            | Self::ModelUndecidable
            | Self::ProjectSuspended
            | Self::CallerSuspended
            | Self::AddressNotAllowed => DenialClass::Forbidden,
            Self::BudgetExhausted | Self::RateLimited => DenialClass::Limited,
            Self::Unavailable | Self::Overloaded | Self::Deadline => DenialClass::Unavailable,
        }
    }

    /// The HTTP status, given what this deployment answers to unauthenticated callers.
    pub fn status(self, unauthenticated: UnauthenticatedStatus) -> StatusCode {
        match self.class() {
            DenialClass::Malformed => StatusCode::BAD_REQUEST,
            DenialClass::Unauthenticated => unauthenticated.status(),
            DenialClass::Forbidden => StatusCode::FORBIDDEN,
            DenialClass::Limited => StatusCode::TOO_MANY_REQUESTS,
            DenialClass::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The code that the caller sees.
    ///
    /// Revoked and expired keys look like unknown ones from outside: who guesses must not learn that a key exists. A
    /// token that was ended looks like any other that is refused. The true code is in the log.
    pub const fn public(self) -> Self {
        match self {
            Self::KeyRevoked | Self::KeyExpired => Self::KeyUnknown,
            Self::TokenRevoked => Self::TokenInvalid,
            other => other,
        }
    }

    /// The sentence that the caller sees: what happened and what to do next, never which check failed.
    pub const fn public_message(self) -> &'static str {
        match self {
            Self::RequestMalformed => {
                "The request's method, host or path is malformed or ambiguous. Send it without dot segments, encoded \
                 slashes, control characters or invalid percent-escapes."
            }
            Self::CredentialMissing => {
                "No credential was sent. Send 'Authorization: Bearer <token or key>' or an API key header."
            }
            Self::CredentialMalformed => {
                "The credential is neither an API key nor a bearer token. Check that it was copied whole, into a \
                 header, as 'Bearer <token or key>'."
            }
            Self::CredentialAmbiguous => "More than one credential was sent. Send exactly one.",
            Self::TokenInvalid | Self::TokenRevoked => {
                "The token is not valid here. Sign in again and use a fresh access token."
            }
            Self::TokenExpired => "The token has expired. Get a fresh one and try again.",
            Self::TokenIssuerUnknown => "The token was issued by a party that is not trusted here.",
            Self::TokenLightweight => {
                "The token is a lightweight access token and does not say who its user is. An administrator must \
                 switch off 'Always use lightweight access token' for the client that requested it \
                 (client.use.lightweight.access.token.enabled=false)."
            }
            Self::KeyUnknown | Self::KeyRevoked | Self::KeyExpired => {
                "The API key is not valid. Check that it was copied whole and has not been revoked."
            }
            Self::NotAllowed => "You may not make this request.",
            Self::ModelNotAllowed => {
                "You may not use this model. GET /v1/models may list those that you may use."
            }
            Self::ModelUndecidable => {
                "Which model this request uses cannot be told, and you may not use all models. Name it once, as the \
                 API expects it, in an uncompressed body with its content-type."
            }
            Self::ProjectSuspended => "The project is suspended. Ask its owner.",
            Self::CallerSuspended => "Your access is suspended. Ask an administrator.",
            Self::AddressNotAllowed => {
                "This key may not be used from your address. Ask the project's manager."
            }
            Self::BudgetExhausted => "The budget is used up.",
            Self::RateLimited => "Too many requests. Slow down and try again later.",
            Self::Unavailable => "The request cannot be authorized right now. Try again shortly.",
            Self::Overloaded => "The authorization service is overloaded. Try again shortly.",
            Self::Deadline => "The request could not be authorized in time. Try again shortly.",
        }
    }
}

impl fmt::Display for DenialCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What unauthenticated callers get: 401 is the standard's answer, 403 the integration guide's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UnauthenticatedStatus {
    /// RFC 9110 section 15.5.2.
    #[default]
    Unauthorized,
    /// What the guide's first test expects.
    Forbidden,
}

impl UnauthenticatedStatus {
    /// From the number in the configuration; anything but 401 and 403 is refused.
    pub const fn from_u16(status: u16) -> Option<Self> {
        match status {
            401 => Some(Self::Unauthorized),
            403 => Some(Self::Forbidden),
            _ => None,
        }
    }

    /// As an HTTP status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
        }
    }
}

/// A refused check: the public code, and what only the operator may see.
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    code: DenialCode,
    reason: Cow<'static, str>,
    caller: Option<Caller>,
    model: Option<String>,
}

impl Denial {
    /// A denial before the caller was known. `reason` is for the log and must hold no secret.
    pub fn new(code: DenialCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into(), caller: None, model: None }
    }

    /// A denial of a known caller.
    #[must_use]
    pub fn of(mut self, caller: Caller) -> Self {
        self.caller = Some(caller);
        self
    }

    /// A denial of this caller, if there is one, who asked for this model.
    #[must_use]
    pub fn about(self, caller: Option<Caller>, model: &ModelOfRequest<'_>) -> Self {
        Self { caller, model: model.name().map(str::to_owned), ..self }
    }

    /// The true code, for log, metrics and audit; see [`DenialCode::public`] for what goes out.
    pub const fn code(&self) -> DenialCode {
        self.code
    }

    /// The log's sentence. Never shown to the caller.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The caller, when authentication had succeeded before the refusal.
    pub const fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// The model that was asked for, when it was looked for and found.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Seconds after which trying again makes sense.
    pub const fn retry_after_secs(&self) -> Option<u32> {
        match self.code.class() {
            DenialClass::Unavailable | DenialClass::Limited => Some(1),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_snake_case() {
        let texts: HashSet<_> = DenialCode::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(texts.len(), DenialCode::ALL.len());
        assert!(texts.iter().all(|t| t.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }

    #[test]
    fn the_documentation_lists_every_code_in_order() {
        let text = include_str!("../../../docs/reference/denials.md");
        let listed: Vec<_> =
            text.lines().filter_map(|l| l.strip_prefix("| `")?.split_once('`')).map(|(c, _)| c).collect();
        let codes: Vec<_> = DenialCode::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(listed[..codes.len()], codes);
    }

    #[test]
    fn no_denial_has_a_success_status() {
        for code in DenialCode::ALL {
            for text in [401, 403] {
                let status = code.status(UnauthenticatedStatus::from_u16(text).unwrap());
                assert!(status.is_client_error() || status.is_server_error(), "{code} -> {status}");
            }
        }
    }

    #[test]
    fn a_revoked_key_looks_unknown_from_outside() {
        assert_eq!(DenialCode::KeyRevoked.public(), DenialCode::KeyUnknown);
        assert_eq!(DenialCode::KeyExpired.public(), DenialCode::KeyUnknown);
        assert_eq!(DenialCode::TokenRevoked.public(), DenialCode::TokenInvalid);
        assert_eq!(DenialCode::TokenRevoked.public_message(), DenialCode::TokenInvalid.public_message());
        assert_eq!(DenialCode::KeyRevoked.public_message(), DenialCode::KeyUnknown.public_message());
    }

    #[test]
    fn outages_are_never_the_callers_fault() {
        for code in [DenialCode::Unavailable, DenialCode::Overloaded, DenialCode::Deadline] {
            assert_eq!(code.status(UnauthenticatedStatus::Unauthorized), StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}
