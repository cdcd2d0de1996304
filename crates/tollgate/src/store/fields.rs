//! Fields that several tables share: the state of a thing, where a membership comes from, moments as the API writes them.

use serde::{Serialize, Serializer};
use tollgate_core::models::ModelPolicy;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use tollgate_core::time::Timestamp;

use super::StoreError;

/// Whether something may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As usual.
    Active,
    /// Everything below it is refused until it is active again.
    Suspended,
    /// Ended for good; kept for what names it.
    Deleted,
}

impl State {
    /// The text in database and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }

    pub(super) fn read(table: &'static str, text: &str) -> Result<Self, StoreError> {
        [Self::Active, Self::Suspended, Self::Deleted]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| impossible(table, "state", text))
    }
}

/// Where a membership comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Somebody gave it.
    Manual,
    /// A group mapping gave it, and may change or end it.
    Group,
}

impl Source {
    /// The text in database and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Group => "group",
        }
    }

    pub(super) fn read(table: &'static str, text: &str) -> Result<Self, StoreError> {
        [Self::Manual, Self::Group]
            .into_iter()
            .find(|source| source.as_str() == text)
            .ok_or_else(|| impossible(table, "source", text))
    }
}

/// Where a page of a list begins, and how long it is.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    /// The key of the last entry before the page; empty for the first page.
    pub after: &'a str,
    /// Entries at most.
    pub limit: i64,
}

/// RFC 3339 in UTC with milliseconds. Moments beyond the year 9999 are written as its end.
pub fn rfc3339(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::MAX);
    format!("{moment:.3}")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
pub(super) fn moment<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

#[expect(clippy::ref_option, reason = "serde hands fields over by reference")]
pub(super) fn moment_or_null<S: Serializer>(
    at: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => moment(at, serializer),
        None => serializer.serialize_none(),
    }
}

pub(super) fn impossible(table: &'static str, column: &str, text: &str) -> StoreError {
    StoreError::Inconsistent { table, what: format!("{column} '{text}'") }
}

pub(super) fn project_role(table: &'static str, text: &str) -> Result<ProjectRole, StoreError> {
    ProjectRole::parse(text).ok_or_else(|| impossible(table, "role", text))
}

pub(super) fn organization_role(table: &'static str, text: &str) -> Result<OrganizationRole, StoreError> {
    OrganizationRole::parse(text).ok_or_else(|| impossible(table, "role", text))
}

pub(super) fn models(table: &'static str, text: &str) -> Result<ModelPolicy, StoreError> {
    serde_json::from_str(text).map_err(|_| impossible(table, "models", text))
}

/// The text of a model policy in the database.
pub(super) fn models_text(models: &ModelPolicy) -> String {
    // A policy is a string or a list of strings, which is always JSON.
    serde_json::to_string(models).unwrap_or_else(|_| "\"none\"".to_owned())
}
