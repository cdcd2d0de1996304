//! `GET /projects`: those that one belongs to, or all of the deployment.
#![expect(unused_qualifications, reason = "utoipa writes the query's type with its path")]

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use tollgate_core::ids::IdKind;
use utoipa::IntoParams;

use super::view::ProjectView;
use crate::portal::Portal;
use crate::portal::page::{Page, PageQuery, PageRequest};
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Problem};
use crate::store::{Refusal, Slice};

/// Which projects.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProjectQuery {
    /// Those of this organization.
    organization: Option<String>,
    /// All of the deployment, for its administrators; without it, those that you belong to.
    #[serde(default)]
    all: bool,
    /// Items on a page: 1 to 200, 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Your projects
///
/// Those that you are a member of, and those of organizations that you administer.
#[utoipa::path(
    get, path = "/projects", tag = "projects", params(ProjectQuery),
    responses((status = 200, body = Page<ProjectView>)),
)]
pub async fn list(
    State(portal): State<Portal>,
    person: Person,
    query: Result<Query<ProjectQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer<Json<Page<ProjectView>>> {
    let Query(query) = query.map_err(|error| Problem::invalid("query", error.body_text()))?;
    let page = PageRequest::new(&PageQuery { limit: query.limit, cursor: query.cursor })?;
    if query.organization.as_deref().is_some_and(|id| !IdKind::Organization.fits(id)) {
        return Err(Problem::invalid("organization", "must be the id of an organization (org_…)"));
    }
    let organization = query.organization.unwrap_or_default();
    let slice = Slice { after: page.after.as_deref().unwrap_or_default(), limit: page.fetch() };
    let store = portal.store()?;
    let found = if query.all {
        if !person.platform_admin {
            return Err(Refusal::PlatformAdminNeeded.into());
        }
        store.every_project(&organization, slice).await?
    } else {
        store.projects_of(person.who(), &organization, slice).await?
    };
    Ok(Json(page.page(found, |access| access.project.id.clone()).map(ProjectView::from)))
}
