//! What becomes of the keys of somebody who leaves, and of what is deleted. Keys are never deleted: they are revoked,
//! handed over, or switched off.

use tollgate_core::tenancy::ProjectRole;

use super::StoreError;
use super::api_keys::KeyRefusal;
use super::author::Author;
use super::changes::Change;
use super::db::failed;
use super::fields::project_role;
use super::projects::Project;
use super::refusal::Refusal;
use super::tx::{Tx, on_tx};

/// What is to become of a leaver's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaversKeys<'a> {
    /// They end.
    Revoke,
    /// They go to another member, switched off: the leaver knows their secrets, so that each works again when its new
    /// owner has rotated it.
    HandOver {
        /// That member's id.
        to: &'a str,
    },
    /// They are switched off. For endings that nobody decided on, such as a group that is missing in a token.
    Disable,
}

const REVOKE_OWN: &str = "UPDATE api_keys SET state = 'revoked', revoked_at = $1, revoked_by = $2, \
     updated_at = $1, version = version + 1 \
     WHERE project_id = $3 AND person_id = $4 AND state <> 'revoked' RETURNING id";
const REVOKE_ACCOUNTS: &str = "UPDATE api_keys SET state = 'revoked', revoked_at = $1, revoked_by = $2, \
     updated_at = $1, version = version + 1 \
     WHERE project_id = $3 AND service_account_id = $4 AND state <> 'revoked' RETURNING id";
const REVOKE_ALL: &str = "UPDATE api_keys SET state = 'revoked', revoked_at = $1, revoked_by = $2, \
     updated_at = $1, version = version + 1 WHERE project_id = $3 AND state <> 'revoked' RETURNING id";
/// Those too that are off for another reason: when that goes, the role is missing still.
const DISABLE_OWN: &str = "UPDATE api_keys SET state = 'disabled', disabled_because = 'role_lost', \
     disabled_by = $4, disabled_at = $1, updated_at = $1, version = version + 1 \
     WHERE project_id = $2 AND person_id = $3 AND state <> 'revoked' AND disabled_because IS NULL RETURNING id";
/// No secret that the leaver knows stays: the one before ends now, the present one with the new owner's rotation. A role
/// that the leaver lost says nothing about the new owner; every other reason stays.
const HAND_OVER: &str = "UPDATE api_keys SET person_id = $1, state = 'disabled', handed_over_from = $4, \
     handed_over_by = $5, handed_over_at = $2, \
     disabled_because = CASE WHEN disabled_because = 'role_lost' THEN NULL ELSE disabled_because END, \
     previous_digest = NULL, previous_until = NULL, previous_last_used_at = NULL, \
     updated_at = $2, version = version + 1 \
     WHERE project_id = $3 AND person_id = $4 AND state <> 'revoked' RETURNING id";
const HEIR: &str = "SELECT m.role FROM project_members m JOIN people p ON p.id = m.person_id \
     WHERE m.project_id = $1 AND m.person_id = $2 AND p.state = 'active'";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[REVOKE_OWN, REVOKE_ACCOUNTS, REVOKE_ALL, DISABLE_OWN, HAND_OVER, HEIR];

impl Tx {
    /// Does with a leaver's keys in a held project what was decided; the ids of those keys.
    ///
    /// # Errors
    /// [`KeyRefusal::OwnKeys`], [`Refusal::NoHeir`]; or the database gave no answer.
    pub(super) async fn settle_leavers_keys(
        &mut self,
        author: &Author,
        project: &Project,
        leaver: &str,
        keys: LeaversKeys<'_>,
    ) -> Result<Vec<String>, StoreError> {
        if matches!(keys, LeaversKeys::HandOver { .. }) && author.id == leaver {
            return Err(KeyRefusal::OwnKeys.into());
        }
        let (at, project) = (author.at().as_millis(), project.id.as_str());
        let ids: Vec<String> = match keys {
            LeaversKeys::Revoke => on_tx!(self, conn => {
                let update = sqlx::query_scalar(REVOKE_OWN).bind(at).bind(&author.id);
                update.bind(project).bind(leaver).fetch_all(conn).await
            }),
            LeaversKeys::Disable => on_tx!(self, conn => {
                let update = sqlx::query_scalar(DISABLE_OWN).bind(at).bind(project).bind(leaver);
                update.bind(&author.id).fetch_all(conn).await
            }),
            LeaversKeys::HandOver { to } => on_tx!(self, conn => {
                let update = sqlx::query_scalar(HAND_OVER).bind(to).bind(at);
                update.bind(project).bind(leaver).bind(&author.id).fetch_all(conn).await
            }),
        }
        .map_err(|e| failed(&e))?;
        if let (LeaversKeys::HandOver { to }, false) = (keys, ids.is_empty()) {
            self.check_heir(project, leaver, to).await?;
        }
        self.changed_keys(&ids);
        Ok(ids)
    }

    async fn check_heir(&mut self, project: &str, leaver: &str, heir: &str) -> Result<(), StoreError> {
        let role: Option<String> =
            on_tx!(self, conn => sqlx::query_scalar(HEIR).bind(project).bind(heir).fetch_optional(conn).await)
                .map_err(|e| failed(&e))?;
        let role = role.map(|text| project_role("project_members", &text)).transpose()?;
        if heir == leaver || role.is_none_or(|role| role < ProjectRole::Developer) {
            return Err(Refusal::NoHeir(project.to_owned()).into());
        }
        Ok(())
    }

    /// Revokes every key of a held project.
    pub(super) async fn revoke_project_keys(
        &mut self,
        author: &Author,
        project: &str,
    ) -> Result<(), StoreError> {
        let ids: Vec<String> = on_tx!(self, conn => {
            let update = sqlx::query_scalar(REVOKE_ALL).bind(author.at().as_millis()).bind(&author.id);
            update.bind(project).fetch_all(conn).await
        })
        .map_err(|e| failed(&e))?;
        self.changed_keys(&ids);
        Ok(())
    }

    /// Revokes every key of a service account of a held project; their ids.
    pub(super) async fn revoke_account_keys(
        &mut self,
        author: &Author,
        project: &str,
        account: &str,
    ) -> Result<Vec<String>, StoreError> {
        let ids: Vec<String> = on_tx!(self, conn => {
            let update = sqlx::query_scalar(REVOKE_ACCOUNTS).bind(author.at().as_millis()).bind(&author.id);
            update.bind(project).bind(account).fetch_all(conn).await
        })
        .map_err(|e| failed(&e))?;
        self.changed_keys(&ids);
        Ok(ids)
    }

    fn changed_keys(&mut self, ids: &[String]) {
        for id in ids {
            self.change(Change::Key(id.clone()));
        }
    }
}
