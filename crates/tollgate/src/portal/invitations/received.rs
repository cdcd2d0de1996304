//! `/me/invitations`: those that name you, by your id or by your address as your issuer has verified it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tollgate_core::ids::IdKind;

use super::accept::{AcceptedView, accepted};
use super::guest;
use super::view::ReceivedInvitationView;
use crate::portal::Portal;
use crate::portal::forms::Ids;
use crate::portal::page::{Page, PageQuery, PageRequest};
use crate::portal::person::Person;
use crate::portal::problem::Answer;
use crate::store::{Refusal, Slice, Ticket};

/// Invitations that wait for you
#[utoipa::path(
    get, path = "/me/invitations", tag = "me",
    params(PageQuery),
    responses((status = 200, body = Page<ReceivedInvitationView>)),
)]
pub async fn list(
    State(portal): State<Portal>,
    person: Person,
    page: PageRequest,
) -> Answer<Json<Page<ReceivedInvitationView>>> {
    let slice = Slice { after: page.after.as_deref().unwrap_or_default(), limit: page.fetch() };
    let guest = guest(&portal, &person);
    let found = portal.store()?.invitations_for(&person.id, guest, portal.now(), slice).await?;
    Ok(Json(page.page(found, |invitation| invitation.id.clone()).map(ReceivedInvitationView::from)))
}

/// Accept an invitation that names you
#[utoipa::path(
    post, path = "/me/invitations/{invitation_id}/accept", tag = "me",
    params(("invitation_id" = String, Path)),
    responses((status = 200, body = AcceptedView)),
)]
pub async fn accept(
    State(portal): State<Portal>,
    person: Person,
    Ids(id): Ids<String>,
) -> Answer<Json<AcceptedView>> {
    known(&id)?;
    Ok(Json(accepted(&portal, &person, Ticket::Id(&id)).await?))
}

/// Decline an invitation that names you
///
/// It ends. Whoever invited you sees that it is not open any more, and nothing else.
#[utoipa::path(
    post, path = "/me/invitations/{invitation_id}/decline", tag = "me",
    params(("invitation_id" = String, Path)),
    responses((status = 204)),
)]
pub async fn decline(
    State(portal): State<Portal>,
    person: Person,
    Ids(id): Ids<String>,
) -> Answer<StatusCode> {
    known(&id)?;
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    tx.decline_invitation(&person.author(now), &id, guest(&portal, &person)).await?;
    tx.commit(now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A digest is no id.
fn known(id: &str) -> Answer<()> {
    if IdKind::Invitation.fits(id) { Ok(()) } else { Err(Refusal::Invitation.into()) }
}
