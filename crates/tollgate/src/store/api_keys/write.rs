//! The statements that write keys. The rules are in `issue` and `manage`; each write names the key to the followers.

use serde::Serialize;
use tollgate_core::apikey::KeyDigest;
use tollgate_core::time::Timestamp;

use super::row::{impossible, state_text};
use super::switch::KeySwitch;
use super::{ApiKey, KeyChange, NewApiKey};
use crate::store::db::failed;
use crate::store::tx::{Tx, on_tx};
use crate::store::{Change, FreshAuthor, StoreError};

const INSERT: &str = "INSERT INTO api_keys (id, project_id, person_id, service_account_id, name, digest, state, \
     expires_at, models, routes, addresses, tags, metadata, created_by, version, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, 'live', $7, $8, $9, $10, $11, $12, $13, 1, $14, $14)";
const SAVE: &str = "UPDATE api_keys SET name = $3, state = $4, expires_at = $5, models = $6, routes = $7, \
     addresses = $8, tags = $9, metadata = $10, revoked_at = $11, revoked_by = $12, version = version + 1, \
     updated_at = $13, disabled_because = $15, disabled_by = $16, disabled_at = $17, hold_role = $18, \
     hold_by = $19, hold_at = $20, handed_over_from = $21, handed_over_by = $22, handed_over_at = $23, \
     bounds = $24 WHERE project_id = $1 AND id = $2 AND version = $14";
/// The secret before the present one works on until `$4`, or ends at once; one that was before it ends in any case.
const ROTATE: &str = "UPDATE api_keys SET \
     previous_digest = CASE WHEN CAST($4 AS BIGINT) IS NULL THEN NULL ELSE digest END, \
     previous_last_used_at = CASE WHEN CAST($4 AS BIGINT) IS NULL THEN NULL ELSE last_used_at END, \
     previous_until = $4, digest = $3, rotated_at = $5, updated_at = $5, version = version + 1, state = $7, \
     handed_over_from = NULL, handed_over_by = NULL, handed_over_at = NULL \
     WHERE project_id = $1 AND id = $2 AND version = $6";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[INSERT, SAVE, ROTATE];

impl Tx {
    /// Writes a new key.
    pub(in crate::store) async fn insert_key(
        &mut self,
        new: &NewApiKey,
        expires_at: Option<Timestamp>,
        (by, now): (&str, Timestamp),
    ) -> Result<ApiKey, StoreError> {
        let id = new.id.as_str();
        let limits = &new.limits;
        let (models, routes, addresses) =
            (text(id, &limits.models)?, text(id, &limits.routes)?, text(id, &limits.addresses)?);
        let (tags, metadata) = (text(id, &new.tags)?, text(id, &new.metadata)?);
        on_tx!(self, conn => {
            let insert = sqlx::query(INSERT).bind(id).bind(&new.project_id).bind(new.owner.person());
            let insert = insert.bind(new.owner.service_account()).bind(new.name.as_str()).bind(new.digest.to_hex());
            let insert = insert.bind(expires_at.map(Timestamp::as_millis)).bind(&models).bind(&routes);
            let insert = insert.bind(&addresses).bind(&tags).bind(&metadata).bind(by);
            insert.bind(now.as_millis()).execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        self.change(Change::Key(id.to_owned()));
        let made = self.find_key(&new.project_id, id).await?;
        made.ok_or_else(|| impossible(id, "is gone at once"))
    }

    /// Writes what people may change of a key.
    ///
    /// # Errors
    /// [`StoreError::Again`] when the key was changed since it was read, or the database gave no answer.
    pub(in crate::store) async fn save_key(
        &mut self,
        change: KeyChange,
        now: Timestamp,
    ) -> Result<ApiKey, StoreError> {
        let key = change.after();
        let id = key.id.as_str();
        let limits = &key.limits;
        let (models, routes, addresses) =
            (text(id, &limits.models)?, text(id, &limits.routes)?, text(id, &limits.addresses)?);
        let (tags, metadata) = (text(id, &key.tags)?, text(id, &key.metadata)?);
        let bounds = if key.bounds.is_empty() { None } else { Some(text(id, &key.bounds)?) };
        let KeySwitch { off, hold, handed_over } = &key.switch;
        let (off, hold, handed_over) = (off.as_ref(), hold.as_ref(), handed_over.as_ref());
        let saved = on_tx!(self, conn => {
            let save = sqlx::query(SAVE).bind(&key.project_id).bind(id).bind(key.name.as_str());
            let save = save.bind(state_text(key.state)).bind(key.expires_at.map(Timestamp::as_millis)).bind(&models);
            let save = save.bind(&routes).bind(&addresses).bind(&tags).bind(&metadata);
            let save = save.bind(key.revoked.as_ref().map(|end| end.at.as_millis()));
            let save = save.bind(key.revoked.as_ref().map(|end| end.by.as_str())).bind(now.as_millis());
            let save = save.bind(key.version).bind(off.map(|off| off.cause.as_str()));
            let save = save.bind(off.map(|off| off.by.as_str())).bind(off.map(|off| off.at.as_millis()));
            let save = save.bind(hold.map(|hold| hold.role.as_str())).bind(hold.map(|hold| hold.by.as_str()));
            let save = save.bind(hold.map(|hold| hold.at.as_millis()));
            let save = save.bind(handed_over.map(|over| over.from.as_str()));
            let save = save.bind(handed_over.map(|over| over.by.as_str()));
            let save = save.bind(handed_over.map(|over| over.at.as_millis())).bind(&bounds);
            save.execute(conn).await.map(|done| done.rows_affected())
        })
        .map_err(|e| failed(&e))?;
        self.changed(key, saved).await
    }

    /// Gives a key another secret. The present one works until `previous_until`, or ends at once; the one before ends.
    ///
    /// # Errors
    /// As [`Tx::save_key`].
    pub(in crate::store) async fn write_rotation(
        &mut self,
        _: &FreshAuthor,
        key: &ApiKey,
        (digest, previous_until): (KeyDigest, Option<Timestamp>),
        switch: &KeySwitch,
        now: Timestamp,
    ) -> Result<ApiKey, StoreError> {
        let state = state_text(switch.state());
        let rotated = on_tx!(self, conn => {
            let rotate = sqlx::query(ROTATE).bind(&key.project_id).bind(key.id.as_str()).bind(digest.to_hex());
            let rotate = rotate.bind(previous_until.map(Timestamp::as_millis)).bind(now.as_millis());
            rotate.bind(key.version).bind(state).execute(conn).await.map(|done| done.rows_affected())
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
