//! `POST /projects/{project_id}/keys/{key_id}/disable` and `/enable`: a key switched off for now, and on again.

use axum::extract::State;
use tollgate_core::caller::KeyState;

use super::view::KeyView;
use super::{entry, hold, must_not_be_leaked, must_not_be_revoked};
use crate::portal::Portal;
use crate::portal::forms::Ids;
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Problem};
use crate::portal::rights::Fresh;
use crate::portal::version::{IfMatch, Versioned};
use crate::store::api_keys::ApiKey;

/// Switch a key off
///
/// It is refused on every replica within a second, until it is switched on again.
#[utoipa::path(
    post, path = "/projects/{project_id}/keys/{key_id}/disable", tag = "keys",
    params(("project_id" = String, Path), ("key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = KeyView, headers(("ETag" = String)))),
)]
pub async fn disable(
    State(portal): State<Portal>,
    person: Person,
    Ids(ids): Ids<(String, String)>,
    if_match: IfMatch,
) -> Answer<Versioned<KeyView>> {
    switch(&portal, &person, ids, if_match, None).await
}

/// Switch a key on again
///
/// Not while its present secret is one that was found in public (`leaked`): rotate it first.
#[utoipa::path(
    post, path = "/projects/{project_id}/keys/{key_id}/enable", tag = "keys",
    params(("project_id" = String, Path), ("key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = KeyView, headers(("ETag" = String)))),
)]
pub async fn enable(
    State(portal): State<Portal>,
    person: Fresh<Person>,
    Ids(ids): Ids<(String, String)>,
    if_match: IfMatch,
) -> Answer<Versioned<KeyView>> {
    switch(&portal, &person, ids, if_match, Some(&person)).await
}

async fn switch(
    portal: &Portal,
    person: &Person,
    (project, id): (String, String),
    if_match: IfMatch,
    on: Option<&Fresh<Person>>,
) -> Answer<Versioned<KeyView>> {
    let now = portal.now();
    let author = person.author(now);
    let mut tx = portal.store()?.begin().await?;
    let before = hold(&mut tx, &author, (&project, &id)).await?;
    if_match.check(before.version)?;
    must_not_be_revoked(&before)?;
    let to = if on.is_some() { KeyState::Live } else { KeyState::Disabled };
    let edit = match on {
        None => before.switched_off(),
        Some(fresh) => {
            if before.state != to {
                must_not_be_leaked(&before)?;
            }
            let proof = fresh.proven(now)?;
            before.edit(ApiKey { state: to, ..before.clone() }, || Ok::<_, Problem>(proof))?
        }
    };
    if before.state == to {
        return Ok(Versioned(before.version, KeyView::new(&before, now)));
    }
    let key = tx.save_key(edit, now).await?;
    let action = if to == KeyState::Live { "key.enable" } else { "key.disable" };
    tx.audit(entry(&author, action, Some(&before), &key));
    tx.commit(now).await?;
    Ok(Versioned(key.version, KeyView::new(&key, now)))
}
