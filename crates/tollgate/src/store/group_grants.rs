//! Memberships that groups in a token give: granted, changed and ended at each login and call. What mappings say is in
//! `group_mappings`.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use tollgate_core::time::Timestamp;

use super::author::{Author, Origin};
use super::db::{failed, on};
use super::departures::LEFT_BY;
use super::fields::{Source, organization_role, project_role};
use super::group_mappings::{MappingRow, OF_ISSUER, given, standing_since};
use super::leavers::LeaversKeys;
use super::people::Person;
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

const OWN_ORGANIZATIONS: &str = "SELECT m.organization_id, m.role, m.source FROM organization_members m \
     JOIN organizations o ON o.id = m.organization_id WHERE m.person_id = $1 AND o.state <> 'deleted'";
const OWN_PROJECTS: &str = "SELECT m.project_id, m.role, m.source FROM project_members m \
     JOIN projects p ON p.id = m.project_id WHERE m.person_id = $1 AND p.state <> 'deleted'";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[OWN_ORGANIZATIONS, OWN_PROJECTS];

/// The strongest role that a person's groups give, by project and by organization.
#[derive(Debug, Default, PartialEq, Eq)]
struct Grants {
    organizations: BTreeMap<String, OrganizationRole>,
    projects: BTreeMap<String, ProjectRole>,
}

impl Grants {
    fn of(rows: Vec<MappingRow>, groups: &[String], left: &BTreeSet<String>) -> Result<Self, StoreError> {
        let mut grants = Self::default();
        for (_, organization, project, _, group, role, _, _, by_platform) in rows {
            let has_left =
                left.contains(&organization) || project.as_ref().is_some_and(|id| left.contains(id));
            if has_left || !groups.contains(&group) {
                continue;
            }
            let role = given(project.is_some(), &role, by_platform)?;
            if let Some(project) = project {
                let role = project_role("group_mappings", role)?;
                let slot = grants.projects.entry(project).or_insert(role);
                *slot = role.max(*slot);
            } else {
                let role = organization_role("group_mappings", role)?;
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

impl Store {
    /// Whether these groups would change anything about a person's memberships.
    pub(super) async fn groups_differ(
        &self,
        person: &Person,
        groups: Option<&[String]>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(groups) = groups else { return Ok(false) };
        let db = self.ready().await?;
        let rows = on!(db, pool => {
            sqlx::query_as(OF_ISSUER).bind(standing_since(now)).bind(&person.issuer).fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        let left: Vec<String> =
            on!(db, pool => sqlx::query_scalar(LEFT_BY).bind(&person.id).fetch_all(pool).await)
                .map_err(|e| failed(&e))?;
        let grants = Grants::of(rows, groups, &left.into_iter().collect())?;
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
    /// Grants, changes and ends a held person's memberships by group, so that they are what these groups give.
    pub(super) async fn apply_group_mappings(
        &mut self,
        person: &Person,
        groups: &[String],
        origin: &Origin,
    ) -> Result<(), StoreError> {
        let rows = on_tx!(self, conn => {
            let mappings = sqlx::query_as(OF_ISSUER).bind(standing_since(origin.at));
            mappings.bind(&person.issuer).fetch_all(conn).await
        })
        .map_err(|e| failed(&e))?;
        let left = self.places_left_by(&person.id).await?;
        let grants = Grants::of(rows, groups, &left)?;
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
    pub(super) async fn group_in_organization(
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
    pub(super) async fn group_in_project(
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
