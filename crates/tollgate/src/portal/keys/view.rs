//! A key as the API shows it: all that its people may know, which is never the secret nor its digest.

use serde::Serialize;
use tollgate_core::caller::{AddressList, KeyState, RouteScope};
use tollgate_core::key_limits::{KeyName, Metadata, Tags};
use tollgate_core::models::ModelPolicy;
use tollgate_core::time::Timestamp;
use utoipa::ToSchema;

use super::decided::{BoundView, DecisionView, DisabledBecause};
use crate::portal::forms::{
    Moment, addresses_schema, metadata_schema, models_schema, name_schema, routes_schema, tags_schema,
};
use crate::store::api_keys::{ApiKey, HeldBy, KeyOwner};

/// An API key. Its secret was shown once, when it was made or rotated.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct KeyView {
    /// The public part of the key's text, between `tgk_` and the second underscore.
    #[schema(pattern = "^[0-9A-Za-z]{22}$")]
    pub id: String,
    /// The project's organization.
    pub organization_id: String,
    /// Its project.
    pub project_id: String,
    /// Whom it acts for.
    pub owner: OwnerView,
    /// What people call it.
    #[schema(schema_with = name_schema)]
    pub name: KeyName,
    /// Whether it works.
    pub state: StateView,
    /// Why it is disabled, the reason that has to go first; null when it is not.
    pub disabled_because: Option<DisabledBecause>,
    /// Who disabled it, and when; null when it is not disabled.
    pub disabled_by: Option<DecisionView>,
    /// What above it is suspended, so that it is refused whatever its own state; null when nothing is.
    pub held_by: Option<HeldByView>,
    /// When it ends by itself; null is never.
    pub expires_at: Option<Moment>,
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
    /// The widest limits that managers and those above have left to it, the strongest first.
    pub bounds: Vec<BoundView>,
    /// Words by which it is found.
    #[schema(schema_with = tags_schema)]
    pub tags: Tags,
    /// What its owner remembers about it.
    #[schema(schema_with = metadata_schema)]
    pub metadata: Metadata,
    /// The person who made it, or `operator`.
    pub created_by: String,
    /// When it was made.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
    /// When its present secret was made.
    pub secret_made_at: Moment,
    /// The secret before the present one, after a rotation with overlap.
    pub previous_secret: Option<PreviousSecretView>,
    /// Its last use, late by some seconds.
    pub last_used: Option<LastUseView>,
    /// When and by whom it was revoked.
    pub revoked: Option<RevocationView>,
    /// Where its present secret was found in public: why it is switched off, until it has another secret.
    pub leaked: Option<LeakView>,
    /// Counts its changes; the ETag.
    pub version: i64,
}

/// Whom a key acts for.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct OwnerView {
    /// What it is.
    pub kind: OwnerKind,
    /// `per_…` or `sva_…`
    pub id: String,
    /// Its name.
    pub name: String,
}

/// What the owner of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnerKind {
    /// A person.
    Person,
    /// A service account of the project.
    ServiceAccount,
}

/// Whether a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StateView {
    /// It works.
    Live,
    /// It is switched off.
    Disabled,
    /// Its time is over.
    Expired,
    /// It was ended for good.
    Revoked,
}

/// What is suspended above a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HeldByView {
    /// The organization of its project.
    Organization,
    /// Its project.
    Project,
    /// The person or service account that it acts for.
    Owner,
}

/// The secret before the present one.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PreviousSecretView {
    /// Until when it works.
    pub until: Moment,
    /// Whether it still works.
    pub works: bool,
    /// When it was last used.
    pub last_used_at: Option<Moment>,
}

/// The last use of a key.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LastUseView {
    /// When.
    pub at: Moment,
    /// From which address, as the gateway told.
    pub address: Option<String>,
    /// With which program.
    pub user_agent: Option<String>,
}

/// The end of a key.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RevocationView {
    /// When.
    pub at: Moment,
    /// By whom: a person's id, or `operator`.
    pub by: String,
}

/// Where a key's secret was found.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LeakView {
    /// When that was reported.
    pub at: Moment,
    /// The place, if it was told.
    #[schema(format = "uri")]
    pub url: Option<String>,
    /// What kind of place, in the scanner's word: `content`, `commit`, …
    pub source: String,
}

/// A key with its secret, which is never shown again.
#[derive(Debug, Serialize, ToSchema)]
pub struct FreshKeyView {
    /// The key.
    #[serde(flatten)]
    pub key: KeyView,
    /// The whole text of the key. Null in a repeated answer: it was shown in the first one.
    #[schema(examples("tgk_0Dn5bQ8wT2yV4xZ6aB8cD0_…"))]
    pub secret: Option<String>,
    /// Whether the secret was shown in an earlier answer.
    pub secret_shown: bool,
}

impl OwnerView {
    /// Of this key.
    pub fn of(key: &ApiKey) -> Self {
        let kind = match key.owner {
            KeyOwner::Person(_) => OwnerKind::Person,
            KeyOwner::ServiceAccount(_) => OwnerKind::ServiceAccount,
        };
        Self { kind, id: key.owner.id().to_owned(), name: key.owner_name.clone() }
    }
}

impl FreshKeyView {
    /// The one answer with the secret.
    pub const fn with_secret(key: KeyView, secret: String) -> Self {
        Self { key, secret: Some(secret), secret_shown: false }
    }

    /// What a repeated request gets.
    pub const fn repeated(key: KeyView) -> Self {
        Self { key, secret: None, secret_shown: true }
    }
}

impl KeyView {
    /// As of `now`.
    pub fn new(key: &ApiKey, now: Timestamp) -> Self {
        Self {
            id: key.id.as_str().to_owned(),
            organization_id: key.organization_id.clone(),
            project_id: key.project_id.clone(),
            owner: OwnerView::of(key),
            name: key.name.clone(),
            state: state(key, now),
            disabled_because: DisabledBecause::of(key),
            disabled_by: DecisionView::of(key),
            held_by: key.held_by.map(|by| match by {
                HeldBy::Organization => HeldByView::Organization,
                HeldBy::Project => HeldByView::Project,
                HeldBy::Owner => HeldByView::Owner,
            }),
            expires_at: key.expires_at.map(Moment),
            models: key.limits.models.clone(),
            project_models: key.project_models.clone(),
            routes: key.limits.routes.clone(),
            addresses: key.limits.addresses.clone(),
            bounds: key.bounds.as_slice().iter().map(BoundView::of).collect(),
            tags: key.tags.clone(),
            metadata: key.metadata.clone(),
            created_by: key.created_by.clone(),
            created_at: Moment(key.created_at),
            updated_at: Moment(key.updated_at),
            secret_made_at: Moment(key.secret_made_at()),
            previous_secret: key.previous.map(|previous| PreviousSecretView {
                until: Moment(previous.until),
                works: previous.until > now && state(key, now) == StateView::Live,
                last_used_at: previous.last_used_at.map(Moment),
            }),
            last_used: key.last_used.as_ref().map(|used| LastUseView {
                at: Moment(used.at),
                address: used.address.map(|address| address.to_string()),
                user_agent: used.agent.clone(),
            }),
            revoked: key
                .revoked
                .as_ref()
                .map(|end| RevocationView { at: Moment(end.at), by: end.by.clone() }),
            leaked: key.leaked.as_ref().map(|leak| LeakView {
                at: Moment(leak.at),
                url: leak.url.clone(),
                source: leak.source.clone(),
            }),
            version: key.version,
        }
    }
}

/// Whether a key works, as far as it is the key's own affair.
pub fn state(key: &ApiKey, now: Timestamp) -> StateView {
    match key.state {
        KeyState::Revoked => StateView::Revoked,
        KeyState::Disabled => StateView::Disabled,
        KeyState::Live if key.expires_at.is_some_and(|end| end <= now) => StateView::Expired,
        KeyState::Live => StateView::Live,
    }
}
