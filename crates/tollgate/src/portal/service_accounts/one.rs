//! `GET`, `PATCH` and `DELETE /projects/{project_id}/service-accounts/{service_account_id}`.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use tollgate_core::key_limits::KeyName;
use utoipa::ToSchema;

use super::view::ServiceAccountView;
use crate::portal::Portal;
use crate::portal::body::Body;
use crate::portal::forms::{Ids, name_schema};
use crate::portal::problem::{Answer, Problem};
use crate::portal::rights::{InProject, Manager, Viewer};
use crate::portal::version::{IfMatch, Versioned};

/// What is to be changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateServiceAccount {
    /// Another name.
    #[schema(schema_with = name_schema)]
    name: KeyName,
}

/// One service account
#[utoipa::path(
    get, path = "/projects/{project_id}/service-accounts/{service_account_id}", tag = "service accounts",
    params(("project_id" = String, Path), ("service_account_id" = String, Path)),
    responses((status = 200, body = ServiceAccountView, headers(("ETag" = String)))),
)]
pub async fn show(
    State(portal): State<Portal>,
    InProject { access, .. }: InProject<Viewer>,
    Ids((_parent, id)): Ids<(String, String)>,
) -> Answer<Versioned<ServiceAccountView>> {
    let account = portal.store()?.find_service_account(&access.project.id, &id).await?;
    let account = account.ok_or_else(Problem::not_found)?;
    Ok(Versioned(account.version, account.into()))
}

/// Rename a service account
#[utoipa::path(
    patch, path = "/projects/{project_id}/service-accounts/{service_account_id}", tag = "service accounts",
    request_body = UpdateServiceAccount,
    params(
        ("project_id" = String, Path), ("service_account_id" = String, Path),
        ("If-Match" = Option<String>, Header),
    ),
    responses((status = 200, body = ServiceAccountView, headers(("ETag" = String)))),
)]
pub async fn update(
    State(portal): State<Portal>,
    InProject { person, access, .. }: InProject<Manager>,
    Ids((_parent, id)): Ids<(String, String)>,
    if_match: IfMatch,
    Body(change): Body<UpdateServiceAccount>,
) -> Answer<Versioned<ServiceAccountView>> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let (author, at) = (person.author(now), (access.project.id.as_str(), id.as_str()));
    let account = tx.rename_service_account(&author, at, change.name.as_str(), if_match.version()).await?;
    tx.commit(now).await?;
    Ok(Versioned(account.version, account.into()))
}

/// End a service account
///
/// Its keys are revoked, for good. A later one of the same name inherits nothing.
#[utoipa::path(
    delete, path = "/projects/{project_id}/service-accounts/{service_account_id}", tag = "service accounts",
    params(
        ("project_id" = String, Path), ("service_account_id" = String, Path),
        ("If-Match" = Option<String>, Header),
    ),
    responses((status = 204)),
)]
pub async fn delete(
    State(portal): State<Portal>,
    InProject { person, access, .. }: InProject<Manager>,
    Ids((_parent, id)): Ids<(String, String)>,
    if_match: IfMatch,
) -> Answer<StatusCode> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let (author, at) = (person.author(now), (access.project.id.as_str(), id.as_str()));
    tx.delete_service_account(&author, at, if_match.version()).await?;
    tx.commit(now).await?;
    Ok(StatusCode::NO_CONTENT)
}
