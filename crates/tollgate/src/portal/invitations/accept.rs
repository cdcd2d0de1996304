//! `POST /invitations/accept`: whoever holds the token becomes a member, when the invitation is for them.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{guest, token_digest};
use crate::portal::Portal;
use crate::portal::body::Body;
use crate::portal::members::{MemberView, OrganizationMemberView};
use crate::portal::person::Person;
use crate::portal::problem::Answer;
use crate::store::{Acceptance, Ticket};

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
    /// The project; null: the invitation was to the organization.
    pub project_id: Option<String>,
    /// Its name.
    pub project_name: Option<String>,
    /// Its organization.
    pub organization_id: String,
    /// Your membership.
    pub member: AcceptedMember,
}

/// A membership of a project or of an organization.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AcceptedMember {
    /// Of a project.
    Project(MemberView),
    /// Of an organization.
    Organization(OrganizationMemberView),
}

impl From<Acceptance> for AcceptedView {
    fn from(done: Acceptance) -> Self {
        match done {
            Acceptance::Project(project, member) => Self {
                project_id: Some(project.id),
                project_name: Some(project.name),
                organization_id: project.organization_id,
                member: AcceptedMember::Project(member.into()),
            },
            Acceptance::Organization(organization, member) => Self {
                project_id: None,
                project_name: None,
                organization_id: organization.id,
                member: AcceptedMember::Organization(member.into()),
            },
        }
    }
}

/// Accept an invitation
///
/// It works once, in its time, only for whom it names, if it names somebody, and only as long as its maker could make it.
/// Whoever is a member already keeps the stronger role.
#[utoipa::path(
    post, path = "/invitations/accept", tag = "invitations", request_body = AcceptInvitation,
    responses((status = 200, body = AcceptedView)),
)]
pub async fn accept(
    State(portal): State<Portal>,
    person: Person,
    Body(body): Body<AcceptInvitation>,
) -> Answer<Json<AcceptedView>> {
    let digest = token_digest(&body.token);
    Ok(Json(accepted(&portal, &person, Ticket::Token(&digest)).await?))
}

/// Makes the person a member.
pub(super) async fn accepted(portal: &Portal, person: &Person, ticket: Ticket<'_>) -> Answer<AcceptedView> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let done = tx.accept_invitation(&person.author(now), ticket, guest(portal, person)).await?;
    tx.commit(now).await?;
    Ok(done.into())
}
