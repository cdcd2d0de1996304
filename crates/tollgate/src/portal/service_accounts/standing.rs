//! `POST …/service-accounts/{service_account_id}/suspend` and `/resume`.

use axum::extract::State;

use super::view::ServiceAccountView;
use crate::portal::Portal;
use crate::portal::forms::Ids;
use crate::portal::problem::Answer;
use crate::portal::rights::{InProject, Manager};
use crate::portal::version::Versioned;

/// Suspend a service account
///
/// Its keys are refused at the gateway within a second, until it is resumed.
#[utoipa::path(
    post, path = "/projects/{project_id}/service-accounts/{service_account_id}/suspend", tag = "service accounts",
    params(("project_id" = String, Path), ("service_account_id" = String, Path)),
    responses((status = 200, body = ServiceAccountView, headers(("ETag" = String)))),
)]
pub async fn suspend(
    State(portal): State<Portal>,
    manager: InProject<Manager>,
    Ids((_parent, id)): Ids<(String, String)>,
) -> Answer<Versioned<ServiceAccountView>> {
    set(&portal, manager, &id, true).await
}

/// Let a suspended service account act again
#[utoipa::path(
    post, path = "/projects/{project_id}/service-accounts/{service_account_id}/resume", tag = "service accounts",
    params(("project_id" = String, Path), ("service_account_id" = String, Path)),
    responses((status = 200, body = ServiceAccountView, headers(("ETag" = String)))),
)]
pub async fn resume(
    State(portal): State<Portal>,
    manager: InProject<Manager>,
    Ids((_parent, id)): Ids<(String, String)>,
) -> Answer<Versioned<ServiceAccountView>> {
    set(&portal, manager, &id, false).await
}

async fn set(
    portal: &Portal,
    InProject { person, access, .. }: InProject<Manager>,
    id: &str,
    suspended: bool,
) -> Answer<Versioned<ServiceAccountView>> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let at = (access.project.id.as_str(), id);
    let account = tx.set_service_account_suspended(&person.author(now), at, suspended).await?;
    tx.commit(now).await?;
    Ok(Versioned(account.version, account.into()))
}
