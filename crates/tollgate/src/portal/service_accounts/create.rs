//! `POST /projects/{project_id}/service-accounts`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tollgate_core::ids::IdKind;
use tollgate_core::key_limits::KeyName;
use utoipa::ToSchema;

use super::view::ServiceAccountView;
use crate::entropy::bytes;
use crate::portal::Portal;
use crate::portal::forms::name_schema;
use crate::portal::once::Create;
use crate::portal::problem::Answer;
use crate::portal::rights::{Fresh, InProject, Manager};
use crate::portal::version::Versioned;

/// A service account that somebody wants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateServiceAccount {
    /// Its name; no other of the project has it.
    #[schema(schema_with = name_schema)]
    name: KeyName,
}

/// Make a service account
#[utoipa::path(
    post, path = "/projects/{project_id}/service-accounts", tag = "service accounts",
    request_body = CreateServiceAccount,
    params(("project_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = ServiceAccountView, headers(("ETag" = String), ("Location" = String)))),
)]
pub async fn create(
    State(portal): State<Portal>,
    manager: Fresh<InProject<Manager>>,
    Create { body, once }: Create<CreateServiceAccount>,
) -> Answer<Response> {
    let now = portal.now();
    let person = &manager.person;
    let (project, id) =
        (manager.access.project.id.clone(), IdKind::ServiceAccount.make(now, bytes(portal.entropy())?));
    let mut tx = portal.store()?.begin().await?;
    if let Some(answered) = once.replay(&mut tx, &person.id, now).await? {
        return Ok(answered);
    }
    let new = (id.as_str(), body.name.as_str());
    let view: ServiceAccountView =
        tx.create_service_account(&manager.proven(now)?, &project, new).await?.into();
    once.keep(&mut tx, &person.id, (StatusCode::CREATED, &view), now).await?;
    tx.commit(now).await?;
    let location = [(header::LOCATION, format!("/api/v1/projects/{project}/service-accounts/{id}"))];
    Ok((StatusCode::CREATED, location, Versioned(view.version, view)).into_response())
}
