//! `GET /projects/{project_id}/keys`: the keys of a project, newest first.
#![expect(unused_qualifications, reason = "utoipa writes the query's type with its path")]

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use tollgate_core::apikey::KeyId;
use tollgate_core::key_limits::is_tag;
use tollgate_core::time::Timestamp;
use utoipa::{IntoParams, ToSchema};

use super::view::KeyView;
use crate::portal::Portal;
use crate::portal::forms::{Ids, Moment};
use crate::portal::page::{Page, PageQuery, PageRequest};
use crate::portal::person::Person;
use crate::portal::problem::{Answer, Problem};
use crate::store::api_keys::{KeyCursor, KeyFilter, ShownState};

/// Which keys.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct KeyQuery {
    /// `me`, or the id of the person or service account that the keys act for.
    owner: Option<String>,
    /// The state they are in.
    state: Option<StateQuery>,
    /// A tag that they have.
    #[param(pattern = "^[a-z0-9._:/=@-]{1,64}$")]
    tag: Option<String>,
    /// Keys whose last use, or making if they were never used, lies before this moment.
    #[param(value_type = Option<Moment>)]
    unused_since: Option<Moment>,
    /// Items on a page: 1 to 200, 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// The state of a key.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StateQuery {
    /// It works.
    Live,
    /// It is switched off.
    Disabled,
    /// Its time is over.
    Expired,
    /// It was ended for good.
    Revoked,
}

/// The keys of a project
///
/// Newest first. Whoever sees the project sees its keys; secrets are never shown.
#[utoipa::path(
    get, path = "/projects/{project_id}/keys", tag = "keys",
    params(("project_id" = String, Path), KeyQuery),
    responses((status = 200, body = Page<KeyView>)),
)]
pub async fn list(
    State(portal): State<Portal>,
    person: Person,
    Ids(project): Ids<String>,
    query: Result<Query<KeyQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer<Json<Page<KeyView>>> {
    let Query(query) = query.map_err(|error| Problem::invalid("query", error.body_text()))?;
    let now = portal.now();
    let page = PageRequest::new(&PageQuery { limit: query.limit, cursor: query.cursor })?;
    let after = page.after.as_deref().map(cursor).transpose()?;
    let mut filter = filter(&person, query.owner.as_deref(), query.tag, query.unused_since)?;
    filter.state = query.state.map(|state| match state {
        StateQuery::Live => ShownState::Live,
        StateQuery::Disabled => ShownState::Disabled,
        StateQuery::Expired => ShownState::Expired,
        StateQuery::Revoked => ShownState::Revoked,
    });
    let store = portal.store()?;
    store.project_access(person.who(), &project).await?.ok_or_else(Problem::not_found)?;
    let mut tx = store.begin().await?;
    let keys = tx.list_keys(&project, &filter, (after.as_ref(), page.fetch()), now).await?;
    let keys = page.page(keys, |key| format!("{} {}", key.created_at.as_millis(), key.id.as_str()));
    Ok(Json(keys.map(|key| KeyView::new(&key, now))))
}

/// The filters that lists and bulk revocation share.
pub fn filter(
    person: &Person,
    owner: Option<&str>,
    tag: Option<String>,
    unused_since: Option<Moment>,
) -> Answer<KeyFilter> {
    if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
        return Err(Problem::invalid("tag", "is not a tag: 1 to 64 of a-z, 0-9 and . _ : / = @ -"));
    }
    let mut filter =
        KeyFilter { tag, unused_since: unused_since.map(|moment| moment.0), ..KeyFilter::default() };
    match owner {
        None => {}
        Some("me") => filter.person = Some(person.id.clone()),
        Some(id) if id.starts_with("per_") => filter.person = Some(id.to_owned()),
        Some(id) if id.starts_with("sva_") => filter.service_account = Some(id.to_owned()),
        Some(_) => {
            let detail = "must be 'me', or the id of a person (per_…) or service account (sva_…)";
            return Err(Problem::invalid("owner", detail));
        }
    }
    Ok(filter)
}

fn cursor(text: &str) -> Answer<KeyCursor> {
    let parts = text.split_once(' ').and_then(|(millis, id)| {
        let created_at = Timestamp::from_millis(millis.parse().ok()?);
        KeyId::parse(id).map(|id| KeyCursor { created_at, id: id.as_str().to_owned() })
    });
    parts.ok_or_else(|| Problem::invalid("cursor", "is not the 'next' of a page of keys"))
}
