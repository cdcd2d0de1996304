//! API keys as people manage them. A secret never comes here, and its digest never leaves: [`ApiKey`] has no place for
//! either.

mod audited;
mod edit;
mod issue;
mod last_used;
mod leaks;
mod list;
mod manage;
mod read;
mod refusal;
mod row;
mod switch;
mod write;

use std::net::IpAddr;

use tollgate_core::apikey::KeyId;
use tollgate_core::caller::{KeyLimits, KeyState};
use tollgate_core::key_bounds::KeyBounds;
use tollgate_core::key_limits::{KeyName, Metadata, Tags};
use tollgate_core::models::ModelPolicy;
use tollgate_core::time::Timestamp;

pub(in crate::store) use edit::KeyChange;
pub use issue::{KeyPolicy, NewApiKey};
pub use last_used::KeyUse;
pub use leaks::{Leak, LeakReport};
pub use list::{KeyCursor, KeyFilter, ShownState};
pub use manage::{KeyEdit, KeyPath};
pub use read::SecretMatch;
pub use refusal::KeyRefusal;
pub use switch::{HandedOver, KeyHold, KeySwitch, OffCause, SwitchedOff};

/// One key, as its people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The public half of its text.
    pub id: KeyId,
    /// The organization of its project.
    pub organization_id: String,
    /// Its project.
    pub project_id: String,
    /// The project's name.
    pub project_name: String,
    /// The models of the project, which narrow the key's own.
    pub project_models: ModelPolicy,
    /// Whom it acts for.
    pub owner: KeyOwner,
    /// The owner's name: a person's user name, or the service account's.
    pub owner_name: String,
    /// What people call it.
    pub name: KeyName,
    /// As its people set it; expiry is a matter of time.
    pub state: KeyState,
    /// Why it is switched off.
    pub switch: KeySwitch,
    /// What above it is suspended, so that it is refused whatever its own state.
    pub held_by: Option<HeldBy>,
    /// When it stops by itself.
    pub expires_at: Option<Timestamp>,
    /// What it is narrowed to.
    pub limits: KeyLimits,
    /// The widest limits that higher roles have left to it.
    pub bounds: KeyBounds,
    /// Words by which it is found.
    pub tags: Tags,
    /// What its owner remembers about it.
    pub metadata: Metadata,
    /// The person who made it, or `operator`.
    pub created_by: String,
    /// Counts the edits.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// When its present secret was made, if that is not the first.
    pub rotated_at: Option<Timestamp>,
    /// When and by whom it was ended.
    pub revoked: Option<Revocation>,
    /// Where its present secret was found in public.
    pub leaked: Option<Leak>,
    /// Its last use, late by some seconds.
    pub last_used: Option<LastUse>,
    /// The secret before the present one, while it works or worked last.
    pub previous: Option<PreviousSecret>,
}

/// Whom a key acts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// A person, by id.
    Person(String),
    /// A service account of the key's project, by id.
    ServiceAccount(String),
}

/// What is suspended or ended above a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// The organization of its project.
    Organization,
    /// Its project.
    Project,
    /// The person or service account that it acts for.
    Owner,
}

/// The end of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// When.
    pub at: Timestamp,
    /// By whom: a person's id, or `operator`.
    pub by: String,
}

/// The last use of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// From which address, as the gateway told.
    pub address: Option<IpAddr>,
    /// With which program.
    pub agent: Option<String>,
}

/// What is known of the secret before the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviousSecret {
    /// Until when it works.
    pub until: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

impl KeyOwner {
    /// The owner's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Person(id) | Self::ServiceAccount(id) => id,
        }
    }

    /// The person's id, if it is a person.
    pub fn person(&self) -> Option<&str> {
        match self {
            Self::Person(id) => Some(id),
            Self::ServiceAccount(_) => None,
        }
    }

    /// The service account's id, if it is one.
    pub fn service_account(&self) -> Option<&str> {
        match self {
            Self::Person(_) => None,
            Self::ServiceAccount(id) => Some(id),
        }
    }
}

impl ApiKey {
    /// When its present secret was made.
    pub fn secret_made_at(&self) -> Timestamp {
        self.rotated_at.unwrap_or(self.created_at)
    }

    /// Why it is disabled; `None` when it is not.
    pub fn disabled_because(&self) -> Option<&'static str> {
        if self.state == KeyState::Disabled { self.switch.because() } else { None }
    }

    /// Switches a key that was not revoked.
    fn switch_to(&mut self, switch: KeySwitch) {
        self.state = switch.state();
        self.switch = switch;
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: [&[&str]; 5] =
    [issue::STATEMENTS, leaks::STATEMENTS, list::STATEMENTS, read::STATEMENTS, write::STATEMENTS];
/// The one statement that is made of parts, for `rows` keys.
#[cfg(test)]
pub(super) use last_used::statement as last_used_statement;
