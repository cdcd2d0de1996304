//! `POST …/invitations`, to a project or an organization: a new one, and the only sight of its token.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tollgate_core::ids::IdKind;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use tollgate_core::time::Timestamp;
use utoipa::ToSchema;

use super::token_digest;
use super::view::{
    FreshInvitationView, FreshOrganizationInvitationView, InvitationView, OrganizationInvitationView,
};
use crate::entropy::bytes;
use crate::portal::forms::given;
use crate::portal::once::Create;
use crate::portal::problem::{Answer, Problem};
use crate::portal::rights::{Admin, Fresh, InOrganization, InProject, Manager};
use crate::portal::words::{self, Address, Line};
use crate::portal::{Portal, issuers};
use crate::store::{Invitee, NewInvitation};

/// Days that an invitation is open at most.
const MOST_DAYS: u32 = 30;

/// An invitation that somebody wants to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// The role that the guest will have; at most your own.
    #[schema(schema_with = words::project_role)]
    role: ProjectRole,
    /// The only person who may accept it, by id; nobody checks that there is one. Without it and `email`: whoever holds the
    /// token.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, pattern = "^per_[0-9a-z]{26}$")]
    person_id: Option<String>,
    /// The only address that may accept it, once the issuer has verified it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Address)]
    email: Option<Address>,
    /// The configured name of the issuer whose verification of `email` counts. It may be left out when there is one issuer.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Line)]
    issuer: Option<Line>,
    /// Days that it is open: 1 to 30, 7 unless said.
    #[serde(default = "seven_days")]
    #[schema(minimum = 1, maximum = 30)]
    expires_in_days: u32,
}

/// An invitation to an organization that somebody wants to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateOrganizationInvitation {
    /// The role that the guest will have.
    #[schema(schema_with = words::organization_role)]
    role: OrganizationRole,
    /// The only person who may accept it, by id; nobody checks that there is one. Without it and `email`: whoever holds the
    /// token.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, pattern = "^per_[0-9a-z]{26}$")]
    person_id: Option<String>,
    /// The only address that may accept it, once the issuer has verified it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Address)]
    email: Option<Address>,
    /// The configured name of the issuer whose verification of `email` counts. It may be left out when there is one issuer.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Line)]
    issuer: Option<Line>,
    /// Days that it is open: 1 to 30, 7 unless said.
    #[serde(default = "seven_days")]
    #[schema(minimum = 1, maximum = 30)]
    expires_in_days: u32,
}

const fn seven_days() -> u32 {
    7
}

/// Invite somebody to a project
///
/// The token is in this answer and nowhere else. A repeated request with the same `Idempotency-Key` gets the same
/// invitation without it. An invitation is made as a member who may give its role, and ends with its maker's right to
/// make it. Whom it names finds it at `GET /me/invitations`, too. The answer is the same whether or not there is such a
/// person.
#[utoipa::path(
    post, path = "/projects/{project_id}/invitations", tag = "invitations", request_body = CreateInvitation,
    params(("project_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = FreshInvitationView)),
)]
pub async fn create(
    State(portal): State<Portal>,
    manager: Fresh<InProject<Manager>>,
    Create { body, once }: Create<CreateInvitation>,
) -> Answer<Response> {
    let (person, access) = (&manager.person, &manager.access);
    let now = portal.now();
    let who = Whom::read(&portal, body.person_id, body.email, body.issuer)?;
    let expires_at = end(now, body.expires_in_days)?;
    let id = IdKind::Invitation.make(now, bytes(portal.entropy())?);
    let token = token(&portal)?;
    let mut tx = portal.store()?.begin().await?;
    if let Some(answered) = once.replay(&mut tx, &person.id, now).await? {
        return Ok(answered);
    }
    let author = manager.proven(now)?;
    let new = NewInvitation {
        id: &id,
        place: &access.project.id,
        invitee: who.invitee(),
        role: body.role,
        token_digest: &token_digest(&token),
        expires_at,
    };
    let invitation = InvitationView::from(tx.create_invitation(&author, new).await?);
    let repeated = FreshInvitationView { invitation, token: None, token_shown: true };
    once.keep(&mut tx, &person.id, (StatusCode::CREATED, &repeated), now).await?;
    tx.commit(now).await?;
    let fresh = FreshInvitationView { token: Some(token), token_shown: false, ..repeated };
    Ok((StatusCode::CREATED, Json(fresh)).into_response())
}

/// Invite somebody to an organization
///
/// As to a project, by its administrators as members of it. A personal organization has its person alone.
#[utoipa::path(
    post, path = "/organizations/{organization_id}/invitations", tag = "invitations",
    request_body = CreateOrganizationInvitation,
    params(("organization_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = FreshOrganizationInvitationView)),
)]
pub async fn create_to_organization(
    State(portal): State<Portal>,
    admin: Fresh<InOrganization<Admin>>,
    Create { body, once }: Create<CreateOrganizationInvitation>,
) -> Answer<Response> {
    let (person, access) = (&admin.person, &admin.access);
    let now = portal.now();
    let who = Whom::read(&portal, body.person_id, body.email, body.issuer)?;
    let expires_at = end(now, body.expires_in_days)?;
    let id = IdKind::Invitation.make(now, bytes(portal.entropy())?);
    let token = token(&portal)?;
    let mut tx = portal.store()?.begin().await?;
    if let Some(answered) = once.replay(&mut tx, &person.id, now).await? {
        return Ok(answered);
    }
    let author = admin.proven(now)?;
    let new = NewInvitation {
        id: &id,
        place: &access.organization.id,
        invitee: who.invitee(),
        role: body.role,
        token_digest: &token_digest(&token),
        expires_at,
    };
    let made = tx.create_organization_invitation(&author, new).await?;
    let invitation = OrganizationInvitationView::from(made);
    let repeated = FreshOrganizationInvitationView { invitation, token: None, token_shown: true };
    once.keep(&mut tx, &person.id, (StatusCode::CREATED, &repeated), now).await?;
    tx.commit(now).await?;
    let fresh = FreshOrganizationInvitationView { token: Some(token), token_shown: false, ..repeated };
    Ok((StatusCode::CREATED, Json(fresh)).into_response())
}

/// Whom a body names.
enum Whom {
    Bearer,
    Person(String),
    Email { address: Address, issuer: String },
}

impl Whom {
    fn read(
        portal: &Portal,
        person: Option<String>,
        email: Option<Address>,
        issuer: Option<Line>,
    ) -> Answer<Self> {
        match (person, email, issuer) {
            (Some(_), Some(_), _) => {
                Err(Problem::invalid("/email", "does not go with person_id; name one of them"))
            }
            (Some(id), None, None) if IdKind::Person.fits(&id) => Ok(Self::Person(id)),
            (Some(_), None, None) => {
                Err(Problem::invalid("/person_id", "must be the id of a person (per_…)"))
            }
            (None, Some(address), issuer) => {
                let issuer = issuers::meant(portal, issuer.as_ref().map(Line::as_str))?;
                Ok(Self::Email { address, issuer })
            }
            (None, None, None) => Ok(Self::Bearer),
            (_, None, Some(_)) => Err(Problem::invalid("/issuer", "goes with email only")),
        }
    }

    fn invitee(&self) -> Invitee<'_> {
        match self {
            Self::Bearer => Invitee::Bearer,
            Self::Person(id) => Invitee::Person(id),
            Self::Email { address, issuer } => Invitee::Email { address: address.as_str(), issuer },
        }
    }
}

fn end(now: Timestamp, days: u32) -> Answer<Timestamp> {
    if (1..=MOST_DAYS).contains(&days) {
        Ok(now.plus_secs(i64::from(days) * 86_400))
    } else {
        Err(Problem::invalid("/expires_in_days", format!("must be 1 to {MOST_DAYS}")))
    }
}

fn token(portal: &Portal) -> Answer<String> {
    Ok(format!("tgi_{}", URL_SAFE_NO_PAD.encode(bytes::<32>(portal.entropy())?)))
}
