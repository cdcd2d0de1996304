//! Secrets that were found in public: noted once each and by their digest, so that a report which comes again is known and
//! the key's next secret is not concerned.

use serde_json::{Value, json};
use tollgate_core::apikey::KeyDigest;
use tollgate_core::caller::KeyState;
use tollgate_core::time::Timestamp;

use super::audited::entry;
use super::{ApiKey, OffCause, SecretMatch, SwitchedOff};
use crate::store::db::failed;
use crate::store::tx::{Tx, on_tx};
use crate::store::{Author, StoreError};

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

/// What a scanner says about a secret.
#[derive(Clone, Copy, Debug)]
pub struct LeakReport<'a> {
    /// Where and when.
    pub leak: &'a Leak,
    /// The scanner's name for such texts.
    pub kind: &'a str,
    /// Which secret of the key it is.
    pub which: SecretMatch,
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

    /// Ends the secret of a held key that was found in public: the key is switched off if it is the present one, and loses
    /// the one before otherwise. The key's present secret was not found then, so that its users go on. An expired key is
    /// switched off too: it could be given a later end.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn end_leaked_secret(
        &mut self,
        author: &Author,
        before: &ApiKey,
        report: LeakReport<'_>,
    ) -> Result<ApiKey, StoreError> {
        let now = author.at();
        let after = match report.which {
            SecretMatch::Current => {
                let mut switch = before.switch.clone();
                if before.state == KeyState::Live {
                    switch.off =
                        Some(SwitchedOff { cause: OffCause::Leaked, by: author.id.clone(), at: now });
                }
                // Saved even if nothing works that would have to end, so that its reading has another version.
                self.save_key(before.switched_off(switch), now).await?
            }
            SecretMatch::Previous if before.previous.is_some_and(|previous| previous.until > now) => {
                self.end_previous_secret(before, now).await?
            }
            SecretMatch::Previous => before.clone(),
        };
        let mut written = entry(author, "key.leak", Some(before), &after);
        if let Some(Value::Object(shown)) = &mut written.after {
            let LeakReport { leak, kind, which } = report;
            let said =
                json!({"url": leak.url, "source": leak.source, "type": kind, "secret": which.as_str()});
            shown.insert("leak".into(), said);
        }
        self.audit(written);
        Ok(after)
    }

    /// Ends the secret before the present one now, in the midst of its overlap.
    async fn end_previous_secret(&mut self, key: &ApiKey, now: Timestamp) -> Result<ApiKey, StoreError> {
        let ended = on_tx!(self, conn => {
            let end = sqlx::query(END_PREVIOUS).bind(&key.project_id).bind(key.id.as_str());
            end.bind(now.as_millis()).bind(key.version).execute(conn).await.map(|done| done.rows_affected())
        })
        .map_err(|e| failed(&e))?;
        self.changed(key, ended).await
    }
}
