//! Tokens that are refused before their time: made by a platform administrator, or by an issuer's logout. The view on the
//! check path follows them.

use serde::Serialize;
use tollgate_core::time::Timestamp;

use super::changes::Change;
use super::db::{failed, on};
use super::fields::{Slice, impossible, moment, moment_or_null};
use super::proof::FreshAuthor;
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// Which tokens a rule refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRuleKind {
    /// The one token of this id.
    Jti,
    /// Every token of this session of the issuer.
    Sid,
    /// The tokens of this subject that were issued before a moment.
    Subject,
    /// Every token of the issuer that was issued before a moment.
    IssuedBefore,
}

impl TokenRuleKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Jti, Self::Sid, Self::Subject, Self::IssuedBefore];

    /// The text in database and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jti => "jti",
            Self::Sid => "sid",
            Self::Subject => "subject",
            Self::IssuedBefore => "issued_before",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A rule, as the API and the audit log show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenRule {
    /// `trl_…`
    pub id: String,
    /// The configured name of the issuer.
    pub issuer: String,
    /// Which tokens.
    pub kind: TokenRuleKind,
    /// The token's id, the session or the subject; empty for every token of the issuer.
    pub value: String,
    /// Tokens issued at this moment or later pass.
    #[serde(serialize_with = "moment_or_null")]
    pub issued_before: Option<Timestamp>,
    /// When no token that it could refuse can be alive any more.
    #[serde(serialize_with = "moment_or_null")]
    pub expires_at: Option<Timestamp>,
    /// Why, in words.
    pub reason: String,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    #[serde(serialize_with = "moment")]
    pub created_at: Timestamp,
}

/// A rule to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewTokenRule<'a> {
    /// Its id.
    pub id: &'a str,
    /// The configured name of the issuer.
    pub issuer: &'a str,
    /// Which tokens.
    pub kind: TokenRuleKind,
    /// The token's id, the session or the subject; empty for every token of the issuer.
    pub value: &'a str,
    /// Tokens issued at this moment or later pass.
    pub issued_before: Option<Timestamp>,
    /// When no token that it could refuse can be alive any more.
    pub expires_at: Option<Timestamp>,
    /// Why, in words.
    pub reason: &'a str,
}

type RuleRow = (String, String, String, String, Option<i64>, Option<i64>, String, String, i64);

const LIST: &str = "SELECT id, issuer, kind, value, issued_before, expires_at, reason, created_by, created_at \
     FROM token_rules WHERE id > $1 ORDER BY id LIMIT $2";
const INSERT: &str = "INSERT INTO token_rules (id, issuer, kind, value, issued_before, expires_at, reason, \
     created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const DELETE: &str = "DELETE FROM token_rules WHERE id = $1 \
     RETURNING id, issuer, kind, value, issued_before, expires_at, reason, created_by, created_at";
const EXPIRED: &str = "DELETE FROM token_rules WHERE expires_at < $1 RETURNING id";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[LIST, INSERT, DELETE, EXPIRED];

impl TokenRule {
    fn from_row(row: RuleRow) -> Result<Self, StoreError> {
        let (id, issuer, kind, value, issued_before, expires_at, reason, created_by, created_at) = row;
        Ok(Self {
            id,
            issuer,
            kind: TokenRuleKind::parse(&kind).ok_or_else(|| impossible("token_rules", "kind", &kind))?,
            value,
            issued_before: issued_before.map(Timestamp::from_millis),
            expires_at: expires_at.map(Timestamp::from_millis),
            reason,
            created_by,
            created_at: Timestamp::from_millis(created_at),
        })
    }
}

impl Store {
    /// Every rule, by id; for platform administrators.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn token_rules(&self, slice: Slice<'_>) -> Result<Vec<TokenRule>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<RuleRow> =
            on!(db, pool => sqlx::query_as(LIST).bind(slice.after).bind(slice.limit).fetch_all(pool).await)
                .map_err(|e| failed(&e))?;
        rows.into_iter().map(TokenRule::from_row).collect()
    }

    /// Forgets rules whose tokens have all expired; how many.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn forget_expired_token_rules(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut tx = self.begin().await?;
        let ids: Vec<String> =
            on_tx!(tx, conn => sqlx::query_scalar(EXPIRED).bind(now.as_millis()).fetch_all(conn).await)
                .map_err(|e| failed(&e))?;
        for id in &ids {
            tx.change(Change::TokenRule(id.clone()));
        }
        tx.commit(now).await?;
        Ok(ids.len())
    }
}

impl Tx {
    /// Makes a rule; for platform administrators, and for Tollgate itself at a logout.
    ///
    /// # Errors
    /// [`Refusal::PlatformAdminNeeded`]; or the database gave no answer.
    pub async fn create_token_rule(
        &mut self,
        author: &FreshAuthor,
        new: NewTokenRule<'_>,
    ) -> Result<TokenRule, StoreError> {
        if !author.platform_admin {
            return Err(Refusal::PlatformAdminNeeded.into());
        }
        let rule = TokenRule {
            id: new.id.to_owned(),
            issuer: new.issuer.to_owned(),
            kind: new.kind,
            value: new.value.to_owned(),
            issued_before: new.issued_before,
            expires_at: new.expires_at,
            reason: new.reason.to_owned(),
            created_by: author.id.clone(),
            created_at: author.at(),
        };
        let (before, end) =
            (rule.issued_before.map(Timestamp::as_millis), rule.expires_at.map(Timestamp::as_millis));
        on_tx!(self, conn => {
            let insert = sqlx::query(INSERT).bind(&rule.id).bind(&rule.issuer).bind(rule.kind.as_str());
            let insert = insert.bind(&rule.value).bind(before).bind(end).bind(&rule.reason);
            let insert = insert.bind(&rule.created_by).bind(rule.created_at.as_millis());
            insert.execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        self.audit(author.entry("token_rule.create", "token_rule", &rule.id).after(&rule));
        self.change(Change::TokenRule(rule.id.clone()));
        Ok(rule)
    }

    /// Lifts a rule; for platform administrators.
    ///
    /// # Errors
    /// [`Refusal::PlatformAdminNeeded`], [`Refusal::Missing`]; or the database gave no answer.
    pub async fn delete_token_rule(&mut self, author: &FreshAuthor, id: &str) -> Result<(), StoreError> {
        if !author.platform_admin {
            return Err(Refusal::PlatformAdminNeeded.into());
        }
        let row: Option<RuleRow> =
            on_tx!(self, conn => sqlx::query_as(DELETE).bind(id).fetch_optional(conn).await)
                .map_err(|e| failed(&e))?;
        let rule = TokenRule::from_row(row.ok_or(Refusal::Missing("token rule"))?)?;
        self.audit(author.entry("token_rule.delete", "token_rule", id).before(&rule));
        self.change(Change::TokenRule(rule.id));
        Ok(())
    }
}
