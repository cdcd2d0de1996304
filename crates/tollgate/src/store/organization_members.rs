//! Members of organizations. Somebody who leaves an organization leaves its projects too.

use serde::Serialize;
use serde_json::json;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use tollgate_core::time::Timestamp;

use super::author::Author;
use super::db::{failed, on};
use super::fields::{Slice, Source, moment, organization_role};
use super::leavers::LeaversKeys;
use super::organizations::Organization;
use super::project_members::MemberRow;
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// A member of an organization, as the API and the audit log show them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrganizationMember {
    /// `per_…`
    pub person_id: String,
    /// Their name at the issuer.
    pub username: String,
    /// Their address, if the issuer tells it.
    pub email: Option<String>,
    /// What they may.
    pub role: OrganizationRole,
    /// Where the membership comes from.
    pub source: Source,
    /// Since when.
    #[serde(serialize_with = "moment")]
    pub created_at: Timestamp,
}

const LIST: &str = "SELECT m.person_id, p.username, p.email, m.role, m.source, m.created_at \
     FROM organization_members m JOIN people p ON p.id = m.person_id \
     WHERE m.organization_id = $1 AND m.person_id > $2 ORDER BY m.person_id LIMIT $3";
const FIND: &str = "SELECT m.person_id, p.username, p.email, m.role, m.source, m.created_at \
     FROM organization_members m JOIN people p ON p.id = m.person_id \
     WHERE m.organization_id = $1 AND m.person_id = $2";
const PUT: &str = "INSERT INTO organization_members (organization_id, person_id, role, source, created_at) \
     VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (organization_id, person_id) DO UPDATE SET role = excluded.role, source = excluded.source";
const REMOVE: &str = "DELETE FROM organization_members WHERE organization_id = $1 AND person_id = $2";
const OTHER_ADMINS: &str = "SELECT COUNT(*) FROM organization_members \
     WHERE organization_id = $1 AND role = 'admin' AND person_id <> $2";
const PERSON: &str = "SELECT COUNT(*) FROM people WHERE id = $1";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[LIST, FIND, PUT, REMOVE, OTHER_ADMINS, PERSON];

impl OrganizationMember {
    fn from_row(row: MemberRow) -> Result<Self, StoreError> {
        let (person_id, username, email, role, source, created_at) = row;
        Ok(Self {
            person_id,
            username,
            email,
            role: organization_role("organization_members", &role)?,
            source: Source::read("organization_members", &source)?,
            created_at: Timestamp::from_millis(created_at),
        })
    }
}

impl Store {
    /// The members of an organization, by id. The caller has shown to see the organization.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn organization_members(
        &self,
        organization: &str,
        slice: Slice<'_>,
    ) -> Result<Vec<OrganizationMember>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<MemberRow> = on!(db, pool => {
            sqlx::query_as(LIST).bind(organization).bind(slice.after).bind(slice.limit).fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        rows.into_iter().map(OrganizationMember::from_row).collect()
    }
}

impl Tx {
    /// Gives somebody a role in an organization, or another role. The membership is then a given one: group mappings
    /// leave it alone.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::OrganizationRoleNeeded`], [`Refusal::LastAdmin`], [`Refusal::Personal`]; or the
    /// database gave no answer.
    pub async fn put_organization_member(
        &mut self,
        author: &Author,
        organization: &str,
        person: &str,
        role: OrganizationRole,
    ) -> Result<OrganizationMember, StoreError> {
        let organization = self.hold_organization(author, organization, OrganizationRole::Admin).await?;
        if organization.personal {
            return Err(Refusal::Personal.into());
        }
        let Some(before) = self.find_organization_member(&organization.id, person).await? else {
            let known: i64 =
                on_tx!(self, conn => sqlx::query_scalar(PERSON).bind(person).fetch_one(conn).await)
                    .map_err(|e| failed(&e))?;
            if known == 0 {
                return Err(Refusal::Missing("person").into());
            }
            return self.add_organization_member(author, &organization, person, role).await;
        };
        if before.role == role && before.source == Source::Manual {
            return Ok(before);
        }
        self.change_organization_member(author, &organization, &before, (role, Source::Manual)).await
    }

    /// Removes somebody from an organization and from all its projects, whose administrators remain their owners. `keys`
    /// says what becomes of the keys that they have there. Everybody may leave by themselves.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::OrganizationRoleNeeded`], [`Refusal::LastAdmin`], [`Refusal::Personal`],
    /// [`Refusal::NoHeir`]; or the database gave no answer.
    pub async fn remove_organization_member(
        &mut self,
        author: &Author,
        organization: &str,
        person: &str,
        keys: LeaversKeys<'_>,
    ) -> Result<(), StoreError> {
        let needed = if author.id == person { OrganizationRole::Member } else { OrganizationRole::Admin };
        let organization = self.hold_organization(author, organization, needed).await?;
        let before = self.find_organization_member(&organization.id, person).await?;
        let before = before.ok_or(Refusal::Missing("member"))?;
        if organization.personal {
            return Err(Refusal::Personal.into());
        }
        self.keeps_an_admin(&organization.id, &before, None).await?;
        self.end_organization_member(author, &organization, &before, (keys, true)).await
    }

    pub(super) async fn find_organization_member(
        &mut self,
        organization: &str,
        person: &str,
    ) -> Result<Option<OrganizationMember>, StoreError> {
        let row: Option<MemberRow> = on_tx!(self, conn => {
            sqlx::query_as(FIND).bind(organization).bind(person).fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        row.map(OrganizationMember::from_row).transpose()
    }

    /// Adds a member to a held organization by hand; they are known not to be one.
    pub(super) async fn add_organization_member(
        &mut self,
        author: &Author,
        organization: &Organization,
        person: &str,
        role: OrganizationRole,
    ) -> Result<OrganizationMember, StoreError> {
        self.grant_organization_member(author, organization, person, (role, Source::Manual)).await
    }

    /// Adds a member to a held organization; they are known not to be one.
    pub(super) async fn grant_organization_member(
        &mut self,
        author: &Author,
        organization: &Organization,
        person: &str,
        (role, source): (OrganizationRole, Source),
    ) -> Result<OrganizationMember, StoreError> {
        self.write_organization_member(author, &organization.id, person, (role, source)).await?;
        let member = self.find_organization_member(&organization.id, person).await?;
        let member = member.ok_or(Refusal::Missing("person"))?;
        let entry = author.entry("organization.member.add", "person", person);
        self.audit(entry.in_organization(&organization.id).after(&member));
        Ok(member)
    }

    /// Changes a member of a held organization.
    pub(super) async fn change_organization_member(
        &mut self,
        author: &Author,
        organization: &Organization,
        before: &OrganizationMember,
        (role, source): (OrganizationRole, Source),
    ) -> Result<OrganizationMember, StoreError> {
        self.keeps_an_admin(&organization.id, before, Some(role)).await?;
        self.write_organization_member(author, &organization.id, &before.person_id, (role, source)).await?;
        let after = OrganizationMember { role, source, ..before.clone() };
        let mut shown = json!(after);
        if role < before.role {
            let keys = LeaversKeys::Disable;
            let ids = self.leave_projects(author, organization, &before.person_id, (keys, false)).await?;
            shown["disabled_keys"] = json!(ids);
        }
        let entry = author.entry("organization.member.change", "person", &before.person_id);
        self.audit(entry.in_organization(&organization.id).before(before).after(&shown));
        Ok(after)
    }

    /// Ends a membership of a held organization and, with `members_too`, those of its projects.
    pub(super) async fn end_organization_member(
        &mut self,
        author: &Author,
        organization: &Organization,
        before: &OrganizationMember,
        (keys, members_too): (LeaversKeys<'_>, bool),
    ) -> Result<(), StoreError> {
        let person = before.person_id.as_str();
        let ids = self.leave_projects(author, organization, person, (keys, members_too)).await?;
        on_tx!(self, conn => {
            sqlx::query(REMOVE).bind(&organization.id).bind(person).execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        let entry = author.entry("organization.member.remove", "person", person);
        self.audit(entry.in_organization(&organization.id).before(before).after(&json!({"keys": ids})));
        Ok(())
    }

    /// Takes from somebody what they were to the projects of a held organization as its administrator, and, with
    /// `members_too`, their memberships. The keys that they have made as administrator, by id.
    async fn leave_projects(
        &mut self,
        author: &Author,
        organization: &Organization,
        person: &str,
        (keys, members_too): (LeaversKeys<'_>, bool),
    ) -> Result<Vec<String>, StoreError> {
        // The author holds the organization as its administrator, or leaves it: both may end what is below.
        let owner = Author { platform_admin: true, ..author.clone() };
        let mut ids = Vec::new();
        for project in self.project_ids(&organization.id).await? {
            let (project, _) = self.hold_project(&owner, &project, ProjectRole::Viewer).await?;
            match self.find_project_member(&project.id, person).await? {
                Some(member) if members_too => {
                    self.end_project_member(author, &project, &member, keys).await?;
                }
                Some(_) => {}
                None => {
                    self.withdraw_invitations_by(author, &project.id, person).await?;
                    ids.extend(self.settle_leavers_keys(author, &project, person, keys).await?);
                }
            }
        }
        Ok(ids)
    }

    /// Whether the held organization still has an administrator when this member has another role, or none.
    pub(super) async fn keeps_an_admin(
        &mut self,
        organization: &str,
        before: &OrganizationMember,
        after: Option<OrganizationRole>,
    ) -> Result<(), StoreError> {
        if before.role != OrganizationRole::Admin || after == Some(OrganizationRole::Admin) {
            return Ok(());
        }
        let others: i64 = on_tx!(self, conn => {
            sqlx::query_scalar(OTHER_ADMINS).bind(organization).bind(&before.person_id).fetch_one(conn).await
        })
        .map_err(|e| failed(&e))?;
        if others == 0 { Err(Refusal::LastAdmin.into()) } else { Ok(()) }
    }

    async fn write_organization_member(
        &mut self,
        author: &Author,
        organization: &str,
        person: &str,
        (role, source): (OrganizationRole, Source),
    ) -> Result<(), StoreError> {
        on_tx!(self, conn => {
            let put = sqlx::query(PUT).bind(organization).bind(person).bind(role.as_str());
            put.bind(source.as_str()).bind(author.at().as_millis()).execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))
    }
}
