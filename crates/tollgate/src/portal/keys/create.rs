//! `POST /projects/{project_id}/keys`: a new key, and the only sight of its secret.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tollgate_core::apikey::NewKey;
use tollgate_core::caller::{AddressList, KeyLimits, RouteScope};
use tollgate_core::key_limits::{KeyName, Metadata, Tags};
use tollgate_core::models::ModelPolicy;
use tollgate_core::tenancy::ProjectRole;
use utoipa::ToSchema;

use super::view::{FreshKeyView, KeyView};
use super::wish;
use crate::portal::Portal;
use crate::portal::forms::{
    Expiry, Ids, addresses_schema, expiry_schema, given, metadata_schema, models_schema, name_schema,
    routes_schema, tags_schema,
};
use crate::portal::once::Create;
use crate::portal::person::Person;
use crate::portal::problem::Answer;
use crate::portal::rights::Fresh;
use crate::portal::version::Versioned;
use crate::store::api_keys::{KeyOwner, NewApiKey};

/// A key that somebody wants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// What people call it.
    #[schema(schema_with = name_schema)]
    name: KeyName,
    /// The service account that it acts for; without it the key acts for you. Takes the role of manager.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String)]
    service_account_id: Option<String>,
    /// When it ends. Without it: as the deployment says.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = expiry_schema)]
    expires_at: Option<Expiry>,
    /// In how many days it ends, instead of `expires_at`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, minimum = 1, maximum = 36500)]
    expires_in_days: Option<u32>,
    /// The models it may use, within the project's. Without it: all of those.
    #[serde(default = "all_models")]
    #[schema(schema_with = models_schema)]
    models: ModelPolicy,
    /// The gateway routes it may use. Without it: all.
    #[serde(default = "all_routes")]
    #[schema(schema_with = routes_schema)]
    routes: RouteScope,
    /// Where it may be used from. Without it: anywhere.
    #[serde(default = "any_address")]
    #[schema(schema_with = addresses_schema)]
    addresses: AddressList,
    /// Words by which it is found.
    #[serde(default)]
    #[schema(schema_with = tags_schema)]
    tags: Tags,
    /// What you want to remember about it.
    #[serde(default)]
    #[schema(schema_with = metadata_schema)]
    metadata: Metadata,
}

const fn all_models() -> ModelPolicy {
    ModelPolicy::All
}

const fn all_routes() -> RouteScope {
    RouteScope::All
}

const fn any_address() -> AddressList {
    AddressList::Any
}

/// Make a key
///
/// The secret is in this answer and nowhere else. A repeated request with the same `Idempotency-Key` gets the same key
/// without it.
#[utoipa::path(
    post, path = "/projects/{project_id}/keys", tag = "keys", request_body = CreateKey,
    params(("project_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = FreshKeyView, headers(("ETag" = String), ("Location" = String)))),
)]
pub async fn create(
    State(portal): State<Portal>,
    person: Fresh<Person>,
    Ids(project): Ids<String>,
    Create { body, once }: Create<CreateKey>,
) -> Answer<Response> {
    let now = portal.now();
    wish::routes_exist(&portal, &body.routes)?;
    let life = wish::life(body.expires_at, body.expires_in_days)?;
    let secret = NewKey::make(now, |buffer| portal.entropy().fill(buffer))?;
    let author = person.author(now);

    let mut tx = portal.store()?.begin().await?;
    let needed =
        if body.service_account_id.is_some() { ProjectRole::Manager } else { ProjectRole::Developer };
    // Requests with one idempotency key take turns here.
    tx.hold_project_as_member(&author, &project, needed).await?;
    if let Some(answered) = once.replay(&mut tx, &person.id, now).await? {
        return Ok(answered);
    }
    let author = person.proven(now)?;
    let new = NewApiKey {
        id: secret.id(),
        digest: secret.digest(),
        project_id: project,
        owner: match body.service_account_id {
            Some(account) => KeyOwner::ServiceAccount(account),
            None => KeyOwner::Person(person.id.clone()),
        },
        name: body.name,
        life,
        limits: KeyLimits { models: body.models, routes: body.routes, addresses: body.addresses },
        tags: body.tags,
        metadata: body.metadata,
    };
    let key = tx.issue_key(&author, &new, &portal.options().keys).await?;
    let view = KeyView::new(&key, now);
    let repeated = FreshKeyView::repeated(view.clone());
    once.keep(&mut tx, &person.id, (StatusCode::CREATED, &repeated), now).await?;
    tx.commit(now).await?;

    let location = format!("/api/v1/projects/{}/keys/{}", key.project_id, key.id.as_str());
    let fresh = FreshKeyView::with_secret(view, secret.reveal());
    let answer = (StatusCode::CREATED, [(header::LOCATION, location)], Versioned(key.version, fresh));
    Ok(answer.into_response())
}
