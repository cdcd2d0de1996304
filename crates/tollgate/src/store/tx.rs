//! One unit of work: everything in it is written, or nothing. Changes and audit entries are gathered on the way and
//! written last, so that the two rows that all writers share are locked for a moment only.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::{Postgres, Sqlite, Transaction};
use tollgate_core::time::Timestamp;

use super::audit::{self, AuditEntry};
use super::changes::{self, Change};
use super::db::{Pool, failed, within};
use super::{Store, StoreError};

/// An open transaction on either database.
pub struct Tx {
    pub(super) inner: Inner,
    /// For each statement, so that a connection that is dead without a sign holds nobody.
    pub(super) limit: Duration,
    changes: Vec<Change>,
    /// The same ones, for finding those said twice: deleting a project names every key of it.
    said: BTreeSet<Change>,
    entries: Vec<AuditEntry>,
    published: std::sync::Arc<tokio::sync::watch::Sender<i64>>,
}

pub(super) enum Inner {
    Pg(Transaction<'static, Postgres>),
    Lite(Transaction<'static, Sqlite>),
}

/// Evaluates one expression with `$conn` bound to the transaction's connection, whichever database it is.
macro_rules! on_tx {
    ($tx:expr, $conn:ident => $body:expr) => {{
        let limit = $tx.limit;
        let work = async {
            match &mut $tx.inner {
                $crate::store::tx::Inner::Pg(tx) => {
                    let $conn = &mut **tx;
                    $body
                }
                $crate::store::tx::Inner::Lite(tx) => {
                    let $conn = &mut **tx;
                    $body
                }
            }
        };
        $crate::store::db::within(limit, work).await
    }};
}
pub(super) use on_tx;

impl Store {
    /// Begins a unit of work. On SQLite it takes the write lock at once, so that it cannot lose it half-way.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let db = self.ready().await?;
        let begun = db.bounded(async {
            Ok(match &db.main {
                Pool::Pg(pool) => Inner::Pg(pool.begin().await?),
                Pool::Lite(pool) => Inner::Lite(pool.begin_with("BEGIN IMMEDIATE").await?),
            })
        });
        let inner = begun.await.map_err(|e| failed(&e))?;
        Ok(self.tx(db.limit, inner))
    }

    /// Begins to read, on connections that wait for no writer. What is written in it fails.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn begin_reading(&self) -> Result<Tx, StoreError> {
        let db = self.ready().await?;
        let begun = db.bounded(async {
            Ok(match &db.reads {
                Pool::Pg(pool) => Inner::Pg(pool.begin_with("BEGIN READ ONLY").await?),
                Pool::Lite(pool) => Inner::Lite(pool.begin().await?),
            })
        });
        let inner = begun.await.map_err(|e| failed(&e))?;
        Ok(self.tx(db.limit, inner))
    }

    fn tx(&self, limit: Duration, inner: Inner) -> Tx {
        let published = std::sync::Arc::clone(&self.published);
        Tx { inner, limit, changes: Vec::new(), said: BTreeSet::new(), entries: Vec::new(), published }
    }
}

impl Tx {
    /// Says what followers have to read again once this is committed.
    pub fn change(&mut self, change: Change) {
        if self.said.insert(change.clone()) {
            self.changes.push(change);
        }
    }

    /// Writes down who did what; part of the same unit of work.
    pub fn audit(&mut self, entry: AuditEntry) {
        self.entries.push(entry);
    }

    /// Makes it all true. Dropping a transaction instead undoes it.
    ///
    /// # Errors
    /// The database gave no answer: then it is not known whether the work was done.
    pub async fn commit(mut self, now: Timestamp) -> Result<(), StoreError> {
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            audit::append(&mut self, entry).await?;
        }
        let pending = std::mem::take(&mut self.changes);
        let seq = changes::append(&mut self, &pending, now).await?;
        let committed = async {
            match self.inner {
                Inner::Pg(tx) => tx.commit().await,
                Inner::Lite(tx) => tx.commit().await,
            }
        };
        within(self.limit, committed).await.map_err(|e| failed(&e))?;
        if let Some(seq) = seq {
            // Followers in this process need no database to tell them.
            self.published.send_modify(|last| *last = (*last).max(seq));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("changes", &self.changes).finish_non_exhaustive()
    }
}
