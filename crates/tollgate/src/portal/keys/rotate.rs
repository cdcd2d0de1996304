//! `POST /projects/{project_id}/keys/{key_id}/rotate`: another secret for the same key.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tollgate_core::apikey::{KeyId, NewKey};
use tollgate_core::key_life::Overlap;
use tollgate_core::tenancy::ProjectRole;
use utoipa::ToSchema;

use super::view::{FreshKeyView, KeyView};
use crate::portal::Portal;
use crate::portal::forms::Ids;
use crate::portal::once::Create;
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Problem};
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
/// (`leaked`) has to end `now`; the key is then switched on by `enable`. So has the secret of a key that was handed over
/// (`disabled_because`), which works again with its new one. A person's key is rotated by that person alone, a service
/// account's by managers.
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
    // Requests with one idempotency key take turns here.
    tx.hold_project(&author, &project, ProjectRole::Developer).await?;
    if let Some(answered) = once.replay(&mut tx, &person.id, now).await? {
        return Ok(answered);
    }
    let id = KeyId::parse(&id).ok_or_else(Problem::not_found)?;
    let secret = NewKey::rotate(id, |buffer| portal.entropy().fill(buffer))?;
    let key = ((project.as_str(), id.as_str()), if_match.version());
    let rotation = (secret.digest(), body.overlap);
    let key = tx.rotate_key(&author, key, rotation, || person.proven(now)).await?;
    let view = KeyView::new(&key, now);
    let repeated = FreshKeyView::repeated(view.clone());
    once.keep(&mut tx, &person.id, (StatusCode::OK, &repeated), now).await?;
    tx.commit(now).await?;
    Ok(Versioned(key.version, FreshKeyView::with_secret(view, secret.reveal())).into_response())
}
