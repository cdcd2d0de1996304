//! Reading the audit log: pages for people, the whole for export, and the proof that its chain is unbroken.

use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;
use tollgate_core::time::Timestamp;

use super::audit::chain_hash;
use super::db::{failed, on};
use super::fields::moment;
use super::{Store, StoreError};

/// An entry with its place in the chain, as the API and the export show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRecord {
    /// Its number; there is no gap between numbers.
    pub seq: i64,
    /// When.
    #[serde(serialize_with = "moment")]
    pub at: Timestamp,
    /// Who acted.
    pub actor: AuditActor,
    /// What: `project.create`, `key.revoke`, …
    pub action: String,
    /// To what kind of thing.
    pub target_kind: String,
    /// To which.
    pub target_id: String,
    /// In which organization.
    pub organization_id: Option<String>,
    /// In which project.
    pub project_id: Option<String>,
    /// As it was.
    pub before: Option<Value>,
    /// As it was then.
    pub after: Option<Value>,
    /// From which address.
    pub address: Option<String>,
    /// With which program.
    pub user_agent: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
    /// SHA-256 over this entry and the hash before it, in hex.
    pub hash: String,
}

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditActor {
    /// person, service, operator or system.
    pub kind: String,
    /// Their id.
    pub id: String,
    /// Their name at that time.
    pub name: String,
}

/// Which entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditScope<'a> {
    /// Those of one project.
    Project(&'a str),
    /// Those of one organization and its projects.
    Organization(&'a str),
    /// All.
    All,
}

/// The end of the chain. Kept elsewhere, it shows later whether everything up to it is still as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainHead {
    /// The number of the last entry; 0 before the first.
    pub seq: i64,
    /// Its hash; empty before the first.
    pub hash: String,
}

/// What checking the chain has shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ChainReport {
    /// Every entry is there and as it was written.
    Whole {
        /// The end of the chain.
        head: ChainHead,
    },
    /// The first entry that is missing, is not as it was written, or does not follow from the one before.
    Broken {
        /// Its number.
        seq: i64,
        /// What is wrong.
        what: &'static str,
    },
}

#[derive(FromRow)]
struct Row {
    seq: i64,
    at: i64,
    actor_kind: String,
    actor_id: String,
    actor_name: String,
    action: String,
    target_kind: String,
    target_id: String,
    organization_id: Option<String>,
    project_id: Option<String>,
    before: Option<String>,
    after: Option<String>,
    address: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    hash: String,
}

const OF_PROJECT: &str = "SELECT * FROM audit WHERE project_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";
const OF_ORGANIZATION: &str =
    "SELECT * FROM audit WHERE organization_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";
const OF_ALL: &str = "SELECT * FROM audit WHERE seq < $1 ORDER BY seq DESC LIMIT $2";
const PROJECT_AFTER: &str = "SELECT * FROM audit WHERE project_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const ORGANIZATION_AFTER: &str =
    "SELECT * FROM audit WHERE organization_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const CHAIN: &str = "SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
const HEAD: &str = "SELECT seq, hash FROM audit_head WHERE id = 1";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[OF_PROJECT, OF_ORGANIZATION, OF_ALL, PROJECT_AFTER, ORGANIZATION_AFTER, CHAIN, HEAD];

/// Entries that are read at once while the chain is checked.
const STRIDE: i64 = 1000;

impl Row {
    /// The hash that this entry has if it is as it was written.
    fn expected_hash(&self, previous: &str) -> String {
        let at = self.at.to_string();
        chain_hash(
            previous,
            self.seq,
            &[
                Some(&at),
                Some(&self.actor_kind),
                Some(&self.actor_id),
                Some(&self.actor_name),
                Some(&self.action),
                Some(&self.target_kind),
                Some(&self.target_id),
                self.organization_id.as_deref(),
                self.project_id.as_deref(),
                self.before.as_deref(),
                self.after.as_deref(),
                self.address.as_deref(),
                self.user_agent.as_deref(),
                self.request_id.as_deref(),
            ],
        )
    }

    fn into_record(self) -> Result<AuditRecord, StoreError> {
        let value = |text: Option<String>| {
            let parsed = text.map(|text| serde_json::from_str(&text)).transpose();
            parsed.map_err(|_| StoreError::Inconsistent {
                table: "audit",
                what: format!("entry {} holds text that is not JSON", self.seq),
            })
        };
        Ok(AuditRecord {
            seq: self.seq,
            at: Timestamp::from_millis(self.at),
            actor: AuditActor { kind: self.actor_kind, id: self.actor_id, name: self.actor_name },
            action: self.action,
            target_kind: self.target_kind,
            target_id: self.target_id,
            organization_id: self.organization_id,
            project_id: self.project_id,
            before: value(self.before)?,
            after: value(self.after)?,
            address: self.address,
            user_agent: self.user_agent,
            request_id: self.request_id,
            hash: self.hash,
        })
    }
}

impl Store {
    /// Entries before the number `before`, newest first. The caller has shown to see the scope.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn audit_page(
        &self,
        scope: AuditScope<'_>,
        before: i64,
        limit: i64,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<Row> = match scope {
            AuditScope::Project(id) => on!(db, pool => {
                sqlx::query_as(OF_PROJECT).bind(id).bind(before).bind(limit).fetch_all(pool).await
            }),
            AuditScope::Organization(id) => on!(db, pool => {
                sqlx::query_as(OF_ORGANIZATION).bind(id).bind(before).bind(limit).fetch_all(pool).await
            }),
            AuditScope::All => on!(db, pool => {
                sqlx::query_as(OF_ALL).bind(before).bind(limit).fetch_all(pool).await
            }),
        }
        .map_err(|e| failed(&e))?;
        rows.into_iter().map(Row::into_record).collect()
    }

    /// Entries after the number `after`, oldest first; for export. The caller has shown to see the scope.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn audit_after(
        &self,
        scope: AuditScope<'_>,
        after: i64,
        limit: i64,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<Row> = match scope {
            AuditScope::Project(id) => on!(db, pool => {
                sqlx::query_as(PROJECT_AFTER).bind(id).bind(after).bind(limit).fetch_all(pool).await
            }),
            AuditScope::Organization(id) => on!(db, pool => {
                sqlx::query_as(ORGANIZATION_AFTER).bind(id).bind(after).bind(limit).fetch_all(pool).await
            }),
            AuditScope::All => {
                return self.chain_after(after, limit).await?.into_iter().map(Row::into_record).collect();
            }
        }
        .map_err(|e| failed(&e))?;
        rows.into_iter().map(Row::into_record).collect()
    }

    /// Walks the whole chain. Entries that are written meanwhile do not matter: the end is read first.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn verify_audit_chain(&self) -> Result<ChainReport, StoreError> {
        let db = self.ready().await?;
        let (last, last_hash): (i64, String) =
            on!(db, pool => sqlx::query_as(HEAD).fetch_one(pool).await).map_err(|e| failed(&e))?;
        let (mut seq, mut hash) = (0, String::new());
        while seq < last {
            let rows = self.chain_after(seq, STRIDE.min(last - seq)).await?;
            if rows.is_empty() {
                return Ok(ChainReport::Broken { seq: seq + 1, what: "missing" });
            }
            for row in rows {
                if row.seq != seq + 1 {
                    return Ok(ChainReport::Broken { seq: seq + 1, what: "missing" });
                }
                if row.hash != row.expected_hash(&hash) {
                    return Ok(ChainReport::Broken { seq: row.seq, what: "not as it was written" });
                }
                (seq, hash) = (row.seq, row.hash);
            }
        }
        if hash == last_hash {
            Ok(ChainReport::Whole { head: ChainHead { seq, hash } })
        } else {
            Ok(ChainReport::Broken { seq, what: "not the end that the chain had" })
        }
    }

    async fn chain_after(&self, after: i64, limit: i64) -> Result<Vec<Row>, StoreError> {
        let db = self.ready().await?;
        on!(db, pool => sqlx::query_as(CHAIN).bind(after).bind(limit).fetch_all(pool).await)
            .map_err(|e| failed(&e))
    }
}
