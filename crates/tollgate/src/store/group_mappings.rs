//! From groups in a token to roles: whoever is in a mapped group is a member, as long as they are.
//!
//! A membership by hand is never touched. A membership by group is granted, changed and ended at the person's next login
//! or call, and when the last mapping to its project or organization is deleted. An ending that would leave a project
//! without owner, or an organization without administrator, waits. Keys of somebody whose membership ends by group are
//! switched off and not revoked: a token without groups is more often a mistake at the issuer than a farewell.

use std::collections::BTreeMap;

use serde::Serialize;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use tollgate_core::time::Timestamp;

use super::author::{Author, Origin};
use super::db::{failed, on};
use super::fields::{Slice, Source, moment, organization_role, project_role};
use super::leavers::LeaversKeys;
use super::people::Person;
use super::proof::FreshAuthor;
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// A mapping, as the API and the audit log show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupMapping {
    /// `gmp_…`
    pub id: String,
    /// The organization it belongs to.
    pub organization_id: String,
    /// The project whose members the group's become; without it, the organization's.
    pub project_id: Option<String>,
    /// The configured name of the issuer whose groups are meant.
    pub issuer: String,
    /// The group, as tokens name it.
    pub group: String,
    /// The role: a project's or an organization's.
    pub role: String,
    /// When it was made.
    #[serde(serialize_with = "moment")]
    pub created_at: Timestamp,
}

/// A mapping to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewGroupMapping<'a> {
    /// Its id.
    pub id: &'a str,
    /// The organization.
    pub organization_id: &'a str,
    /// The project, when it is one's.
    pub project_id: Option<&'a str>,
    /// The issuer's configured name.
    pub issuer: &'a str,
    /// The group.
    pub group: &'a str,
    /// The role.
    pub role: &'a str,
}

type MappingRow = (String, String, Option<String>, String, String, String, i64);

const OF_ISSUER: &str = "SELECT g.id, g.organization_id, g.project_id, g.issuer, g.group_name, g.role, g.created_at \
     FROM group_mappings g JOIN organizations o ON o.id = g.organization_id \
     WHERE g.issuer = $1 AND o.state <> 'deleted'";
const LIST: &str = "SELECT id, organization_id, project_id, issuer, group_name, role, created_at \
     FROM group_mappings WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const INSERT: &str = "INSERT INTO group_mappings (id, organization_id, project_id, issuer, group_name, role, \
     created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
const DELETE: &str = "DELETE FROM group_mappings WHERE organization_id = $1 AND id = $2 \
     RETURNING id, organization_id, project_id, issuer, group_name, role, created_at";
const LEFT_FOR: &str = "SELECT COUNT(*) FROM group_mappings \
     WHERE organization_id = $1 AND COALESCE(project_id, '') = $2";
const PROJECT_OF: &str =
    "SELECT COUNT(*) FROM projects WHERE organization_id = $1 AND id = $2 AND state <> 'deleted'";
const OWN_ORGANIZATIONS: &str = "SELECT m.organization_id, m.role, m.source FROM organization_members m \
     JOIN organizations o ON o.id = m.organization_id WHERE m.person_id = $1 AND o.state <> 'deleted'";
const OWN_PROJECTS: &str = "SELECT m.project_id, m.role, m.source FROM project_members m \
     JOIN projects p ON p.id = m.project_id WHERE m.person_id = $1 AND p.state <> 'deleted'";
const ORGANIZATION_GUESTS: &str = "SELECT person_id FROM organization_members WHERE organization_id = $1 AND source = 'group' ORDER BY person_id";
const PROJECT_GUESTS: &str =
    "SELECT person_id FROM project_members WHERE project_id = $1 AND source = 'group' ORDER BY person_id";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    OF_ISSUER,
    LIST,
    INSERT,
    DELETE,
    LEFT_FOR,
    PROJECT_OF,
    OWN_ORGANIZATIONS,
    OWN_PROJECTS,
    ORGANIZATION_GUESTS,
    PROJECT_GUESTS,
];

/// The strongest role that a person's groups give, by project and by organization.
#[derive(Debug, Default, PartialEq, Eq)]
struct Grants {
    organizations: BTreeMap<String, OrganizationRole>,
    projects: BTreeMap<String, ProjectRole>,
}

impl Grants {
    fn of(rows: Vec<MappingRow>, groups: &[String]) -> Result<Self, StoreError> {
        let mut grants = Self::default();
        for (_, organization, project, _, group, role, _) in rows {
            if !groups.contains(&group) {
                continue;
            }
            if let Some(project) = project {
                let role = project_role("group_mappings", &role)?;
                let slot = grants.projects.entry(project).or_insert(role);
                *slot = role.max(*slot);
            } else {
                let role = organization_role("group_mappings", &role)?;
                let slot = grants.organizations.entry(organization).or_insert(role);
                *slot = role.max(*slot);
            }
        }
        Ok(grants)
    }
}

/// What is to be done about one membership: the role it should have, or none.
type Due<R> = Vec<(String, Option<R>)>;

/// What to do so that the memberships by group are those granted.
fn due<R: Copy + PartialEq>(granted: &BTreeMap<String, R>, held: &BTreeMap<String, (R, Source)>) -> Due<R> {
    let mut due: BTreeMap<&String, Option<R>> = BTreeMap::new();
    for (id, role) in granted {
        if held.get(id).is_none_or(|(has, source)| *source == Source::Group && has != role) {
            due.insert(id, Some(*role));
        }
    }
    for (id, (_, source)) in held {
        if *source == Source::Group && !granted.contains_key(id) {
            due.insert(id, None);
        }
    }
    due.into_iter().map(|(id, role)| (id.clone(), role)).collect()
}

/// Memberships as they are held, by organization or project.
fn held<R>(
    rows: Vec<(String, String, String)>,
    table: &'static str,
    role: fn(&'static str, &str) -> Result<R, StoreError>,
) -> Result<BTreeMap<String, (R, Source)>, StoreError> {
    rows.into_iter()
        .map(|(id, text, source)| Ok((id, (role(table, &text)?, Source::read(table, &source)?))))
        .collect()
}

impl GroupMapping {
    fn from_row((id, organization_id, project_id, issuer, group, role, created_at): MappingRow) -> Self {
        let created_at = Timestamp::from_millis(created_at);
        Self { id, organization_id, project_id, issuer, group, role, created_at }
    }
}

impl Store {
    /// The mappings of an organization, by id. The caller has shown to administer it.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn group_mappings(
        &self,
        organization: &str,
        slice: Slice<'_>,
    ) -> Result<Vec<GroupMapping>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<MappingRow> = on!(db, pool => {
            sqlx::query_as(LIST).bind(organization).bind(slice.after).bind(slice.limit).fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        Ok(rows.into_iter().map(GroupMapping::from_row).collect())
    }

    /// Whether these groups would change anything about a person's memberships.
    pub(super) async fn groups_differ(
        &self,
        person: &Person,
        groups: Option<&[String]>,
    ) -> Result<bool, StoreError> {
        let Some(groups) = groups else { return Ok(false) };
        let db = self.ready().await?;
        let rows = on!(db, pool => sqlx::query_as(OF_ISSUER).bind(&person.issuer).fetch_all(pool).await)
            .map_err(|e| failed(&e))?;
        let grants = Grants::of(rows, groups)?;
        let organizations =
            on!(db, pool => sqlx::query_as(OWN_ORGANIZATIONS).bind(&person.id).fetch_all(pool).await)
                .map_err(|e| failed(&e))?;
        let projects = on!(db, pool => sqlx::query_as(OWN_PROJECTS).bind(&person.id).fetch_all(pool).await)
            .map_err(|e| failed(&e))?;
        let organizations = held(organizations, "organization_members", organization_role)?;
        let projects = held(projects, "project_members", project_role)?;
        Ok(!due(&grants.organizations, &organizations).is_empty()
            || !due(&grants.projects, &projects).is_empty())
    }
}

impl Tx {
    /// Makes a mapping.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::OrganizationRoleNeeded`], [`Refusal::Personal`], [`Refusal::Role`],
    /// [`Refusal::Twice`]; or the database gave no answer.
    pub async fn create_group_mapping(
        &mut self,
        author: &FreshAuthor,
        new: NewGroupMapping<'_>,
    ) -> Result<GroupMapping, StoreError> {
        let organization =
            self.hold_organization(author, new.organization_id, OrganizationRole::Admin).await?;
        let role_fits = match new.project_id {
            Some(_) => ProjectRole::parse(new.role).is_some(),
            None if organization.personal => return Err(Refusal::Personal.into()),
            None => OrganizationRole::parse(new.role).is_some(),
        };
        if !role_fits {
            return Err(Refusal::Role(new.role.to_owned()).into());
        }
        if let Some(project) = new.project_id {
            let own: i64 = on_tx!(self, conn => {
                sqlx::query_scalar(PROJECT_OF).bind(&organization.id).bind(project).fetch_one(conn).await
            })
            .map_err(|e| failed(&e))?;
            if own == 0 {
                return Err(Refusal::Missing("project").into());
            }
        }
        let made = on_tx!(self, conn => {
            let insert = sqlx::query(INSERT).bind(new.id).bind(&organization.id).bind(new.project_id);
            let insert = insert.bind(new.issuer).bind(new.group).bind(new.role).bind(author.at().as_millis());
            insert.execute(conn).await.map(|done| done.rows_affected())
        })
        .map_err(|e| failed(&e))?;
        if made == 0 {
            return Err(Refusal::Twice("group mapping").into());
        }
        let mapping = GroupMapping {
            id: new.id.to_owned(),
            organization_id: organization.id,
            project_id: new.project_id.map(str::to_owned),
            issuer: new.issuer.to_owned(),
            group: new.group.to_owned(),
            role: new.role.to_owned(),
            created_at: author.at(),
        };
        let entry = author.entry("group_mapping.create", "group_mapping", &mapping.id);
        self.audit(entry.in_organization(&mapping.organization_id).after(&mapping));
        Ok(mapping)
    }

    /// Deletes a mapping. If none is left for the same project or organization, all its memberships by group end now; else
    /// each at its person's next login or call.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::OrganizationRoleNeeded`]; or the database gave no answer.
    pub async fn delete_group_mapping(
        &mut self,
        author: &Author,
        organization: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        let organization = self.hold_organization(author, organization, OrganizationRole::Admin).await?;
        let row: Option<MappingRow> = on_tx!(self, conn => {
            sqlx::query_as(DELETE).bind(&organization.id).bind(id).fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        let mapping = GroupMapping::from_row(row.ok_or(Refusal::Missing("group mapping"))?);
        let entry = author.entry("group_mapping.delete", "group_mapping", id);
        self.audit(entry.in_organization(&organization.id).before(&mapping));
        let project = mapping.project_id.as_deref();
        let left: i64 = on_tx!(self, conn => {
            let left = sqlx::query_scalar(LEFT_FOR).bind(&organization.id).bind(project.unwrap_or_default());
            left.fetch_one(conn).await
        })
        .map_err(|e| failed(&e))?;
        if left > 0 {
            return Ok(());
        }
        let (statement, of) = match project {
            Some(project) => (PROJECT_GUESTS, project),
            None => (ORGANIZATION_GUESTS, organization.id.as_str()),
        };
        let guests: Vec<String> =
            on_tx!(self, conn => sqlx::query_scalar(statement).bind(of).fetch_all(conn).await)
                .map_err(|e| failed(&e))?;
        for person in guests {
            match project {
                Some(project) => self.group_in_project(author, project, &person, None).await?,
                None => self.group_in_organization(author, &organization.id, &person, None).await?,
            }
        }
        Ok(())
    }

    /// Grants, changes and ends a held person's memberships by group, so that they are what these groups give.
    pub(super) async fn apply_group_mappings(
        &mut self,
        person: &Person,
        groups: &[String],
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let rows = on_tx!(self, conn => sqlx::query_as(OF_ISSUER).bind(&person.issuer).fetch_all(conn).await)
            .map_err(|e| failed(&e))?;
        let grants = Grants::of(rows, groups)?;
        let author = Author::system(origin.clone());
        let rows =
            on_tx!(self, conn => sqlx::query_as(OWN_ORGANIZATIONS).bind(&person.id).fetch_all(conn).await)
                .map_err(|e| failed(&e))?;
        let organizations = held(rows, "organization_members", organization_role)?;
        for (organization, role) in due(&grants.organizations, &organizations) {
            self.group_in_organization(&author, &organization, &person.id, role).await?;
        }
        let rows = on_tx!(self, conn => sqlx::query_as(OWN_PROJECTS).bind(&person.id).fetch_all(conn).await)
            .map_err(|e| failed(&e))?;
        let projects = held(rows, "project_members", project_role)?;
        for (project, role) in due(&grants.projects, &projects) {
            self.group_in_project(&author, &project, &person.id, role).await?;
        }
        Ok(())
    }

    /// Brings one membership of an organization in line with a group; what is gone meanwhile, given by hand, or needed as
    /// the last administrator stays as it is.
    async fn group_in_organization(
        &mut self,
        author: &Author,
        organization: &str,
        person: &str,
        role: Option<OrganizationRole>,
    ) -> Result<(), StoreError> {
        let organization = match self.hold_organization(author, organization, OrganizationRole::Member).await
        {
            Err(StoreError::Refused(Refusal::Missing(_))) => return Ok(()),
            held => held?,
        };
        let before = self.find_member::<OrganizationRole>(&organization.id, person).await?;
        let done = match (before, role) {
            (None, Some(role)) => {
                let granted = (role, Source::Group);
                self.grant_organization_member(author, &organization, person, granted).await.map(drop)
            }
            (Some(before), _) if before.source == Source::Manual => Ok(()),
            (Some(before), Some(role)) => {
                let granted = (role, Source::Group);
                self.change_organization_member(author, &organization, &before, granted).await.map(drop)
            }
            (Some(before), None) => {
                match self.leaves_somebody(&organization.id, &before, None).await {
                    Ok(()) => {
                        // Memberships of its projects have their own mappings, or were given by hand.
                        let ending = (LeaversKeys::Disable, false);
                        self.end_organization_member(author, &organization, &before, ending).await
                    }
                    refused => refused,
                }
            }
            (None, None) => Ok(()),
        };
        waits(done, &organization.id, person)
    }

    /// Brings one membership of a project in line with a group, as [`Self::group_in_organization`] does.
    async fn group_in_project(
        &mut self,
        author: &Author,
        project: &str,
        person: &str,
        role: Option<ProjectRole>,
    ) -> Result<(), StoreError> {
        // Whoever deletes a mapping administers the organization, so they own the project.
        let owner = Author { platform_admin: true, ..author.clone() };
        let (project, _) = match self.hold_project(&owner, project, ProjectRole::Owner).await {
            Err(StoreError::Refused(Refusal::Missing(_))) => return Ok(()),
            held => held?,
        };
        let before = self.find_member::<ProjectRole>(&project.id, person).await?;
        let done = match (before, role) {
            (None, Some(role)) => {
                self.grant_project_member(author, &project, person, (role, Source::Group)).await.map(drop)
            }
            (Some(before), _) if before.source == Source::Manual => Ok(()),
            (Some(before), Some(role)) => {
                let granted = (role, Source::Group);
                self.change_project_member(author, &project, &before, granted).await.map(drop)
            }
            (Some(before), None) => match self.leaves_somebody(&project.id, &before, None).await {
                Ok(()) => self.end_project_member(author, &project, &before, LeaversKeys::Disable).await,
                refused => refused,
            },
            (None, None) => Ok(()),
        };
        waits(done, &project.id, person)
    }
}

/// The last owner and the last administrator stay until there is another one.
fn waits(done: Result<(), StoreError>, id: &str, person: &str) -> Result<(), StoreError> {
    match done {
        Err(StoreError::Refused(refusal @ (Refusal::LastOwner | Refusal::LastAdmin))) => {
            tracing::info!(id, person, "a membership by group does not end yet: {refusal}");
            Ok(())
        }
        done => done,
    }
}
