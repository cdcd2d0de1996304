//! Who decided what about a key, as the API shows it.

use serde::Serialize;
use tollgate_core::caller::{AddressList, KeyState, RouteScope};
use tollgate_core::key_bounds::{KeyAuthority, KeyBound};
use tollgate_core::models::ModelPolicy;
use tollgate_core::time::Timestamp;
use utoipa::ToSchema;

use crate::portal::forms::{Moment, addresses_schema, models_schema, routes_schema};
use crate::store::api_keys::{ApiKey, KeySwitch, OffCause};

/// Why a key is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisabledBecause {
    /// A manager or somebody above decided so; `disabled_by.role` says who can enable it.
    Manager,
    /// It came to its owner with somebody else's secret, and works when its owner has rotated it with overlap `now`.
    HandedOver,
    /// Its secret was found in public.
    Leaked,
    /// Its owner lost the role that keys take.
    RoleLost,
    /// Its owner decided so.
    Owner,
}

/// The right with which somebody decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecidingRole {
    /// A developer of the project.
    Developer,
    /// A manager of the project.
    Manager,
    /// An owner of the project.
    Owner,
    /// An administrator of the organization.
    OrganizationAdmin,
    /// A platform administrator.
    PlatformAdmin,
}

/// Who decided something about a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DecisionView {
    /// A person's id, or what acts in Tollgate: `operator`, `system`, `secret_scanner`, `unknown`.
    pub id: String,
    /// With which right, when that binds others.
    pub role: Option<DecidingRole>,
    /// When.
    pub at: Moment,
}

/// The widest limits that one role has left to a key; null was not decided.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct BoundView {
    /// Which role. Those below it cannot go past these limits.
    pub role: DecidingRole,
    /// A person's id.
    pub by: String,
    /// When it was decided last.
    pub at: Moment,
    /// At most these models.
    #[schema(schema_with = models_schema)]
    pub models: Option<ModelPolicy>,
    /// At most these routes.
    #[schema(schema_with = routes_schema)]
    pub routes: Option<RouteScope>,
    /// At most these networks.
    #[schema(schema_with = addresses_schema)]
    pub addresses: Option<AddressList>,
    /// No later end than this.
    pub expires_at: Option<Moment>,
}

impl From<KeyAuthority> for DecidingRole {
    fn from(authority: KeyAuthority) -> Self {
        match authority {
            KeyAuthority::Developer => Self::Developer,
            KeyAuthority::Manager => Self::Manager,
            KeyAuthority::Owner => Self::Owner,
            KeyAuthority::OrganizationAdmin => Self::OrganizationAdmin,
            KeyAuthority::PlatformAdmin => Self::PlatformAdmin,
        }
    }
}

/// The reason that has to go first.
fn reason(key: &ApiKey) -> Option<(DisabledBecause, DecisionView)> {
    if key.state != KeyState::Disabled {
        return None;
    }
    let KeySwitch { off, hold, handed_over } = &key.switch;
    let by = |id: &str, role, at| DecisionView { id: id.to_owned(), role, at: Moment(at) };
    if let Some(hold) = hold {
        return Some((DisabledBecause::Manager, by(&hold.by, Some(hold.role.into()), hold.at)));
    }
    if let Some(over) = handed_over {
        return Some((DisabledBecause::HandedOver, by(&over.by, None, over.at)));
    }
    let off = off.as_ref()?;
    let because = match off.cause {
        OffCause::Owner => DisabledBecause::Owner,
        OffCause::RoleLost => DisabledBecause::RoleLost,
        OffCause::Leaked => DisabledBecause::Leaked,
    };
    Some((because, by(&off.by, None, off.at)))
}

impl DisabledBecause {
    /// Of this key; `None` when it is not disabled.
    pub fn of(key: &ApiKey) -> Option<Self> {
        reason(key).map(|(because, _)| because)
    }
}

impl DecisionView {
    /// Who disabled this key; `None` when it is not disabled.
    pub fn of(key: &ApiKey) -> Option<Self> {
        reason(key).map(|(_, by)| by)
    }
}

impl BoundView {
    /// As the API shows it.
    pub fn of(bound: &KeyBound) -> Self {
        Self {
            role: bound.role.into(),
            by: bound.by.clone(),
            at: Moment(Timestamp::from_millis(bound.at_millis)),
            models: bound.models.clone(),
            routes: bound.routes.clone(),
            addresses: bound.addresses.clone(),
            expires_at: bound.expires_at_millis.map(|at| Moment(Timestamp::from_millis(at))),
        }
    }
}
