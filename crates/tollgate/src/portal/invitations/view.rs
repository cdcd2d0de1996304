//! An invitation as the API shows it.

use serde::Serialize;
use tollgate_core::tenancy::ProjectRole;
use utoipa::ToSchema;

use crate::portal::forms::Moment;
use crate::portal::words;
use crate::store::Invitation;

/// An open invitation. Its token was shown once, when it was made.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct InvitationView {
    /// `inv_…`
    pub id: String,
    /// The project.
    pub project_id: String,
    /// The only address that may accept it, once the issuer has verified it; null: whoever holds the token.
    pub email: Option<String>,
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

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        let Invitation { id, project_id, email, role, created_by, created_at, expires_at } = invitation;
        let (created_at, expires_at) = (Moment(created_at), Moment(expires_at));
        Self { id, project_id, email, role, created_by, created_at, expires_at }
    }
}
