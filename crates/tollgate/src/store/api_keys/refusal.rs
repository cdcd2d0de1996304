//! Why a write to a key is refused: the closed set of reasons, the same for every way in.

use thiserror::Error;
use tollgate_core::key_bounds::{KeyAuthority, KeyLimit};
use tollgate_core::key_life::LifeError;

/// A rule about keys that a write would break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyRefusal {
    /// Nothing new comes into a suspended project.
    #[error("the project is suspended; keys can be made, rotated and enabled once it is resumed")]
    ProjectSuspended,
    /// Nothing new comes into the projects of a suspended organization.
    #[error("the organization is suspended; keys can be made, rotated and enabled once it is resumed")]
    OrganizationSuspended,
    /// The person or service account that the key acts for is suspended.
    #[error("the key's owner is suspended; resume them first")]
    OwnerSuspended,
    /// The service account is unknown in this project.
    #[error("there is no such service account in this project")]
    NoServiceAccount,
    /// A secret never acts as a person who did not make it.
    #[error("a person's key is made by that person; make one for a service account instead")]
    ForAnotherPerson,
    /// The project has as many keys as it may have.
    #[error(
        "the project has {max} keys, which is as many as it may have (keys.max_per_project); revoke some that nobody uses"
    )]
    Quota {
        /// How many that is.
        max: u32,
    },
    /// The deployment bounds how long a secret lives.
    #[error("{error}")]
    Life {
        /// Why.
        error: LifeError,
        /// Whether the end was given in days.
        in_days: bool,
    },
    /// Revoked is for good.
    #[error("this key was revoked, and that is for good; make a new one")]
    Revoked,
    /// An expired key has no secret to replace.
    #[error("this key has expired; give it a later end first, or make a new one")]
    Expired,
    /// A secret that was found in public does not work again.
    #[error("this key's secret was found in public. Rotate the key first (overlap \"now\"), then enable it")]
    Leaked,
    /// Only an end at once is possible for a secret that was found in public.
    #[error("must be 'now': the present secret was found in public")]
    LeakedOverlap,
    /// Only an end at once is possible for somebody else's secret.
    #[error("must be 'now': the key was handed over, and its present secret is somebody else's")]
    HandedOverOverlap,
    /// A handed-over key needs another secret.
    #[error("this key was handed over; rotate it with overlap 'now', which enables it")]
    HandedOver,
    /// Developers manage their own keys.
    #[error("this key is somebody else's; ask its owner, or a manager of the project")]
    SomebodyElses,
    /// Nobody makes a person's key work but that person.
    #[error("only its owner can rotate a person's key or make it work again; you can disable or revoke it")]
    OwnerAlone,
    /// A higher role switched it off.
    #[error("this key was disabled by {}; {} can enable it", role.who(), role.who_may())]
    DisabledAbove {
        /// Which role.
        role: KeyAuthority,
    },
    /// A higher role narrowed it.
    #[error("{} set {} of this key; {} can widen it", role.who(), limit.as_str(), role.who_may())]
    PastBound {
        /// Which limit.
        limit: KeyLimit,
        /// Which role.
        role: KeyAuthority,
    },
    /// Nobody hands over their own keys.
    #[error("nobody hands over their own keys; leave them to be revoked, or have a manager remove you")]
    OwnKeys,
}
