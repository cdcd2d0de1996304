//! Organizations: what owns projects. Their members are in `organization_members`.

use serde::Serialize;
use tollgate_core::tenancy::OrganizationRole;
use tollgate_core::time::Timestamp;

use super::access::{OrganizationAccess, Who};
use super::author::Author;
use super::changes::Change;
use super::db::{failed, on};
use super::fields::{Slice, State, moment, organization_role};
use super::proof::{FreshAuthor, StandingChange};
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// An organization, as the API and the audit log show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Organization {
    /// `org_…`
    pub id: String,
    /// What people call it; not unique.
    pub name: String,
    /// One person's own.
    pub personal: bool,
    /// Whether anything in it may act.
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

pub(super) type OrganizationRow = (String, String, bool, String, i64, i64, i64);

const LIST_OF: &str = "SELECT o.id, o.name, o.personal, o.state, o.version, o.created_at, o.updated_at, m.role \
     FROM organization_members m JOIN organizations o ON o.id = m.organization_id \
     WHERE m.person_id = $1 AND o.id > $2 AND o.state <> 'deleted' ORDER BY o.id LIMIT $3";
const LIST_ALL: &str = "SELECT id, name, personal, state, version, created_at, updated_at FROM organizations \
     WHERE id > $1 AND state <> 'deleted' ORDER BY id LIMIT $2";
const INSERT: &str = "INSERT INTO organizations (id, name, personal, state, version, created_at, updated_at) \
     VALUES ($1, $2, $3, 'active', 1, $4, $4)";
const UPDATE: &str = "UPDATE organizations SET name = $1, state = $2, version = version + 1, updated_at = $3 \
     WHERE id = $4 RETURNING id, name, personal, state, version, created_at, updated_at";
const PROJECTS: &str =
    "SELECT id FROM projects WHERE organization_id = $1 AND state <> 'deleted' ORDER BY id";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[LIST_OF, LIST_ALL, INSERT, UPDATE, PROJECTS];

impl Organization {
    pub(super) fn from_row(row: OrganizationRow) -> Result<Self, StoreError> {
        let (id, name, personal, state, version, created_at, updated_at) = row;
        Ok(Self {
            id,
            name,
            personal,
            state: State::read("organizations", &state)?,
            version,
            created_at: Timestamp::from_millis(created_at),
            updated_at: Timestamp::from_millis(updated_at),
        })
    }
}

impl Store {
    /// The organizations that somebody is a member of, with their role, by id.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn organizations_of(
        &self,
        who: Who<'_>,
        slice: Slice<'_>,
    ) -> Result<Vec<OrganizationAccess>, StoreError> {
        type Row = (String, String, bool, String, i64, i64, i64, String);
        let db = self.ready().await?;
        let rows: Vec<Row> = on!(db, pool => {
            sqlx::query_as(LIST_OF).bind(who.person).bind(slice.after).bind(slice.limit).fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        rows.into_iter()
            .map(|(id, name, personal, state, version, created, updated, role)| {
                let row = (id, name, personal, state, version, created, updated);
                let role = organization_role("organization_members", &role)?;
                Ok(OrganizationAccess { organization: Organization::from_row(row)?, role })
            })
            .collect()
    }

    /// Every organization, by id; for platform administrators.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn every_organization(&self, slice: Slice<'_>) -> Result<Vec<Organization>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<OrganizationRow> = on!(db, pool => {
            sqlx::query_as(LIST_ALL).bind(slice.after).bind(slice.limit).fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        rows.into_iter().map(Organization::from_row).collect()
    }
}

impl Tx {
    /// Makes an organization, with `admin` (a person's id) as its administrator.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn create_organization(
        &mut self,
        author: &FreshAuthor,
        new: (&str, &str, bool),
        admin: &str,
    ) -> Result<Organization, StoreError> {
        self.found_organization(author, new, admin).await
    }

    /// As [`Self::create_organization`], for a person's own at their first contact, too.
    pub(super) async fn found_organization(
        &mut self,
        author: &Author,
        (id, name, personal): (&str, &str, bool),
        admin: &str,
    ) -> Result<Organization, StoreError> {
        let at = author.at();
        on_tx!(self, conn => {
            let insert = sqlx::query(INSERT).bind(id).bind(name).bind(personal).bind(at.as_millis());
            insert.execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        let organization = Organization {
            id: id.to_owned(),
            name: name.to_owned(),
            personal,
            state: State::Active,
            version: 1,
            created_at: at,
            updated_at: at,
        };
        self.audit(
            author.entry("organization.create", "organization", id).in_organization(id).after(&organization),
        );
        self.change(Change::Organization(id.to_owned()));
        self.add_organization_member(author, &organization, admin, OrganizationRole::Admin).await?;
        Ok(organization)
    }

    /// Gives an organization another name. `expected` is the version that the author has read, if they say so.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::OrganizationRoleNeeded`], [`Refusal::Stale`]; or the database gave no answer.
    pub async fn rename_organization(
        &mut self,
        author: &Author,
        id: &str,
        name: &str,
        expected: Option<i64>,
    ) -> Result<Organization, StoreError> {
        let before = self.hold_organization(author, id, OrganizationRole::Admin).await?;
        before.is_at(expected)?;
        if before.name == name {
            return Ok(before);
        }
        self.write_organization(author, "organization.update", &before, (name, before.state)).await
    }

    /// Suspends an organization or lets it act again; for platform administrators. Everything below it follows, without
    /// being touched.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::PlatformAdminNeeded`]; or the database gave no answer.
    pub async fn set_organization_suspended(
        &mut self,
        standing: StandingChange<'_>,
        id: &str,
    ) -> Result<Organization, StoreError> {
        let author = standing.author();
        let before = self.hold_organization(author, id, OrganizationRole::Member).await?;
        if !author.platform_admin {
            return Err(Refusal::PlatformAdminNeeded.into());
        }
        let (state, action) = standing.done(("organization.suspend", "organization.resume"));
        if before.state == state {
            return Ok(before);
        }
        self.write_organization(author, action, &before, (&before.name, state)).await
    }

    /// Ends an organization and its projects, and revokes their keys.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::OrganizationRoleNeeded`], [`Refusal::Stale`], [`Refusal::Personal`]; or the
    /// database gave no answer.
    pub async fn delete_organization(
        &mut self,
        author: &Author,
        id: &str,
        expected: Option<i64>,
    ) -> Result<(), StoreError> {
        let before = self.hold_organization(author, id, OrganizationRole::Admin).await?;
        before.is_at(expected)?;
        if before.personal {
            return Err(Refusal::Personal.into());
        }
        for project in self.project_ids(id).await? {
            self.delete_project(author, &project, None).await?;
        }
        let after = (before.name.as_str(), State::Deleted);
        self.write_organization(author, "organization.delete", &before, after).await.map(drop)
    }

    pub(super) async fn project_ids(&mut self, organization: &str) -> Result<Vec<String>, StoreError> {
        on_tx!(self, conn => sqlx::query_scalar(PROJECTS).bind(organization).fetch_all(conn).await)
            .map_err(|e| failed(&e))
    }

    pub(super) async fn write_organization(
        &mut self,
        author: &Author,
        action: &'static str,
        before: &Organization,
        (name, state): (&str, State),
    ) -> Result<Organization, StoreError> {
        let row: OrganizationRow = on_tx!(self, conn => {
            let update = sqlx::query_as(UPDATE).bind(name).bind(state.as_str());
            update.bind(author.at().as_millis()).bind(&before.id).fetch_one(conn).await
        })
        .map_err(|e| failed(&e))?;
        let after = Organization::from_row(row)?;
        let entry = author.entry(action, "organization", &after.id).in_organization(&after.id);
        self.audit(entry.before(before).after(&after));
        if before.state != after.state {
            self.change(Change::Organization(after.id.clone()));
        }
        Ok(after)
    }
}

impl Organization {
    fn is_at(&self, expected: Option<i64>) -> Result<(), Refusal> {
        match expected {
            Some(version) if version != self.version => {
                Err(Refusal::Stale { thing: "organization", version: self.version })
            }
            _ => Ok(()),
        }
    }
}
