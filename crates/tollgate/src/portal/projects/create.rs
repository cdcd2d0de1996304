//! `POST /projects`: a new one, whose owner is its maker.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tollgate_core::ids::IdKind;
use tollgate_core::key_limits::KeyName;
use tollgate_core::models::ModelPolicy;
use tollgate_core::tenancy::ProjectRole;
use utoipa::ToSchema;

use super::view::ProjectView;
use crate::entropy::bytes;
use crate::portal::Portal;
use crate::portal::forms::{models_schema, name_schema};
use crate::portal::once::Create;
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Problem};
use crate::portal::rights::Fresh;
use crate::portal::version::Versioned;
use crate::store::NewProject;

/// A project that somebody wants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateProject {
    /// The organization that it will belong to; you are a member of it.
    #[schema(pattern = "^org_[0-9a-z]{26}$")]
    organization_id: String,
    /// What people call it.
    #[schema(schema_with = name_schema)]
    name: KeyName,
    /// The models that anything in it may use. Without it: all.
    #[serde(default = "all_models")]
    #[schema(schema_with = models_schema)]
    models: ModelPolicy,
}

const fn all_models() -> ModelPolicy {
    ModelPolicy::All
}

/// Make a project
///
/// Members of an organization may make projects in it.
#[utoipa::path(
    post, path = "/projects", tag = "projects", request_body = CreateProject,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = ProjectView, headers(("ETag" = String), ("Location" = String)))),
)]
pub async fn create(
    State(portal): State<Portal>,
    person: Fresh<Person>,
    Create { body, once }: Create<CreateProject>,
) -> Answer<Response> {
    if !IdKind::Organization.fits(&body.organization_id) {
        return Err(Problem::invalid("/organization_id", "must be the id of an organization (org_…)"));
    }
    let now = portal.now();
    let id = IdKind::Project.make(now, bytes(portal.entropy())?);
    let store = portal.store()?;
    let access = store.organization_access(person.who(), &body.organization_id).await?;
    let organization_state = access.ok_or_else(Problem::not_found)?.organization.state;
    let mut tx = store.begin().await?;
    if let Some(answered) = once.replay(&mut tx, &person.id, now).await? {
        return Ok(answered);
    }
    let new = NewProject {
        id: &id,
        organization_id: &body.organization_id,
        name: body.name.as_str(),
        models: &body.models,
    };
    let project = tx.create_project(&person.proven(now)?, new, Some(&person.id)).await?;
    let view = ProjectView::new(project, organization_state, ProjectRole::Owner);
    once.keep(&mut tx, &person.id, (StatusCode::CREATED, &view), now).await?;
    tx.commit(now).await?;
    let location = [(header::LOCATION, format!("/api/v1/projects/{id}"))];
    Ok((StatusCode::CREATED, location, Versioned(view.version, view)).into_response())
}
