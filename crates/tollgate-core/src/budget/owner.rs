//! Whose a budget is, and its own id.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fault::{DefinitionError, shortened};
use crate::apikey::KeyId;
use crate::ids::IdKind;

/// The id of a budget. `bud_…` in the API, the log and the database.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BudgetId(u128);

/// Whose requests a budget is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "OwnerForm", into = "OwnerForm")]
pub enum BudgetOwner {
    /// Everybody's in an organization.
    Organization(String),
    /// Everybody's in a project.
    Project(String),
    /// One person's in a project, with token or keys.
    Member {
        /// The project.
        project: String,
        /// The person.
        person: String,
    },
    /// A service account's.
    ServiceAccount(String),
    /// One key's.
    Key(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum OwnerForm {
    Organization(String),
    Project(String),
    Member { project: String, person: String },
    ServiceAccount(String),
    Key(String),
}

impl BudgetId {
    /// From 128 bits that the caller made unique; see [`crate::ids::time_ordered`].
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Self> {
        IdKind::Budget.bits(text).map(Self)
    }
}

impl TryFrom<OwnerForm> for BudgetOwner {
    type Error = DefinitionError;

    fn try_from(form: OwnerForm) -> Result<Self, DefinitionError> {
        let check = |id: String, kind: IdKind, name| {
            if kind.fits(&id) {
                return Ok(id);
            }
            Err(DefinitionError::OwnerId { id: shortened(&id), kind: name, prefix: kind.prefix() })
        };
        Ok(match form {
            OwnerForm::Organization(id) => {
                Self::Organization(check(id, IdKind::Organization, "organization")?)
            }
            OwnerForm::Project(id) => Self::Project(check(id, IdKind::Project, "project")?),
            OwnerForm::Member { project, person } => Self::Member {
                project: check(project, IdKind::Project, "project")?,
                person: check(person, IdKind::Person, "person")?,
            },
            OwnerForm::ServiceAccount(id) => {
                Self::ServiceAccount(check(id, IdKind::ServiceAccount, "service account")?)
            }
            OwnerForm::Key(id) if KeyId::parse(&id).is_some() => Self::Key(id),
            OwnerForm::Key(id) => return Err(DefinitionError::KeyId(shortened(&id))),
        })
    }
}

impl From<BudgetOwner> for OwnerForm {
    fn from(owner: BudgetOwner) -> Self {
        match owner {
            BudgetOwner::Organization(id) => Self::Organization(id),
            BudgetOwner::Project(id) => Self::Project(id),
            BudgetOwner::Member { project, person } => Self::Member { project, person },
            BudgetOwner::ServiceAccount(id) => Self::ServiceAccount(id),
            BudgetOwner::Key(id) => Self::Key(id),
        }
    }
}

impl TryFrom<String> for BudgetId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| {
            format!("'{}' is not the id of a budget; it starts with \"bud_\"", shortened(&text))
        })
    }
}

impl From<BudgetId> for String {
    fn from(id: BudgetId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for BudgetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&IdKind::Budget.text(self.0))
    }
}

impl fmt::Debug for BudgetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BudgetId({self})")
    }
}
