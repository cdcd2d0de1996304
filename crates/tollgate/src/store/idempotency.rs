//! What was answered to requests with an idempotency key, for a day.

use tollgate_core::time::Timestamp;

use super::StoreError;
use super::db::failed;
use super::tx::{Tx, on_tx};

/// An answer that was given before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// SHA-256 of the request, in hex.
    pub request_digest: String,
    /// The HTTP status.
    pub status: i64,
    /// The body, without secrets.
    pub body: String,
}

const FIND: &str =
    "SELECT request_digest, status, body FROM idempotency WHERE caller = $1 AND key = $2 AND created_at > $3";
const FORGET: &str = "DELETE FROM idempotency WHERE caller = $1 AND created_at <= $2";
const KEEP: &str = "INSERT INTO idempotency (caller, key, request_digest, status, body, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[FIND, FORGET, KEEP];

impl Tx {
    /// The answer that `caller` got to this key after `since`.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn find_answer(
        &mut self,
        caller: &str,
        key: &str,
        since: Timestamp,
    ) -> Result<Option<KeptAnswer>, StoreError> {
        let row: Option<(String, i64, String)> = on_tx!(self, conn => {
            sqlx::query_as(FIND).bind(caller).bind(key).bind(since.as_millis()).fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        Ok(row.map(|(request_digest, status, body)| KeptAnswer { request_digest, status, body }))
    }

    /// Keeps an answer, and forgets the caller's answers of `since` and before.
    ///
    /// # Errors
    /// [`StoreError::Again`] when another request with this key was faster: its answer is there now.
    pub async fn keep_answer(
        &mut self,
        caller: &str,
        key: &str,
        answer: &KeptAnswer,
        (now, since): (Timestamp, Timestamp),
    ) -> Result<(), StoreError> {
        on_tx!(self, conn => {
            sqlx::query(FORGET).bind(caller).bind(since.as_millis()).execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        on_tx!(self, conn => {
            let keep = sqlx::query(KEEP).bind(caller).bind(key).bind(&answer.request_digest);
            keep.bind(answer.status).bind(&answer.body).bind(now.as_millis()).execute(conn).await.map(drop)
        })
        .map_err(|e| match failed(&e) {
            StoreError::Conflict(what) => StoreError::Again(what),
            other => other,
        })
    }
}
