//! A key that asks who it is: the one thing that a key alone may do here, so that whoever holds one can see what it is good
//! for.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Serialize;
use tollgate_core::apikey::PlainKey;
use tollgate_core::caller::{AddressList, RouteScope};
use tollgate_core::credential::{self, Credential};
use tollgate_core::headers::Headers;
use tollgate_core::key_limits::KeyName;
use tollgate_core::models::ModelPolicy;
use tollgate_core::time::Timestamp;
use utoipa::ToSchema;

use super::Portal;
use super::forms::{Moment, addresses_schema, models_schema, name_schema, routes_schema};
use super::keys::{OwnerView, StateView, state};
use super::origin::Origin;
use super::person::Person;
use super::problem::{Answer, Code, Problem};
use crate::store::SecretDigest;
use crate::store::api_keys::{ApiKey, SecretMatch};

/// Who asks `GET /me`.
#[derive(Debug)]
pub enum Asker {
    /// A person, by whatever people prove themselves with.
    Person(Box<Person>),
    /// A key that works.
    Key(Box<ApiKey>),
}

/// What a key is good for. What its owner wrote on it for themselves is not told.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyMeView {
    /// The key's id.
    #[schema(pattern = "^[0-9A-Za-z]{22}$")]
    pub key_id: String,
    /// What people call it.
    #[schema(schema_with = name_schema)]
    pub name: KeyName,
    /// Whom it acts for.
    pub owner: OwnerView,
    /// Its project.
    pub project_id: String,
    /// The project's name.
    pub project_name: String,
    /// The project's organization.
    pub organization_id: String,
    /// When it ends by itself; null is never.
    pub expires_at: Option<Moment>,
    /// Until when this secret works, if it is the one before a rotation.
    pub secret_ends_at: Option<Moment>,
    /// The models it may use, within the project's.
    #[schema(schema_with = models_schema)]
    pub models: ModelPolicy,
    /// The project's models, which hold for the key too.
    #[schema(schema_with = models_schema)]
    pub project_models: ModelPolicy,
    /// The gateway routes it may use.
    #[schema(schema_with = routes_schema)]
    pub routes: RouteScope,
    /// Where it may be used from.
    #[schema(schema_with = addresses_schema)]
    pub addresses: AddressList,
}

impl KeyMeView {
    /// As of `now`; `previous` is kept in a key only while the secret before was the one that asked.
    pub fn new(key: &ApiKey, now: Timestamp) -> Self {
        let limits = key.limits.clone();
        Self {
            key_id: key.id.as_str().to_owned(),
            name: key.name.clone(),
            owner: OwnerView::of(key),
            project_id: key.project_id.clone(),
            project_name: key.project_name.clone(),
            organization_id: key.organization_id.clone(),
            expires_at: key.expires_at.map(Moment),
            secret_ends_at: key
                .previous
                .filter(|previous| previous.until > now)
                .map(|previous| Moment(previous.until)),
            models: limits.models,
            project_models: key.project_models.clone(),
            routes: limits.routes,
            addresses: limits.addresses,
        }
    }
}

impl FromRequestParts<Portal> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Problem> {
        let mut headers = Headers::with_capacity(2);
        for (name, value) in &parts.headers {
            headers.push(name.as_str(), value.as_bytes());
        }
        let places = portal.rulebook().borrow().policy.credential_headers.clone();
        // Anything that is not one whole key is for people's own way in to judge.
        let Ok(Some(Credential::Key(plain))) = credential::find(&headers, None, &places, None) else {
            let person = Person::from_request_parts(parts, portal).await?;
            return Ok(Self::Person(Box::new(person)));
        };
        let address = Origin::of(parts, portal).address;
        let digest = SecretDigest::of(&plain.digest().to_hex());
        portal.limits().admit_secret(address, &digest)?;
        let key = working(portal, &plain).await;
        // Guessing is bounded per address; a key is bounded as itself.
        match (&key, address) {
            (Ok(key), _) => {
                portal.limits().good_secret(digest);
                portal.limits().person(key.id.as_str())?;
            }
            (Err(refused), address) => {
                portal.limits().bad_secret(&digest);
                if let (Code::Unauthenticated, Some(address)) = (refused.code(), address) {
                    portal.limits().address(address)?;
                }
            }
        }
        Ok(Self::Key(Box::new(key?)))
    }
}

/// The key of this secret, if it works. Why not is nobody's business who does not own it.
async fn working(portal: &Portal, plain: &PlainKey<'_>) -> Answer<ApiKey> {
    let refused = || {
        Problem::new(
            Code::Unauthenticated,
            "This key does not work. Ask whoever gave it to you, or make a new one.",
        )
    };
    let now = portal.now();
    let found = portal.store()?.begin_reading().await?.find_key_by_secret(plain).await?;
    let (mut key, which) = found.ok_or_else(refused)?;
    match which {
        SecretMatch::Current => key.previous = None,
        SecretMatch::Previous if key.previous.is_none_or(|previous| previous.until <= now) => {
            return Err(refused());
        }
        SecretMatch::Previous => {}
    }
    if key.held_by.is_some() || state(&key, now) != StateView::Live {
        return Err(refused());
    }
    Ok(key)
}
