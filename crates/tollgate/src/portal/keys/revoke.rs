//! `POST /projects/{project_id}/keys/{key_id}/revoke`: the end of a key, for good.

use axum::extract::State;

use super::view::KeyView;
use crate::portal::Portal;
use crate::portal::forms::Ids;
use crate::portal::person::Person;
use crate::portal::problem::Answer;
use crate::portal::version::{IfMatch, Versioned};

/// Revoke a key
///
/// For good, and refused on every replica within a second. Revoking it again changes nothing.
#[utoipa::path(
    post, path = "/projects/{project_id}/keys/{key_id}/revoke", tag = "keys",
    params(("project_id" = String, Path), ("key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = KeyView, headers(("ETag" = String)))),
)]
pub async fn revoke(
    State(portal): State<Portal>,
    person: Person,
    Ids((project, id)): Ids<(String, String)>,
    if_match: IfMatch,
) -> Answer<Versioned<KeyView>> {
    let now = portal.now();
    let author = person.author(now);
    let mut tx = portal.store()?.begin().await?;
    let key = tx.revoke_key(&author, ((&project, &id), if_match.version())).await?;
    tx.commit(now).await?;
    Ok(Versioned(key.version, KeyView::new(&key, now)))
}
