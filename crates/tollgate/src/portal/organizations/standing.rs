//! `POST /organizations/{organization_id}/suspend` and `/resume`, for administrators of the deployment.

use axum::extract::State;

use super::view::OrganizationView;
use crate::portal::Portal;
use crate::portal::problem::{Answer, Problem};
use crate::portal::rights::{InOrganization, Member};
use crate::portal::version::Versioned;
use crate::store::Refusal;

/// Suspend an organization
///
/// Everything in it is refused at the gateway within a second, until it is resumed.
#[utoipa::path(
    post, path = "/organizations/{organization_id}/suspend", tag = "organizations",
    params(("organization_id" = String, Path)),
    responses((status = 200, body = OrganizationView, headers(("ETag" = String)))),
)]
pub async fn suspend(
    State(portal): State<Portal>,
    admin: InOrganization<Member>,
) -> Answer<Versioned<OrganizationView>> {
    set(&portal, admin, true).await
}

/// Let a suspended organization act again
#[utoipa::path(
    post, path = "/organizations/{organization_id}/resume", tag = "organizations",
    params(("organization_id" = String, Path)),
    responses((status = 200, body = OrganizationView, headers(("ETag" = String)))),
)]
pub async fn resume(
    State(portal): State<Portal>,
    admin: InOrganization<Member>,
) -> Answer<Versioned<OrganizationView>> {
    set(&portal, admin, false).await
}

/// Members see the organization, so they are told that they may not; strangers are told that there is none.
async fn set(
    portal: &Portal,
    InOrganization { person, access, .. }: InOrganization<Member>,
    suspended: bool,
) -> Answer<Versioned<OrganizationView>> {
    if !person.platform_admin {
        return Err(Problem::from(Refusal::PlatformAdminNeeded));
    }
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let (author, id) = (person.author(now), &access.organization.id);
    let organization = tx.set_organization_suspended(&author, id, suspended).await?;
    tx.commit(now).await?;
    Ok(Versioned(organization.version, OrganizationView::new(organization, access.role)))
}
