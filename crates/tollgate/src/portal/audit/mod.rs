//! The audit log: who did what to what, for those who answer for it. Pages for people, newest first; the whole as lines of
//! JSON for export, oldest first.
#![expect(unused_qualifications, reason = "utoipa writes the query's type with its path")]

mod answer;
mod view;

use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Portal;
use super::page::{Page, PageQuery, PageRequest};
use super::problem::{Answer, Problem};
use super::rights::{Admin, InOrganization, InProject, Manager, PlatformAdmin};
use crate::store::AuditScope;
use view::AuditView;

/// The endpoints, below `/api/v1`.
pub fn routes() -> OpenApiRouter<Portal> {
    OpenApiRouter::new().routes(routes!(of_project)).routes(routes!(of_organization)).routes(routes!(of_all))
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A page, newest first.
    #[default]
    Json,
    /// Everything, oldest first, one entry a line.
    Ndjson,
}

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// The form of the answer: `json` unless said. With `ndjson`, neither `limit` nor `cursor`.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// Items on a page: 1 to 200, 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// A page of entries before this number.
    Page(PageRequest, i64),
    /// Everything.
    Export,
}

impl FromRequestParts<Portal> for Wanted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Problem> {
        let query = Query::<AuditQuery>::from_request_parts(parts, portal).await;
        let Query(query) = query.map_err(|error| Problem::invalid("query", error.body_text()))?;
        if query.format == Format::Ndjson {
            if query.limit.is_some() || query.cursor.is_some() {
                return Err(Problem::invalid(
                    "format",
                    "ndjson is the whole log; leave limit and cursor out",
                ));
            }
            return Ok(Self::Export);
        }
        let page = PageRequest::new(&PageQuery { limit: query.limit, cursor: query.cursor })?;
        let before = match page.after.as_deref().map(str::parse) {
            None => i64::MAX,
            Some(Ok(seq)) => seq,
            Some(Err(_)) => return Err(Problem::invalid("cursor", "is not the 'next' of a page of the log")),
        };
        Ok(Self::Page(page, before))
    }
}

/// What was done in a project
#[utoipa::path(
    get, path = "/projects/{project_id}/audit", tag = "audit", params(("project_id" = String, Path), AuditQuery),
    responses((status = 200, content((Page<AuditView> = "application/json"), (String = "application/x-ndjson")))),
)]
pub async fn of_project(
    State(portal): State<Portal>,
    InProject { access, .. }: InProject<Manager>,
    wanted: Wanted,
) -> Answer<Response> {
    answer::entries(portal.store()?, AuditScope::Project(&access.project.id), wanted).await
}

/// What was done in an organization and its projects
#[utoipa::path(
    get, path = "/organizations/{organization_id}/audit", tag = "audit",
    params(("organization_id" = String, Path), AuditQuery),
    responses((status = 200, content((Page<AuditView> = "application/json"), (String = "application/x-ndjson")))),
)]
pub async fn of_organization(
    State(portal): State<Portal>,
    InOrganization { access, .. }: InOrganization<Admin>,
    wanted: Wanted,
) -> Answer<Response> {
    answer::entries(portal.store()?, AuditScope::Organization(&access.organization.id), wanted).await
}

/// What was done in the whole deployment
#[utoipa::path(
    get, path = "/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, content((Page<AuditView> = "application/json"), (String = "application/x-ndjson")))),
)]
pub async fn of_all(State(portal): State<Portal>, _: PlatformAdmin, wanted: Wanted) -> Answer<Response> {
    answer::entries(portal.store()?, AuditScope::All, wanted).await
}
