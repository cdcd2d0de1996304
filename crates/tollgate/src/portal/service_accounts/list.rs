//! `GET /projects/{project_id}/service-accounts`.

use axum::Json;
use axum::extract::State;

use super::view::ServiceAccountView;
use crate::portal::Portal;
use crate::portal::page::{Page, PageQuery, PageRequest};
use crate::portal::problem::Answer;
use crate::portal::rights::{InProject, Viewer};
use crate::store::Slice;

/// The service accounts of a project
#[utoipa::path(
    get, path = "/projects/{project_id}/service-accounts", tag = "service accounts",
    params(("project_id" = String, Path), PageQuery),
    responses((status = 200, body = Page<ServiceAccountView>)),
)]
pub async fn list(
    State(portal): State<Portal>,
    InProject { access, .. }: InProject<Viewer>,
    page: PageRequest,
) -> Answer<Json<Page<ServiceAccountView>>> {
    let slice = Slice { after: page.after.as_deref().unwrap_or_default(), limit: page.fetch() };
    let accounts = portal.store()?.service_accounts(&access.project.id, slice).await?;
    Ok(Json(page.page(accounts, |account| account.id.clone()).map(ServiceAccountView::from)))
}
