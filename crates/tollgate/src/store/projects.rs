//! Projects: what owns keys, members and a model policy. Their members are in `project_members`.

use serde::Serialize;
use tollgate_core::models::ModelPolicy;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use tollgate_core::time::Timestamp;

use super::access::{ProjectAccess, Who};
use super::author::Author;
use super::changes::Change;
use super::db::{failed, on};
use super::fields::{Slice, State, models, models_text, moment, organization_role, project_role};
use super::proof::{FreshAuthor, StandingChange};
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// A project, as the API and the audit log show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Project {
    /// `prj_…`
    pub id: String,
    /// The organization it belongs to.
    pub organization_id: String,
    /// What people call it; not unique.
    pub name: String,
    /// Whether anything in it may act.
    pub state: State,
    /// The models that anything in it may use.
    pub models: ModelPolicy,
    /// Counts the edits.
    pub version: i64,
    /// When it was made.
    #[serde(serialize_with = "moment")]
    pub created_at: Timestamp,
    /// When it was edited last.
    #[serde(serialize_with = "moment")]
    pub updated_at: Timestamp,
}

/// A project to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewProject<'a> {
    /// Its id.
    pub id: &'a str,
    /// The organization it goes to.
    pub organization_id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The models that anything in it may use.
    pub models: &'a ModelPolicy,
}

/// What is edited in a project; what is `None` stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProjectEdit<'a> {
    /// Another name.
    pub name: Option<&'a str>,
    /// Another model policy.
    pub models: Option<&'a ModelPolicy>,
}

pub(super) type ProjectRow = (String, String, String, String, String, i64, i64, i64);

/// Platform administrators see what they belong to here, like everybody; the other list is for them alone.
const LIST_OF: &str = "SELECT p.id, p.organization_id, p.name, p.state, p.models, p.version, p.created_at, \
     p.updated_at, o.state, m.role, om.role \
     FROM projects p JOIN organizations o ON o.id = p.organization_id \
     LEFT JOIN project_members m ON m.project_id = p.id AND m.person_id = $1 \
     LEFT JOIN organization_members om ON om.organization_id = p.organization_id AND om.person_id = $1 \
     WHERE p.id IN (SELECT project_id FROM project_members WHERE person_id = $1 UNION ALL \
         SELECT q.id FROM organization_members a JOIN projects q ON q.organization_id = a.organization_id \
         WHERE a.person_id = $1 AND a.role = 'admin') \
     AND p.id > $2 AND p.state <> 'deleted' AND ($3 = '' OR p.organization_id = $3) ORDER BY p.id LIMIT $4";
const LIST_IN: &str = "SELECT p.id, p.organization_id, p.name, p.state, p.models, p.version, p.created_at, \
     p.updated_at, o.state FROM projects p JOIN organizations o ON o.id = p.organization_id \
     WHERE p.id > $1 AND p.state <> 'deleted' AND ($2 = '' OR p.organization_id = $2) ORDER BY p.id LIMIT $3";
const INSERT: &str = "INSERT INTO projects (id, organization_id, name, state, models, version, created_at, \
     updated_at) VALUES ($1, $2, $3, 'active', $4, 1, $5, $5)";
const UPDATE: &str = "UPDATE projects SET name = $1, models = $2, state = $3, version = version + 1, \
     updated_at = $4 WHERE id = $5 \
     RETURNING id, organization_id, name, state, models, version, created_at, updated_at";
const WITHDRAW: &str = "UPDATE invitations SET withdrawn_at = $1 \
     WHERE project_id = $2 AND accepted_at IS NULL AND withdrawn_at IS NULL";
const UNMAP: &str = "DELETE FROM group_mappings WHERE organization_id = $1 AND project_id = $2";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[LIST_OF, LIST_IN, INSERT, UPDATE, WITHDRAW, UNMAP];

impl Project {
    pub(super) fn from_row(row: ProjectRow) -> Result<Self, StoreError> {
        let (id, organization_id, name, state, models_text, version, created_at, updated_at) = row;
        Ok(Self {
            id,
            organization_id,
            name,
            state: State::read("projects", &state)?,
            models: models("projects", &models_text)?,
            version,
            created_at: Timestamp::from_millis(created_at),
            updated_at: Timestamp::from_millis(updated_at),
        })
    }

    fn is_at(&self, expected: Option<i64>) -> Result<(), Refusal> {
        match expected {
            Some(version) if version != self.version => {
                Err(Refusal::Stale { thing: "project", version: self.version })
            }
            _ => Ok(()),
        }
    }
}

impl Store {
    /// The projects that somebody is a member of, or whose organization they administer, by id; `organization` narrows
    /// the list when it is not empty.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn projects_of(
        &self,
        who: Who<'_>,
        organization: &str,
        slice: Slice<'_>,
    ) -> Result<Vec<ProjectAccess>, StoreError> {
        type Row =
            (String, String, String, String, String, i64, i64, i64, String, Option<String>, Option<String>);
        let db = self.ready().await?;
        let rows: Vec<Row> = on!(db, pool => {
            let list = sqlx::query_as(LIST_OF).bind(who.person).bind(slice.after).bind(organization);
            list.bind(slice.limit).fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        rows.into_iter()
            .map(|(id, org, name, state, models, version, created, updated, organization_state, m, om)| {
                let member = m.as_deref().map(|text| project_role("project_members", text)).transpose()?;
                let admin =
                    om.as_deref().map(|text| organization_role("organization_members", text)).transpose()?
                        == Some(OrganizationRole::Admin);
                let role = if admin { ProjectRole::Owner } else { member.unwrap_or(ProjectRole::Viewer) };
                let project = Project::from_row((id, org, name, state, models, version, created, updated))?;
                let organization_state = State::read("organizations", &organization_state)?;
                Ok(ProjectAccess { project, organization_state, role })
            })
            .collect()
    }

    /// Every project, by id, as an owner sees it; for platform administrators. `organization` narrows the list when it
    /// is not empty.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn every_project(
        &self,
        organization: &str,
        slice: Slice<'_>,
    ) -> Result<Vec<ProjectAccess>, StoreError> {
        type Row = (String, String, String, String, String, i64, i64, i64, String);
        let db = self.ready().await?;
        let rows: Vec<Row> = on!(db, pool => {
            let list = sqlx::query_as(LIST_IN).bind(slice.after).bind(organization).bind(slice.limit);
            list.fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        rows.into_iter()
            .map(|(id, org, name, state, models, version, created, updated, organization_state)| {
                let project = Project::from_row((id, org, name, state, models, version, created, updated))?;
                let organization_state = State::read("organizations", &organization_state)?;
                Ok(ProjectAccess { project, organization_state, role: ProjectRole::Owner })
            })
            .collect()
    }
}

impl Tx {
    /// Makes a project; `owner` (a person's id) becomes its owner, if one is named.
    ///
    /// # Errors
    /// [`Refusal::Missing`] for the organization; or the database gave no answer.
    pub async fn create_project(
        &mut self,
        author: &FreshAuthor,
        new: NewProject<'_>,
        owner: Option<&str>,
    ) -> Result<Project, StoreError> {
        self.found_project(author, new, owner).await
    }

    /// As [`Self::create_project`], for a person's own at their first contact, too.
    pub(super) async fn found_project(
        &mut self,
        author: &Author,
        new: NewProject<'_>,
        owner: Option<&str>,
    ) -> Result<Project, StoreError> {
        self.hold_organization(author, new.organization_id, OrganizationRole::Member).await?;
        let at = author.at();
        on_tx!(self, conn => {
            let insert = sqlx::query(INSERT).bind(new.id).bind(new.organization_id).bind(new.name);
            insert.bind(models_text(new.models)).bind(at.as_millis()).execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        let project = Project {
            id: new.id.to_owned(),
            organization_id: new.organization_id.to_owned(),
            name: new.name.to_owned(),
            state: State::Active,
            models: new.models.clone(),
            version: 1,
            created_at: at,
            updated_at: at,
        };
        let entry = author.entry("project.create", "project", new.id).in_project(new.organization_id, new.id);
        self.audit(entry.after(&project));
        self.change(Change::Project(project.id.clone()));
        if let Some(owner) = owner {
            self.add_project_member(author, &project, owner, ProjectRole::Owner).await?;
        }
        Ok(project)
    }

    /// Edits a project. `expected` is the version that the author has read, if they say so. More models than before ask
    /// for `proof`.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::Stale`]; there is no proof; or the database gave
    /// no answer.
    pub async fn update_project<E: From<StoreError>>(
        &mut self,
        author: &Author,
        id: &str,
        (edit, expected): (ProjectEdit<'_>, Option<i64>),
        proof: impl FnOnce() -> Result<FreshAuthor, E>,
    ) -> Result<Project, E> {
        let (before, _) = self.hold_project(author, id, ProjectRole::Owner).await?;
        before.is_at(expected).map_err(StoreError::from)?;
        let mut after = before.clone();
        if let Some(name) = edit.name {
            name.clone_into(&mut after.name);
        }
        if let Some(models) = edit.models {
            after.models = models.clone();
        }
        if after == before {
            return Ok(before);
        }
        if !before.models.covers(&after.models) {
            proof()?;
        }
        Ok(self.write_project(author, "project.update", &before, &after).await?)
    }

    /// Suspends a project or lets it act again. Its keys follow, without being touched.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`]; or the database gave no answer.
    pub async fn set_project_suspended(
        &mut self,
        standing: StandingChange<'_>,
        id: &str,
    ) -> Result<Project, StoreError> {
        let author = standing.author();
        let (before, _) = self.hold_project(author, id, ProjectRole::Owner).await?;
        let (state, action) = standing.done(("project.suspend", "project.resume"));
        if before.state == state {
            return Ok(before);
        }
        self.write_project(author, action, &before, &Project { state, ..before.clone() }).await
    }

    /// Ends a project: its keys are revoked, its invitations withdrawn, its group mappings dropped. A later project of
    /// the same name inherits nothing.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::Stale`]; or the database gave no answer.
    pub async fn delete_project(
        &mut self,
        author: &Author,
        id: &str,
        expected: Option<i64>,
    ) -> Result<(), StoreError> {
        let (before, _) = self.hold_project(author, id, ProjectRole::Owner).await?;
        before.is_at(expected)?;
        self.revoke_project_keys(author, id).await?;
        on_tx!(self, conn => {
            sqlx::query(WITHDRAW).bind(author.at().as_millis()).bind(id).execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        on_tx!(self, conn => {
            sqlx::query(UNMAP).bind(&before.organization_id).bind(id).execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        let after = Project { state: State::Deleted, ..before.clone() };
        self.write_project(author, "project.delete", &before, &after).await.map(drop)
    }

    pub(super) async fn write_project(
        &mut self,
        author: &Author,
        action: &'static str,
        before: &Project,
        after: &Project,
    ) -> Result<Project, StoreError> {
        let row: ProjectRow = on_tx!(self, conn => {
            let update = sqlx::query_as(UPDATE).bind(&after.name).bind(models_text(&after.models));
            let update = update.bind(after.state.as_str()).bind(author.at().as_millis()).bind(&before.id);
            update.fetch_one(conn).await
        })
        .map_err(|e| failed(&e))?;
        let after = Project::from_row(row)?;
        let entry = author.entry(action, "project", &after.id).in_project(&after.organization_id, &after.id);
        self.audit(entry.before(before).after(&after));
        self.change(Change::Project(after.id.clone()));
        Ok(after)
    }
}
