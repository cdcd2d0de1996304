//! `POST /projects/{project_id}/keys/{key_id}/disable` and `/enable`: a key switched off for now, and on again.

use axum::extract::State;

use super::view::KeyView;
use crate::portal::Portal;
use crate::portal::forms::Ids;
use crate::portal::person::Person;
use crate::portal::problem::Answer;
use crate::portal::rights::Fresh;
use crate::portal::version::{IfMatch, Versioned};

/// Switch a key off
///
/// It is refused on every replica within a second, until it is switched on again. What a manager or somebody above
/// switches off, only somebody of that role switches on.
#[utoipa::path(
    post, path = "/projects/{project_id}/keys/{key_id}/disable", tag = "keys",
    params(("project_id" = String, Path), ("key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = KeyView, headers(("ETag" = String)))),
)]
pub async fn disable(
    State(portal): State<Portal>,
    person: Person,
    Ids((project, id)): Ids<(String, String)>,
    if_match: IfMatch,
) -> Answer<Versioned<KeyView>> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let key = tx.disable_key(&person.author(now), ((&project, &id), if_match.version())).await?;
    tx.commit(now).await?;
    Ok(Versioned(key.version, KeyView::new(&key, now)))
}

/// Switch a key on again
///
/// Your own, or as a manager a service account's. Not while its present secret was found in public (`leaked`) or is
/// somebody else's (`disabled_because` is `handed_over`): rotate it first. Enabling another person's key takes back what a
/// manager decided, for managers; what its owner decided stays.
#[utoipa::path(
    post, path = "/projects/{project_id}/keys/{key_id}/enable", tag = "keys",
    params(("project_id" = String, Path), ("key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = KeyView, headers(("ETag" = String)))),
)]
pub async fn enable(
    State(portal): State<Portal>,
    person: Fresh<Person>,
    Ids((project, id)): Ids<(String, String)>,
    if_match: IfMatch,
) -> Answer<Versioned<KeyView>> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let key = ((project.as_str(), id.as_str()), if_match.version());
    let key = tx.enable_key(&person.author(now), key, || person.proven(now)).await?;
    tx.commit(now).await?;
    Ok(Versioned(key.version, KeyView::new(&key, now)))
}
