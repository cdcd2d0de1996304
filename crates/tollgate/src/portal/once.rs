//! Creating exactly once: a request that is sent again with the same `Idempotency-Key` gets the first answer, and does
//! nothing. The answer is kept in the same unit of work as what it speaks of.

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tollgate_core::time::Timestamp;

use super::Portal;
use super::body;
use super::problem::{Answer, Code, Problem};
use crate::store::{KeptAnswer, Tx};

/// How long an answer is kept.
const KEPT_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Characters of a key at most.
const MAX_KEY: usize = 255;

/// The header's name.
pub const HEADER: &str = "idempotency-key";

/// A JSON body together with the idempotency key of its request.
#[derive(Debug)]
pub struct Create<T> {
    /// The body.
    pub body: T,
    /// Answers once.
    pub once: Once,
}

/// The idempotency of one request.
#[derive(Clone, Debug)]
pub struct Once {
    key: Option<String>,
    request_digest: String,
}

impl<T: DeserializeOwned + Send> FromRequest<Portal> for Create<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, Problem> {
        let mut lines = request.headers().get_all(HEADER).iter();
        let key = match (lines.next(), lines.next()) {
            (None, _) => None,
            (Some(value), None) => {
                let text =
                    value.to_str().ok().map(str::trim).filter(|text| (1..=MAX_KEY).contains(&text.len()));
                let wrong =
                    || Problem::invalid("Idempotency-Key", "must be 1 to 255 printable ASCII characters");
                Some(text.ok_or_else(wrong)?.to_owned())
            }
            (Some(_), Some(_)) => return Err(Problem::invalid("Idempotency-Key", "must stand there once")),
        };
        let asked = format!("{} {}\n", request.method(), request.uri().path());
        let bytes = body::read(request, portal).await?;
        let request_digest = hex(digest(&SHA256, &[asked.as_bytes(), &bytes].concat()).as_ref());
        Ok(Self { body: body::parse(&bytes)?, once: Once { key, request_digest } })
    }
}

impl Once {
    /// The answer that was given before, if this request was answered before.
    ///
    /// # Errors
    /// The key belongs to another request, or the database gave no answer.
    pub async fn replay(&self, tx: &mut Tx, caller: &str, now: Timestamp) -> Answer<Option<Response>> {
        let Some(key) = &self.key else { return Ok(None) };
        let Some(kept) = tx.find_answer(caller, key, since(now)).await? else { return Ok(None) };
        if kept.request_digest != self.request_digest {
            let detail =
                "Use a new Idempotency-Key for another request; this one was used within the last day.";
            return Err(Problem::new(Code::IdempotencyMismatch, detail));
        }
        let status = u16::try_from(kept.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut response = (status.unwrap_or(StatusCode::OK), json, kept.body).into_response();
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        Ok(Some(response))
    }

    /// Keeps the answer; `shown` must hold no secret. Call it in the unit of work that did what the answer says.
    ///
    /// # Errors
    /// Another request with this key was faster, or the database gave no answer.
    pub async fn keep(
        &self,
        tx: &mut Tx,
        caller: &str,
        (status, shown): (StatusCode, &impl Serialize),
        now: Timestamp,
    ) -> Answer<()> {
        let Some(key) = &self.key else { return Ok(()) };
        let body = serde_json::to_string(shown).map_err(|error| {
            tracing::error!(%error, "an answer cannot be written as JSON");
            Problem::new(Code::Internal, "This is a bug. Nothing was changed.")
        })?;
        let request_digest = self.request_digest.clone();
        let answer = KeptAnswer { request_digest, status: i64::from(status.as_u16()), body };
        Ok(tx.keep_answer(caller, key, &answer, (now, since(now))).await?)
    }
}

fn since(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.as_millis() - KEPT_MILLIS)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
