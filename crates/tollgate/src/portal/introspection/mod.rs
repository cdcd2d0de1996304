//! For other services at the gateway, such as Authorino: whether a credential is good (RFC 7662), and what stands behind a
//! subject or a key. They prove who they are; what they learn comes from the same views as a check's answer.

mod client;
mod context;
mod introspect;
mod models;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;
use tokio::time::Instant;
use tollgate_core::caller::Caller;
use tollgate_core::check::{check_standing, identify};
use tollgate_core::credential;
use tollgate_core::denial::{Denial, DenialClass};

use super::Portal;
use super::problem::{Code, Problem};
use super::routes::Served;
use crate::views::gather_credential;

/// For an issuer that has to be asked for a new key.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

/// A service that may ask.
#[derive(Clone, PartialEq, Eq)]
pub struct IntrospectionClient {
    id: String,
    digest: [u8; 32],
}

impl IntrospectionClient {
    /// Of this name and secret.
    pub fn new(id: impl Into<String>, secret: &str) -> Self {
        Self { id: id.into(), digest: sha256(secret) }
    }
}

impl fmt::Debug for IntrospectionClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is served to services.
pub fn beside_the_api() -> Vec<Served> {
    vec![
        ("POST", "/oauth2/introspect", post(introspect::submit)),
        ("POST", "/v1/authorino/validate/introspect", post(introspect::submit)),
        ("POST", "/idp/v1/resolve-context", post(context::submit)),
    ]
}

/// Why a service got no answer.
#[derive(Debug)]
enum Refusal {
    /// The request breaks a rule of RFC 7662 or RFC 6749.
    Request(&'static str),
    /// The service did not prove who it is.
    Client,
    /// Anything that the rest of the port refuses for too.
    Problem(Problem),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl IntoResponse for Refusal {
    /// RFC 6749 section 5.2, which RFC 7662 section 2.3 asks for.
    fn into_response(self) -> Response {
        let (status, error, description) = match self {
            Self::Request(description) => (StatusCode::BAD_REQUEST, "invalid_request", description),
            Self::Client => {
                let description = "Authenticate as a client of introspection.clients, by HTTP Basic or by client_id and \
                                   client_secret, and not by both.";
                (StatusCode::UNAUTHORIZED, "invalid_client", description)
            }
            Self::Problem(problem) => return problem.into_response(),
        };
        let mut response =
            (status, Json(json!({"error": error, "error_description": description}))).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"tollgate\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Whose credential this is; None when it is good for nothing, whyever. The standing of a key's owner, project and
/// organization is part of it.
///
/// # Errors
/// `unavailable`: it cannot be told now, which must never read as "not good".
async fn caller(portal: &Portal, text: &str) -> Result<Option<Caller>, Problem> {
    let Ok(credential) = credential::classify(text) else { return Ok(None) };
    let rulebook = portal.rulebook().borrow();
    let deadline = Instant::now() + PATIENCE;
    let gathered = gather_credential(&credential, &rulebook, portal.tokens(), portal.now(), deadline).await;
    let judged = identify(&gathered.facts).and_then(|caller| match &caller {
        Caller::Key(key) => check_standing(key).map(|()| caller),
        Caller::User(_) => Ok(caller),
    });
    match judged {
        Ok(caller) => {
            if let (Caller::User(token), Some(place)) = (&caller, gathered.remember) {
                portal.tokens().put(place.digest, std::sync::Arc::clone(token), place.epoch);
            }
            Ok(Some(caller))
        }
        Err(denial) if denial.code().class() == DenialClass::Unavailable => Err(undecidable(&denial)),
        Err(denial) => {
            tracing::debug!(
                code = denial.code().as_str(),
                reason = denial.reason(),
                "introspected: not active"
            );
            Ok(None)
        }
    }
}

fn undecidable(denial: &Denial) -> Problem {
    tracing::warn!(reason = denial.reason(), "a credential cannot be introspected now");
    Problem::new(Code::Unavailable, "This cannot be told right now. Ask again shortly.").retry_after(1)
}

fn sha256(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    // SHA-256 has 32 bytes, so the lengths always agree.
    out.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    out
}
