//! Secrets that were found in public: noted once each and by their digest, so that a report which comes again is known and
//! the key's next secret is not concerned.

use tollgate_core::apikey::KeyDigest;
use tollgate_core::time::Timestamp;

use super::ApiKey;
use crate::store::StoreError;
use crate::store::db::failed;
use crate::store::tx::{Tx, on_tx};

/// Where and when a secret was found in public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// When it was reported first.
    pub at: Timestamp,
    /// Where it was found, if that was said.
    pub url: Option<String>,
    /// What kind of place that is, in the reporter's word.
    pub source: String,
}

const KNOWN: &str = "SELECT COUNT(*) FROM leaked_secrets WHERE digest = $1";
const NOTE: &str = "INSERT INTO leaked_secrets (digest, key_id, url, source, reported_by, reported_at) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
/// One that is over keeps its time.
const END_PREVIOUS: &str = "UPDATE api_keys SET previous_until = $3, updated_at = $3, version = version + 1 \
     WHERE project_id = $1 AND id = $2 AND version = $4 AND previous_until > $3";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[KNOWN, NOTE, END_PREVIOUS];

impl Tx {
    /// Whether this secret was reported before.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn is_leaked(&mut self, secret: KeyDigest) -> Result<bool, StoreError> {
        let known: i64 =
            on_tx!(self, conn => sqlx::query_scalar(KNOWN).bind(secret.to_hex()).fetch_one(conn).await)
                .map_err(|e| failed(&e))?;
        Ok(known > 0)
    }

    /// Notes that this secret of a key was found in public, as `reporter` signed; false when it was noted before.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn note_leak(
        &mut self,
        (key, secret): (&ApiKey, KeyDigest),
        leak: &Leak,
        reporter: &str,
    ) -> Result<bool, StoreError> {
        on_tx!(self, conn => {
            let note = sqlx::query(NOTE).bind(secret.to_hex()).bind(key.id.as_str()).bind(&leak.url);
            let note = note.bind(&leak.source).bind(reporter).bind(leak.at.as_millis());
            note.execute(conn).await.map(|done| done.rows_affected() > 0)
        })
        .map_err(|e| failed(&e))
    }

    /// Ends the secret before the present one now, in the midst of its overlap.
    ///
    /// # Errors
    /// [`StoreError::Again`] when the key was changed since it was read or that secret is over, or the database gave no
    /// answer.
    pub async fn end_previous_secret(&mut self, key: &ApiKey, now: Timestamp) -> Result<ApiKey, StoreError> {
        let ended = on_tx!(self, conn => {
            let end = sqlx::query(END_PREVIOUS).bind(&key.project_id).bind(key.id.as_str());
            end.bind(now.as_millis()).bind(key.version).execute(conn).await.map(|done| done.rows_affected())
        })
        .map_err(|e| failed(&e))?;
        self.changed(key, ended).await
    }
}
