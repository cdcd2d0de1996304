//! Where a view is read from: the store, or in tests something that can stop half-way.

use tollgate_core::time::Timestamp;

use crate::store::{
    Followed, KeyRow, OwnerRow, PersonStanding, Position, ProjectRow, Rows, Store, StoreError, TokenRuleRow,
};

/// Receives streamed keys.
pub type KeySink<'s> = &'s mut (dyn FnMut(KeyRow<'_>) + Send);

/// The reading side of the store; each method is the store's method of nearly the same name.
pub trait Source: Send + Sync + 'static {
    /// Where the change sequence stands.
    fn position(&self) -> impl Future<Output = Result<Position, StoreError>> + Send;
    /// What was changed after `seq`.
    fn changes(&self, seq: i64, limit: i64)
    -> impl Future<Output = Result<Vec<Followed>, StoreError>> + Send;
    /// Keys.
    fn keys(
        &self,
        which: Rows<'_>,
        ended_since: Timestamp,
        sink: KeySink<'_>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// People who own keys.
    fn people(&self, which: Rows<'_>) -> impl Future<Output = Result<Vec<OwnerRow>, StoreError>> + Send;
    /// Service accounts.
    fn service_accounts(
        &self,
        which: Rows<'_>,
    ) -> impl Future<Output = Result<Vec<OwnerRow>, StoreError>> + Send;
    /// Projects that have keys.
    fn projects(&self, which: Rows<'_>) -> impl Future<Output = Result<Vec<ProjectRow>, StoreError>> + Send;
    /// Those of one organization.
    fn projects_of(
        &self,
        organization: &str,
    ) -> impl Future<Output = Result<Vec<ProjectRow>, StoreError>> + Send;
    /// Rules against tokens.
    fn token_rules(
        &self,
        which: Rows<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<TokenRuleRow>, StoreError>> + Send;
    /// People who may not act; by id, whoever they are.
    fn standing(
        &self,
        which: Rows<'_>,
    ) -> impl Future<Output = Result<Vec<PersonStanding>, StoreError>> + Send;
}

impl Source for Store {
    async fn position(&self) -> Result<Position, StoreError> {
        self.view_position().await
    }

    async fn changes(&self, seq: i64, limit: i64) -> Result<Vec<Followed>, StoreError> {
        self.followed_changes(seq, limit).await
    }

    async fn keys(
        &self,
        which: Rows<'_>,
        ended_since: Timestamp,
        sink: KeySink<'_>,
    ) -> Result<(), StoreError> {
        self.view_keys(which, ended_since, sink).await
    }

    async fn people(&self, which: Rows<'_>) -> Result<Vec<OwnerRow>, StoreError> {
        self.view_people(which).await
    }

    async fn service_accounts(&self, which: Rows<'_>) -> Result<Vec<OwnerRow>, StoreError> {
        self.view_service_accounts(which).await
    }

    async fn projects(&self, which: Rows<'_>) -> Result<Vec<ProjectRow>, StoreError> {
        self.view_projects(which).await
    }

    async fn projects_of(&self, organization: &str) -> Result<Vec<ProjectRow>, StoreError> {
        self.view_projects_of(organization).await
    }

    async fn token_rules(&self, which: Rows<'_>, now: Timestamp) -> Result<Vec<TokenRuleRow>, StoreError> {
        self.view_token_rules(which, now).await
    }

    async fn standing(&self, which: Rows<'_>) -> Result<Vec<PersonStanding>, StoreError> {
        self.view_standing(which).await
    }
}
