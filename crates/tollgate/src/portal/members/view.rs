//! Members as the API shows them.

use serde::Serialize;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use utoipa::ToSchema;

use crate::portal::forms::Moment;
use crate::portal::words;
use crate::store::{OrganizationMember, ProjectMember, Source};

/// A member of a project.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MemberView {
    /// `per_…`
    pub person_id: String,
    /// Their name at the issuer.
    pub name: String,
    /// Their address, if the issuer tells it.
    pub email: Option<String>,
    /// What they may.
    #[schema(schema_with = words::project_role)]
    pub role: ProjectRole,
    /// Where the membership comes from.
    #[schema(schema_with = words::source)]
    pub source: Source,
    /// Since when.
    pub created_at: Moment,
}

/// A member of an organization.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct OrganizationMemberView {
    /// `per_…`
    pub person_id: String,
    /// Their name at the issuer.
    pub name: String,
    /// Their address, if the issuer tells it.
    pub email: Option<String>,
    /// What they may.
    #[schema(schema_with = words::organization_role)]
    pub role: OrganizationRole,
    /// Where the membership comes from.
    #[schema(schema_with = words::source)]
    pub source: Source,
    /// Since when.
    pub created_at: Moment,
}

impl From<ProjectMember> for MemberView {
    fn from(member: ProjectMember) -> Self {
        let ProjectMember { person_id, username, email, role, source, created_at } = member;
        Self { person_id, name: username, email, role, source, created_at: Moment(created_at) }
    }
}

impl From<OrganizationMember> for OrganizationMemberView {
    fn from(member: OrganizationMember) -> Self {
        let OrganizationMember { person_id, username, email, role, source, created_at } = member;
        Self { person_id, name: username, email, role, source, created_at: Moment(created_at) }
    }
}
