//! `GET …/invitations` of a project or an organization, and `DELETE` of one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};

use super::view::{InvitationView, OrganizationInvitationView};
use crate::portal::Portal;
use crate::portal::forms::Ids;
use crate::portal::page::{Page, PageQuery, PageRequest};
use crate::portal::problem::Answer;
use crate::portal::rights::{Admin, InOrganization, InProject, Manager};
use crate::store::Slice;

/// The open invitations to a project
#[utoipa::path(
    get, path = "/projects/{project_id}/invitations", tag = "invitations",
    params(("project_id" = String, Path), PageQuery),
    responses((status = 200, body = Page<InvitationView>)),
)]
pub async fn list(
    State(portal): State<Portal>,
    InProject { access, .. }: InProject<Manager>,
    page: PageRequest,
) -> Answer<Json<Page<InvitationView>>> {
    let slice = Slice { after: page.after.as_deref().unwrap_or_default(), limit: page.fetch() };
    let project = &access.project.id;
    let found = portal.store()?.open_invitations::<ProjectRole>(project, portal.now(), slice).await?;
    Ok(Json(page.page(found, |invitation| invitation.id.clone()).map(InvitationView::from)))
}

/// Take an invitation back
#[utoipa::path(
    delete, path = "/projects/{project_id}/invitations/{invitation_id}", tag = "invitations",
    params(("project_id" = String, Path), ("invitation_id" = String, Path)),
    responses((status = 204)),
)]
pub async fn withdraw(
    State(portal): State<Portal>,
    InProject { person, access, .. }: InProject<Manager>,
    Ids((_parent, id)): Ids<(String, String)>,
) -> Answer<StatusCode> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    tx.withdraw_invitation(&person.author(now), &access.project.id, &id).await?;
    tx.commit(now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The open invitations to an organization
#[utoipa::path(
    get, path = "/organizations/{organization_id}/invitations", tag = "invitations",
    params(("organization_id" = String, Path), PageQuery),
    responses((status = 200, body = Page<OrganizationInvitationView>)),
)]
pub async fn list_to_organization(
    State(portal): State<Portal>,
    InOrganization { access, .. }: InOrganization<Admin>,
    page: PageRequest,
) -> Answer<Json<Page<OrganizationInvitationView>>> {
    let slice = Slice { after: page.after.as_deref().unwrap_or_default(), limit: page.fetch() };
    let organization = &access.organization.id;
    let found =
        portal.store()?.open_invitations::<OrganizationRole>(organization, portal.now(), slice).await?;
    Ok(Json(page.page(found, |invitation| invitation.id.clone()).map(OrganizationInvitationView::from)))
}

/// Take an invitation to an organization back
#[utoipa::path(
    delete, path = "/organizations/{organization_id}/invitations/{invitation_id}", tag = "invitations",
    params(("organization_id" = String, Path), ("invitation_id" = String, Path)),
    responses((status = 204)),
)]
pub async fn withdraw_to_organization(
    State(portal): State<Portal>,
    InOrganization { person, access, .. }: InOrganization<Admin>,
    Ids((_parent, id)): Ids<(String, String)>,
) -> Answer<StatusCode> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    tx.withdraw_organization_invitation(&person.author(now), &access.organization.id, &id).await?;
    tx.commit(now).await?;
    Ok(StatusCode::NO_CONTENT)
}
