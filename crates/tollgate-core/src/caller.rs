//! The authenticated identity: a user by token, or a key with its project.

use std::sync::Arc;

use crate::apikey::KeyId;
use crate::jwt::VerifiedToken;
use crate::time::Timestamp;

/// Who calls, once that is proven.
#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    /// A person or service account of an issuer: identified by issuer and subject together.
    User(Arc<VerifiedToken>),
    /// A self-service API key.
    Key(Arc<KeyRecord>),
}

impl Caller {
    /// The stable identity: the token's subject, or the subject that owns the key.
    pub fn subject(&self) -> &str {
        match self {
            Self::User(token) => &token.subject,
            Self::Key(key) => &key.subject,
        }
    }

    /// A name that a person recognises, for the log.
    pub fn display_name(&self) -> &str {
        match self {
            Self::User(token) => &token.username,
            Self::Key(key) => key.id.as_str(),
        }
    }

    /// Groups and roles, as the issuer's claim map collected them. Keys have none.
    pub fn groups(&self) -> &[String] {
        match self {
            Self::User(token) => &token.groups,
            Self::Key(_) => &[],
        }
    }
}

/// What the view knows of one API key. The secret is not part of it: it was compared before this was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The public, time-ordered id.
    pub id: KeyId,
    /// The subject that owns the key.
    pub subject: String,
    /// The project that the key belongs to.
    pub project: String,
    /// The organization that the project belongs to.
    pub organization: String,
    /// Whether the key may be used at all.
    pub state: KeyState,
    /// When the key stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// Whether the owning project is suspended.
    pub project_suspended: bool,
}

/// The life of a key as its owner set it; expiry is a matter of time, not of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Usable.
    Live,
    /// Switched off for now.
    Disabled,
    /// Ended for good.
    Revoked,
}
