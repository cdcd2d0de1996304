//! A project as the API shows it.

use serde::Serialize;
use tollgate_core::models::ModelPolicy;
use tollgate_core::tenancy::ProjectRole;
use utoipa::ToSchema;

use crate::portal::forms::{Moment, models_schema};
use crate::portal::words;
use crate::store::{Project, ProjectAccess, State};

/// A project, and what you are to it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProjectView {
    /// `prj_…`
    pub id: String,
    /// The organization that it belongs to.
    pub organization_id: String,
    /// What people call it; not unique.
    pub name: String,
    /// Whether anything in it may act.
    #[schema(schema_with = words::state)]
    pub state: State,
    /// Whether anything in its organization may act, which holds for the project too.
    #[schema(schema_with = words::state)]
    pub organization_state: State,
    /// The models that anything in it may use.
    #[schema(schema_with = models_schema)]
    pub models: ModelPolicy,
    /// Your role. Administrators of the organization or the deployment are owner everywhere.
    #[schema(schema_with = words::project_role)]
    pub role: ProjectRole,
    /// Counts its changes; the ETag.
    pub version: i64,
    /// When it was made.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

impl ProjectView {
    /// As somebody of this role sees it.
    pub fn new(project: Project, organization_state: State, role: ProjectRole) -> Self {
        Self {
            id: project.id,
            organization_id: project.organization_id,
            name: project.name,
            state: project.state,
            organization_state,
            models: project.models,
            role,
            version: project.version,
            created_at: Moment(project.created_at),
            updated_at: Moment(project.updated_at),
        }
    }
}

impl From<ProjectAccess> for ProjectView {
    fn from(access: ProjectAccess) -> Self {
        Self::new(access.project, access.organization_state, access.role)
    }
}
