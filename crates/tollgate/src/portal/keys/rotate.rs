//! `POST /projects/{project_id}/keys/{key_id}/rotate`: another secret for the same key.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tollgate_core::apikey::NewKey;
use tollgate_core::key_life::Overlap;
use utoipa::ToSchema;

use super::view::{FreshKeyView, KeyView};
use super::{entry, hold, must_not_be_revoked};
use crate::portal::Portal;
use crate::portal::forms::Ids;
use crate::portal::once::Create;
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Code, Problem};
use crate::portal::rights::Fresh;
use crate::portal::version::{IfMatch, Versioned};

/// How the secret before ends.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// How long the present secret works on: `now` ends it at once, `15m` to `7d` leave time to roll the new one out. It
    /// never outlives the key.
    #[schema(value_type = String, pattern = "^(now|[0-9]{1,5}[mhd])$", examples("24h"))]
    overlap: Overlap,
}

/// Give a key another secret
///
/// The id, limits and history stay. The new secret is in this answer and nowhere else. A second rotation ends the older of
/// two secrets at once. A key that has ended cannot be rotated; give it a later end first. A secret that was found in public
/// (`leaked`) has to end `now`; the key is then switched on by `enable`.
#[utoipa::path(
    post, path = "/projects/{project_id}/keys/{key_id}/rotate", tag = "keys", request_body = RotateKey,
    params(
        ("project_id" = String, Path), ("key_id" = String, Path),
        ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header),
    ),
    responses((status = 200, body = FreshKeyView, headers(("ETag" = String)))),
)]
pub async fn rotate(
    State(portal): State<Portal>,
    person: Fresh<Person>,
    Ids((project, id)): Ids<(String, String)>,
    if_match: IfMatch,
    Create { body, once }: Create<RotateKey>,
) -> Answer<Response> {
    let now = portal.now();
    let author = person.author(now);
    let mut tx = portal.store()?.begin().await?;
    let before = hold(&mut tx, &author, (&project, &id)).await?;
    if let Some(answered) = once.replay(&mut tx, &person.id, now).await? {
        return Ok(answered);
    }
    if_match.check(before.version)?;
    must_not_be_revoked(&before)?;
    if before.expires_at.is_some_and(|end| end <= now) {
        let detail = "This key's time is over. Give it a later end first, or make a new one.";
        return Err(Problem::new(Code::Conflict, detail));
    }
    if before.leaked.is_some() && body.overlap.until(now, None).is_some() {
        let detail = "must be 'now': the present secret was found in public";
        return Err(Problem::invalid("/overlap", detail));
    }
    let author = person.proven(now)?;
    let secret = NewKey::rotate(before.id, |buffer| portal.entropy().fill(buffer))?;
    let until = body.overlap.until(now, before.expires_at);
    let key = tx.rotate_key(&author, &before, secret.digest(), until, now).await?;
    let view = KeyView::new(&key, now);
    tx.audit(entry(&author, "key.rotate", Some(&before), &key));
    let repeated = FreshKeyView::repeated(view.clone());
    once.keep(&mut tx, &person.id, (StatusCode::OK, &repeated), now).await?;
    tx.commit(now).await?;
    Ok(Versioned(key.version, FreshKeyView::with_secret(view, secret.reveal())).into_response())
}
