//! API keys, streamed: a million rows pass through without standing in memory together.

use futures_util::TryStreamExt as _;
use sqlx::Row as _;
use tollgate_core::time::Timestamp;

use super::{Rows, in_batch, padded};
use crate::store::db::{failed, on_views};
use crate::store::{Store, StoreError};

/// One key, borrowed from the row under the cursor.
#[derive(Clone, Copy, Debug)]
pub struct KeyRow<'r> {
    /// The public id.
    pub id: &'r str,
    /// Its project.
    pub project: &'r str,
    /// The person or service account that it acts for.
    pub owner: &'r str,
    /// The hex digest of its secret.
    pub digest: &'r str,
    /// The digest of the secret before, and until when that works, in milliseconds.
    pub previous: Option<(&'r str, i64)>,
    /// `live`, `disabled`, `revoked`.
    pub state: &'r str,
    /// In milliseconds.
    pub expires_at: Option<i64>,
    /// JSON; `None` stands for `"all"`.
    pub models: Option<&'r str>,
    /// JSON; `None` stands for `"all"`.
    pub routes: Option<&'r str>,
    /// JSON; `None` stands for `"any"`.
    pub addresses: Option<&'r str>,
}

/// Nearly all keys have no limits, so that saying nothing about them is a third less to carry.
macro_rules! select {
    ($where:expr) => {
        concat!(
            "SELECT id, project_id, COALESCE(person_id, service_account_id), digest, previous_digest, previous_until, \
             state, expires_at, NULLIF(models, '\"all\"'), NULLIF(routes, '\"all\"'), NULLIF(addresses, '\"any\"') \
             FROM api_keys WHERE ",
            $where
        )
    };
}

/// Keys whose end is long past are left out: to a caller they are unknown, as they would be anyway.
const PAGE: &str = select!(
    "id > $1 AND (state <> 'revoked' OR revoked_at > $2) AND (expires_at IS NULL OR expires_at > $2) \
     ORDER BY id LIMIT $3"
);
const BATCH: &str = select!(concat!("id", in_batch!()));
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[PAGE, BATCH];

/// Reads every row of a query into a [`KeyRow`] for `$sink`.
macro_rules! stream {
    ($query:expr, $pool:expr, $sink:expr) => {{
        let mut rows = $query.fetch($pool);
        loop {
            let row = match rows.try_next().await {
                Ok(Some(row)) => row,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            let read = || {
                let previous: Option<&str> = row.try_get(4)?;
                let until: Option<i64> = row.try_get(5)?;
                Ok(KeyRow {
                    id: row.try_get(0)?,
                    project: row.try_get(1)?,
                    owner: row.try_get::<Option<&str>, _>(2)?.unwrap_or_default(),
                    digest: row.try_get(3)?,
                    previous: previous.zip(until),
                    state: row.try_get(6)?,
                    expires_at: row.try_get(7)?,
                    models: row.try_get(8)?,
                    routes: row.try_get(9)?,
                    addresses: row.try_get(10)?,
                })
            };
            match read() {
                Ok(key) => $sink(key),
                Err(error) => break Err(error),
            }
        }
    }};
}

impl Store {
    /// Reads keys into `sink`. A page leaves out keys that were revoked or expired before `ended_since`; by id they are
    /// read whatever they are.
    ///
    /// # Errors
    /// The database gave no answer; what `sink` has seen so far is true.
    pub async fn view_keys(
        &self,
        which: Rows<'_>,
        ended_since: Timestamp,
        sink: &mut (dyn FnMut(KeyRow<'_>) + Send),
    ) -> Result<(), StoreError> {
        let db = self.ready().await?;
        let done: Result<(), sqlx::Error> = on_views!(db, pool => match which {
            Rows::After(id, limit) => {
                stream!(sqlx::query(PAGE).bind(id).bind(ended_since.as_millis()).bind(limit), pool, sink)
            }
            Rows::Ids(ids) => {
                stream!(padded(ids).fold(sqlx::query(BATCH), |query, id| query.bind(id)), pool, sink)
            }
        });
        done.map_err(|e| failed(&e))
    }
}
