//! When keys were last used: many in one statement, never a step back, and never an edit of the key.

use std::fmt::Write as _;
use std::net::IpAddr;

use sqlx::AssertSqlSafe;
use tollgate_core::apikey::KeyId;
use tollgate_core::time::Timestamp;

use crate::store::db::failed;
use crate::store::tx::{Tx, on_tx};
use crate::store::{Store, StoreError};

/// The latest use of one key within some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Which key.
    pub id: KeyId,
    /// When it was last used, with whichever secret.
    pub at: Timestamp,
    /// From which address, as the gateway told.
    pub address: Option<IpAddr>,
    /// With which program; shortened by whoever notes it.
    pub agent: Option<String>,
    /// When it was last used with the secret before the present one, if it was.
    pub previous_at: Option<Timestamp>,
}

/// Rows of one statement at most; SQLite and Postgres bind far more than five parameters for each.
const ROWS: usize = 500;
/// Two replicas may note the same keys in another order: one of them is asked to try again.
const ATTEMPTS: usize = 4;

/// Columns of `VALUES` have the same names on both databases, and the types of its first row.
const HEAD: &str = "UPDATE api_keys SET \
     last_used_address = CASE WHEN COALESCE(last_used_at, -1) <= used.column2 THEN used.column3 ELSE last_used_address END, \
     last_used_agent = CASE WHEN COALESCE(last_used_at, -1) <= used.column2 THEN used.column4 ELSE last_used_agent END, \
     last_used_at = CASE WHEN COALESCE(last_used_at, -1) <= used.column2 THEN used.column2 ELSE last_used_at END, \
     previous_last_used_at = CASE WHEN previous_until IS NOT NULL AND rotated_at <= used.column5 \
       AND COALESCE(previous_last_used_at, -1) < used.column5 THEN used.column5 ELSE previous_last_used_at END \
     FROM (VALUES ";
const TAIL: &str = ") AS used WHERE api_keys.id = used.column1";
const ROW: &str = "(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT))";

/// The statement for so many keys. It is made of constants and numbers alone.
pub(in crate::store) fn statement(rows: usize) -> String {
    let mut text = String::with_capacity(HEAD.len() + rows * (ROW.len() + 12) + TAIL.len());
    text.push_str(HEAD);
    let mut parameter = 0_usize;
    for row in 0..rows {
        if row > 0 {
            text.push_str(", ");
        }
        for piece in ROW.split_inclusive('?') {
            match piece.strip_suffix('?') {
                Some(before) => {
                    parameter += 1;
                    let _ = write!(text, "{before}${parameter}");
                }
                None => text.push_str(piece),
            }
        }
    }
    text.push_str(TAIL);
    text
}

impl Store {
    /// Notes uses of keys. A use that is older than what is known changes nothing, and so does one of an unknown key.
    ///
    /// # Errors
    /// The database gave no answer: nothing or a part was noted, and the same may be noted again.
    pub async fn note_key_use(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        for part in uses.chunks(ROWS) {
            let mut attempt = 1;
            loop {
                match self.note(part).await {
                    Err(StoreError::Again(_)) if attempt < ATTEMPTS => attempt += 1,
                    Err(error) => return Err(error),
                    Ok(()) => break,
                }
            }
        }
        Ok(())
    }

    async fn note(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        tx.note_key_use(uses).await?;
        let latest = uses.iter().map(|used| used.at).max();
        tx.commit(latest.unwrap_or(Timestamp::from_millis(0))).await
    }
}

impl Tx {
    async fn note_key_use(&mut self, uses: &[KeyUse]) -> Result<(), StoreError> {
        if uses.is_empty() {
            return Ok(());
        }
        on_tx!(self, conn => {
            let mut note = sqlx::query(AssertSqlSafe(statement(uses.len())));
            for used in uses {
                note = note.bind(used.id.as_str()).bind(used.at.as_millis());
                note = note.bind(used.address.map(|address| address.to_string()));
                // Postgres has no text with NUL in it.
                note = note.bind(used.agent.as_ref().map(|agent| agent.replace('\0', "")));
                note = note.bind(used.previous_at.map(Timestamp::as_millis));
            }
            note.execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))
    }
}
