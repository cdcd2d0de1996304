//! `POST /keys/lookup`: whose key is this? For a secret that somebody found in a chat, a log or a repository.

use std::fmt;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tollgate_core::apikey::PlainKey;
use utoipa::ToSchema;

use super::view::KeyView;
use crate::portal::Portal;
use crate::portal::body::Body;
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Problem};
use crate::store::api_keys::SecretMatch;

/// A pasted key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupKey {
    /// The whole text of the key.
    #[schema(pattern = "^tgk_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}$")]
    secret: String,
}

/// The key that was pasted.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundKey {
    /// The key.
    pub key: KeyView,
    /// Which of its secrets it was.
    pub secret: WhichSecret,
}

/// Which secret of a key.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhichSecret {
    /// The present one.
    Current,
    /// The one before the last rotation; `key.previous_secret.works` says whether it still works.
    Previous,
}

/// Find a key by its secret
///
/// Answers only if you may see the key's project, or the key is your own; else it is unknown.
#[utoipa::path(
    post, path = "/keys/lookup", tag = "keys", request_body = LookupKey,
    responses((status = 200, body = FoundKey)),
)]
pub async fn lookup(
    State(portal): State<Portal>,
    person: Person,
    Body(pasted): Body<LookupKey>,
) -> Answer<Json<FoundKey>> {
    let text = pasted.secret.trim();
    let plain = PlainKey::parse(text).ok_or_else(|| {
        Problem::invalid("/secret", "is not a whole key: tgk_… with 76 characters, copied without a mistake")
    })?;
    let store = portal.store()?;
    let found = store.begin().await?.find_key_by_secret(&plain).await?;
    let (key, which) = found.ok_or_else(Problem::not_found)?;
    if !person.owns(&key) {
        store.project_access(person.who(), &key.project_id).await?.ok_or_else(Problem::not_found)?;
    }
    let secret = match which {
        SecretMatch::Current => WhichSecret::Current,
        SecretMatch::Previous => WhichSecret::Previous,
    };
    Ok(Json(FoundKey { key: KeyView::new(&key, portal.now()), secret }))
}

impl fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupKey").finish_non_exhaustive()
    }
}
