//! `GET`, `PATCH` and `DELETE /organizations/{organization_id}`.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use tollgate_core::key_limits::KeyName;
use utoipa::ToSchema;

use super::view::OrganizationView;
use crate::portal::Portal;
use crate::portal::body::Body;
use crate::portal::forms::{given, name_schema};
use crate::portal::problem::Answer;
use crate::portal::rights::{Admin, InOrganization, Member};
use crate::portal::version::{IfMatch, Versioned};

/// What is to be changed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateOrganization {
    /// Another name.
    #[serde(deserialize_with = "given")]
    #[schema(schema_with = name_schema)]
    name: Option<KeyName>,
}

/// One organization
#[utoipa::path(
    get, path = "/organizations/{organization_id}", tag = "organizations",
    params(("organization_id" = String, Path)),
    responses((status = 200, body = OrganizationView, headers(("ETag" = String)))),
)]
pub async fn show(InOrganization { access, .. }: InOrganization<Member>) -> Versioned<OrganizationView> {
    Versioned(access.organization.version, access.into())
}

/// Change an organization
#[utoipa::path(
    patch, path = "/organizations/{organization_id}", tag = "organizations", request_body = UpdateOrganization,
    params(("organization_id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = OrganizationView, headers(("ETag" = String)))),
)]
pub async fn update(
    State(portal): State<Portal>,
    InOrganization { person, access, .. }: InOrganization<Admin>,
    if_match: IfMatch,
    Body(change): Body<UpdateOrganization>,
) -> Answer<Versioned<OrganizationView>> {
    let now = portal.now();
    let name = change.name.as_ref().map_or(access.organization.name.as_str(), KeyName::as_str);
    let mut tx = portal.store()?.begin().await?;
    let (author, id) = (person.author(now), &access.organization.id);
    let organization = tx.rename_organization(&author, id, name, if_match.version()).await?;
    tx.commit(now).await?;
    Ok(Versioned(organization.version, OrganizationView::new(organization, access.role)))
}

/// End an organization and its projects
///
/// Every key in it is revoked, for good.
#[utoipa::path(
    delete, path = "/organizations/{organization_id}", tag = "organizations",
    params(("organization_id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204)),
)]
pub async fn delete(
    State(portal): State<Portal>,
    InOrganization { person, access, .. }: InOrganization<Admin>,
    if_match: IfMatch,
) -> Answer<StatusCode> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    tx.delete_organization(&person.author(now), &access.organization.id, if_match.version()).await?;
    tx.commit(now).await?;
    Ok(StatusCode::NO_CONTENT)
}
