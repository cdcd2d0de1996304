//! `GET /projects/{project_id}/keys/{key_id}`: one key.

use axum::extract::State;

use super::view::KeyView;
use crate::portal::Portal;
use crate::portal::forms::Ids;
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Problem};
use crate::portal::version::Versioned;

/// One key
#[utoipa::path(
    get, path = "/projects/{project_id}/keys/{key_id}", tag = "keys",
    params(("project_id" = String, Path), ("key_id" = String, Path)),
    responses((status = 200, body = KeyView, headers(("ETag" = String)))),
)]
pub async fn show(
    State(portal): State<Portal>,
    person: Person,
    Ids((project, id)): Ids<(String, String)>,
) -> Answer<Versioned<KeyView>> {
    let store = portal.store()?;
    store.project_access(person.who(), &project).await?.ok_or_else(Problem::not_found)?;
    let key = store.begin().await?.find_key(&project, &id).await?.ok_or_else(Problem::not_found)?;
    Ok(Versioned(key.version, KeyView::new(&key, portal.now())))
}
