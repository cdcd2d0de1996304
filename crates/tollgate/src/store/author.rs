//! Who writes, when and from where: every write is signed with it, in the audit log and under the lock.

use serde::Serialize;
use serde_json::Value;
use tollgate_core::time::Timestamp;

use super::audit::{ActorKind, AuditEntry};

/// When and from where a write comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The moment that the write counts as.
    pub at: Timestamp,
    /// The client's address.
    pub address: Option<String>,
    /// The client's program.
    pub user_agent: Option<String>,
    /// The request's id.
    pub request_id: Option<String>,
}

impl Origin {
    /// From this machine itself.
    pub const fn here(at: Timestamp) -> Self {
        Self { at, address: None, user_agent: None, request_id: None }
    }
}

/// Who writes. What they may is looked up under the lock of what they write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// What they are.
    pub kind: ActorKind,
    /// Their id: a person's, or a name for an operator or the system.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Whether they own every project and administer every organization.
    pub platform_admin: bool,
    /// When and from where.
    pub origin: Origin,
}

impl Author {
    /// A person.
    pub fn person(id: &str, name: &str, platform_admin: bool, origin: Origin) -> Self {
        Self { kind: ActorKind::Person, id: id.to_owned(), name: name.to_owned(), platform_admin, origin }
    }

    /// Somebody at the store itself, by the name of their account on the machine.
    pub fn operator(name: &str, origin: Origin) -> Self {
        Self {
            kind: ActorKind::Operator,
            id: "operator".into(),
            name: name.to_owned(),
            platform_admin: true,
            origin,
        }
    }

    /// Tollgate itself.
    pub fn system(origin: Origin) -> Self {
        Self {
            kind: ActorKind::System,
            id: "system".into(),
            name: "tollgate".into(),
            platform_admin: true,
            origin,
        }
    }

    /// The directory of an issuer, by the issuer's configured name: it says who is still there.
    pub fn directory(issuer: &str, origin: Origin) -> Self {
        Self { id: "directory".into(), name: issuer.to_owned(), ..Self::system(origin) }
    }

    /// Whether this is a person who has rights as an administrator of the platform.
    pub const fn by_platform_right(&self) -> bool {
        self.platform_admin && matches!(self.kind, ActorKind::Person)
    }

    /// When the write counts as.
    pub const fn at(&self) -> Timestamp {
        self.origin.at
    }

    /// The beginning of an audit entry by this author.
    pub fn entry(&self, action: &'static str, target_kind: &'static str, target_id: &str) -> AuditEntry {
        AuditEntry {
            at: self.origin.at,
            actor_kind: self.kind,
            actor_id: self.id.clone(),
            actor_name: self.name.clone(),
            action,
            target_kind,
            target_id: target_id.to_owned(),
            organization_id: None,
            project_id: None,
            before: None,
            after: None,
            address: self.origin.address.clone(),
            user_agent: self.origin.user_agent.clone(),
            request_id: self.origin.request_id.clone(),
        }
    }
}

impl AuditEntry {
    /// In this organization.
    #[must_use]
    pub fn in_organization(mut self, id: &str) -> Self {
        self.organization_id = Some(id.to_owned());
        self
    }

    /// In this project of this organization.
    #[must_use]
    pub fn in_project(mut self, organization: &str, project: &str) -> Self {
        self.organization_id = Some(organization.to_owned());
        self.project_id = Some(project.to_owned());
        self
    }

    /// As it was.
    #[must_use]
    pub fn before(mut self, value: &impl Serialize) -> Self {
        self.before = json(value);
        self
    }

    /// As it is now.
    #[must_use]
    pub fn after(mut self, value: &impl Serialize) -> Self {
        self.after = json(value);
        self
    }
}

/// What is written down has string keys and finite numbers only, so that it is always JSON.
fn json(value: &impl Serialize) -> Option<Value> {
    serde_json::to_value(value).ok()
}
