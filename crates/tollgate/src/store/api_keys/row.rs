//! A key's row: which columns are read, and what each may hold. A row that breaks a rule is an error, never a key without
//! that limit.

use serde::de::DeserializeOwned;
use tollgate_core::apikey::KeyId;
use tollgate_core::caller::{KeyLimits, KeyState};
use tollgate_core::key_bounds::{KeyAuthority, KeyBounds};
use tollgate_core::key_limits::KeyName;
use tollgate_core::time::Timestamp;

use super::{
    ApiKey, HandedOver, HeldBy, KeyHold, KeyOwner, KeySwitch, LastUse, Leak, OffCause, PreviousSecret,
    Revocation, SwitchedOff,
};
use crate::store::StoreError;

/// A statement that reads whole keys: the columns of [`KeyRow`], then what is given.
macro_rules! select_keys {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, r.organization_id, k.project_id, r.name AS project_name, r.models AS project_models, \
             k.person_id, k.service_account_id, COALESCE(p.username, a.name, '') AS owner_name, k.name, k.state, \
             k.expires_at, k.models, k.routes, k.addresses, k.tags, k.metadata, k.created_by, k.version, \
             k.created_at, k.updated_at, k.rotated_at, k.revoked_at, k.revoked_by, k.last_used_at, \
             k.last_used_address, k.last_used_agent, k.previous_until, k.previous_last_used_at, \
             k.disabled_because, k.disabled_by, k.disabled_at, k.hold_role, k.hold_by, k.hold_at, \
             k.handed_over_from, k.handed_over_by, k.handed_over_at, k.bounds, \
             o.state AS organization_state, r.state AS project_state, \
             COALESCE(p.state, a.state, 'deleted') AS owner_state, \
             l.reported_at AS leaked_at, l.url AS leaked_url, l.source AS leaked_source \
             FROM api_keys k JOIN projects r ON r.id = k.project_id \
             JOIN organizations o ON o.id = r.organization_id LEFT JOIN people p ON p.id = k.person_id \
             LEFT JOIN service_accounts a ON a.id = k.service_account_id \
             LEFT JOIN leaked_secrets l ON l.digest = k.digest ",
            $rest
        )
    };
}
pub(super) use select_keys;

/// A key as the database gives it.
#[derive(sqlx::FromRow)]
pub(super) struct KeyRow {
    id: String,
    organization_id: String,
    project_id: String,
    project_name: String,
    project_models: String,
    person_id: Option<String>,
    service_account_id: Option<String>,
    owner_name: String,
    name: String,
    state: String,
    expires_at: Option<i64>,
    models: String,
    routes: String,
    addresses: String,
    tags: String,
    metadata: String,
    created_by: String,
    version: i64,
    created_at: i64,
    updated_at: i64,
    rotated_at: Option<i64>,
    revoked_at: Option<i64>,
    revoked_by: Option<String>,
    last_used_at: Option<i64>,
    last_used_address: Option<String>,
    last_used_agent: Option<String>,
    previous_until: Option<i64>,
    previous_last_used_at: Option<i64>,
    disabled_because: Option<String>,
    disabled_by: Option<String>,
    disabled_at: Option<i64>,
    hold_role: Option<String>,
    hold_by: Option<String>,
    hold_at: Option<i64>,
    handed_over_from: Option<String>,
    handed_over_by: Option<String>,
    handed_over_at: Option<i64>,
    bounds: Option<String>,
    organization_state: String,
    project_state: String,
    owner_state: String,
    leaked_at: Option<i64>,
    leaked_url: Option<String>,
    leaked_source: Option<String>,
}

impl TryFrom<KeyRow> for ApiKey {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        let state = state(&row.state).ok_or_else(|| impossible(&row.id, "is in an unknown state"))?;
        let switch = switch(&row, state)?;
        let owner = match (row.person_id, row.service_account_id) {
            (Some(person), None) => KeyOwner::Person(person),
            (None, Some(account)) => KeyOwner::ServiceAccount(account),
            _ => return Err(impossible(&row.id, "has no owner, or two")),
        };
        let limits = KeyLimits {
            models: json(&row.id, "models", &row.models)?,
            routes: json(&row.id, "routes", &row.routes)?,
            addresses: json(&row.id, "addresses", &row.addresses)?,
        };
        let at = |millis: Option<i64>| millis.map(Timestamp::from_millis);
        let bounds = match &row.bounds {
            Some(bounds) => json(&row.id, "bounds", bounds)?,
            None => KeyBounds::default(),
        };
        // Whatever is not active holds up what is below it, states of a later release included.
        let above = [
            (&row.organization_state, HeldBy::Organization),
            (&row.project_state, HeldBy::Project),
            (&row.owner_state, HeldBy::Owner),
        ];
        let held_by = above.into_iter().find(|(state, _)| *state != "active").map(|(_, by)| by);
        Ok(Self {
            held_by,
            id: KeyId::parse(&row.id).ok_or_else(|| impossible(&row.id, "is no key id"))?,
            project_models: json(&row.id, "its project's models", &row.project_models)?,
            owner,
            name: KeyName::new(&row.name).map_err(|error| impossible(&row.id, &error.to_string()))?,
            state,
            switch,
            expires_at: at(row.expires_at),
            limits,
            bounds,
            tags: json(&row.id, "tags", &row.tags)?,
            metadata: json(&row.id, "metadata", &row.metadata)?,
            created_by: row.created_by,
            version: row.version,
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
            rotated_at: at(row.rotated_at),
            revoked: at(row.revoked_at)
                .map(|at| Revocation { at, by: row.revoked_by.unwrap_or_else(|| "unknown".into()) }),
            leaked: at(row.leaked_at).map(|at| Leak {
                at,
                url: row.leaked_url,
                source: row.leaked_source.unwrap_or_default(),
            }),
            last_used: at(row.last_used_at).map(|at| LastUse {
                at,
                // Text of an older release that is no address is nothing to judge by: it is shown as unknown.
                address: row.last_used_address.and_then(|text| text.parse().ok()),
                agent: row.last_used_agent,
            }),
            previous: at(row.previous_until)
                .map(|until| PreviousSecret { until, last_used_at: at(row.previous_last_used_at) }),
            organization_id: row.organization_id,
            project_id: row.project_id,
            project_name: row.project_name,
            owner_name: row.owner_name,
        })
    }
}

/// Why a key is off. A key that is off for no reason in the row was switched off by a release that wrote none.
fn switch(row: &KeyRow, state: KeyState) -> Result<KeySwitch, StoreError> {
    let by = |by: &Option<String>| by.clone().unwrap_or_else(|| "unknown".to_owned());
    let at = |at: Option<i64>| Timestamp::from_millis(at.unwrap_or(row.updated_at));
    let off = match &row.disabled_because {
        Some(text) => {
            let cause = OffCause::parse(text)
                .ok_or_else(|| impossible(&row.id, "is disabled for an unknown reason"))?;
            Some(SwitchedOff { cause, by: by(&row.disabled_by), at: at(row.disabled_at) })
        }
        None => None,
    };
    let hold = match &row.hold_role {
        Some(text) => {
            let role = KeyAuthority::parse(text)
                .ok_or_else(|| impossible(&row.id, "is disabled by an unknown role"))?;
            Some(KeyHold { role, by: by(&row.hold_by), at: at(row.hold_at) })
        }
        None => None,
    };
    let handed_over = row.handed_over_at.map(|moment| HandedOver {
        from: by(&row.handed_over_from),
        by: by(&row.handed_over_by),
        at: Timestamp::from_millis(moment),
    });
    let mut switch = KeySwitch { off, hold, handed_over };
    if state == KeyState::Disabled && switch.state() == KeyState::Live {
        switch.off = Some(SwitchedOff { cause: OffCause::Owner, by: by(&None), at: at(None) });
    }
    Ok(switch)
}

/// The text of a state in the database.
pub(super) const fn state_text(state: KeyState) -> &'static str {
    match state {
        KeyState::Live => "live",
        KeyState::Disabled => "disabled",
        KeyState::Revoked => "revoked",
    }
}

fn state(text: &str) -> Option<KeyState> {
    [KeyState::Live, KeyState::Disabled, KeyState::Revoked].into_iter().find(|s| state_text(*s) == text)
}

fn json<T: DeserializeOwned>(id: &str, what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| impossible(id, &format!("{what}: {error}")))
}

pub(super) fn impossible(id: &str, what: &str) -> StoreError {
    StoreError::Inconsistent { table: "api_keys", what: format!("{id} {what}") }
}
