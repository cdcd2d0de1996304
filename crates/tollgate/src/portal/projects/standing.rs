//! `POST /projects/{project_id}/suspend` and `/resume`.

use axum::extract::State;

use super::view::ProjectView;
use crate::portal::Portal;
use crate::portal::problem::Answer;
use crate::portal::rights::{Fresh, InProject, Owner};
use crate::portal::version::Versioned;
use crate::store::StandingChange;

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
    let author = owner.person.author(portal.now());
    set(&portal, &owner, StandingChange::Suspend(&author)).await
}

/// Let a suspended project act again
#[utoipa::path(
    post, path = "/projects/{project_id}/resume", tag = "projects", params(("project_id" = String, Path)),
    responses((status = 200, body = ProjectView, headers(("ETag" = String)))),
)]
pub async fn resume(
    State(portal): State<Portal>,
    owner: Fresh<InProject<Owner>>,
) -> Answer<Versioned<ProjectView>> {
    let author = owner.proven(portal.now())?;
    set(&portal, &owner, StandingChange::Resume(&author)).await
}

async fn set(
    portal: &Portal,
    owner: &InProject<Owner>,
    standing: StandingChange<'_>,
) -> Answer<Versioned<ProjectView>> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let project = tx.set_project_suspended(standing, &owner.access.project.id).await?;
    tx.commit(now).await?;
    let view = ProjectView::new(project, owner.access.organization_state, owner.access.role);
    Ok(Versioned(view.version, view))
}
