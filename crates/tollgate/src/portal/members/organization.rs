//! Members of an organization.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use tollgate_core::tenancy::OrganizationRole;
use utoipa::ToSchema;

use super::leaving::{Leaving, LeavingQuery};
use super::view::OrganizationMemberView;
use crate::portal::Portal;
use crate::portal::body::Body;
use crate::portal::forms::Ids;
use crate::portal::page::{Page, PageQuery, PageRequest};
use crate::portal::problem::Answer;
use crate::portal::rights::{Admin, Fresh, InOrganization, Member};
use crate::portal::words;
use crate::store::Slice;

/// The role that somebody is to have.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutOrganizationMember {
    /// It.
    #[schema(schema_with = words::organization_role)]
    role: OrganizationRole,
}

/// The members of an organization
#[utoipa::path(
    get, path = "/organizations/{organization_id}/members", tag = "members",
    params(("organization_id" = String, Path), PageQuery),
    responses((status = 200, body = Page<OrganizationMemberView>)),
)]
pub async fn list(
    State(portal): State<Portal>,
    InOrganization { access, .. }: InOrganization<Member>,
    page: PageRequest,
) -> Answer<Json<Page<OrganizationMemberView>>> {
    let slice = Slice { after: page.after.as_deref().unwrap_or_default(), limit: page.fetch() };
    let members = portal.store()?.members::<OrganizationRole>(&access.organization.id, slice).await?;
    Ok(Json(page.page(members, |member| member.person_id.clone()).map(OrganizationMemberView::from)))
}

/// Give somebody a role in an organization
///
/// Administrators change roles of members. Who is not a member is invited (409 says so, whether or not there is such a
/// person); platform administrators add members directly. The organization keeps at least one administrator. A personal one
/// has its person alone.
#[utoipa::path(
    put, path = "/organizations/{organization_id}/members/{person_id}", tag = "members",
    request_body = PutOrganizationMember,
    params(("organization_id" = String, Path), ("person_id" = String, Path)),
    responses((status = 200, body = OrganizationMemberView)),
)]
pub async fn put(
    State(portal): State<Portal>,
    admin: Fresh<InOrganization<Admin>>,
    Ids((_parent, id)): Ids<(String, String)>,
    Body(body): Body<PutOrganizationMember>,
) -> Answer<Json<OrganizationMemberView>> {
    let now = portal.now();
    let (author, organization) = (admin.proven(now)?, &admin.access.organization.id);
    let mut tx = portal.store()?.begin().await?;
    let member = tx.put_organization_member(&author, organization, &id, body.role).await?;
    tx.commit(now).await?;
    Ok(Json(member.into()))
}

/// Remove somebody from an organization and its projects
///
/// Administrators remove everybody; everybody may leave. An organization whose last administrator leaves is suspended. The leaver's keys in the organization's projects are revoked, or
/// go to another member.
#[utoipa::path(
    delete, path = "/organizations/{organization_id}/members/{person_id}", tag = "members",
    params(("organization_id" = String, Path), ("person_id" = String, Path), LeavingQuery),
    responses((status = 204)),
)]
pub async fn remove(
    State(portal): State<Portal>,
    member: Fresh<InOrganization<Member>>,
    Ids((_parent, id)): Ids<(String, String)>,
    leaving: Leaving,
) -> Answer<StatusCode> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let (author, organization) = (member.person.author(now), &member.access.organization.id);
    let keys = leaving.keys(|| member.proven(now))?;
    tx.remove_organization_member(&author, organization, &id, keys).await?;
    tx.commit(now).await?;
    Ok(StatusCode::NO_CONTENT)
}
