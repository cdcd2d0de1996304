//! What keys belong to: projects, each with the state of its organization.

use super::{Rows, in_batch, rows};
use crate::store::db::{failed, on_views};
use crate::store::{Store, StoreError};

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectRow {
    /// `prj_…`
    pub id: String,
    /// `org_…`
    pub organization: String,
    /// Whether the project may act.
    pub active: bool,
    /// Whether the organization may act.
    pub organization_active: bool,
    /// JSON: the models that anything in the project may use.
    pub models: String,
}

macro_rules! select {
    ($where:expr) => {
        concat!(
            "SELECT p.id, p.organization_id, p.state, o.state, p.models FROM projects p \
             JOIN organizations o ON o.id = p.organization_id WHERE ",
            $where
        )
    };
}

/// Projects without a key need no room in the view.
const PAGE: &str =
    select!("p.id > $1 AND EXISTS (SELECT 1 FROM api_keys WHERE project_id = p.id) ORDER BY p.id LIMIT $2");
const BATCH: &str = select!(concat!("p.id", in_batch!()));
const OF_ORGANIZATION: &str =
    select!("p.organization_id = $1 AND EXISTS (SELECT 1 FROM api_keys WHERE project_id = p.id)");
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[PAGE, BATCH, OF_ORGANIZATION];

type Columns = (String, String, String, String, String);

fn project((id, organization, state, organization_state, models): Columns) -> ProjectRow {
    ProjectRow {
        id,
        organization,
        active: state == "active",
        organization_active: organization_state == "active",
        models,
    }
}

impl Store {
    /// Projects: a page of those that have keys, or some by id.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn view_projects(&self, which: Rows<'_>) -> Result<Vec<ProjectRow>, StoreError> {
        let rows: Vec<Columns> = rows!(self, which, PAGE; BATCH);
        Ok(rows.into_iter().map(project).collect())
    }

    /// The projects of an organization that have keys.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn view_projects_of(&self, organization: &str) -> Result<Vec<ProjectRow>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<Columns> =
            on_views!(db, pool => sqlx::query_as(OF_ORGANIZATION).bind(organization).fetch_all(pool).await)
                .map_err(|e| failed(&e))?;
        Ok(rows.into_iter().map(project).collect())
    }
}
