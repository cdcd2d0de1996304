//! `POST /projects/{project_id}/invitations`: a new one, and the only sight of its token.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tollgate_core::ids::IdKind;
use tollgate_core::tenancy::ProjectRole;
use utoipa::ToSchema;

use super::token_digest;
use super::view::FreshInvitationView;
use crate::entropy::bytes;
use crate::portal::Portal;
use crate::portal::forms::given;
use crate::portal::once::Create;
use crate::portal::problem::{Answer, Problem};
use crate::portal::rights::{Fresh, InProject, Manager};
use crate::portal::words::{self, Address};
use crate::store::NewInvitation;

/// Days that an invitation is open at most.
const MOST_DAYS: u32 = 30;

/// An invitation that somebody wants to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// The role that the guest will have; at most your own.
    #[schema(schema_with = words::project_role)]
    role: ProjectRole,
    /// The only address that may accept it, once the issuer has verified it. Without it: whoever holds the token.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Address)]
    email: Option<Address>,
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
/// invitation without it. An invitation ends with its maker's right to make it.
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
    if !(1..=MOST_DAYS).contains(&body.expires_in_days) {
        return Err(Problem::invalid("/expires_in_days", format!("must be 1 to {MOST_DAYS}")));
    }
    let (person, access) = (&manager.person, &manager.access);
    let now = portal.now();
    let id = IdKind::Invitation.make(now, bytes(portal.entropy())?);
    let token = format!("tgi_{}", URL_SAFE_NO_PAD.encode(bytes::<32>(portal.entropy())?));
    let mut tx = portal.store()?.begin().await?;
    if let Some(answered) = once.replay(&mut tx, &person.id, now).await? {
        return Ok(answered);
    }
    let author = manager.proven(now)?;
    let new = NewInvitation {
        id: &id,
        project_id: &access.project.id,
        email: body.email.as_ref().map(Address::as_str),
        role: body.role,
        token_digest: &token_digest(&token),
        expires_at: now.plus_secs(i64::from(body.expires_in_days) * 86_400),
    };
    let invitation = tx.create_invitation(&author, new).await?;
    let repeated = FreshInvitationView { invitation: invitation.into(), token: None, token_shown: true };
    once.keep(&mut tx, &person.id, (StatusCode::CREATED, &repeated), now).await?;
    tx.commit(now).await?;
    let fresh = FreshInvitationView { token: Some(token), token_shown: false, ..repeated };
    Ok((StatusCode::CREATED, Json(fresh)).into_response())
}
