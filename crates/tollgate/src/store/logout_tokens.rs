//! Ids of logout tokens that were obeyed, so that none counts twice.

use tollgate_core::time::Timestamp;

use super::db::{failed, on};
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

const NOTE: &str =
    "INSERT INTO logout_tokens (issuer, jti, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const SWEEP: &str = "DELETE FROM logout_tokens WHERE expires_at <= $1";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[NOTE, SWEEP];

impl Tx {
    /// Notes that a logout token is obeyed in this unit of work; `false` when one with this id was obeyed before.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn note_logout_token(
        &mut self,
        issuer: &str,
        jti: &str,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        on_tx!(self, conn => {
            let note = sqlx::query(NOTE).bind(issuer).bind(jti).bind(expires_at.as_millis());
            note.execute(conn).await.map(|done| done.rows_affected() > 0)
        })
        .map_err(|e| failed(&e))
    }
}

impl Store {
    /// Forgets the ids of tokens that are over and would be refused for that; the number.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn sweep_logout_tokens(&self, now: Timestamp) -> Result<u64, StoreError> {
        let db = self.ready().await?;
        on!(db, pool => {
            sqlx::query(SWEEP).bind(now.as_millis()).execute(pool).await.map(|done| done.rows_affected())
        })
        .map_err(|e| failed(&e))
    }
}
