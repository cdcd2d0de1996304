//! `POST …/service-accounts/{service_account_id}/suspend` and `/resume`.

use axum::extract::State;

use super::view::ServiceAccountView;
use crate::portal::Portal;
use crate::portal::forms::Ids;
use crate::portal::problem::Answer;
use crate::portal::rights::{Fresh, InProject, Manager};
use crate::portal::version::Versioned;
use crate::store::StandingChange;

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
    let author = manager.person.author(portal.now());
    set(&portal, &manager, &id, StandingChange::Suspend(&author)).await
}

/// Let a suspended service account act again
#[utoipa::path(
    post, path = "/projects/{project_id}/service-accounts/{service_account_id}/resume", tag = "service accounts",
    params(("project_id" = String, Path), ("service_account_id" = String, Path)),
    responses((status = 200, body = ServiceAccountView, headers(("ETag" = String)))),
)]
pub async fn resume(
    State(portal): State<Portal>,
    manager: Fresh<InProject<Manager>>,
    Ids((_parent, id)): Ids<(String, String)>,
) -> Answer<Versioned<ServiceAccountView>> {
    let author = manager.proven(portal.now())?;
    set(&portal, &manager, &id, StandingChange::Resume(&author)).await
}

async fn set(
    portal: &Portal,
    manager: &InProject<Manager>,
    id: &str,
    standing: StandingChange<'_>,
) -> Answer<Versioned<ServiceAccountView>> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let at = (manager.access.project.id.as_str(), id);
    let account = tx.set_service_account_suspended(standing, at).await?;
    tx.commit(now).await?;
    Ok(Versioned(account.version, account.into()))
}
