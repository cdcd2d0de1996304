//! `GET`, `PATCH` and `DELETE /projects/{project_id}`.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use tollgate_core::key_limits::KeyName;
use tollgate_core::models::ModelPolicy;
use utoipa::ToSchema;

use super::view::ProjectView;
use crate::portal::Portal;
use crate::portal::body::Body;
use crate::portal::forms::{given, models_schema, name_schema};
use crate::portal::problem::Answer;
use crate::portal::rights::{Fresh, InProject, Owner, Viewer};
use crate::portal::version::{IfMatch, Versioned};
use crate::store::ProjectEdit;

/// What is to be changed. What is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateProject {
    /// Another name.
    #[serde(deserialize_with = "given")]
    #[schema(schema_with = name_schema)]
    name: Option<KeyName>,
    /// Other models.
    #[serde(deserialize_with = "given")]
    #[schema(schema_with = models_schema)]
    models: Option<ModelPolicy>,
}

/// One project
#[utoipa::path(
    get, path = "/projects/{project_id}", tag = "projects", params(("project_id" = String, Path)),
    responses((status = 200, body = ProjectView, headers(("ETag" = String)))),
)]
pub async fn show(InProject { access, .. }: InProject<Viewer>) -> Versioned<ProjectView> {
    Versioned(access.project.version, access.into())
}

/// Change a project
///
/// Another model policy holds at the gateway within a second, for every key in the project. More models than before ask for
/// a recent proof of who you are.
#[utoipa::path(
    patch, path = "/projects/{project_id}", tag = "projects", request_body = UpdateProject,
    params(("project_id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = ProjectView, headers(("ETag" = String)))),
)]
pub async fn update(
    State(portal): State<Portal>,
    owner: Fresh<InProject<Owner>>,
    if_match: IfMatch,
    Body(change): Body<UpdateProject>,
) -> Answer<Versioned<ProjectView>> {
    let now = portal.now();
    let edit =
        ProjectEdit { name: change.name.as_ref().map(KeyName::as_str), models: change.models.as_ref() };
    let mut tx = portal.store()?.begin().await?;
    let (author, access) = (owner.person.author(now), &owner.access);
    let edit = (edit, if_match.version());
    let project = tx.update_project(&author, &access.project.id, edit, || owner.proven(now)).await?;
    tx.commit(now).await?;
    let view = ProjectView::new(project, access.organization_state, access.role);
    Ok(Versioned(view.version, view))
}

/// End a project
///
/// Every key in it is revoked, for good. A later project of the same name inherits nothing.
#[utoipa::path(
    delete, path = "/projects/{project_id}", tag = "projects",
    params(("project_id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204)),
)]
pub async fn delete(
    State(portal): State<Portal>,
    InProject { person, access, .. }: InProject<Owner>,
    if_match: IfMatch,
) -> Answer<StatusCode> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    tx.delete_project(&person.author(now), &access.project.id, if_match.version()).await?;
    tx.commit(now).await?;
    Ok(StatusCode::NO_CONTENT)
}
