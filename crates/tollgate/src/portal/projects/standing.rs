//! `POST /projects/{project_id}/suspend` and `/resume`.

use axum::extract::State;

use super::view::ProjectView;
use crate::portal::Portal;
use crate::portal::problem::Answer;
use crate::portal::rights::{InProject, Owner};
use crate::portal::version::Versioned;

/// Suspend a project
///
/// Its keys are refused at the gateway within a second, until it is resumed.
#[utoipa::path(
    post, path = "/projects/{project_id}/suspend", tag = "projects", params(("project_id" = String, Path)),
    responses((status = 200, body = ProjectView, headers(("ETag" = String)))),
)]
pub async fn suspend(
    State(portal): State<Portal>,
    owner: InProject<Owner>,
) -> Answer<Versioned<ProjectView>> {
    set(&portal, owner, true).await
}

/// Let a suspended project act again
#[utoipa::path(
    post, path = "/projects/{project_id}/resume", tag = "projects", params(("project_id" = String, Path)),
    responses((status = 200, body = ProjectView, headers(("ETag" = String)))),
)]
pub async fn resume(State(portal): State<Portal>, owner: InProject<Owner>) -> Answer<Versioned<ProjectView>> {
    set(&portal, owner, false).await
}

async fn set(
    portal: &Portal,
    InProject { person, access, .. }: InProject<Owner>,
    suspended: bool,
) -> Answer<Versioned<ProjectView>> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let project = tx.set_project_suspended(&person.author(now), &access.project.id, suspended).await?;
    tx.commit(now).await?;
    let view = ProjectView::new(project, access.organization_state, access.role);
    Ok(Versioned(view.version, view))
}
