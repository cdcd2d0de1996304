//! `PATCH /projects/{project_id}/keys/{key_id}`: another name, end, limits, tags or metadata. What is left out stays.

use axum::extract::State;
use serde::Deserialize;
use tollgate_core::caller::{AddressList, RouteScope};
use tollgate_core::key_bounds::LimitEdit;
use tollgate_core::key_life::LifeWish;
use tollgate_core::key_limits::{KeyName, Metadata, Tags};
use tollgate_core::models::ModelPolicy;
use utoipa::ToSchema;

use super::view::KeyView;
use super::wish;
use crate::portal::Portal;
use crate::portal::body::Body;
use crate::portal::forms::{
    Expiry, Ids, addresses_schema, expiry_schema, given, metadata_schema, models_schema, name_schema,
    routes_schema, tags_schema,
};
use crate::portal::person::Person;
use crate::portal::problem::Answer;
use crate::portal::rights::Fresh;
use crate::portal::version::{IfMatch, Versioned};
use crate::store::api_keys::KeyEdit;

/// What is to be changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateKey {
    /// Another name.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = name_schema)]
    name: Option<KeyName>,
    /// Another end.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = expiry_schema)]
    expires_at: Option<Expiry>,
    /// Another end, in days from now.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = u32, minimum = 1, maximum = 36500)]
    expires_in_days: Option<u32>,
    /// Other models.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = models_schema)]
    models: Option<ModelPolicy>,
    /// Other routes.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = routes_schema)]
    routes: Option<RouteScope>,
    /// Other addresses.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = addresses_schema)]
    addresses: Option<AddressList>,
    /// Other tags, instead of the present ones.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = tags_schema)]
    tags: Option<Tags>,
    /// Other metadata, instead of the present.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = metadata_schema)]
    metadata: Option<Metadata>,
}

/// Change a key
///
/// Your own takes the role of developer, any other that of manager. It holds on every replica within a second. The limits
/// that a manager or somebody above sets are `bounds`: those below that role narrow them further and never widen them. More models,
/// routes, addresses or time than before ask for a recent proof of who you are.
#[utoipa::path(
    patch, path = "/projects/{project_id}/keys/{key_id}", tag = "keys", request_body = UpdateKey,
    params(("project_id" = String, Path), ("key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = KeyView, headers(("ETag" = String)))),
)]
pub async fn update(
    State(portal): State<Portal>,
    person: Fresh<Person>,
    Ids((project, id)): Ids<(String, String)>,
    if_match: IfMatch,
    Body(change): Body<UpdateKey>,
) -> Answer<Versioned<KeyView>> {
    let now = portal.now();
    if let Some(routes) = &change.routes {
        wish::routes_exist(&portal, routes)?;
    }
    let life = wish::life(change.expires_at, change.expires_in_days)?;
    let author = person.author(now);
    let mut tx = portal.store()?.begin().await?;
    let edit = KeyEdit {
        name: change.name,
        life: Some(life).filter(|life| *life != LifeWish::Unsaid),
        limits: LimitEdit {
            models: change.models,
            routes: change.routes,
            addresses: change.addresses,
            expires_at: None,
        },
        tags: change.tags,
        metadata: change.metadata,
        enabled: None,
    };
    let key = ((project.as_str(), id.as_str()), if_match.version());
    let edit = (edit, &portal.options().keys);
    let key = tx.edit_key(&author, key, edit, || person.proven(now)).await?;
    tx.commit(now).await?;
    Ok(Versioned(key.version, KeyView::new(&key, now)))
}
