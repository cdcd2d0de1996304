//! From groups in a token to roles: whoever is in a mapped group is a member, as long as they are.
//!
//! A membership by hand is never touched. A membership by group is granted, changed and ended at the person's next login
//! or call, and when the last mapping to its project or organization is deleted. An ending that would leave a project
//! without owner, or an organization without administrator, waits. Keys of somebody whose membership ends by group are
//! switched off and not revoked: a token without groups is more often a mistake at the issuer than a farewell.
//!
//! What a mapping gives is bounded by its maker's standing, judged each time: a platform administrator's gives its role as
//! long as they are one, everybody else's gives `developer` or `member` at most. No mapping reaches into a personal
//! organization, and none brings back who has left by themselves.

use serde::Serialize;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use tollgate_core::time::Timestamp;

use super::author::Author;
use super::db::{failed, on};
use super::fields::{Slice, moment, organization_role, project_role};
use super::organizations::Organization;
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
    /// What it gives at present: less than `role` when its maker is no platform administrator any more.
    pub gives: String,
    /// Who made it; None: made before that was noted.
    pub created_by: Option<String>,
    /// When it was made.
    #[serde(serialize_with = "moment")]
    pub created_at: Timestamp,
}

/// Milliseconds after which a platform administrator whom nobody has met as one counts as a former one: 90 days.
const STANDING_LASTS: i64 = 90 * 86_400_000;
/// What a mapping gives in a project at most, unless a platform administrator has made it.
const MOST_IN_PROJECTS: ProjectRole = ProjectRole::Developer;
/// What a mapping gives in an organization at most, unless a platform administrator has made it.
const MOST_IN_ORGANIZATIONS: OrganizationRole = OrganizationRole::Member;

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

/// The last one: whether its maker is a platform administrator, and is met as one (1), or not (0).
pub(super) type MappingRow =
    (String, String, Option<String>, String, String, String, i64, Option<String>, i64);

/// `$1` is the moment from which on its maker has to have been met as a platform administrator.
macro_rules! mappings {
    ($where:literal) => {
        concat!(
            "SELECT g.id, g.organization_id, g.project_id, g.issuer, g.group_name, g.role, g.created_at, g.created_by, \
             CAST(CASE WHEN g.by_platform AND p.state = 'active' AND p.platform_admin_at > $1 THEN 1 ELSE 0 END AS BIGINT) \
             FROM group_mappings g JOIN organizations o ON o.id = g.organization_id AND NOT o.personal \
             LEFT JOIN people p ON p.id = g.created_by WHERE ",
            $where
        )
    };
}

pub(super) const OF_ISSUER: &str = mappings!("g.issuer = $2 AND o.state <> 'deleted'");
const LIST: &str = mappings!("g.organization_id = $2 AND g.id > $3 ORDER BY g.id LIMIT $4");
const FIND: &str = mappings!("g.organization_id = $2 AND g.id = $3");
const SAME: &str = mappings!(
    "g.organization_id = $2 AND COALESCE(g.project_id, '') = $3 AND g.issuer = $4 AND g.group_name = $5 AND g.role = $6"
);
const INSERT: &str = "INSERT INTO group_mappings (id, organization_id, project_id, issuer, group_name, role, created_at, \
     created_by, by_platform) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
const VOUCH: &str = "UPDATE group_mappings SET created_by = $1, by_platform = TRUE WHERE id = $2";
const DELETE: &str = "DELETE FROM group_mappings WHERE organization_id = $1 AND id = $2";
const LEFT_FOR: &str = "SELECT COUNT(*) FROM group_mappings \
     WHERE organization_id = $1 AND COALESCE(project_id, '') = $2";
const ORGANIZATION_GUESTS: &str = "SELECT person_id FROM organization_members WHERE organization_id = $1 AND source = 'group' ORDER BY person_id";
const PROJECT_GUESTS: &str =
    "SELECT person_id FROM project_members WHERE project_id = $1 AND source = 'group' ORDER BY person_id";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[OF_ISSUER, LIST, FIND, SAME, INSERT, VOUCH, DELETE, LEFT_FOR, ORGANIZATION_GUESTS, PROJECT_GUESTS];

/// The role that a mapping gives at present.
pub(super) fn given(in_project: bool, role: &str, by_platform: i64) -> Result<&'static str, StoreError> {
    let by_platform = by_platform == 1;
    Ok(if in_project {
        let role = project_role("group_mappings", role)?;
        if by_platform { role } else { role.min(MOST_IN_PROJECTS) }.as_str()
    } else {
        let role = organization_role("group_mappings", role)?;
        if by_platform { role } else { role.min(MOST_IN_ORGANIZATIONS) }.as_str()
    })
}

/// From when on a platform administrator has to have been met as one.
pub(super) const fn standing_since(now: Timestamp) -> i64 {
    now.as_millis() - STANDING_LASTS
}

impl GroupMapping {
    fn from_row(row: MappingRow) -> Result<Self, StoreError> {
        let (id, organization_id, project_id, issuer, group, role, created_at, created_by, by_platform) = row;
        let gives = given(project_id.is_some(), &role, by_platform)?.to_owned();
        let created_at = Timestamp::from_millis(created_at);
        Ok(Self { id, organization_id, project_id, issuer, group, role, gives, created_by, created_at })
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
        now: Timestamp,
        slice: Slice<'_>,
    ) -> Result<Vec<GroupMapping>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<MappingRow> = on!(db, pool => {
            let list = sqlx::query_as(LIST).bind(standing_since(now)).bind(organization);
            list.bind(slice.after).bind(slice.limit).fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        rows.into_iter().map(GroupMapping::from_row).collect()
    }
}

impl Tx {
    /// Makes a mapping. A platform administrator who makes one that is there already, and gives less than its role, vouches
    /// for it from now on.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::OrganizationRoleNeeded`], [`Refusal::MembershipNeeded`],
    /// [`Refusal::ProjectRoleNeeded`], [`Refusal::AboveOwnRole`], [`Refusal::MappingAbove`], [`Refusal::Personal`],
    /// [`Refusal::Role`], [`Refusal::Twice`]; or the database gave no answer.
    pub async fn create_group_mapping(
        &mut self,
        author: &FreshAuthor,
        new: NewGroupMapping<'_>,
    ) -> Result<GroupMapping, StoreError> {
        let organization =
            self.hold_organization(author, new.organization_id, OrganizationRole::Admin).await?;
        if organization.personal {
            return Err(Refusal::Personal.into());
        }
        match new.project_id {
            Some(project) => self.may_map_to_project(author, &organization, project, new.role).await?,
            None => self.may_map_to_organization(author, &organization, new.role).await?,
        }
        let by_platform = author.by_platform_right();
        let made = on_tx!(self, conn => {
            let insert = sqlx::query(INSERT).bind(new.id).bind(&organization.id).bind(new.project_id);
            let insert = insert.bind(new.issuer).bind(new.group).bind(new.role).bind(author.at().as_millis());
            let insert = insert.bind(&author.id).bind(by_platform);
            insert.execute(conn).await.map(|done| done.rows_affected())
        })
        .map_err(|e| failed(&e))?;
        if made == 0 {
            return self.vouch(author, new).await;
        }
        let row = self.find_mapping(author.at(), &organization.id, new.id).await?;
        let mapping = GroupMapping::from_row(row.ok_or(Refusal::Missing("group mapping"))?)?;
        let entry = author.entry("group_mapping.create", "group_mapping", &mapping.id);
        self.audit(entry.in_organization(&mapping.organization_id).after(&mapping));
        Ok(mapping)
    }

    /// Whether the author may map groups to this role in a project: as a member who may give it.
    async fn may_map_to_project(
        &mut self,
        author: &Author,
        organization: &Organization,
        project: &str,
        role: &str,
    ) -> Result<(), StoreError> {
        let role = ProjectRole::parse(role).ok_or_else(|| Refusal::Role(role.to_owned()))?;
        let (project, _) = self.hold_project(author, project, ProjectRole::Viewer).await?;
        if project.organization_id != organization.id {
            return Err(Refusal::Missing("project").into());
        }
        if role > MOST_IN_PROJECTS && !author.platform_admin {
            let most = MOST_IN_PROJECTS.as_str();
            return Err(Refusal::MappingAbove { role: role.as_str(), most }.into());
        }
        let (_, own) = self.hold_project_as_member(author, &project.id, ProjectRole::Manager).await?;
        if own.may_grant(role) { Ok(()) } else { Err(Refusal::AboveOwnRole { own, other: role }.into()) }
    }

    /// Whether the author may map groups to this role in an organization. Its administrators own its projects, so that the
    /// platform's right alone does not make one.
    async fn may_map_to_organization(
        &mut self,
        author: &Author,
        organization: &Organization,
        role: &str,
    ) -> Result<(), StoreError> {
        let role = OrganizationRole::parse(role).ok_or_else(|| Refusal::Role(role.to_owned()))?;
        if role <= MOST_IN_ORGANIZATIONS {
            return Ok(());
        }
        if !author.platform_admin {
            let most = MOST_IN_ORGANIZATIONS.as_str();
            return Err(Refusal::MappingAbove { role: role.as_str(), most }.into());
        }
        self.hold_organization_as_member(author, &organization.id, OrganizationRole::Admin).await.map(drop)
    }

    /// A platform administrator takes the place of the maker of a mapping that gives less than its role.
    async fn vouch(&mut self, author: &Author, new: NewGroupMapping<'_>) -> Result<GroupMapping, StoreError> {
        let row: Option<MappingRow> = on_tx!(self, conn => {
            let same = sqlx::query_as(SAME).bind(standing_since(author.at())).bind(new.organization_id);
            let same = same.bind(new.project_id.unwrap_or_default()).bind(new.issuer).bind(new.group).bind(new.role);
            same.fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        let before = row.map(GroupMapping::from_row).transpose()?;
        let before = before.filter(|mapping| author.by_platform_right() && mapping.gives != mapping.role);
        let before = before.ok_or(Refusal::Twice("group mapping"))?;
        on_tx!(self, conn => sqlx::query(VOUCH).bind(&author.id).bind(&before.id).execute(conn).await.map(drop))
            .map_err(|e| failed(&e))?;
        let row = self.find_mapping(author.at(), &before.organization_id, &before.id).await?;
        let mapping = GroupMapping::from_row(row.ok_or(Refusal::Missing("group mapping"))?)?;
        let entry = author.entry("group_mapping.vouch", "group_mapping", &mapping.id);
        self.audit(entry.in_organization(&mapping.organization_id).before(&before).after(&mapping));
        Ok(mapping)
    }

    async fn find_mapping(
        &mut self,
        now: Timestamp,
        organization: &str,
        id: &str,
    ) -> Result<Option<MappingRow>, StoreError> {
        on_tx!(self, conn => {
            let find = sqlx::query_as(FIND).bind(standing_since(now)).bind(organization).bind(id);
            find.fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))
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
        let row = self.find_mapping(author.at(), &organization.id, id).await?;
        let mapping = GroupMapping::from_row(row.ok_or(Refusal::Missing("group mapping"))?)?;
        on_tx!(self, conn => sqlx::query(DELETE).bind(&organization.id).bind(id).execute(conn).await.map(drop))
            .map_err(|e| failed(&e))?;
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
}
