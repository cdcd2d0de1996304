//! Invitations: memberships of a project or an organization that wait for their person. How they are accepted is in
//! `acceptance`.

use serde::Serialize;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use tollgate_core::time::Timestamp;

use super::audit::AuditEntry;
use super::author::Author;
use super::db::{failed, on};
use super::fields::{Slice, moment};
use super::members::MemberRole;
use super::proof::FreshAuthor;
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// An open invitation, as the API and the audit log show it. The link's secret is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invitation<R> {
    /// `inv_…`
    pub id: String,
    /// The project or organization.
    #[serde(skip)]
    pub place: String,
    /// When set, only this person may accept. Nobody has checked that there is one of this id.
    pub person_id: Option<String>,
    /// When set, only an account with this verified address may accept.
    pub email: Option<String>,
    /// Whose verification of the address counts.
    pub issuer: Option<String>,
    /// The role that waits.
    pub role: R,
    /// Who invites.
    pub created_by: String,
    /// When it was made.
    #[serde(serialize_with = "moment")]
    pub created_at: Timestamp,
    /// When it can no longer be accepted.
    #[serde(serialize_with = "moment")]
    pub expires_at: Timestamp,
}

/// Whom an invitation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invitee<'a> {
    /// Whoever holds the token.
    Bearer,
    /// The person of this id, if there is one.
    Person(&'a str),
    /// Whose address this is, as this issuer has verified it.
    Email {
        /// The address.
        address: &'a str,
        /// The issuer's configured name.
        issuer: &'a str,
    },
}

/// An invitation to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewInvitation<'a, R> {
    /// Its id.
    pub id: &'a str,
    /// The project or organization.
    pub place: &'a str,
    /// Whom it is for.
    pub invitee: Invitee<'a>,
    /// The role that waits.
    pub role: R,
    /// SHA-256 of the link's secret, in hex.
    pub token_digest: &'a str,
    /// When it can no longer be accepted.
    pub expires_at: Timestamp,
}

/// The statements on one table of invitations.
#[derive(Clone, Copy, Debug)]
pub struct InvitationStatements {
    list: &'static str,
    insert: &'static str,
    withdraw: &'static str,
    withdraw_by: &'static str,
    withdraw_all_by: &'static str,
    pub(super) place: &'static str,
    pub(super) accept: &'static str,
    pub(super) decline: &'static str,
}

macro_rules! invitations {
    ($table:literal, $of:literal) => {
        InvitationStatements {
            list: concat!(
                "SELECT id, ",
                $of,
                ", person_id, email, issuer, role, created_by, created_at, expires_at FROM ",
                $table,
                " WHERE ",
                $of,
                " = $1 AND id > $2 AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > $3 ORDER BY id LIMIT $4"
            ),
            insert: concat!(
                "INSERT INTO ",
                $table,
                " (id, ",
                $of,
                ", person_id, email, issuer, role, token_digest, created_by, created_at, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
            ),
            withdraw: concat!(
                "UPDATE ",
                $table,
                " SET withdrawn_at = $1 WHERE ",
                $of,
                " = $2 AND id = $3 AND accepted_at IS NULL AND withdrawn_at IS NULL RETURNING id, ",
                $of,
                ", person_id, email, issuer, role, created_by, created_at, expires_at"
            ),
            withdraw_by: concat!(
                "UPDATE ",
                $table,
                " SET withdrawn_at = $1 WHERE ",
                $of,
                " = $2 AND created_by = $3 AND accepted_at IS NULL AND withdrawn_at IS NULL"
            ),
            withdraw_all_by: concat!(
                "UPDATE ",
                $table,
                " SET withdrawn_at = $1 WHERE created_by = $2 AND accepted_at IS NULL AND withdrawn_at IS NULL \
                 AND expires_at > $1 RETURNING id"
            ),
            place: concat!("SELECT ", $of, " FROM ", $table, " WHERE token_digest = $1 OR id = $1"),
            accept: concat!(
                "UPDATE ",
                $table,
                " SET accepted_by = $1, accepted_at = $2 WHERE (token_digest = $3 OR id = $3) AND accepted_at IS NULL \
                 AND withdrawn_at IS NULL AND expires_at > $2 RETURNING id, ",
                $of,
                ", person_id, email, issuer, role, created_by, created_at, expires_at"
            ),
            decline: concat!(
                "UPDATE ",
                $table,
                " SET withdrawn_at = $1 WHERE id = $2 AND accepted_at IS NULL AND withdrawn_at IS NULL \
                 AND expires_at > $1 RETURNING id, ",
                $of,
                ", person_id, email, issuer, role, created_by, created_at, expires_at"
            ),
        }
    };
}

/// A role that people can be invited to.
pub trait Invited: MemberRole {
    /// The statements on the table of its invitations.
    const INVITATIONS: InvitationStatements;
}

impl Invited for ProjectRole {
    const INVITATIONS: InvitationStatements = TO_PROJECTS;
}

impl Invited for OrganizationRole {
    const INVITATIONS: InvitationStatements = TO_ORGANIZATIONS;
}

const TO_PROJECTS: InvitationStatements = invitations!("invitations", "project_id");
const TO_ORGANIZATIONS: InvitationStatements = invitations!("organization_invitations", "organization_id");
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    TO_PROJECTS.list,
    TO_PROJECTS.insert,
    TO_PROJECTS.withdraw,
    TO_PROJECTS.withdraw_by,
    TO_PROJECTS.withdraw_all_by,
    TO_PROJECTS.place,
    TO_PROJECTS.accept,
    TO_PROJECTS.decline,
    TO_ORGANIZATIONS.list,
    TO_ORGANIZATIONS.insert,
    TO_ORGANIZATIONS.withdraw,
    TO_ORGANIZATIONS.withdraw_by,
    TO_ORGANIZATIONS.withdraw_all_by,
    TO_ORGANIZATIONS.place,
    TO_ORGANIZATIONS.accept,
    TO_ORGANIZATIONS.decline,
];

pub(super) type InvitationRow =
    (String, String, Option<String>, Option<String>, Option<String>, String, String, i64, i64);

impl<R: MemberRole> Invitation<R> {
    pub(super) fn from_row(row: InvitationRow) -> Result<Self, StoreError> {
        let (id, place, person_id, email, issuer, role, created_by, created_at, expires_at) = row;
        Ok(Self {
            id,
            place,
            person_id,
            email,
            issuer,
            role: R::read(&role)?,
            created_by,
            created_at: Timestamp::from_millis(created_at),
            expires_at: Timestamp::from_millis(expires_at),
        })
    }
}

impl Store {
    /// The open invitations to a project or organization, by id. The caller has shown to manage it.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn open_invitations<R: Invited>(
        &self,
        place: &str,
        now: Timestamp,
        slice: Slice<'_>,
    ) -> Result<Vec<Invitation<R>>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<InvitationRow> = on!(db, pool => {
            let list = sqlx::query_as(R::INVITATIONS.list).bind(place).bind(slice.after).bind(now.as_millis());
            list.bind(slice.limit).fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        rows.into_iter().map(Invitation::from_row).collect()
    }
}

impl Tx {
    /// Makes an invitation to a project. The author is a person, and invites as a member: see
    /// [`Tx::hold_project_as_member`].
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::MembershipNeeded`], [`Refusal::AboveOwnRole`]; or
    /// the database gave no answer.
    pub async fn create_invitation(
        &mut self,
        author: &FreshAuthor,
        new: NewInvitation<'_, ProjectRole>,
    ) -> Result<Invitation<ProjectRole>, StoreError> {
        let (project, own) = self.hold_project_as_member(author, new.place, ProjectRole::Manager).await?;
        if !own.may_grant(new.role) {
            return Err(Refusal::AboveOwnRole { own, other: new.role }.into());
        }
        let entry = author.entry("invitation.create", "invitation", new.id);
        self.insert_invitation(author, new, entry.in_project(&project.organization_id, &project.id)).await
    }

    /// Makes an invitation to an organization. The author is a person, and invites as a member.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::OrganizationRoleNeeded`], [`Refusal::MembershipNeeded`], [`Refusal::Personal`]; or
    /// the database gave no answer.
    pub async fn create_organization_invitation(
        &mut self,
        author: &FreshAuthor,
        new: NewInvitation<'_, OrganizationRole>,
    ) -> Result<Invitation<OrganizationRole>, StoreError> {
        let organization =
            self.hold_organization_as_member(author, new.place, OrganizationRole::Admin).await?;
        if organization.personal {
            return Err(Refusal::Personal.into());
        }
        let entry = author.entry("organization.invitation.create", "invitation", new.id);
        self.insert_invitation(author, new, entry.in_organization(&organization.id)).await
    }

    async fn insert_invitation<R: Invited + Serialize>(
        &mut self,
        author: &Author,
        new: NewInvitation<'_, R>,
        entry: AuditEntry,
    ) -> Result<Invitation<R>, StoreError> {
        let (person, email, issuer) = match new.invitee {
            Invitee::Bearer => (None, None, None),
            Invitee::Person(id) => (Some(id), None, None),
            Invitee::Email { address, issuer } => (None, Some(address), Some(issuer)),
        };
        on_tx!(self, conn => {
            let insert = sqlx::query(R::INVITATIONS.insert).bind(new.id).bind(new.place).bind(person).bind(email);
            let insert = insert.bind(issuer).bind(new.role.text()).bind(new.token_digest).bind(&author.id);
            let insert = insert.bind(author.at().as_millis()).bind(new.expires_at.as_millis());
            insert.execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        let invitation = Invitation {
            id: new.id.to_owned(),
            place: new.place.to_owned(),
            person_id: person.map(str::to_owned),
            email: email.map(str::to_owned),
            issuer: issuer.map(str::to_owned),
            role: new.role,
            created_by: author.id.clone(),
            created_at: author.at(),
            expires_at: new.expires_at,
        };
        self.audit(entry.after(&invitation));
        Ok(invitation)
    }

    /// Takes an open invitation to a project back.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`]; or the database gave no answer.
    pub async fn withdraw_invitation(
        &mut self,
        author: &Author,
        project: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        let (project, _) = self.hold_project(author, project, ProjectRole::Manager).await?;
        let entry = author.entry("invitation.withdraw", "invitation", id);
        let entry = entry.in_project(&project.organization_id, &project.id);
        self.end_invitation::<ProjectRole>(author, (&project.id, id), entry).await
    }

    /// Takes an open invitation to an organization back.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::OrganizationRoleNeeded`]; or the database gave no answer.
    pub async fn withdraw_organization_invitation(
        &mut self,
        author: &Author,
        organization: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        let organization = self.hold_organization(author, organization, OrganizationRole::Admin).await?;
        let entry = author.entry("organization.invitation.withdraw", "invitation", id);
        let entry = entry.in_organization(&organization.id);
        self.end_invitation::<OrganizationRole>(author, (&organization.id, id), entry).await
    }

    async fn end_invitation<R: Invited + Serialize>(
        &mut self,
        author: &Author,
        (place, id): (&str, &str),
        entry: AuditEntry,
    ) -> Result<(), StoreError> {
        let row: Option<InvitationRow> = on_tx!(self, conn => {
            let update = sqlx::query_as(R::INVITATIONS.withdraw).bind(author.at().as_millis()).bind(place).bind(id);
            update.fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        let invitation = Invitation::<R>::from_row(row.ok_or(Refusal::Missing("invitation"))?)?;
        self.audit(entry.before(&invitation));
        Ok(())
    }

    /// Withdraws what somebody has invited to in one place, who may no longer.
    pub(super) async fn withdraw_invitations_to<R: Invited>(
        &mut self,
        author: &Author,
        place: &str,
        person: &str,
    ) -> Result<(), StoreError> {
        on_tx!(self, conn => {
            let update = sqlx::query(R::INVITATIONS.withdraw_by).bind(author.at().as_millis()).bind(place);
            update.bind(person).execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))
    }

    /// Withdraws every open invitation of somebody who may no longer act; their ids.
    pub(super) async fn withdraw_every_invitation_by(
        &mut self,
        author: &Author,
        person: &str,
    ) -> Result<Vec<String>, StoreError> {
        let mut ids = Vec::new();
        for statement in [TO_PROJECTS.withdraw_all_by, TO_ORGANIZATIONS.withdraw_all_by] {
            let some: Vec<String> = on_tx!(self, conn => {
                sqlx::query_scalar(statement).bind(author.at().as_millis()).bind(person).fetch_all(conn).await
            })
            .map_err(|e| failed(&e))?;
            ids.extend(some);
        }
        Ok(ids)
    }
}
