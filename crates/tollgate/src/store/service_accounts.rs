//! Service accounts: owners of keys that are no person's, and that stay when people go.

use serde::Serialize;
use tollgate_core::tenancy::ProjectRole;
use tollgate_core::time::Timestamp;

use super::author::Author;
use super::changes::Change;
use super::db::{failed, on};
use super::fields::{Slice, State, moment};
use super::projects::Project;
use super::proof::{FreshAuthor, StandingChange};
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// A service account, as the API and the audit log show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceAccount {
    /// `sva_…`
    pub id: String,
    /// The project.
    pub project_id: String,
    /// Its name; one of a kind in the project.
    pub name: String,
    /// Whether its keys may act.
    pub state: State,
    /// Counts the edits.
    pub version: i64,
    /// When it was made.
    #[serde(serialize_with = "moment")]
    pub created_at: Timestamp,
    /// When it was edited last.
    #[serde(serialize_with = "moment")]
    pub updated_at: Timestamp,
}

type AccountRow = (String, String, String, String, i64, i64, i64);

const LIST: &str = "SELECT id, project_id, name, state, version, created_at, updated_at FROM service_accounts \
     WHERE project_id = $1 AND id > $2 AND state <> 'deleted' ORDER BY id LIMIT $3";
const FIND: &str = "SELECT id, project_id, name, state, version, created_at, updated_at FROM service_accounts \
     WHERE project_id = $1 AND id = $2 AND state <> 'deleted'";
const INSERT: &str = "INSERT INTO service_accounts (id, project_id, name, state, version, created_at, \
     updated_at) VALUES ($1, $2, $3, 'active', 1, $4, $4)";
const NAMESAKE: &str = "SELECT COUNT(*) FROM service_accounts \
     WHERE project_id = $1 AND name = $2 AND state <> 'deleted' AND id <> $3";
const UPDATE: &str = "UPDATE service_accounts SET name = $1, state = $2, version = version + 1, updated_at = $3 \
     WHERE project_id = $4 AND id = $5 \
     RETURNING id, project_id, name, state, version, created_at, updated_at";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[LIST, FIND, INSERT, NAMESAKE, UPDATE];

impl ServiceAccount {
    fn from_row(
        (id, project_id, name, state, version, created, updated): AccountRow,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            id,
            project_id,
            name,
            state: State::read("service_accounts", &state)?,
            version,
            created_at: Timestamp::from_millis(created),
            updated_at: Timestamp::from_millis(updated),
        })
    }

    fn is_at(&self, expected: Option<i64>) -> Result<(), Refusal> {
        match expected {
            Some(version) if version != self.version => {
                Err(Refusal::Stale { thing: "service account", version: self.version })
            }
            _ => Ok(()),
        }
    }
}

impl Store {
    /// The service accounts of a project, by id. The caller has shown to see the project.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn service_accounts(
        &self,
        project: &str,
        slice: Slice<'_>,
    ) -> Result<Vec<ServiceAccount>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<AccountRow> = on!(db, pool => {
            sqlx::query_as(LIST).bind(project).bind(slice.after).bind(slice.limit).fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        rows.into_iter().map(ServiceAccount::from_row).collect()
    }

    /// A service account of a project.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn find_service_account(
        &self,
        project: &str,
        id: &str,
    ) -> Result<Option<ServiceAccount>, StoreError> {
        let db = self.ready().await?;
        let row: Option<AccountRow> =
            on!(db, pool => sqlx::query_as(FIND).bind(project).bind(id).fetch_optional(pool).await)
                .map_err(|e| failed(&e))?;
        row.map(ServiceAccount::from_row).transpose()
    }
}

impl Tx {
    /// Makes a service account.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::NameTaken`]; or the database gave no answer.
    pub async fn create_service_account(
        &mut self,
        author: &FreshAuthor,
        project: &str,
        (id, name): (&str, &str),
    ) -> Result<ServiceAccount, StoreError> {
        let (project, _) = self.hold_project(author, project, ProjectRole::Manager).await?;
        self.has_no_namesake(&project.id, name, id).await?;
        let at = author.at();
        on_tx!(self, conn => {
            let insert = sqlx::query(INSERT).bind(id).bind(&project.id).bind(name).bind(at.as_millis());
            insert.execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        let account = ServiceAccount {
            id: id.to_owned(),
            project_id: project.id.clone(),
            name: name.to_owned(),
            state: State::Active,
            version: 1,
            created_at: at,
            updated_at: at,
        };
        let entry = author.entry("service_account.create", "service_account", id);
        self.audit(entry.in_project(&project.organization_id, &project.id).after(&account));
        self.change(Change::ServiceAccount(account.id.clone()));
        Ok(account)
    }

    /// Gives a service account another name. `expected` is the version that the author has read, if they say so.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::NameTaken`], [`Refusal::Stale`]; or the database
    /// gave no answer.
    pub async fn rename_service_account(
        &mut self,
        author: &Author,
        (project, id): (&str, &str),
        name: &str,
        expected: Option<i64>,
    ) -> Result<ServiceAccount, StoreError> {
        let (project, before) = self.hold_service_account(author, project, id).await?;
        before.is_at(expected)?;
        if before.name == name {
            return Ok(before);
        }
        self.has_no_namesake(&project.id, name, id).await?;
        let after = (name, before.state);
        self.write_service_account(author, "service_account.update", &project, &before, after).await
    }

    /// Suspends a service account or lets it act again. Its keys follow, without being touched.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`]; or the database gave no answer.
    pub async fn set_service_account_suspended(
        &mut self,
        standing: StandingChange<'_>,
        (project, id): (&str, &str),
    ) -> Result<ServiceAccount, StoreError> {
        let author = standing.author();
        let (project, before) = self.hold_service_account(author, project, id).await?;
        let (state, action) = standing.done(("service_account.suspend", "service_account.resume"));
        if before.state == state {
            return Ok(before);
        }
        let after = (before.name.as_str(), state);
        self.write_service_account(author, action, &project, &before, after).await
    }

    /// Ends a service account and revokes its keys. A later one of the same name inherits nothing.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::Stale`]; or the database gave no answer.
    pub async fn delete_service_account(
        &mut self,
        author: &Author,
        (project, id): (&str, &str),
        expected: Option<i64>,
    ) -> Result<(), StoreError> {
        let (project, before) = self.hold_service_account(author, project, id).await?;
        before.is_at(expected)?;
        self.revoke_account_keys(author, &project.id, id).await?;
        let after = (before.name.as_str(), State::Deleted);
        let action = "service_account.delete";
        self.write_service_account(author, action, &project, &before, after).await.map(drop)
    }

    async fn hold_service_account(
        &mut self,
        author: &Author,
        project: &str,
        id: &str,
    ) -> Result<(Project, ServiceAccount), StoreError> {
        let (project, _) = self.hold_project(author, project, ProjectRole::Manager).await?;
        let row: Option<AccountRow> =
            on_tx!(self, conn => sqlx::query_as(FIND).bind(&project.id).bind(id).fetch_optional(conn).await)
                .map_err(|e| failed(&e))?;
        let account = ServiceAccount::from_row(row.ok_or(Refusal::Missing("service account"))?)?;
        Ok((project, account))
    }

    async fn has_no_namesake(&mut self, project: &str, name: &str, but: &str) -> Result<(), StoreError> {
        let others: i64 = on_tx!(self, conn => {
            sqlx::query_scalar(NAMESAKE).bind(project).bind(name).bind(but).fetch_one(conn).await
        })
        .map_err(|e| failed(&e))?;
        if others == 0 {
            return Ok(());
        }
        Err(Refusal::NameTaken { thing: "service account", name: name.to_owned() }.into())
    }

    async fn write_service_account(
        &mut self,
        author: &Author,
        action: &'static str,
        project: &Project,
        before: &ServiceAccount,
        (name, state): (&str, State),
    ) -> Result<ServiceAccount, StoreError> {
        let row: AccountRow = on_tx!(self, conn => {
            let update = sqlx::query_as(UPDATE).bind(name).bind(state.as_str()).bind(author.at().as_millis());
            update.bind(&project.id).bind(&before.id).fetch_one(conn).await
        })
        .map_err(|e| failed(&e))?;
        let after = ServiceAccount::from_row(row)?;
        let entry = author.entry(action, "service_account", &after.id);
        let entry = entry.in_project(&project.organization_id, &project.id);
        self.audit(entry.before(before).after(&after));
        self.change(Change::ServiceAccount(after.id.clone()));
        Ok(after)
    }
}
