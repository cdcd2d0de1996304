//! `POST /organizations/{organization_id}/suspend` and `/resume`, for administrators of the deployment.

use axum::extract::State;

use super::view::OrganizationView;
use crate::portal::Portal;
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Problem};
use crate::portal::rights::{Fresh, InOrganization, Member};
use crate::portal::version::Versioned;
use crate::store::{Refusal, StandingChange};

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
    let author = admin.person.author(portal.now());
    set(&portal, &admin, StandingChange::Suspend(&author)).await
}

/// Let a suspended organization act again
#[utoipa::path(
    post, path = "/organizations/{organization_id}/resume", tag = "organizations",
    params(("organization_id" = String, Path)),
    responses((status = 200, body = OrganizationView, headers(("ETag" = String)))),
)]
pub async fn resume(
    State(portal): State<Portal>,
    admin: Fresh<InOrganization<Member>>,
) -> Answer<Versioned<OrganizationView>> {
    for_platform_admins(&admin.person)?;
    let author = admin.proven(portal.now())?;
    set(&portal, &admin, StandingChange::Resume(&author)).await
}

/// Members see the organization, so they are told that they may not; strangers are told that there is none.
fn for_platform_admins(person: &Person) -> Answer<()> {
    if person.platform_admin { Ok(()) } else { Err(Problem::from(Refusal::PlatformAdminNeeded)) }
}

async fn set(
    portal: &Portal,
    admin: &InOrganization<Member>,
    standing: StandingChange<'_>,
) -> Answer<Versioned<OrganizationView>> {
    for_platform_admins(&admin.person)?;
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let organization = tx.set_organization_suspended(standing, &admin.access.organization.id).await?;
    tx.commit(now).await?;
    Ok(Versioned(organization.version, OrganizationView::new(organization, admin.access.role)))
}
