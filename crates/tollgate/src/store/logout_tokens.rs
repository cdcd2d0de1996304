//! Logout tokens: the ids of those that were obeyed, so that none counts twice, and the rules they leave behind, so that
//! access tokens of the ended session die with it on every replica.

use tollgate_core::time::Timestamp;

use super::changes::Change;
use super::db::{failed, on};
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

const NOTE: &str =
    "INSERT INTO logout_tokens (issuer, jti, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const SWEEP: &str = "DELETE FROM logout_tokens WHERE expires_at <= $1";
const RULE: &str = "INSERT INTO token_rules (id, issuer, kind, value, issued_before, expires_at, reason, created_by, \
     created_at) VALUES ($1, $2, $3, $4, $5, $6, 'logged out at the issuer', 'system', $7)";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[NOTE, SWEEP, RULE];

/// Which tokens a logout refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutRule<'a> {
    /// `trl_…`
    pub id: String,
    /// The configured name of the issuer.
    pub issuer: &'a str,
    /// Of whom.
    pub ended: Ended<'a>,
    /// When no token that it could refuse can be alive any more.
    pub expires_at: Timestamp,
}

/// What ended at the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended<'a> {
    /// One session there.
    Sid(&'a str),
    /// Everything of a subject that was issued before this moment.
    Subject(&'a str, Timestamp),
}

impl Tx {
    /// Refuses the tokens of what ended, wherever they are checked.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn add_logout_rule(&mut self, rule: &LogoutRule<'_>, now: Timestamp) -> Result<(), StoreError> {
        let (kind, value, before) = match rule.ended {
            Ended::Sid(sid) => ("sid", sid, None),
            Ended::Subject(subject, before) => ("subject", subject, Some(before.as_millis())),
        };
        on_tx!(self, conn => {
            let insert = sqlx::query(RULE).bind(&rule.id).bind(rule.issuer).bind(kind).bind(value);
            let insert = insert.bind(before).bind(rule.expires_at.as_millis()).bind(now.as_millis());
            insert.execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        self.change(Change::TokenRule(rule.id.clone()));
        Ok(())
    }

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
