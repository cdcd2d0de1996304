//! Making, changing, rotating and ending keys. Each names the key to the followers; who did it is the caller's to write
//! down.

use serde::Serialize;
use tollgate_core::apikey::KeyDigest;
use tollgate_core::caller::KeyState;
use tollgate_core::time::Timestamp;

use super::row::{impossible, state_text};
use super::{ApiKey, KeyCreation, KeyEdit, KeyOwner, NewApiKey, Revocation};
use crate::store::db::failed;
use crate::store::tx::{Tx, on_tx};
use crate::store::{Change, FreshAuthor, StoreError};

/// Whoever makes a key in a project waits here for whoever makes another, so that the count below is true.
const HOLD_PROJECT: &str =
    "UPDATE projects SET version = version WHERE id = $1 AND state <> 'deleted' RETURNING id";
const ACTIVE_PERSON: &str = "SELECT id FROM people WHERE id = $1 AND state = 'active'";
const ACTIVE_ACCOUNT: &str =
    "SELECT id FROM service_accounts WHERE project_id = $1 AND id = $2 AND state = 'active'";
const INSERT: &str = "INSERT INTO api_keys (id, project_id, person_id, service_account_id, name, digest, state, \
     expires_at, models, routes, addresses, tags, metadata, created_by, version, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, 'live', $7, $8, $9, $10, $11, $12, $13, 1, $14, $14)";
const SAVE: &str = "UPDATE api_keys SET name = $3, state = $4, expires_at = $5, models = $6, routes = $7, \
     addresses = $8, tags = $9, metadata = $10, revoked_at = $11, revoked_by = $12, version = version + 1, \
     updated_at = $13 WHERE project_id = $1 AND id = $2 AND version = $14";
/// The secret before the present one works on until `$4`, or ends at once; one that was before it ends in any case.
const ROTATE: &str = "UPDATE api_keys SET \
     previous_digest = CASE WHEN CAST($4 AS BIGINT) IS NULL THEN NULL ELSE digest END, \
     previous_last_used_at = CASE WHEN CAST($4 AS BIGINT) IS NULL THEN NULL ELSE last_used_at END, \
     previous_until = $4, digest = $3, rotated_at = $5, updated_at = $5, version = version + 1 \
     WHERE project_id = $1 AND id = $2 AND version = $6";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[HOLD_PROJECT, ACTIVE_PERSON, ACTIVE_ACCOUNT, INSERT, SAVE, ROTATE];

impl Tx {
    /// Holds a project until the end of the unit of work; false when there is none of this id.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn hold_project_for_keys(&mut self, project: &str) -> Result<bool, StoreError> {
        let held: Option<String> =
            on_tx!(self, conn => sqlx::query_scalar(HOLD_PROJECT).bind(project).fetch_optional(conn).await)
                .map_err(|e| failed(&e))?;
        Ok(held.is_some())
    }

    /// Makes a key, unless the project has `quota` of them already.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn create_key(
        &mut self,
        _: &FreshAuthor,
        new: &NewApiKey,
        quota: u32,
        now: Timestamp,
    ) -> Result<KeyCreation, StoreError> {
        let id = new.id.as_str();
        if !self.hold_project_for_keys(&new.project_id).await? {
            return Ok(KeyCreation::NoProject);
        }
        if !self.may_own(&new.project_id, &new.owner).await? {
            return Ok(KeyCreation::NoOwner);
        }
        if self.count_keys(&new.project_id, now).await? >= i64::from(quota) {
            return Ok(KeyCreation::Full);
        }
        let limits = &new.limits;
        let (models, routes, addresses) =
            (text(id, &limits.models)?, text(id, &limits.routes)?, text(id, &limits.addresses)?);
        let (tags, metadata) = (text(id, &new.tags)?, text(id, &new.metadata)?);
        on_tx!(self, conn => {
            let insert = sqlx::query(INSERT).bind(id).bind(&new.project_id).bind(new.owner.person());
            let insert = insert.bind(new.owner.service_account()).bind(new.name.as_str()).bind(new.digest.to_hex());
            let insert = insert.bind(new.expires_at.map(Timestamp::as_millis)).bind(&models).bind(&routes);
            let insert = insert.bind(&addresses).bind(&tags).bind(&metadata).bind(&new.created_by);
            insert.bind(now.as_millis()).execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        self.change(Change::Key(id.to_owned()));
        let made = self.find_key(&new.project_id, id).await?;
        made.map(|key| KeyCreation::Created(Box::new(key))).ok_or_else(|| impossible(id, "is gone at once"))
    }

    async fn may_own(&mut self, project: &str, owner: &KeyOwner) -> Result<bool, StoreError> {
        let found: Option<String> = match owner {
            KeyOwner::Person(id) => {
                on_tx!(self, conn => sqlx::query_scalar(ACTIVE_PERSON).bind(id).fetch_optional(conn).await)
            }
            KeyOwner::ServiceAccount(id) => on_tx!(self, conn => {
                sqlx::query_scalar(ACTIVE_ACCOUNT).bind(project).bind(id).fetch_optional(conn).await
            }),
        }
        .map_err(|e| failed(&e))?;
        Ok(found.is_some())
    }

    /// Writes what people may change of a key: name, state, expiry, limits, tags, metadata, revocation.
    ///
    /// # Errors
    /// [`StoreError::Again`] when the key was changed since it was read, or the database gave no answer.
    pub async fn save_key(&mut self, edit: KeyEdit, now: Timestamp) -> Result<ApiKey, StoreError> {
        let key = edit.after();
        let id = key.id.as_str();
        let limits = &key.limits;
        let (models, routes, addresses) =
            (text(id, &limits.models)?, text(id, &limits.routes)?, text(id, &limits.addresses)?);
        let (tags, metadata) = (text(id, &key.tags)?, text(id, &key.metadata)?);
        let saved = on_tx!(self, conn => {
            let save = sqlx::query(SAVE).bind(&key.project_id).bind(id).bind(key.name.as_str());
            let save = save.bind(state_text(key.state)).bind(key.expires_at.map(Timestamp::as_millis)).bind(&models);
            let save = save.bind(&routes).bind(&addresses).bind(&tags).bind(&metadata);
            let save = save.bind(key.revoked.as_ref().map(|end| end.at.as_millis()));
            let save = save.bind(key.revoked.as_ref().map(|end| end.by.as_str())).bind(now.as_millis());
            save.bind(key.version).execute(conn).await.map(|done| done.rows_affected())
        })
        .map_err(|e| failed(&e))?;
        self.changed(key, saved).await
    }

    /// Ends a key for good. One that has ended already stays as it is.
    ///
    /// # Errors
    /// As [`Tx::save_key`].
    pub async fn revoke_key(&mut self, key: &ApiKey, by: &str, now: Timestamp) -> Result<ApiKey, StoreError> {
        if key.state == KeyState::Revoked {
            return Ok(key.clone());
        }
        self.save_key(key.ended(Revocation { at: now, by: by.to_owned() }), now).await
    }

    /// Gives a key another secret. The present one works until `previous_until`, or ends at once; the one before ends.
    ///
    /// # Errors
    /// [`StoreError::Again`] when the key was changed since it was read, or the database gave no answer.
    pub async fn rotate_key(
        &mut self,
        _: &FreshAuthor,
        key: &ApiKey,
        digest: KeyDigest,
        previous_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<ApiKey, StoreError> {
        let rotated = on_tx!(self, conn => {
            let rotate = sqlx::query(ROTATE).bind(&key.project_id).bind(key.id.as_str()).bind(digest.to_hex());
            let rotate = rotate.bind(previous_until.map(Timestamp::as_millis)).bind(now.as_millis());
            rotate.bind(key.version).execute(conn).await.map(|done| done.rows_affected())
        })
        .map_err(|e| failed(&e))?;
        self.changed(key, rotated).await
    }

    pub(super) async fn changed(&mut self, key: &ApiKey, rows: u64) -> Result<ApiKey, StoreError> {
        let id = key.id.as_str();
        if rows == 0 {
            return Err(StoreError::Again(format!("the key {id} was changed meanwhile")));
        }
        self.change(Change::Key(id.to_owned()));
        let now = self.find_key(&key.project_id, id).await?;
        now.ok_or_else(|| impossible(id, "is gone although it was just changed"))
    }
}

fn text(id: &str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| impossible(id, &format!("cannot be written: {error}")))
}
