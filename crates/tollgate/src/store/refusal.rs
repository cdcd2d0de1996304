//! Why the store refuses a write that the database would have taken: the rules of tenancy, held under the lock.

use thiserror::Error;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};

use super::StoreError;
use super::api_keys::KeyRefusal;

/// A rule that a write would break.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is none, or none that the author may see: the two are the same to them.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// The author may see it and may not do this.
    #[error("this takes the role of {0}")]
    ProjectRoleNeeded(ProjectRole),
    /// The author may see it and may not do this.
    #[error("this takes the role of {0} in the organization")]
    OrganizationRoleNeeded(OrganizationRole),
    /// Only a platform administrator may.
    #[error("this takes a platform administrator")]
    PlatformAdminNeeded,
    /// Nobody gives, changes or takes a role above their own.
    #[error("a {own} cannot give, change or take the role of {other}")]
    AboveOwnRole {
        /// The author's role.
        own: ProjectRole,
        /// The role it is about.
        other: ProjectRole,
    },
    /// Nobody becomes a member without having said so.
    #[error("they are not a member; send an invitation (POST …/invitations), which they accept themselves")]
    InvitationNeeded,
    /// The right of the platform's administrators sees and ends, and gives nothing by itself.
    #[error(
        "a platform administrator gives rights in this {0} as a member only; add yourself first (PUT …/members/{{your id}})"
    )]
    MembershipNeeded(&'static str),
    /// Who is not a platform administrator maps groups to the lesser roles only.
    #[error("a mapping to {role} takes a platform administrator; yours may give {most} at most")]
    MappingAbove {
        /// The role that was asked for.
        role: &'static str,
        /// What they may map to.
        most: &'static str,
    },
    /// It was edited since the author read it.
    #[error("the {thing} was changed meanwhile; its version is now {version}")]
    Stale {
        /// What kind of thing.
        thing: &'static str,
        /// The version it has.
        version: i64,
    },
    /// A rule about keys.
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    /// A project always has an owner.
    #[error("the project would be left without an owner; make somebody else an owner first")]
    LastOwner,
    /// An organization always has an administrator.
    #[error(
        "the organization would be left without an administrator; make somebody else an administrator first"
    )]
    LastAdmin,
    /// A personal organization is one person's.
    #[error(
        "a personal organization has one member and stays as long as its person; make an organization for several people"
    )]
    Personal,
    /// Somebody who suspends themselves has nobody to resume them.
    #[error("nobody can suspend themselves; ask another administrator")]
    Oneself,
    /// Two of the same name would be confused.
    #[error("there is a {thing} of the name '{name}' already; choose another name")]
    NameTaken {
        /// What kind of thing.
        thing: &'static str,
        /// The name.
        name: String,
    },
    /// There is one that does the same.
    #[error("there is such a {0} already")]
    Twice(&'static str),
    /// Keys can only go to somebody who could have made them.
    #[error(
        "keys can only be handed over to another active member of project {0} who is at least a developer; \
         add them first, or let the keys be revoked"
    )]
    NoHeir(String),
    /// The invitation is unknown, expired, withdrawn, used, for somebody else, or its maker may not invite any more: the
    /// same to whoever holds a link.
    #[error("this invitation is unknown, expired, used, withdrawn, or for somebody else; ask for a new one")]
    Invitation,
    /// A role that does not exist where it is to be given.
    #[error("'{0}' is not a role here")]
    Role(String),
    /// A subject that no database can keep.
    #[error("the token's subject has characters that cannot be kept")]
    Subject,
}

impl From<KeyRefusal> for StoreError {
    fn from(refusal: KeyRefusal) -> Self {
        Self::Refused(Refusal::Key(refusal))
    }
}
