//! What somebody may see and do. Reads ask with the person first; writes hold the row that they are about, and look up the
//! author's role under that lock, so that a right that was just taken away is gone.

use tollgate_core::ids::IdKind;
use tollgate_core::key_bounds::KeyAuthority;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole, role_in_project};

use super::author::Author;
use super::db::{failed, on};
use super::fields::{State, organization_role, project_role};
use super::organizations::{Organization, OrganizationRow};
use super::projects::{Project, ProjectRow};
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who<'a> {
    /// The person's id.
    pub person: &'a str,
    /// Whether they see and may do everything.
    pub platform_admin: bool,
}

/// A project and what the asker is to it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectAccess {
    /// The project.
    pub project: Project,
    /// Whether the organization above it may act.
    pub organization_state: State,
    /// What the asker may do in it.
    pub role: ProjectRole,
}

/// An organization and what the asker is to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationAccess {
    /// The organization.
    pub organization: Organization,
    /// What the asker may do in it.
    pub role: OrganizationRole,
}

/// What somebody is to a project, each of their rights by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Right {
    /// The strongest of them, as a role in the project.
    pub role: ProjectRole,
    /// Whether the project's organization may act.
    pub organization_state: State,
    /// The strongest of them without that of the platform.
    pub by_membership: Option<ProjectRole>,
    member: Option<ProjectRole>,
    organization_admin: bool,
    platform_admin: bool,
}

impl Right {
    fn read(
        (state, member, organization): &RolesRow,
        platform_admin: bool,
    ) -> Result<Option<Self>, StoreError> {
        let member = member.as_deref().map(|text| project_role("project_members", text)).transpose()?;
        let organization = organization
            .as_deref()
            .map(|text| organization_role("organization_members", text))
            .transpose()?;
        let Some(role) = role_in_project(member, organization, platform_admin) else { return Ok(None) };
        Ok(Some(Self {
            role,
            organization_state: State::read("organizations", state)?,
            by_membership: role_in_project(member, organization, false),
            member,
            organization_admin: organization == Some(OrganizationRole::Admin),
            platform_admin,
        }))
    }

    /// With which authority they act on the project's keys.
    pub fn on_keys(self) -> KeyAuthority {
        if self.platform_admin {
            return KeyAuthority::PlatformAdmin;
        }
        if self.organization_admin {
            return KeyAuthority::OrganizationAdmin;
        }
        match self.member {
            Some(ProjectRole::Owner) => KeyAuthority::Owner,
            Some(ProjectRole::Manager) => KeyAuthority::Manager,
            Some(ProjectRole::Developer | ProjectRole::Viewer) | None => KeyAuthority::Developer,
        }
    }
}

const PROJECT: &str = "SELECT o.state, m.role, om.role FROM projects p \
     JOIN organizations o ON o.id = p.organization_id \
     LEFT JOIN project_members m ON m.project_id = p.id AND m.person_id = $1 \
     LEFT JOIN organization_members om ON om.organization_id = p.organization_id AND om.person_id = $1 \
     WHERE p.id = $2";
const FIND_PROJECT: &str = "SELECT id, organization_id, name, state, models, version, created_at, updated_at \
     FROM projects WHERE id = $1 AND state <> 'deleted'";
const HOLD_PROJECT: &str = "UPDATE projects SET version = version WHERE id = $1 AND state <> 'deleted' \
     RETURNING id, organization_id, name, state, models, version, created_at, updated_at";
const ORGANIZATION: &str =
    "SELECT role FROM organization_members WHERE person_id = $1 AND organization_id = $2";
const FIND_ORGANIZATION: &str = "SELECT id, name, personal, state, version, created_at, updated_at \
     FROM organizations WHERE id = $1 AND state <> 'deleted'";
const HOLD_ORGANIZATION: &str = "UPDATE organizations SET version = version \
     WHERE id = $1 AND state <> 'deleted' RETURNING id, name, personal, state, version, created_at, updated_at";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[PROJECT, FIND_PROJECT, HOLD_PROJECT, ORGANIZATION, FIND_ORGANIZATION, HOLD_ORGANIZATION];

type RolesRow = (String, Option<String>, Option<String>);

impl Store {
    /// The project, if the asker is anything to it. An unknown one and somebody else's are the same.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn project_access(&self, who: Who<'_>, id: &str) -> Result<Option<ProjectAccess>, StoreError> {
        if !IdKind::Project.fits(id) {
            return Ok(None);
        }
        let db = self.ready().await?;
        let roles: Option<RolesRow> =
            on!(db, pool => sqlx::query_as(PROJECT).bind(who.person).bind(id).fetch_optional(pool).await)
                .map_err(|e| failed(&e))?;
        let Some(roles) = roles else { return Ok(None) };
        let Some(right) = Right::read(&roles, who.platform_admin)? else { return Ok(None) };
        let row: Option<ProjectRow> =
            on!(db, pool => sqlx::query_as(FIND_PROJECT).bind(id).fetch_optional(pool).await)
                .map_err(|e| failed(&e))?;
        let Some(row) = row else { return Ok(None) };
        let (role, organization_state) = (right.role, right.organization_state);
        Ok(Some(ProjectAccess { project: Project::from_row(row)?, organization_state, role }))
    }

    /// The organization, if the asker is anything to it.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn organization_access(
        &self,
        who: Who<'_>,
        id: &str,
    ) -> Result<Option<OrganizationAccess>, StoreError> {
        if !IdKind::Organization.fits(id) {
            return Ok(None);
        }
        let db = self.ready().await?;
        let member: Option<String> = on!(db, pool => {
            sqlx::query_scalar(ORGANIZATION).bind(who.person).bind(id).fetch_optional(pool).await
        })
        .map_err(|e| failed(&e))?;
        let member = member.map(|text| organization_role("organization_members", &text)).transpose()?;
        let role = if who.platform_admin { Some(OrganizationRole::Admin) } else { member };
        let Some(role) = role else { return Ok(None) };
        let row: Option<OrganizationRow> =
            on!(db, pool => sqlx::query_as(FIND_ORGANIZATION).bind(id).fetch_optional(pool).await)
                .map_err(|e| failed(&e))?;
        let organization = row.map(Organization::from_row).transpose()?;
        Ok(organization.map(|organization| OrganizationAccess { organization, role }))
    }
}

impl Tx {
    /// Locks a project until the end of this unit of work, for an author who has at least the role `needed` in it.
    ///
    /// Whoever writes to anything inside a project holds it first, and an organization before its projects: so writers of
    /// one project take turns, and none waits for another in a circle.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`]; or the database gave no answer.
    pub async fn hold_project(
        &mut self,
        author: &Author,
        id: &str,
        needed: ProjectRole,
    ) -> Result<(Project, ProjectRole), StoreError> {
        let (project, right) = self.hold_project_by_right(author, id, needed).await?;
        Ok((project, right.role))
    }

    /// As [`Tx::hold_project`], with each right of the author by itself.
    pub(super) async fn hold_project_by_right(
        &mut self,
        author: &Author,
        id: &str,
        needed: ProjectRole,
    ) -> Result<(Project, Right), StoreError> {
        if !IdKind::Project.fits(id) {
            return Err(Refusal::Missing("project").into());
        }
        let row: Option<ProjectRow> =
            on_tx!(self, conn => sqlx::query_as(HOLD_PROJECT).bind(id).fetch_optional(conn).await)
                .map_err(|e| failed(&e))?;
        let project = Project::from_row(row.ok_or(Refusal::Missing("project"))?)?;
        let roles: RolesRow =
            on_tx!(self, conn => sqlx::query_as(PROJECT).bind(&author.id).bind(id).fetch_one(conn).await)
                .map_err(|e| failed(&e))?;
        let right = Right::read(&roles, author.platform_admin)?.ok_or(Refusal::Missing("project"))?;
        if right.role < needed {
            return Err(Refusal::ProjectRoleNeeded(needed).into());
        }
        Ok((project, right))
    }

    /// As [`Tx::hold_project`], for what gives rights or secrets: the right of a platform administrator does not count, and
    /// they become a member first, which the audit log shows. Who works at the store itself is not asked.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::MembershipNeeded`], [`Refusal::ProjectRoleNeeded`]; or the database gave no answer.
    pub async fn hold_project_as_member(
        &mut self,
        author: &Author,
        id: &str,
        needed: ProjectRole,
    ) -> Result<(Project, ProjectRole), StoreError> {
        let (project, right) = self.hold_project_as_member_by_right(author, id, needed).await?;
        let own = if author.by_platform_right() { right.by_membership } else { None };
        Ok((project, own.unwrap_or(right.role)))
    }

    /// As [`Tx::hold_project_as_member`], with each right of the author by itself.
    pub(super) async fn hold_project_as_member_by_right(
        &mut self,
        author: &Author,
        id: &str,
        needed: ProjectRole,
    ) -> Result<(Project, Right), StoreError> {
        if !author.by_platform_right() {
            return self.hold_project_by_right(author, id, needed).await;
        }
        let (project, right) = self.hold_project_by_right(author, id, ProjectRole::Viewer).await?;
        let own = right.by_membership.ok_or(Refusal::MembershipNeeded("project"))?;
        if own < needed {
            return Err(Refusal::ProjectRoleNeeded(needed).into());
        }
        Ok((project, right))
    }

    /// As [`Tx::hold_organization`], without the right of a platform administrator: see [`Tx::hold_project_as_member`].
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::MembershipNeeded`], [`Refusal::OrganizationRoleNeeded`]; or the database gave no
    /// answer.
    pub(super) async fn hold_organization_as_member(
        &mut self,
        author: &Author,
        id: &str,
        needed: OrganizationRole,
    ) -> Result<Organization, StoreError> {
        if !author.by_platform_right() {
            return self.hold_organization(author, id, needed).await;
        }
        self.hold_organization(author, id, OrganizationRole::Member).await?;
        let own = Author { platform_admin: false, ..author.clone() };
        match self.hold_organization(&own, id, needed).await {
            Err(StoreError::Refused(Refusal::Missing(_))) => {
                Err(Refusal::MembershipNeeded("organization").into())
            }
            held => held,
        }
    }

    /// What somebody is to a held project by their memberships of it and of its organization.
    pub(super) async fn role_by_membership(
        &mut self,
        project: &str,
        person: &str,
    ) -> Result<Option<ProjectRole>, StoreError> {
        let roles: Option<RolesRow> =
            on_tx!(self, conn => sqlx::query_as(PROJECT).bind(person).bind(project).fetch_optional(conn).await)
                .map_err(|e| failed(&e))?;
        roles.map_or(Ok(None), |roles| Ok(Right::read(&roles, false)?.map(|right| right.role)))
    }

    /// Locks an organization until the end of this unit of work, for an author who has at least the role `needed` in it.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::OrganizationRoleNeeded`]; or the database gave no answer.
    pub async fn hold_organization(
        &mut self,
        author: &Author,
        id: &str,
        needed: OrganizationRole,
    ) -> Result<Organization, StoreError> {
        if !IdKind::Organization.fits(id) {
            return Err(Refusal::Missing("organization").into());
        }
        let row: Option<OrganizationRow> =
            on_tx!(self, conn => sqlx::query_as(HOLD_ORGANIZATION).bind(id).fetch_optional(conn).await)
                .map_err(|e| failed(&e))?;
        let organization = Organization::from_row(row.ok_or(Refusal::Missing("organization"))?)?;
        if author.platform_admin {
            return Ok(organization);
        }
        let member: Option<String> = on_tx!(self, conn => {
            sqlx::query_scalar(ORGANIZATION).bind(&author.id).bind(id).fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        let member = member.map(|text| organization_role("organization_members", &text)).transpose()?;
        match member {
            None => Err(Refusal::Missing("organization").into()),
            Some(role) if role < needed => Err(Refusal::OrganizationRoleNeeded(needed).into()),
            Some(_) => Ok(organization),
        }
    }
}
