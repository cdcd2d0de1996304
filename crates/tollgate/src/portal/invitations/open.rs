//! `GET /projects/{project_id}/invitations`, and `DELETE` of one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::view::InvitationView;
use crate::portal::Portal;
use crate::portal::forms::Ids;
use crate::portal::page::{Page, PageQuery, PageRequest};
use crate::portal::problem::Answer;
use crate::portal::rights::{InProject, Manager};
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
    let found = portal.store()?.open_invitations(&access.project.id, portal.now(), slice).await?;
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
