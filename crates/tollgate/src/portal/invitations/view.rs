//! Invitations as the API shows them: to whoever manages them, and to whom they are for.

use serde::Serialize;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use utoipa::ToSchema;

use crate::portal::forms::Moment;
use crate::portal::words;
use crate::store::{Invitation, ReceivedInvitation};

/// An open invitation. Its token was shown once, when it was made.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct InvitationView {
    /// `inv_…`
    pub id: String,
    /// The project.
    pub project_id: String,
    /// The only person who may accept it, as whoever invites has said; null: not bound to an id.
    pub person_id: Option<String>,
    /// The only address that may accept it, once the issuer has verified it; null: not bound to an address.
    pub email: Option<String>,
    /// Whose verification of the address counts.
    pub issuer: Option<String>,
    /// The role that waits.
    #[schema(schema_with = words::project_role)]
    pub role: ProjectRole,
    /// The person who invites.
    pub created_by: String,
    /// When it was made.
    pub created_at: Moment,
    /// When it stops working.
    pub expires_at: Moment,
}

/// An open invitation to an organization. Its token was shown once, when it was made.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct OrganizationInvitationView {
    /// `inv_…`
    pub id: String,
    /// The organization.
    pub organization_id: String,
    /// The only person who may accept it, as whoever invites has said; null: not bound to an id.
    pub person_id: Option<String>,
    /// The only address that may accept it, once the issuer has verified it; null: not bound to an address.
    pub email: Option<String>,
    /// Whose verification of the address counts.
    pub issuer: Option<String>,
    /// The role that waits.
    #[schema(schema_with = words::organization_role)]
    pub role: OrganizationRole,
    /// The person who invites.
    pub created_by: String,
    /// When it was made.
    pub created_at: Moment,
    /// When it stops working.
    pub expires_at: Moment,
}

/// An invitation with its token, which is never shown again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FreshInvitationView {
    /// The invitation.
    #[serde(flatten)]
    pub invitation: InvitationView,
    /// What the guest sends to `POST /invitations/accept`. Null in a repeated answer: it was shown in the first one.
    pub token: Option<String>,
    /// Whether the token was shown in an earlier answer.
    pub token_shown: bool,
}

/// An invitation to an organization with its token, which is never shown again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FreshOrganizationInvitationView {
    /// The invitation.
    #[serde(flatten)]
    pub invitation: OrganizationInvitationView,
    /// What the guest sends to `POST /invitations/accept`. Null in a repeated answer: it was shown in the first one.
    pub token: Option<String>,
    /// Whether the token was shown in an earlier answer.
    pub token_shown: bool,
}

/// An invitation that is for you.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReceivedInvitationView {
    /// `inv_…`
    pub id: String,
    /// The project; null: it is to the organization.
    pub project_id: Option<String>,
    /// The project's name.
    pub project_name: Option<String>,
    /// The organization.
    pub organization_id: String,
    /// The organization's name.
    pub organization_name: String,
    /// The role that waits: a project's or an organization's.
    #[schema(schema_with = words::any_role)]
    pub role: String,
    /// The name of who invites.
    pub invited_by: String,
    /// When it was made.
    pub created_at: Moment,
    /// When it stops working.
    pub expires_at: Moment,
}

impl From<Invitation<ProjectRole>> for InvitationView {
    fn from(invitation: Invitation<ProjectRole>) -> Self {
        let Invitation { id, place, person_id, email, issuer, role, created_by, created_at, expires_at } =
            invitation;
        let (created_at, expires_at) = (Moment(created_at), Moment(expires_at));
        Self { id, project_id: place, person_id, email, issuer, role, created_by, created_at, expires_at }
    }
}

impl From<Invitation<OrganizationRole>> for OrganizationInvitationView {
    fn from(invitation: Invitation<OrganizationRole>) -> Self {
        let Invitation { id, place, person_id, email, issuer, role, created_by, created_at, expires_at } =
            invitation;
        let (created_at, expires_at) = (Moment(created_at), Moment(expires_at));
        Self {
            id,
            organization_id: place,
            person_id,
            email,
            issuer,
            role,
            created_by,
            created_at,
            expires_at,
        }
    }
}

impl From<ReceivedInvitation> for ReceivedInvitationView {
    fn from(invitation: ReceivedInvitation) -> Self {
        let ReceivedInvitation {
            id,
            project,
            organization_id,
            organization_name,
            role,
            invited_by,
            created_at,
            expires_at,
        } = invitation;
        let (project_id, project_name) = project.unzip();
        let (created_at, expires_at) = (Moment(created_at), Moment(expires_at));
        Self {
            id,
            project_id,
            project_name,
            organization_id,
            organization_name,
            role,
            invited_by,
            created_at,
            expires_at,
        }
    }
}
