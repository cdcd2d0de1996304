//! The query of a farewell: what is to become of the leaver's keys.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use tollgate_core::ids::IdKind;
use utoipa::{IntoParams, ToSchema};

use crate::portal::Portal;
use crate::portal::problem::{Answer, Problem};
use crate::store::{FreshAuthor, LeaversKeys};

/// What is to become of the leaver's keys.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// They end, for good.
    #[default]
    Revoke,
    /// They go to the member named in `to`, disabled until that member has rotated each with overlap `now`: the leaver
    /// knows their secrets. Not for one's own keys.
    HandOver,
}

/// The query of a farewell.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LeavingQuery {
    /// What is to become of the leaver's keys; they are revoked unless said.
    #[serde(default)]
    #[param(inline)]
    keys: Keys,
    /// The member that they are handed over to, who is at least a developer.
    #[param(pattern = "^per_[0-9a-z]{26}$")]
    to: Option<String>,
}

/// What was decided about a leaver's keys.
#[derive(Clone, Debug)]
pub struct Leaving(Option<String>);

impl Leaving {
    /// As the store takes it. To give the keys to somebody takes a recent proof.
    ///
    /// # Errors
    /// There is no proof.
    pub fn keys(&self, proof: impl FnOnce() -> Answer<FreshAuthor>) -> Answer<LeaversKeys<'_>> {
        let Some(to) = self.0.as_deref() else { return Ok(LeaversKeys::Revoke) };
        proof()?;
        Ok(LeaversKeys::HandOver { to })
    }
}

impl FromRequestParts<Portal> for Leaving {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Problem> {
        let query = Query::<LeavingQuery>::from_request_parts(parts, portal).await;
        let Query(query) = query.map_err(|error| Problem::invalid("query", error.body_text()))?;
        match (query.keys, query.to) {
            (Keys::Revoke, None) => Ok(Self(None)),
            (Keys::Revoke, Some(_)) => Err(Problem::invalid("to", "goes with keys=hand_over only")),
            (Keys::HandOver, Some(to)) if IdKind::Person.fits(&to) => Ok(Self(Some(to))),
            (Keys::HandOver, _) => {
                Err(Problem::invalid("to", "must be the id of the member who gets the keys (per_…)"))
            }
        }
    }
}
