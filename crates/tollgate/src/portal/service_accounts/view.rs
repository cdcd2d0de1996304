//! A service account as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::portal::forms::Moment;
use crate::portal::words;
use crate::store::{ServiceAccount, State};

/// A service account.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ServiceAccountView {
    /// `sva_…`
    pub id: String,
    /// The project.
    pub project_id: String,
    /// Its name; one of a kind in the project.
    pub name: String,
    /// Whether its keys may act.
    #[schema(schema_with = words::state)]
    pub state: State,
    /// Counts its changes; the ETag.
    pub version: i64,
    /// When it was made.
    pub created_at: Moment,
    /// When it was last changed.
    pub updated_at: Moment,
}

impl From<ServiceAccount> for ServiceAccountView {
    fn from(account: ServiceAccount) -> Self {
        let ServiceAccount { id, project_id, name, state, version, created_at, updated_at } = account;
        let (created_at, updated_at) = (Moment(created_at), Moment(updated_at));
        Self { id, project_id, name, state, version, created_at, updated_at }
    }
}
