//! An organization as the API shows it.

use serde::Serialize;
use tollgate_core::tenancy::OrganizationRole;
use utoipa::ToSchema;

use crate::portal::forms::Moment;
use crate::portal::words;
use crate::store::{Organization, OrganizationAccess, State};

/// An organization, and what you are to it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct OrganizationView {
    /// `org_…`
    pub id: String,
    /// What people call it; not unique.
    pub name: String,
    /// One person's own. It has one member and cannot be deleted.
    pub personal: bool,
    /// Whether anything in it may act.
    #[schema(schema_with = words::state)]
    pub state: State,
    /// Your role. Administrators of the deployment are admin everywhere.
    #[schema(schema_with = words::organization_role)]
    pub role: OrganizationRole,
    /// Counts its changes; the ETag.
    pub version: i64,
    /// When it was made.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

impl OrganizationView {
    /// As somebody of this role sees it.
    pub fn new(organization: Organization, role: OrganizationRole) -> Self {
        Self {
            id: organization.id,
            name: organization.name,
            personal: organization.personal,
            state: organization.state,
            role,
            version: organization.version,
            created_at: Moment(organization.created_at),
            updated_at: Moment(organization.updated_at),
        }
    }
}

impl From<OrganizationAccess> for OrganizationView {
    fn from(access: OrganizationAccess) -> Self {
        Self::new(access.organization, access.role)
    }
}
