//! Members of a project.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use tollgate_core::tenancy::ProjectRole;
use utoipa::ToSchema;

use super::leaving::{Leaving, LeavingQuery};
use super::view::MemberView;
use crate::portal::Portal;
use crate::portal::body::Body;
use crate::portal::forms::Ids;
use crate::portal::page::{Page, PageQuery, PageRequest};
use crate::portal::problem::Answer;
use crate::portal::rights::{Fresh, InProject, Manager, Viewer};
use crate::portal::words;
use crate::store::Slice;

/// The role that somebody is to have.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutMember {
    /// It.
    #[schema(schema_with = words::project_role)]
    role: ProjectRole,
}

/// The members of a project
#[utoipa::path(
    get, path = "/projects/{project_id}/members", tag = "members",
    params(("project_id" = String, Path), PageQuery),
    responses((status = 200, body = Page<MemberView>)),
)]
pub async fn list(
    State(portal): State<Portal>,
    InProject { access, .. }: InProject<Viewer>,
    page: PageRequest,
) -> Answer<Json<Page<MemberView>>> {
    let slice = Slice { after: page.after.as_deref().unwrap_or_default(), limit: page.fetch() };
    let members = portal.store()?.members::<ProjectRole>(&access.project.id, slice).await?;
    Ok(Json(page.page(members, |member| member.person_id.clone()).map(MemberView::from)))
}

/// Give somebody a role in a project
///
/// Managers change roles of members up to their own. Who is not a member is invited (409 says so, whether or not there is
/// such a person); platform administrators add members directly, and administrators of the organization add themselves. A
/// member who may no longer make keys has theirs switched off. The project keeps at least one owner.
#[utoipa::path(
    put, path = "/projects/{project_id}/members/{person_id}", tag = "members", request_body = PutMember,
    params(("project_id" = String, Path), ("person_id" = String, Path)),
    responses((status = 200, body = MemberView)),
)]
pub async fn put(
    State(portal): State<Portal>,
    manager: Fresh<InProject<Manager>>,
    Ids((_parent, id)): Ids<(String, String)>,
    Body(body): Body<PutMember>,
) -> Answer<Json<MemberView>> {
    let now = portal.now();
    let (author, project) = (manager.proven(now)?, &manager.access.project.id);
    let mut tx = portal.store()?.begin().await?;
    let member = tx.put_project_member(&author, project, &id, body.role).await?;
    tx.commit(now).await?;
    Ok(Json(member.into()))
}

/// Remove somebody from a project
///
/// Managers remove members up to their own role; everybody may leave. A project whose last owner leaves falls to the
/// organization's administrators, and is suspended when there is none. The leaver's keys in the project are revoked, or go
/// to another member.
#[utoipa::path(
    delete, path = "/projects/{project_id}/members/{person_id}", tag = "members",
    params(("project_id" = String, Path), ("person_id" = String, Path), LeavingQuery),
    responses((status = 204)),
)]
pub async fn remove(
    State(portal): State<Portal>,
    viewer: Fresh<InProject<Viewer>>,
    Ids((_parent, id)): Ids<(String, String)>,
    leaving: Leaving,
) -> Answer<StatusCode> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let (author, project) = (viewer.person.author(now), &viewer.access.project.id);
    tx.remove_project_member(&author, project, &id, leaving.keys(|| viewer.proven(now))?).await?;
    tx.commit(now).await?;
    Ok(StatusCode::NO_CONTENT)
}
