//! The change sequence as a follower reads it: kinds that this version does not know are told, and never skipped over.

use tollgate_core::time::Timestamp;

use crate::store::changes::{Change, POSITION, Position, SINCE};
use crate::store::db::{failed, on_views};
use crate::store::{Store, StoreError};

/// One committed change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// Its number.
    pub seq: i64,
    /// What has to be read again; `None` for a kind that only a later version knows.
    pub change: Option<Change>,
    /// When it was committed, by the clock of the process that did.
    pub at: Timestamp,
}

impl Store {
    /// Where the sequence stands, read without a transaction.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn view_position(&self) -> Result<Position, StoreError> {
        let db = self.ready().await?;
        let (seq, epoch) =
            on_views!(db, pool => sqlx::query_as(POSITION).fetch_one(pool).await).map_err(|e| failed(&e))?;
        Ok(Position { seq, epoch })
    }

    /// The changes after `seq`, oldest first, `limit` at most, read without a transaction.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn followed_changes(&self, seq: i64, limit: i64) -> Result<Vec<Followed>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<(i64, String, String, i64)> =
            on_views!(db, pool => sqlx::query_as(SINCE).bind(seq).bind(limit).fetch_all(pool).await)
                .map_err(|e| failed(&e))?;
        let followed = |(seq, kind, entity, at): (i64, String, String, i64)| Followed {
            seq,
            change: Change::from_parts(&kind, entity).ok(),
            at: Timestamp::from_millis(at),
        };
        Ok(rows.into_iter().map(followed).collect())
    }
}
