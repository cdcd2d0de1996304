//! Members of projects: who they are, what they may, and their going.

use serde::Serialize;
use serde_json::json;
use tollgate_core::tenancy::ProjectRole;
use tollgate_core::time::Timestamp;

use super::author::Author;
use super::db::{failed, on};
use super::fields::{Slice, Source, moment, project_role};
use super::leavers::LeaversKeys;
use super::projects::Project;
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// A member of a project, as the API and the audit log show them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProjectMember {
    /// `per_…`
    pub person_id: String,
    /// Their name at the issuer.
    pub username: String,
    /// Their address, if the issuer tells it.
    pub email: Option<String>,
    /// What they may.
    pub role: ProjectRole,
    /// Where the membership comes from.
    pub source: Source,
    /// Since when.
    #[serde(serialize_with = "moment")]
    pub created_at: Timestamp,
}

pub(super) type MemberRow = (String, String, Option<String>, String, String, i64);

const LIST: &str = "SELECT m.person_id, p.username, p.email, m.role, m.source, m.created_at \
     FROM project_members m JOIN people p ON p.id = m.person_id \
     WHERE m.project_id = $1 AND m.person_id > $2 ORDER BY m.person_id LIMIT $3";
const FIND: &str = "SELECT m.person_id, p.username, p.email, m.role, m.source, m.created_at \
     FROM project_members m JOIN people p ON p.id = m.person_id WHERE m.project_id = $1 AND m.person_id = $2";
const PUT: &str = "INSERT INTO project_members (project_id, person_id, role, source, created_at) \
     VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (project_id, person_id) DO UPDATE SET role = excluded.role, source = excluded.source";
const REMOVE: &str = "DELETE FROM project_members WHERE project_id = $1 AND person_id = $2";
const OTHER_OWNERS: &str =
    "SELECT COUNT(*) FROM project_members WHERE project_id = $1 AND role = 'owner' AND person_id <> $2";
const PERSON: &str = "SELECT COUNT(*) FROM people WHERE id = $1";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[LIST, FIND, PUT, REMOVE, OTHER_OWNERS, PERSON];

impl ProjectMember {
    fn from_row(row: MemberRow) -> Result<Self, StoreError> {
        let (person_id, username, email, role, source, created_at) = row;
        Ok(Self {
            person_id,
            username,
            email,
            role: project_role("project_members", &role)?,
            source: Source::read("project_members", &source)?,
            created_at: Timestamp::from_millis(created_at),
        })
    }
}

impl Store {
    /// The members of a project, by id. The caller has shown to see the project.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn project_members(
        &self,
        project: &str,
        slice: Slice<'_>,
    ) -> Result<Vec<ProjectMember>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<MemberRow> = on!(db, pool => {
            sqlx::query_as(LIST).bind(project).bind(slice.after).bind(slice.limit).fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        rows.into_iter().map(ProjectMember::from_row).collect()
    }
}

impl Tx {
    /// Gives somebody a role in a project, or another role. The membership is then a given one: group mappings leave it
    /// alone. Somebody who may no longer make keys has theirs switched off.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::AboveOwnRole`], [`Refusal::LastOwner`]; or the
    /// database gave no answer.
    pub async fn put_project_member(
        &mut self,
        author: &Author,
        project: &str,
        person: &str,
        role: ProjectRole,
    ) -> Result<ProjectMember, StoreError> {
        let (project, own) = self.hold_project(author, project, ProjectRole::Manager).await?;
        may_grant(own, role)?;
        let before = self.find_project_member(&project.id, person).await?;
        let Some(before) = before else {
            let known: i64 =
                on_tx!(self, conn => sqlx::query_scalar(PERSON).bind(person).fetch_one(conn).await)
                    .map_err(|e| failed(&e))?;
            if known == 0 {
                return Err(Refusal::Missing("person").into());
            }
            return self.add_project_member(author, &project, person, role).await;
        };
        may_grant(own, before.role)?;
        if before.role == role && before.source == Source::Manual {
            return Ok(before);
        }
        self.change_project_member(author, &project, &before, (role, Source::Manual)).await
    }

    /// Removes somebody from a project. `keys` says what becomes of the keys that they have in it. Everybody may leave by
    /// themselves.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::AboveOwnRole`], [`Refusal::LastOwner`],
    /// [`Refusal::NoHeir`]; or the database gave no answer.
    pub async fn remove_project_member(
        &mut self,
        author: &Author,
        project: &str,
        person: &str,
        keys: LeaversKeys<'_>,
    ) -> Result<(), StoreError> {
        let (project, own) = self.hold_project(author, project, ProjectRole::Viewer).await?;
        let leaves = author.id == person;
        if !leaves && own < ProjectRole::Manager {
            return Err(Refusal::ProjectRoleNeeded(ProjectRole::Manager).into());
        }
        let before =
            self.find_project_member(&project.id, person).await?.ok_or(Refusal::Missing("member"))?;
        if !leaves {
            may_grant(own, before.role)?;
        }
        self.keeps_an_owner(&project.id, &before, None).await?;
        self.end_project_member(author, &project, &before, keys).await
    }

    pub(super) async fn find_project_member(
        &mut self,
        project: &str,
        person: &str,
    ) -> Result<Option<ProjectMember>, StoreError> {
        let row: Option<MemberRow> =
            on_tx!(self, conn => sqlx::query_as(FIND).bind(project).bind(person).fetch_optional(conn).await)
                .map_err(|e| failed(&e))?;
        row.map(ProjectMember::from_row).transpose()
    }

    /// Adds a member to a held project by hand; they are known not to be one.
    pub(super) async fn add_project_member(
        &mut self,
        author: &Author,
        project: &Project,
        person: &str,
        role: ProjectRole,
    ) -> Result<ProjectMember, StoreError> {
        self.grant_project_member(author, project, person, (role, Source::Manual)).await
    }

    /// Adds a member to a held project; they are known not to be one.
    pub(super) async fn grant_project_member(
        &mut self,
        author: &Author,
        project: &Project,
        person: &str,
        (role, source): (ProjectRole, Source),
    ) -> Result<ProjectMember, StoreError> {
        self.write_project_member(author, &project.id, person, (role, source)).await?;
        let member =
            self.find_project_member(&project.id, person).await?.ok_or(Refusal::Missing("person"))?;
        let entry = author.entry("project.member.add", "person", person);
        self.audit(entry.in_project(&project.organization_id, &project.id).after(&member));
        Ok(member)
    }

    /// Changes a member of a held project.
    pub(super) async fn change_project_member(
        &mut self,
        author: &Author,
        project: &Project,
        before: &ProjectMember,
        (role, source): (ProjectRole, Source),
    ) -> Result<ProjectMember, StoreError> {
        self.keeps_an_owner(&project.id, before, Some(role)).await?;
        self.write_project_member(author, &project.id, &before.person_id, (role, source)).await?;
        if role < before.role {
            self.withdraw_invitations_by(author, &project.id, &before.person_id).await?;
        }
        let after = ProjectMember { role, source, ..before.clone() };
        let mut shown = json!(after);
        if role < ProjectRole::Developer && before.role >= ProjectRole::Developer {
            let keys = LeaversKeys::Disable;
            let ids = self.settle_leavers_keys(author, project, &before.person_id, keys).await?;
            shown["disabled_keys"] = json!(ids);
        }
        let entry = author.entry("project.member.change", "person", &before.person_id);
        self.audit(entry.in_project(&project.organization_id, &project.id).before(before).after(&shown));
        Ok(after)
    }

    /// Ends a membership of a held project, whatever that leaves.
    pub(super) async fn end_project_member(
        &mut self,
        author: &Author,
        project: &Project,
        before: &ProjectMember,
        keys: LeaversKeys<'_>,
    ) -> Result<(), StoreError> {
        let person = before.person_id.as_str();
        let ids = self.settle_leavers_keys(author, project, person, keys).await?;
        self.withdraw_invitations_by(author, &project.id, person).await?;
        on_tx!(self, conn => sqlx::query(REMOVE).bind(&project.id).bind(person).execute(conn).await.map(drop))
            .map_err(|e| failed(&e))?;
        let after = match keys {
            LeaversKeys::Revoke => json!({"revoked_keys": ids}),
            LeaversKeys::Disable => json!({"disabled_keys": ids}),
            LeaversKeys::HandOver { to } => json!({"keys_handed_over": ids, "to": to}),
        };
        let entry = author.entry("project.member.remove", "person", person);
        self.audit(entry.in_project(&project.organization_id, &project.id).before(before).after(&after));
        Ok(())
    }

    /// Whether the held project still has an owner when this member has another role, or none.
    pub(super) async fn keeps_an_owner(
        &mut self,
        project: &str,
        before: &ProjectMember,
        after: Option<ProjectRole>,
    ) -> Result<(), StoreError> {
        if before.role != ProjectRole::Owner || after == Some(ProjectRole::Owner) {
            return Ok(());
        }
        let others: i64 = on_tx!(self, conn => {
            sqlx::query_scalar(OTHER_OWNERS).bind(project).bind(&before.person_id).fetch_one(conn).await
        })
        .map_err(|e| failed(&e))?;
        if others == 0 { Err(Refusal::LastOwner.into()) } else { Ok(()) }
    }

    async fn write_project_member(
        &mut self,
        author: &Author,
        project: &str,
        person: &str,
        (role, source): (ProjectRole, Source),
    ) -> Result<(), StoreError> {
        on_tx!(self, conn => {
            let put = sqlx::query(PUT).bind(project).bind(person).bind(role.as_str()).bind(source.as_str());
            put.bind(author.at().as_millis()).execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))
    }
}

/// Whether somebody of the role `own` may give, change or take `other`.
fn may_grant(own: ProjectRole, other: ProjectRole) -> Result<(), Refusal> {
    if own.may_grant(other) { Ok(()) } else { Err(Refusal::AboveOwnRole { own, other }) }
}
