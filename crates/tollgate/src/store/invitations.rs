//! Invitations: memberships of a project that wait for their person, who comes with a link that was shown once.

use serde::Serialize;
use tollgate_core::tenancy::ProjectRole;
use tollgate_core::time::Timestamp;

use super::author::Author;
use super::db::{failed, on};
use super::fields::{Slice, Source, moment, project_role};
use super::project_members::ProjectMember;
use super::projects::Project;
use super::proof::FreshAuthor;
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// An open invitation, as the API and the audit log show it. The link's secret is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invitation {
    /// `inv_…`
    pub id: String,
    /// The project.
    pub project_id: String,
    /// When set, only an account with this verified address may accept.
    pub email: Option<String>,
    /// The role that waits.
    pub role: ProjectRole,
    /// Who invites.
    pub created_by: String,
    /// When it was made.
    #[serde(serialize_with = "moment")]
    pub created_at: Timestamp,
    /// When the link stops working.
    #[serde(serialize_with = "moment")]
    pub expires_at: Timestamp,
}

/// An invitation to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewInvitation<'a> {
    /// Its id.
    pub id: &'a str,
    /// The project.
    pub project_id: &'a str,
    /// The only address that may accept.
    pub email: Option<&'a str>,
    /// The role that waits.
    pub role: ProjectRole,
    /// SHA-256 of the link's secret, in hex.
    pub token_digest: &'a str,
    /// When the link stops working.
    pub expires_at: Timestamp,
}

/// What came of accepting an invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The project.
    pub project: Project,
    /// The membership there.
    pub member: ProjectMember,
}

type InvitationRow = (String, String, Option<String>, String, String, i64, i64);

const LIST: &str = "SELECT id, project_id, email, role, created_by, created_at, expires_at FROM invitations \
     WHERE project_id = $1 AND id > $2 AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > $3 \
     ORDER BY id LIMIT $4";
const INSERT: &str = "INSERT INTO invitations (id, project_id, email, role, token_digest, created_by, \
     created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const WITHDRAW: &str = "UPDATE invitations SET withdrawn_at = $1 \
     WHERE project_id = $2 AND id = $3 AND accepted_at IS NULL AND withdrawn_at IS NULL \
     RETURNING id, project_id, email, role, created_by, created_at, expires_at";
const PROJECT: &str = "SELECT project_id FROM invitations WHERE token_digest = $1";
const ACCEPT: &str = "UPDATE invitations SET accepted_by = $1, accepted_at = $2 \
     WHERE token_digest = $3 AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > $2 \
     RETURNING id, project_id, email, role, created_by, created_at, expires_at";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[LIST, INSERT, WITHDRAW, PROJECT, ACCEPT];

impl Invitation {
    fn from_row(row: InvitationRow) -> Result<Self, StoreError> {
        let (id, project_id, email, role, created_by, created_at, expires_at) = row;
        Ok(Self {
            id,
            project_id,
            email,
            role: project_role("invitations", &role)?,
            created_by,
            created_at: Timestamp::from_millis(created_at),
            expires_at: Timestamp::from_millis(expires_at),
        })
    }
}

impl Store {
    /// The open invitations of a project, by id. The caller has shown to manage the project.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn open_invitations(
        &self,
        project: &str,
        now: Timestamp,
        slice: Slice<'_>,
    ) -> Result<Vec<Invitation>, StoreError> {
        let db = self.ready().await?;
        let rows: Vec<InvitationRow> = on!(db, pool => {
            let list = sqlx::query_as(LIST).bind(project).bind(slice.after).bind(now.as_millis());
            list.bind(slice.limit).fetch_all(pool).await
        })
        .map_err(|e| failed(&e))?;
        rows.into_iter().map(Invitation::from_row).collect()
    }
}

impl Tx {
    /// Makes an invitation. The author is a person.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::AboveOwnRole`]; or the database gave no answer.
    pub async fn create_invitation(
        &mut self,
        author: &FreshAuthor,
        new: NewInvitation<'_>,
    ) -> Result<Invitation, StoreError> {
        let (project, own) = self.hold_project(author, new.project_id, ProjectRole::Manager).await?;
        if !own.may_grant(new.role) {
            return Err(Refusal::AboveOwnRole { own, other: new.role }.into());
        }
        on_tx!(self, conn => {
            let insert = sqlx::query(INSERT).bind(new.id).bind(new.project_id).bind(new.email);
            let insert = insert.bind(new.role.as_str()).bind(new.token_digest).bind(&author.id);
            let insert = insert.bind(author.at().as_millis()).bind(new.expires_at.as_millis());
            insert.execute(conn).await.map(drop)
        })
        .map_err(|e| failed(&e))?;
        let invitation = Invitation {
            id: new.id.to_owned(),
            project_id: new.project_id.to_owned(),
            email: new.email.map(str::to_owned),
            role: new.role,
            created_by: author.id.clone(),
            created_at: author.at(),
            expires_at: new.expires_at,
        };
        let entry = author.entry("invitation.create", "invitation", new.id);
        self.audit(entry.in_project(&project.organization_id, &project.id).after(&invitation));
        Ok(invitation)
    }

    /// Takes an open invitation back.
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
        let row: Option<InvitationRow> = on_tx!(self, conn => {
            let update = sqlx::query_as(WITHDRAW).bind(author.at().as_millis()).bind(&project.id).bind(id);
            update.fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        let invitation = Invitation::from_row(row.ok_or(Refusal::Missing("invitation"))?)?;
        let entry = author.entry("invitation.withdraw", "invitation", id);
        self.audit(entry.in_project(&project.organization_id, &project.id).before(&invitation));
        Ok(())
    }

    /// Makes the author a member of the project that the link is for. It works once. Somebody who is a member already
    /// keeps the stronger role. `verified_email` is the author's address, if their issuer has verified it.
    ///
    /// # Errors
    /// [`Refusal::Invitation`], whatever is wrong with it; or the database gave no answer.
    pub async fn accept_invitation(
        &mut self,
        author: &Author,
        token_digest: &str,
        verified_email: Option<&str>,
    ) -> Result<Acceptance, StoreError> {
        let project: Option<String> =
            on_tx!(self, conn => sqlx::query_scalar(PROJECT).bind(token_digest).fetch_optional(conn).await)
                .map_err(|e| failed(&e))?;
        // The invitation stands for its maker's right to add members; the guest has none of their own yet.
        let host = Author { platform_admin: true, ..author.clone() };
        let project = project.ok_or(Refusal::Invitation)?;
        let (project, _) = match self.hold_project(&host, &project, ProjectRole::Viewer).await {
            Err(StoreError::Refused(Refusal::Missing(_))) => return Err(Refusal::Invitation.into()),
            held => held?,
        };
        let row: Option<InvitationRow> = on_tx!(self, conn => {
            let update = sqlx::query_as(ACCEPT).bind(&author.id).bind(author.at().as_millis());
            update.bind(token_digest).fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        let invitation = Invitation::from_row(row.ok_or(Refusal::Invitation)?)?;
        if let Some(address) = &invitation.email
            && !verified_email.is_some_and(|own| own.eq_ignore_ascii_case(address))
        {
            return Err(Refusal::Invitation.into());
        }
        let entry = author.entry("invitation.accept", "invitation", &invitation.id);
        self.audit(entry.in_project(&project.organization_id, &project.id).before(&invitation));
        let member = match self.find_member::<ProjectRole>(&project.id, &author.id).await? {
            None => self.add_project_member(author, &project, &author.id, invitation.role).await?,
            Some(member) if member.role >= invitation.role => member,
            Some(member) => {
                let given = (invitation.role, Source::Manual);
                self.change_project_member(author, &project, &member, given).await?
            }
        };
        Ok(Acceptance { project, member })
    }
}
