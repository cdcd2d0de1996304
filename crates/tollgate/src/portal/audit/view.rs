//! An audit entry as the API shows it.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::portal::forms::Moment;
use crate::store::AuditRecord;

/// Who did what to what. Secrets are never in it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AuditView {
    /// Its number in the deployment's one log.
    pub seq: i64,
    /// When.
    pub at: Moment,
    /// Who.
    pub actor: ActorView,
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
    /// SHA-256 over this entry and the hash of the one before, in hex.
    pub hash: String,
}

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ActorView {
    /// person, service, operator or system.
    pub kind: String,
    /// Their id.
    pub id: String,
    /// Their name at that time.
    pub name: String,
}

impl AuditView {
    /// As one line of JSON.
    pub fn line(&self) -> String {
        // Strings, numbers and values that came out of JSON always go into it.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<AuditRecord> for AuditView {
    fn from(record: AuditRecord) -> Self {
        let actor = record.actor;
        Self {
            seq: record.seq,
            at: Moment(record.at),
            actor: ActorView { kind: actor.kind, id: actor.id, name: actor.name },
            action: record.action,
            target_kind: record.target_kind,
            target_id: record.target_id,
            organization_id: record.organization_id,
            project_id: record.project_id,
            before: record.before,
            after: record.after,
            address: record.address,
            user_agent: record.user_agent,
            request_id: record.request_id,
            hash: record.hash,
        }
    }
}
