//! `POST /projects/{project_id}/keys/revoke`: many keys at once, after a look at which.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::list::filter;
use super::view::KeyView;
use crate::portal::Portal;
use crate::portal::body::Body;
use crate::portal::forms::{Ids, Moment, given};
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Problem};

/// Keys of one unit of work at most: each is an entry of the audit log, and others wait for its end.
const MOST: usize = 500;

/// Which keys, and whether it is meant. Every part that is said narrows the choice.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeKeys {
    /// Those of this owner: `me`, or the id of a person or service account.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, pattern = "^(me|per_.*|sva_.*)$")]
    owner: Option<String>,
    /// Those with this tag.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, pattern = "^[a-z0-9._:/=@-]{1,64}$")]
    tag: Option<String>,
    /// Those that were last used, or made and never used, before this.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Moment)]
    unused_since: Option<Moment>,
    /// Every key of the project; has to be said when nothing else narrows the choice.
    #[serde(default)]
    all: bool,
    /// Only tell which keys it would be.
    #[serde(default)]
    dry_run: bool,
}

/// Which keys were revoked, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevokedKeys {
    /// Whether this was only a look.
    pub dry_run: bool,
    /// How many.
    pub count: usize,
    /// Whether there are more: send the request again for those.
    pub more: bool,
    /// The keys.
    pub items: Vec<KeyView>,
}

/// Revoke many keys
///
/// At most 500 in one request, all of them or none; `more` says when some are left. Takes the role of manager.
#[utoipa::path(
    post, path = "/projects/{project_id}/keys/revoke", tag = "keys", request_body = RevokeKeys,
    params(("project_id" = String, Path)),
    responses((status = 200, body = RevokedKeys)),
)]
pub async fn revoke(
    State(portal): State<Portal>,
    person: Person,
    Ids(project): Ids<String>,
    Body(wish): Body<RevokeKeys>,
) -> Answer<Json<RevokedKeys>> {
    let now = portal.now();
    let chosen = filter(&person, wish.owner.as_deref(), wish.tag, wish.unused_since)?;
    let narrowed = chosen != crate::store::api_keys::KeyFilter::default();
    if narrowed == wish.all {
        let detail = "say which keys by owner, tag or unused_since, or say all for every key of the project";
        return Err(Problem::invalid("/all", detail));
    }
    let author = person.author(now);
    let mut tx = portal.store()?.begin().await?;
    let (keys, more) = tx.revoke_keys(&author, &project, &chosen, (MOST, wish.dry_run)).await?;
    tx.commit(now).await?;
    let items: Vec<KeyView> = keys.iter().map(|key| KeyView::new(key, now)).collect();
    Ok(Json(RevokedKeys { dry_run: wish.dry_run, count: items.len(), more, items }))
}
