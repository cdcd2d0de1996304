//! Who did what to what: append-only, each entry chained to the one before by its hash.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_core::time::Timestamp;

use super::StoreError;
use super::db::failed;
use super::tx::{Tx, on_tx};

/// Who acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// A person, by session or token.
    Person,
    /// A service account, by its key.
    Service,
    /// Somebody at the store itself: `tollgate admin`.
    Operator,
    /// Tollgate itself, such as at a back-channel logout, or on the word of an issuer's directory.
    System,
}

impl ActorKind {
    /// The text in database and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::Operator => "operator",
            Self::System => "system",
        }
    }
}

/// One entry, before it has a place in the chain. `before` and `after` hold what the API shows, never a secret.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor_kind: ActorKind,
    /// Their id.
    pub actor_id: String,
    /// Their name at that time.
    pub actor_name: String,
    /// What: `key.create`, `member.remove`, …
    pub action: &'static str,
    /// To what kind of thing.
    pub target_kind: &'static str,
    /// To which.
    pub target_id: String,
    /// In which organization.
    pub organization_id: Option<String>,
    /// In which project.
    pub project_id: Option<String>,
    /// As it was.
    pub before: Option<Value>,
    /// As it is now.
    pub after: Option<Value>,
    /// From which address.
    pub address: Option<String>,
    /// With which program.
    pub user_agent: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
}

const TAKE: &str = "UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash";
const CHAIN: &str = "UPDATE audit_head SET hash = $1 WHERE id = 1";
const INSERT: &str = "INSERT INTO audit (seq, at, actor_kind, actor_id, actor_name, action, target_kind, \
     target_id, organization_id, project_id, before, after, address, user_agent, request_id, hash) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[TAKE, CHAIN, INSERT];

/// The hash of an entry: SHA-256, in hex, over the hash before it and the entry's fields as one JSON array, so that no
/// two different entries have the same text.
pub fn chain_hash(previous: &str, seq: i64, fields: &[Option<&str>]) -> String {
    let text = serde_json::json!([previous, seq, fields]).to_string();
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts an entry at the end of the chain.
pub(super) async fn append(tx: &mut Tx, entry: &AuditEntry) -> Result<(), StoreError> {
    let (seq, previous): (i64, String) =
        on_tx!(tx, conn => sqlx::query_as(TAKE).fetch_one(conn).await).map_err(|e| failed(&e))?;
    let (at, before, after) = (
        entry.at.as_millis(),
        entry.before.as_ref().map(Value::to_string),
        entry.after.as_ref().map(Value::to_string),
    );
    let at_text = at.to_string();
    let hash = chain_hash(
        &previous,
        seq,
        &[
            Some(&at_text),
            Some(entry.actor_kind.as_str()),
            Some(&entry.actor_id),
            Some(&entry.actor_name),
            Some(entry.action),
            Some(entry.target_kind),
            Some(&entry.target_id),
            entry.organization_id.as_deref(),
            entry.project_id.as_deref(),
            before.as_deref(),
            after.as_deref(),
            entry.address.as_deref(),
            entry.user_agent.as_deref(),
            entry.request_id.as_deref(),
        ],
    );
    on_tx!(tx, conn => {
        let insert = sqlx::query(INSERT)
            .bind(seq).bind(at).bind(entry.actor_kind.as_str()).bind(&entry.actor_id).bind(&entry.actor_name)
            .bind(entry.action).bind(entry.target_kind).bind(&entry.target_id).bind(&entry.organization_id)
            .bind(&entry.project_id).bind(&before).bind(&after).bind(&entry.address).bind(&entry.user_agent)
            .bind(&entry.request_id).bind(&hash);
        insert.execute(conn).await.map(drop)
    })
    .map_err(|e| failed(&e))?;
    on_tx!(tx, conn => sqlx::query(CHAIN).bind(&hash).execute(conn).await.map(drop)).map_err(|e| failed(&e))
}
