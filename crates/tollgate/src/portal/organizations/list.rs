//! `GET /organizations`: those that one belongs to, or all of the deployment.
#![expect(unused_qualifications, reason = "utoipa writes the query's type with its path")]

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use tollgate_core::tenancy::OrganizationRole;
use utoipa::IntoParams;

use super::view::OrganizationView;
use crate::portal::Portal;
use crate::portal::page::{Page, PageQuery, PageRequest};
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Problem};
use crate::store::{Refusal, Slice};

/// Which organizations.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrganizationQuery {
    /// All of the deployment, for its administrators; without it, those that you belong to.
    #[serde(default)]
    all: bool,
    /// Items on a page: 1 to 200, 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Your organizations
#[utoipa::path(
    get, path = "/organizations", tag = "organizations", params(OrganizationQuery),
    responses((status = 200, body = Page<OrganizationView>)),
)]
pub async fn list(
    State(portal): State<Portal>,
    person: Person,
    query: Result<Query<OrganizationQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer<Json<Page<OrganizationView>>> {
    let Query(query) = query.map_err(|error| Problem::invalid("query", error.body_text()))?;
    let page = PageRequest::new(&PageQuery { limit: query.limit, cursor: query.cursor })?;
    let slice = Slice { after: page.after.as_deref().unwrap_or_default(), limit: page.fetch() };
    let store = portal.store()?;
    let found: Vec<OrganizationView> = if query.all {
        if !person.platform_admin {
            return Err(Refusal::PlatformAdminNeeded.into());
        }
        let all = store.every_organization(slice).await?;
        all.into_iter().map(|one| OrganizationView::new(one, OrganizationRole::Admin)).collect()
    } else {
        store.organizations_of(person.who(), slice).await?.into_iter().map(Into::into).collect()
    };
    Ok(Json(page.page(found, |organization| organization.id.clone())))
}
