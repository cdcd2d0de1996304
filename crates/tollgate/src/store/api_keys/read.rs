//! One key: by its project and id, or by a secret that somebody pasted.

use tollgate_core::apikey::{KeyDigest, PlainKey};
use tollgate_core::time::Timestamp;

use super::ApiKey;
use super::row::{KeyRow, impossible, select_keys};
use crate::store::StoreError;
use crate::store::db::failed;
use crate::store::tx::{Tx, on_tx};

/// Which secret of a key it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretMatch {
    /// The present one.
    Current,
    /// The one before; whether it still works is a matter of time.
    Previous,
}

impl SecretMatch {
    /// The text in API and log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Previous => "previous",
        }
    }
}

const FIND: &str = select_keys!("WHERE k.project_id = $1 AND k.id = $2");
const FIND_BY_ID: &str = select_keys!("WHERE k.id = $1");
const DIGESTS: &str = "SELECT digest, previous_digest FROM api_keys WHERE id = $1";
/// Both databases lock a row that is written, and nothing of it changes.
const HOLD: &str = "UPDATE api_keys SET version = version WHERE project_id = $1 AND id = $2";
/// Keys that are over do not count: whoever makes a key that lives an hour, every hour, must not run full.
const COUNT: &str = "SELECT COUNT(*) FROM api_keys WHERE project_id = $1 AND state <> 'revoked' \
     AND (expires_at IS NULL OR expires_at > $2)";
const PERSONAL: &str = "SELECT r.id FROM projects r JOIN organizations o ON o.id = r.organization_id \
     JOIN organization_members m ON m.organization_id = o.id \
     WHERE m.person_id = $1 AND o.personal AND r.state <> 'deleted' ORDER BY r.created_at, r.id LIMIT 1";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[FIND, FIND_BY_ID, DIGESTS, HOLD, COUNT, PERSONAL];

impl Tx {
    /// The key of this id in this project.
    ///
    /// # Errors
    /// The database gave no answer, or holds an impossible key.
    pub async fn find_key(&mut self, project: &str, id: &str) -> Result<Option<ApiKey>, StoreError> {
        let row: Option<KeyRow> = on_tx!(self, conn => {
            sqlx::query_as(FIND).bind(project).bind(id).fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        row.map(ApiKey::try_from).transpose()
    }

    /// The key of this id in this project, held until the end of the unit of work, so that what is decided on it stays
    /// true.
    ///
    /// # Errors
    /// The database gave no answer, or holds an impossible key.
    pub async fn hold_key(&mut self, project: &str, id: &str) -> Result<Option<ApiKey>, StoreError> {
        on_tx!(self, conn => sqlx::query(HOLD).bind(project).bind(id).execute(conn).await.map(drop))
            .map_err(|e| failed(&e))?;
        self.find_key(project, id).await
    }

    /// The key of this id, in whichever project: for somebody at the store itself, who has no tenant.
    ///
    /// # Errors
    /// The database gave no answer, or holds an impossible key.
    pub async fn find_key_anywhere(&mut self, id: &str) -> Result<Option<ApiKey>, StoreError> {
        let row: Option<KeyRow> =
            on_tx!(self, conn => sqlx::query_as(FIND_BY_ID).bind(id).fetch_optional(conn).await)
                .map_err(|e| failed(&e))?;
        row.map(ApiKey::try_from).transpose()
    }

    /// The key that this secret is or was of. There is no tenant here: whoever asks must check that the caller may see
    /// the key's project, and answer as for an unknown key if not.
    ///
    /// # Errors
    /// The database gave no answer, or holds an impossible key.
    pub async fn find_key_by_secret(
        &mut self,
        plain: &PlainKey<'_>,
    ) -> Result<Option<(ApiKey, SecretMatch)>, StoreError> {
        let key_id = plain.id();
        let id = key_id.as_str();
        let row: Option<(String, Option<String>)> =
            on_tx!(self, conn => sqlx::query_as(DIGESTS).bind(id).fetch_optional(conn).await)
                .map_err(|e| failed(&e))?;
        let Some((current, previous)) = row else { return Ok(None) };
        let kept = |hex: &str| KeyDigest::from_hex(hex).ok_or_else(|| impossible(id, "has no digest"));
        let presented = plain.digest();
        let which = if kept(&current)? == presented {
            SecretMatch::Current
        } else if previous.as_deref().map(kept).transpose()? == Some(presented) {
            SecretMatch::Previous
        } else {
            return Ok(None);
        };
        let row: Option<KeyRow> =
            on_tx!(self, conn => sqlx::query_as(FIND_BY_ID).bind(id).fetch_optional(conn).await)
                .map_err(|e| failed(&e))?;
        Ok(row.map(ApiKey::try_from).transpose()?.map(|key| (key, which)))
    }

    /// The project that a person got at their first contact, if they have not deleted it.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn personal_project(&mut self, person: &str) -> Result<Option<String>, StoreError> {
        on_tx!(self, conn => sqlx::query_scalar(PERSONAL).bind(person).fetch_optional(conn).await)
            .map_err(|e| failed(&e))
    }

    /// Keys of a project that are not over.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn count_keys(&mut self, project: &str, now: Timestamp) -> Result<i64, StoreError> {
        on_tx!(self, conn => {
            sqlx::query_scalar(COUNT).bind(project).bind(now.as_millis()).fetch_one(conn).await
        })
        .map_err(|e| failed(&e))
    }
}
