//! The authenticated identity: a user by token, or a key with its project.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::apikey::KeyId;
use crate::jwt::VerifiedToken;
use crate::models::ModelPolicy;
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
            Self::Key(key) => &key.owner.subject,
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
///
/// The parts that many keys share are shared here too, so that a million keys fit in memory and suspending a project
/// touches one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The public, time-ordered id.
    pub id: KeyId,
    /// Whether the key may be used at all.
    pub state: KeyState,
    /// When the key stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// Who the key acts for.
    pub owner: Arc<OwnerRecord>,
    /// What the key belongs to.
    pub project: Arc<ProjectRecord>,
    /// What the key is narrowed to.
    pub limits: Arc<KeyLimits>,
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

/// Whether a person, project or organization may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Standing {
    /// As usual.
    #[default]
    Active,
    /// Everything below it is refused until it is active again.
    Suspended,
}

/// Who a key acts for: a person of an issuer, or a service account of the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerRecord {
    /// The person's subject at the issuer, or the service account's id.
    pub subject: String,
    /// The person's issuer; `None` for a service account.
    pub issuer: Option<String>,
    /// A name that a person recognises.
    pub name: String,
    /// The person's e-mail address, informational.
    pub email: Option<String>,
    /// Whether the owner may act.
    pub standing: Standing,
}

/// What a key belongs to: a project of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectRecord {
    /// The project's id.
    pub id: String,
    /// The organization's id.
    pub organization: String,
    /// Whether the project may act.
    pub standing: Standing,
    /// Whether the organization may act.
    pub organization_standing: Standing,
    /// The models that anything in the project may use.
    pub models: ModelPolicy,
}

/// What one key is narrowed to, within its project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLimits {
    /// The models it may use.
    pub models: ModelPolicy,
    /// The routes it may use.
    pub routes: RouteScope,
    /// The networks it may be used from.
    pub addresses: AddressList,
}

impl KeyLimits {
    /// No limits beside the project's.
    pub const NONE: Self =
        Self { models: ModelPolicy::All, routes: RouteScope::All, addresses: AddressList::Any };
}

/// The routes a key may use, by their configured names. There is no empty list: that would have to mean "everything" or
/// "nothing", and somebody would guess wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteScope {
    /// Every route.
    All,
    /// These.
    Only(Vec<String>),
}

impl RouteScope {
    /// Whether the route of this name may be used.
    pub fn allows(&self, route: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| name == route),
        }
    }
}

/// The networks a key may be used from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressList {
    /// Any address.
    Any,
    /// These networks.
    Only(Vec<IpNet>),
}

impl AddressList {
    /// Whether a client at this address may use the key. An address that the gateway did not tell is in no network.
    pub fn allows(&self, client: Option<IpAddr>) -> bool {
        match (self, client) {
            (Self::Any, _) => true,
            (Self::Only(_), None) => false,
            // An IPv4 client of an IPv6 listener comes as ::ffff:a.b.c.d.
            (Self::Only(networks), Some(client)) => {
                networks.iter().any(|network| network.contains(&client.to_canonical()))
            }
        }
    }
}
