//! The gap-free sequence of committed changes: what replicas follow to keep their views true.

use tokio::sync::watch;
use tollgate_core::time::Timestamp;

use super::db::failed;
use super::tx::{Inner, Tx, on_tx};
use super::{Store, StoreError};

/// What has to be read again. It names the thing and never holds its data: a follower reads the present state, so that
/// a late reader cannot put an older state over a newer one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// One API key, by its id.
    Key(String),
    /// A project's state or model policy.
    Project(String),
    /// An organization's state.
    Organization(String),
    /// A person's state or name.
    Person(String),
    /// A service account's state or name.
    ServiceAccount(String),
    /// A token rule.
    TokenRule(String),
}

impl Change {
    const fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Key(id) => ("key", id.as_str()),
            Self::Project(id) => ("project", id.as_str()),
            Self::Organization(id) => ("organization", id.as_str()),
            Self::Person(id) => ("person", id.as_str()),
            Self::ServiceAccount(id) => ("service_account", id.as_str()),
            Self::TokenRule(id) => ("token_rule", id.as_str()),
        }
    }

    pub(super) fn from_parts(kind: &str, entity: String) -> Result<Self, StoreError> {
        Ok(match kind {
            "key" => Self::Key(entity),
            "project" => Self::Project(entity),
            "organization" => Self::Organization(entity),
            "person" => Self::Person(entity),
            "service_account" => Self::ServiceAccount(entity),
            "token_rule" => Self::TokenRule(entity),
            other => {
                return Err(StoreError::Inconsistent { table: "changes", what: format!("kind '{other}'") });
            }
        })
    }
}

/// Where the sequence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The last committed change; 0 before the first.
    pub seq: i64,
    /// Bumped by a restore from a backup: numbers of another epoch mean nothing.
    pub epoch: i64,
}

const TAKE: &str = "UPDATE change_counter SET seq = seq + $1 WHERE id = 1 RETURNING seq";
const INSERT: &str = "INSERT INTO changes (seq, kind, entity, at) VALUES ($1, $2, $3, $4)";
pub(super) const POSITION: &str = "SELECT seq, epoch FROM change_counter WHERE id = 1";
pub(super) const SINCE: &str =
    "SELECT seq, kind, entity, at FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2";
/// The moment is part of it: the same old backup restored twice must not have the same epoch twice.
const BUMP: &str =
    "UPDATE change_counter SET epoch = CASE WHEN epoch < $1 THEN $1 ELSE epoch + 1 END WHERE id = 1";
const TRIM: &str =
    "DELETE FROM changes WHERE at < $1 AND seq < (SELECT seq FROM change_counter WHERE id = 1)";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[TAKE, INSERT, POSITION, SINCE, BUMP, TRIM];
/// Postgres only: wakes the followers in other processes when the transaction commits.
const NOTIFY: &str = "SELECT pg_notify('tollgate_changes', $1)";
/// The channel that [`NOTIFY`] speaks on.
pub const CHANNEL: &str = "tollgate_changes";

/// Numbers the changes of a transaction; the last number, when there are any.
pub(super) async fn append(
    tx: &mut Tx,
    changes: &[Change],
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    if changes.is_empty() {
        return Ok(None);
    }
    let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
    let last: i64 = on_tx!(tx, conn => sqlx::query_scalar(TAKE).bind(count).fetch_one(conn).await)
        .map_err(|e| failed(&e))?;
    for (seq, change) in (last - count + 1..).zip(changes) {
        let (kind, entity) = change.parts();
        on_tx!(tx, conn => {
            let insert = sqlx::query(INSERT).bind(seq).bind(kind).bind(entity).bind(now.as_millis());
            insert.execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
    }
    if let Inner::Pg(pg) = &mut tx.inner {
        sqlx::query(NOTIFY).bind(last.to_string()).execute(&mut **pg).await.map_err(|e| failed(&e))?;
    }
    Ok(Some(last))
}

impl Store {
    /// Wakes whenever this process commits changes; the value is the last number.
    pub fn published(&self) -> watch::Receiver<i64> {
        self.published.subscribe()
    }

    /// Where the sequence stands in the database.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn change_position(&self) -> Result<Position, StoreError> {
        let mut tx = self.begin().await?;
        tx.change_position().await
    }

    /// The changes after `seq`, oldest first, `limit` at most: number, what, and when it was committed.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn changes_since(
        &self,
        seq: i64,
        limit: i64,
    ) -> Result<Vec<(i64, Change, Timestamp)>, StoreError> {
        let mut tx = self.begin().await?;
        let rows: Vec<(i64, String, String, i64)> =
            on_tx!(tx, conn => sqlx::query_as(SINCE).bind(seq).bind(limit).fetch_all(conn).await)
                .map_err(|e| failed(&e))?;
        rows.into_iter()
            .map(|(seq, kind, entity, at)| {
                Ok((seq, Change::from_parts(&kind, entity)?, Timestamp::from_millis(at)))
            })
            .collect()
    }

    /// Forgets changes that were committed before `before`. A follower that is further behind starts anew.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn trim_changes(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on_tx!(tx, conn => sqlx::query(TRIM).bind(before.as_millis()).execute(conn).await.map(drop))
            .map_err(|e| failed(&e))?;
        tx.commit(before).await
    }

    /// Makes every follower start anew: part of restoring a backup, whose numbers may have been given out before.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn bump_epoch(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        tx.bump_epoch(now).await?;
        tx.commit(now).await
    }
}

impl Tx {
    /// As [`Store::bump_epoch`], in this unit of work.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn bump_epoch(&mut self, now: Timestamp) -> Result<(), StoreError> {
        on_tx!(self, conn => sqlx::query(BUMP).bind(now.as_millis()).execute(conn).await.map(drop))
            .map_err(|e| failed(&e))
    }

    /// Where the sequence stands as this transaction sees it.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn change_position(&mut self) -> Result<Position, StoreError> {
        let (seq, epoch) =
            on_tx!(self, conn => sqlx::query_as(POSITION).fetch_one(conn).await).map_err(|e| failed(&e))?;
        Ok(Position { seq, epoch })
    }
}
