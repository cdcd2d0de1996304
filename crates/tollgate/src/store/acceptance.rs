//! Accepting and declining invitations. An invitation stands for its maker's right, which is judged again when it is
//! accepted: the maker may act, and could make the same invitation now, as a member.

use serde::Serialize;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use tollgate_core::time::Timestamp;

use super::author::Author;
use super::db::{failed, on};
use super::fields::{Slice, Source, State};
use super::invitations::{Invitation, InvitationRow, Invited};
use super::organization_members::OrganizationMember;
use super::organizations::Organization;
use super::project_members::ProjectMember;
use super::projects::Project;
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};
use super::{Store, StoreError};

/// Who accepts, besides their id: what their issuer says of them.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// The issuer's configured name.
    pub issuer: &'a str,
    /// Whether no other issuer makes people: an invitation from before issuers were noted counts for it then.
    pub only_issuer: bool,
    /// Their address, if their issuer has verified it.
    pub verified_email: Option<&'a str>,
}

/// By what an invitation is found.
#[derive(Clone, Copy, Debug)]
pub enum Ticket<'a> {
    /// The digest of its token.
    Token(&'a str),
    /// Its id: only for whom it names, by person or by address.
    Id(&'a str),
}

/// What came of accepting an invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// A membership of a project.
    Project(Project, ProjectMember),
    /// A membership of an organization.
    Organization(Organization, OrganizationMember),
}

/// An invitation as its guest sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedInvitation {
    /// `inv_…`
    pub id: String,
    /// The project's id and name; None: it is to the organization.
    pub project: Option<(String, String)>,
    /// The organization.
    pub organization_id: String,
    /// Its name.
    pub organization_name: String,
    /// The role that waits.
    pub role: String,
    /// The name of who invites.
    pub invited_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it can no longer be accepted.
    pub expires_at: Timestamp,
}

/// `$1` person, `$2` issuer, `$3` verified address or nothing, `$4` now, `$5` after, `$6` limit.
macro_rules! received {
    ($project:literal, $joins:literal) => {
        concat!(
            "SELECT i.id, ",
            $project,
            ", o.id, o.name, i.role, c.username, i.created_at, i.expires_at FROM ",
            $joins,
            " JOIN people c ON c.id = i.created_by WHERE i.id > $5 AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL \
             AND i.expires_at > $4 AND o.state <> 'deleted' AND c.state = 'active' \
             AND (i.person_id = $1 OR (i.issuer = $2 AND LOWER(i.email) = LOWER($3))) ORDER BY i.id LIMIT $6"
        )
    };
}
const TO_PROJECTS: &str = received!(
    "p.id, p.name",
    "invitations i JOIN projects p ON p.id = i.project_id AND p.state <> 'deleted' \
     JOIN organizations o ON o.id = p.organization_id"
);
const TO_ORGANIZATIONS: &str = received!(
    "CAST(NULL AS TEXT), CAST(NULL AS TEXT)",
    "organization_invitations i JOIN organizations o ON o.id = i.organization_id"
);
const STATE: &str = "SELECT state FROM people WHERE id = $1";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[TO_PROJECTS, TO_ORGANIZATIONS, STATE];

impl Ticket<'_> {
    const fn text(&self) -> &str {
        match self {
            Self::Token(text) | Self::Id(text) => text,
        }
    }
}

impl Guest<'_> {
    /// Whether an invitation is for this guest.
    fn is_meant<R>(&self, person: &str, ticket: Ticket<'_>, invitation: &Invitation<R>) -> bool {
        match (&invitation.person_id, &invitation.email) {
            (Some(id), _) => id == person,
            (None, Some(address)) => {
                let issuer =
                    invitation.issuer.as_deref().map_or(self.only_issuer, |name| name == self.issuer);
                issuer && self.verified_email.is_some_and(|own| own.eq_ignore_ascii_case(address))
            }
            // An id is no secret: the token is what an invitation for anybody is accepted with.
            (None, None) => matches!(ticket, Ticket::Token(_)),
        }
    }
}

impl Store {
    /// The open invitations that name a person, by themselves or by their verified address; by id.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn invitations_for(
        &self,
        person: &str,
        guest: Guest<'_>,
        now: Timestamp,
        slice: Slice<'_>,
    ) -> Result<Vec<ReceivedInvitation>, StoreError> {
        type Row = (String, Option<String>, Option<String>, String, String, String, String, i64, i64);
        let db = self.ready().await?;
        let mut all = Vec::new();
        for statement in [TO_PROJECTS, TO_ORGANIZATIONS] {
            let rows: Vec<Row> = on!(db, pool => {
                let list = sqlx::query_as(statement).bind(person).bind(guest.issuer).bind(guest.verified_email);
                let list = list.bind(now.as_millis()).bind(slice.after).bind(slice.limit);
                list.fetch_all(pool).await
            })
            .map_err(|e| failed(&e))?;
            all.extend(rows.into_iter().map(|row| {
                let (id, project, name, organization_id, organization_name, role, invited_by, made, ends) =
                    row;
                ReceivedInvitation {
                    id,
                    project: project.zip(name),
                    organization_id,
                    organization_name,
                    role,
                    invited_by,
                    created_at: Timestamp::from_millis(made),
                    expires_at: Timestamp::from_millis(ends),
                }
            }));
        }
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all.truncate(usize::try_from(slice.limit).unwrap_or_default());
        Ok(all)
    }
}

impl Tx {
    /// Makes the author a member of what the invitation is to. It works once. Somebody who is a member already keeps the
    /// stronger role.
    ///
    /// # Errors
    /// [`Refusal::Invitation`], whatever is wrong with it; or the database gave no answer.
    pub async fn accept_invitation(
        &mut self,
        author: &Author,
        ticket: Ticket<'_>,
        guest: Guest<'_>,
    ) -> Result<Acceptance, StoreError> {
        // The author has no right there yet; the maker's is judged below, under the lock.
        let host = Author { platform_admin: true, ..author.clone() };
        if let Some(project) = self.place_of::<ProjectRole>(ticket).await? {
            let held = self.hold_project(&host, &project, ProjectRole::Viewer).await;
            let (project, _) = held.map_err(unknown)?;
            return self.join_project(author, project, ticket, guest).await;
        }
        let organization = self.place_of::<OrganizationRole>(ticket).await?.ok_or(Refusal::Invitation)?;
        let held = self.hold_organization(&host, &organization, OrganizationRole::Member).await;
        self.join_organization(author, held.map_err(unknown)?, ticket, guest).await
    }

    async fn join_project(
        &mut self,
        author: &Author,
        project: Project,
        ticket: Ticket<'_>,
        guest: Guest<'_>,
    ) -> Result<Acceptance, StoreError> {
        let invitation = self.claim::<ProjectRole>(author, ticket, guest).await?;
        let maker = self.role_by_membership(&project.id, &invitation.created_by).await?;
        if !maker.is_some_and(|role| role.may_grant(invitation.role)) {
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
        Ok(Acceptance::Project(project, member))
    }

    async fn join_organization(
        &mut self,
        author: &Author,
        organization: Organization,
        ticket: Ticket<'_>,
        guest: Guest<'_>,
    ) -> Result<Acceptance, StoreError> {
        let invitation = self.claim::<OrganizationRole>(author, ticket, guest).await?;
        let maker = self.find_member::<OrganizationRole>(&organization.id, &invitation.created_by).await?;
        if organization.personal || maker.is_none_or(|maker| maker.role != OrganizationRole::Admin) {
            return Err(Refusal::Invitation.into());
        }
        let entry = author.entry("organization.invitation.accept", "invitation", &invitation.id);
        self.audit(entry.in_organization(&organization.id).before(&invitation));
        let member = match self.find_member::<OrganizationRole>(&organization.id, &author.id).await? {
            None => self.add_organization_member(author, &organization, &author.id, invitation.role).await?,
            Some(member) if member.role >= invitation.role => member,
            Some(member) => {
                let given = (invitation.role, Source::Manual);
                self.change_organization_member(author, &organization, &member, given).await?
            }
        };
        Ok(Acceptance::Organization(organization, member))
    }

    /// Ends an invitation that names the author. The entry in the audit log is for the platform alone: whoever declines
    /// stays unknown to whoever invited.
    ///
    /// # Errors
    /// [`Refusal::Invitation`], whatever is wrong with it; or the database gave no answer.
    pub async fn decline_invitation(
        &mut self,
        author: &Author,
        id: &str,
        guest: Guest<'_>,
    ) -> Result<(), StoreError> {
        if self.decline::<ProjectRole>(author, id, guest).await?
            || self.decline::<OrganizationRole>(author, id, guest).await?
        {
            return Ok(());
        }
        Err(Refusal::Invitation.into())
    }

    async fn decline<R: Invited + Serialize>(
        &mut self,
        author: &Author,
        id: &str,
        guest: Guest<'_>,
    ) -> Result<bool, StoreError> {
        let row: Option<InvitationRow> = on_tx!(self, conn => {
            let update = sqlx::query_as(R::INVITATIONS.decline).bind(author.at().as_millis()).bind(id);
            update.fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        let Some(row) = row else { return Ok(false) };
        let invitation = Invitation::<R>::from_row(row)?;
        if !guest.is_meant(&author.id, Ticket::Id(id), &invitation) {
            return Err(Refusal::Invitation.into());
        }
        self.audit(author.entry("invitation.decline", "invitation", id).before(&invitation));
        Ok(true)
    }

    async fn place_of<R: Invited>(&mut self, ticket: Ticket<'_>) -> Result<Option<String>, StoreError> {
        on_tx!(self, conn => {
            sqlx::query_scalar(R::INVITATIONS.place).bind(ticket.text()).fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))
    }

    /// Marks an invitation of a held place as accepted, when it is open, for this guest, and its maker may act.
    ///
    /// Suspending the maker withdraws it, so that the two wait for each other at this row.
    async fn claim<R: Invited>(
        &mut self,
        author: &Author,
        ticket: Ticket<'_>,
        guest: Guest<'_>,
    ) -> Result<Invitation<R>, StoreError> {
        let row: Option<InvitationRow> = on_tx!(self, conn => {
            let update = sqlx::query_as(R::INVITATIONS.accept).bind(&author.id).bind(author.at().as_millis());
            update.bind(ticket.text()).fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        let invitation = Invitation::from_row(row.ok_or(Refusal::Invitation)?)?;
        let state: Option<String> = on_tx!(self, conn => {
            sqlx::query_scalar(STATE).bind(&invitation.created_by).fetch_optional(conn).await
        })
        .map_err(|e| failed(&e))?;
        let maker_acts = state.is_some_and(|state| state == State::Active.as_str());
        if !maker_acts || !guest.is_meant(&author.id, ticket, &invitation) {
            return Err(Refusal::Invitation.into());
        }
        Ok(invitation)
    }
}

/// What is gone is no invitation.
fn unknown(error: StoreError) -> StoreError {
    match error {
        StoreError::Refused(Refusal::Missing(_)) => Refusal::Invitation.into(),
        other => other,
    }
}
