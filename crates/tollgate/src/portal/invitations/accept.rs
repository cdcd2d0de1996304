//! `POST /invitations/accept`: the guest becomes a member.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::token_digest;
use crate::portal::Portal;
use crate::portal::body::Body;
use crate::portal::members::MemberView;
use crate::portal::person::Person;
use crate::portal::problem::Answer;

/// The token of an invitation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptInvitation {
    /// As it was shown to whoever invited you.
    #[schema(max_length = 200)]
    token: String,
}

impl std::fmt::Debug for AcceptInvitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AcceptInvitation").finish_non_exhaustive()
    }
}

/// What you are a member of now.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AcceptedView {
    /// The project.
    pub project_id: String,
    /// Its name.
    pub project_name: String,
    /// Its organization.
    pub organization_id: String,
    /// Your membership.
    pub member: MemberView,
}

/// Accept an invitation
///
/// It works once, in its time, and only for the address that it names, if it names one. Whoever is a member already keeps
/// the stronger role.
#[utoipa::path(
    post, path = "/invitations/accept", tag = "invitations", request_body = AcceptInvitation,
    responses((status = 200, body = AcceptedView)),
)]
pub async fn accept(
    State(portal): State<Portal>,
    person: Person,
    Body(body): Body<AcceptInvitation>,
) -> Answer<Json<AcceptedView>> {
    let now = portal.now();
    let verified =
        person.email.as_ref().filter(|(_, verified)| *verified).map(|(address, _)| address.as_str());
    let mut tx = portal.store()?.begin().await?;
    let done = tx.accept_invitation(&person.author(now), &token_digest(&body.token), verified).await?;
    tx.commit(now).await?;
    Ok(Json(AcceptedView {
        project_id: done.project.id,
        project_name: done.project.name,
        organization_id: done.project.organization_id,
        member: done.member.into(),
    }))
}
