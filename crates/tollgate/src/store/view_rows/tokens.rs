//! What is said against tokens: rules that still can refuse one, and suspended people.

use tollgate_core::time::Timestamp;

use super::{Rows, in_batch, rows};
use crate::store::{Store, StoreError};

/// A rule that refuses tokens before their time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRuleRow {
    /// `trl_…`
    pub id: String,
    /// The configured name of the issuer.
    pub issuer: String,
    /// `jti`, `sid`, `subject`, `issued_before`.
    pub kind: String,
    /// The id, session or subject; empty for a rule about all of the issuer's tokens.
    pub value: String,
    /// Tokens issued before this are meant; `None`: all.
    pub issued_before: Option<Timestamp>,
    /// From when on no token that it could refuse is alive; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// A person as tokens name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonStanding {
    /// `per_…`
    pub id: String,
    /// The configured name of the issuer.
    pub issuer: String,
    /// The subject there.
    pub subject: String,
    /// Whether they may act.
    pub active: bool,
}

const RULES: &str = "SELECT id, issuer, kind, value, issued_before, expires_at FROM token_rules WHERE id > $1 \
     AND (expires_at IS NULL OR expires_at > $2) ORDER BY id LIMIT $3";
const RULES_BY_ID: &str = concat!(
    "SELECT id, issuer, kind, value, issued_before, expires_at FROM token_rules WHERE id",
    in_batch!()
);
const SUSPENDED: &str =
    "SELECT id, issuer, subject, state FROM people WHERE id > $1 AND state <> 'active' ORDER BY id LIMIT $2";
const STANDING_BY_ID: &str = concat!("SELECT id, issuer, subject, state FROM people WHERE id", in_batch!());
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[RULES, RULES_BY_ID, SUSPENDED, STANDING_BY_ID];

type RuleColumns = (String, String, String, String, Option<i64>, Option<i64>);

impl Store {
    /// Token rules: a page of those that are not over at `now`, or some by id.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn view_token_rules(
        &self,
        which: Rows<'_>,
        now: Timestamp,
    ) -> Result<Vec<TokenRuleRow>, StoreError> {
        let rows: Vec<RuleColumns> = rows!(self, which, RULES, now.as_millis(); RULES_BY_ID);
        let rule = |(id, issuer, kind, value, issued_before, expires_at): RuleColumns| TokenRuleRow {
            id,
            issuer,
            kind,
            value,
            issued_before: issued_before.map(Timestamp::from_millis),
            expires_at: expires_at.map(Timestamp::from_millis),
        };
        Ok(rows.into_iter().map(rule).collect())
    }

    /// How people stand: a page of those who may not act, or some by id, whoever they are.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn view_standing(&self, which: Rows<'_>) -> Result<Vec<PersonStanding>, StoreError> {
        let rows: Vec<(String, String, String, String)> = rows!(self, which, SUSPENDED; STANDING_BY_ID);
        let person = |(id, issuer, subject, state): (String, String, String, String)| PersonStanding {
            id,
            issuer,
            subject,
            active: state == "active",
        };
        Ok(rows.into_iter().map(person).collect())
    }
}
