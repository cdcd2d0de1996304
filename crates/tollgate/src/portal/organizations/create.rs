//! `POST /organizations`: a new one, whose administrator is its maker.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tollgate_core::ids::IdKind;
use tollgate_core::key_limits::KeyName;
use tollgate_core::tenancy::OrganizationRole;
use utoipa::ToSchema;

use super::view::OrganizationView;
use crate::entropy::bytes;
use crate::portal::Portal;
use crate::portal::forms::name_schema;
use crate::portal::once::Create;
use crate::portal::person::Person;
use crate::portal::problem::Answer;
use crate::portal::rights::Fresh;
use crate::portal::version::Versioned;
use crate::store::Refusal;

/// An organization that somebody wants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateOrganization {
    /// What people call it.
    #[schema(schema_with = name_schema)]
    name: KeyName,
}

/// Make an organization
///
/// For administrators of the deployment, or for everybody if it is configured so (`tenancy.organizations`).
#[utoipa::path(
    post, path = "/organizations", tag = "organizations", request_body = CreateOrganization,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = OrganizationView, headers(("ETag" = String), ("Location" = String)))),
)]
pub async fn create(
    State(portal): State<Portal>,
    person: Fresh<Person>,
    Create { body, once }: Create<CreateOrganization>,
) -> Answer<Response> {
    if !person.platform_admin && !portal.options().open_organizations {
        return Err(Refusal::PlatformAdminNeeded.into());
    }
    let now = portal.now();
    let id = IdKind::Organization.make(now, bytes(portal.entropy())?);
    let mut tx = portal.store()?.begin().await?;
    if let Some(answered) = once.replay(&mut tx, &person.id, now).await? {
        return Ok(answered);
    }
    let new = (id.as_str(), body.name.as_str(), false);
    let organization = tx.create_organization(&person.proven(now)?, new, &person.id).await?;
    let view = OrganizationView::new(organization, OrganizationRole::Admin);
    once.keep(&mut tx, &person.id, (StatusCode::CREATED, &view), now).await?;
    tx.commit(now).await?;
    let location = [(header::LOCATION, format!("/api/v1/organizations/{id}"))];
    Ok((StatusCode::CREATED, location, Versioned(view.version, view)).into_response())
}
