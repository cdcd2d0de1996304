//! `/api/v1/api-keys`: the paths of the integration guide's time, on the caller's personal project. They do what the
//! endpoints below `/projects/{project_id}/keys` do, with a body that says less.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tollgate_core::apikey::NewKey;
use tollgate_core::caller::KeyLimits;
use tollgate_core::key_life::LifeWish;
use tollgate_core::key_limits::{KeyName, Metadata, Tags};
use tollgate_core::tenancy::ProjectRole;
use tollgate_core::time::Timestamp;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Portal;
use super::forms::{Expiry, Ids, Moment, expiry_schema, given, metadata_schema, name_schema};
use super::keys::{DisabledBecause, StateView, state, wish};
use super::once::Create;
use super::person::Person;
use super::problem::{Answer, Problem};
use super::rights::Fresh;
use crate::store::api_keys::{ApiKey, KeyEdit, KeyFilter, KeyOwner, NewApiKey};
use crate::store::{Author, Tx};

/// Keys of one list at most: these paths have no pages.
const MOST: i64 = 1000;

/// The endpoints, below `/api/v1`.
pub fn routes() -> OpenApiRouter<Portal> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, update, remove))
}

/// A key of your personal project.
#[derive(Debug, Serialize, ToSchema)]
pub struct LegacyKeyView {
    /// The key's id.
    pub id: String,
    /// What you call it.
    #[schema(schema_with = name_schema)]
    pub name: KeyName,
    /// The whole key, in the answer that makes it and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether it works.
    pub status: StateView,
    /// Why it is disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled_because: Option<DisabledBecause>,
    /// When it was made.
    pub created_at: Moment,
    /// When it ends by itself; null is never.
    pub expires_at: Option<Moment>,
    /// Its last use, late by some seconds.
    pub last_used_at: Option<Moment>,
    /// When it was revoked.
    pub revoked_at: Option<Moment>,
    /// What you want to remember about it.
    #[schema(schema_with = metadata_schema)]
    pub metadata: Metadata,
}

/// A key that you want.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LegacyCreate {
    /// What you call it.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = name_schema)]
    name: Option<KeyName>,
    /// When it ends. Without it: as the deployment says.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = expiry_schema)]
    expires_at: Option<Expiry>,
    /// What you want to remember about it.
    #[serde(default)]
    #[schema(schema_with = metadata_schema)]
    metadata: Metadata,
}

/// What is to be changed; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LegacyUpdate {
    /// Another name.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = name_schema)]
    name: Option<KeyName>,
    /// Another end.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = expiry_schema)]
    expires_at: Option<Expiry>,
    /// Other metadata, instead of the present.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = metadata_schema)]
    metadata: Option<Metadata>,
    /// Whether it works.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = LegacyStatus)]
    status: Option<LegacyStatus>,
}

/// The states that a key can be put in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LegacyStatus {
    /// It works.
    Live,
    /// It is switched off.
    Disabled,
}

impl LegacyKeyView {
    fn new(key: &ApiKey, now: Timestamp) -> Self {
        Self {
            id: key.id.as_str().to_owned(),
            name: key.name.clone(),
            key: None,
            status: state(key, now),
            disabled_because: DisabledBecause::of(key),
            created_at: Moment(key.created_at),
            expires_at: key.expires_at.map(Moment),
            last_used_at: key.last_used.as_ref().map(|used| Moment(used.at)),
            revoked_at: key.revoked.as_ref().map(|end| Moment(end.at)),
            metadata: key.metadata.clone(),
        }
    }
}

/// The caller's personal project, held until the end of the unit of work.
async fn hold(tx: &mut Tx, person: &Person, author: &Author) -> Answer<String> {
    let project = tx.personal_project(&person.id).await?.ok_or_else(Problem::not_found)?;
    tx.hold_project(author, &project, ProjectRole::Developer).await?;
    Ok(project)
}

/// The caller's personal project, if this key of it is their own.
async fn own(tx: &mut Tx, person: &Person, id: &str) -> Answer<String> {
    let project = tx.personal_project(&person.id).await?.ok_or_else(Problem::not_found)?;
    let key = tx.find_key(&project, id).await?;
    key.filter(|key| key.owner.person() == Some(&person.id)).ok_or_else(Problem::not_found)?;
    Ok(project)
}

/// Your keys (guide's paths)
#[utoipa::path(
    get, path = "/api-keys", tag = "api-keys",
    responses((status = 200, body = Vec<LegacyKeyView>)),
)]
pub async fn list(State(portal): State<Portal>, person: Person) -> Answer<Json<Vec<LegacyKeyView>>> {
    let now = portal.now();
    let mut tx = portal.store()?.begin().await?;
    let project = tx.personal_project(&person.id).await?.ok_or_else(Problem::not_found)?;
    let filter = KeyFilter { person: Some(person.id.clone()), ..KeyFilter::default() };
    let keys = tx.list_keys(&project, &filter, (None, MOST), now).await?;
    Ok(Json(keys.iter().map(|key| LegacyKeyView::new(key, now)).collect()))
}

/// Make a key (guide's paths)
#[utoipa::path(
    post, path = "/api-keys", tag = "api-keys", request_body = LegacyCreate,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = LegacyKeyView, headers(("Location" = String)))),
)]
pub async fn create(
    State(portal): State<Portal>,
    person: Fresh<Person>,
    Create { body, once }: Create<LegacyCreate>,
) -> Answer<Response> {
    let now = portal.now();
    let life = wish::life(body.expires_at, None)?;
    let secret = NewKey::make(now, |buffer| portal.entropy().fill(buffer))?;
    let author = person.author(now);
    let mut tx = portal.store()?.begin().await?;
    let project_id = hold(&mut tx, &person, &author).await?;
    if let Some(answered) = once.replay(&mut tx, &person.id, now).await? {
        return Ok(answered);
    }
    let author = person.proven(now)?;
    let name = match body.name {
        Some(name) => name,
        None => KeyName::new("key").map_err(|error| Problem::invalid("/name", error.to_string()))?,
    };
    let new = NewApiKey {
        id: secret.id(),
        digest: secret.digest(),
        project_id,
        owner: KeyOwner::Person(person.id.clone()),
        name,
        life,
        limits: KeyLimits::NONE,
        tags: Tags::default(),
        metadata: body.metadata,
    };
    let key = tx.issue_key(&author, &new, &portal.options().keys).await?;
    let mut view = LegacyKeyView::new(&key, now);
    once.keep(&mut tx, &person.id, (StatusCode::CREATED, &view), now).await?;
    tx.commit(now).await?;
    let location = format!("/api/v1/api-keys/{}", view.id);
    view.key = Some(secret.reveal());
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(view)).into_response())
}

/// One of your keys (guide's paths)
#[utoipa::path(
    get, path = "/api-keys/{key_id}", tag = "api-keys", params(("key_id" = String, Path)),
    responses((status = 200, body = LegacyKeyView)),
)]
pub async fn show(
    State(portal): State<Portal>,
    person: Person,
    Ids(id): Ids<String>,
) -> Answer<Json<LegacyKeyView>> {
    let mut tx = portal.store()?.begin().await?;
    let project = tx.personal_project(&person.id).await?.ok_or_else(Problem::not_found)?;
    let key = tx.find_key(&project, &id).await?;
    let key = key.filter(|key| key.owner.person() == Some(&person.id)).ok_or_else(Problem::not_found)?;
    Ok(Json(LegacyKeyView::new(&key, portal.now())))
}

/// Change one of your keys (guide's paths)
#[utoipa::path(
    put, path = "/api-keys/{key_id}", tag = "api-keys", request_body = LegacyUpdate,
    params(("key_id" = String, Path)),
    responses((status = 200, body = LegacyKeyView)),
)]
pub async fn update(
    State(portal): State<Portal>,
    person: Fresh<Person>,
    Ids(id): Ids<String>,
    super::body::Body(change): super::body::Body<LegacyUpdate>,
) -> Answer<Json<LegacyKeyView>> {
    let now = portal.now();
    let author = person.author(now);
    let mut tx = portal.store()?.begin().await?;
    let project = own(&mut tx, &person, &id).await?;
    let life = wish::life(change.expires_at, None)?;
    let edit = KeyEdit {
        name: change.name,
        life: Some(life).filter(|life| *life != LifeWish::Unsaid),
        metadata: change.metadata,
        enabled: change.status.map(|status| status == LegacyStatus::Live),
        ..KeyEdit::default()
    };
    let edit = (edit, &portal.options().keys);
    let key = ((project.as_str(), id.as_str()), None);
    let key = tx.edit_key(&author, key, edit, || person.proven(now)).await?;
    tx.commit(now).await?;
    Ok(Json(LegacyKeyView::new(&key, now)))
}

/// Revoke one of your keys (guide's paths)
#[utoipa::path(
    delete, path = "/api-keys/{key_id}", tag = "api-keys", params(("key_id" = String, Path)),
    responses((status = 204)),
)]
pub async fn remove(
    State(portal): State<Portal>,
    person: Person,
    Ids(id): Ids<String>,
) -> Answer<StatusCode> {
    let now = portal.now();
    let author = person.author(now);
    let mut tx = portal.store()?.begin().await?;
    let project = own(&mut tx, &person, &id).await?;
    tx.revoke_key(&author, ((&project, &id), None)).await?;
    tx.commit(now).await?;
    Ok(StatusCode::NO_CONTENT)
}
