//! Why the API gave nothing, in words for whoever typed the command.

use serde::Deserialize;
use thiserror::Error;
use url::Url;

/// A request that did not give what was asked for. No secret is ever part of it.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address is none, or one that a token must not be sent to.
    #[error("{0}")]
    Address(String),
    /// No answer, or none in time.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// Scheme, host and port.
        url: String,
        /// The innermost cause.
        why: String,
    },
    /// The API refused, and said why.
    #[error("{}", refusal(.0))]
    Refused(Box<Refusal>),
    /// Something answered that is not Tollgate's API.
    #[error("{url} answered {status}, and not as Tollgate's API does; is --api right?")]
    Foreign {
        /// Scheme, host and port.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// More than anybody would read.
    #[error("{0} sent more than {1} bytes")]
    TooLarge(String, usize),
    /// The issuer refused to sign in.
    #[error("the issuer refused: {0}")]
    Issuer(String),
    /// Nobody is signed in.
    #[error("nobody is signed in at {0}; run `tollgate login --api {0}`, or give --token-file")]
    SignedOut(String),
    /// The file of logins.
    #[error("{0}")]
    Saved(String),
}

/// A problem document of the API (RFC 9457).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// What happened, and what to do next.
    pub detail: String,
    /// What exactly is wrong.
    pub errors: Vec<FieldError>,
}

/// One part of a request that broke a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FieldError {
    /// Where.
    pub pointer: String,
    /// What is wrong.
    pub detail: String,
}

/// What kind of thing helps; the command line's exit code is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Signing in, or other rights.
    SignIn,
    /// Trying again later.
    Later,
    /// Another request.
    Other,
}

impl ClientError {
    /// What kind of thing helps.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::SignedOut(_) => Remedy::SignIn,
            Self::Refused(refusal) => match refusal.status {
                401 | 403 => Remedy::SignIn,
                429 | 503 => Remedy::Later,
                _ => Remedy::Other,
            },
            Self::Unreachable { .. } => Remedy::Later,
            _ => Remedy::Other,
        }
    }
}

/// What was refused, in text that does nothing to a terminal.
fn refusal(refusal: &Refusal) -> String {
    let said = said(refusal);
    said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn said(refusal: &Refusal) -> String {
    match refusal.errors.as_slice() {
        [] if refusal.detail.is_empty() => {
            format!("refused with status {} ({})", refusal.status, refusal.code)
        }
        [] => format!("{} ({})", refusal.detail, refusal.code),
        errors => {
            let each = errors.iter().map(|error| match error.pointer.trim_start_matches('/') {
                "" => error.detail.clone(),
                field => format!("{field}: {}", error.detail),
            });
            format!("{} ({})", each.collect::<Vec<_>>().join("; "), refusal.code)
        }
    }
}

/// Scheme, host and port: paths and queries of our own requests may name things that a log should not.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The last cause in the chain: "connection refused" says more than "error sending request".
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
