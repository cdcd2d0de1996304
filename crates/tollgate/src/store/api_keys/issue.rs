//! A new key: who may have one made, where, for whom, and how many there may be.

use tollgate_core::apikey::{KeyDigest, KeyId};
use tollgate_core::caller::KeyLimits;
use tollgate_core::key_life::{KeyLifetimes, LifeWish};
use tollgate_core::key_limits::{KeyName, Metadata, Tags};
use tollgate_core::tenancy::ProjectRole;
use tollgate_core::time::Timestamp;

use super::audited::entry;
use super::{ApiKey, KeyOwner, KeyRefusal};
use crate::store::access::Right;
use crate::store::db::failed;
use crate::store::tx::{Tx, on_tx};
use crate::store::{ActorKind, FreshAuthor, Project, Refusal, State, StoreError};

/// What holds for every key of the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPolicy {
    /// Keys that one project may have.
    pub max_per_project: u32,
    /// How long they live.
    pub lifetimes: KeyLifetimes,
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// The public half of its text.
    pub id: KeyId,
    /// What is kept of its secret.
    pub digest: KeyDigest,
    /// Its project.
    pub project_id: String,
    /// Whom it acts for.
    pub owner: KeyOwner,
    /// What people call it.
    pub name: KeyName,
    /// How long it lives.
    pub life: LifeWish,
    /// What it is narrowed to.
    pub limits: KeyLimits,
    /// Words by which it is found.
    pub tags: Tags,
    /// What its owner remembers about it.
    pub metadata: Metadata,
}

const PERSON: &str = "SELECT state FROM people WHERE id = $1";
const ACCOUNT: &str =
    "SELECT state FROM service_accounts WHERE project_id = $1 AND id = $2 AND state <> 'deleted'";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[PERSON, ACCOUNT];

impl KeyPolicy {
    /// When a key ends whose secret was made at `made`.
    pub(super) fn end(
        &self,
        life: LifeWish,
        made: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, KeyRefusal> {
        let in_days = matches!(life, LifeWish::Days(_));
        self.lifetimes.grant(life, made, now).map_err(|error| KeyRefusal::Life { error, in_days })
    }
}

/// Whether project and organization may act.
pub(super) fn must_act(project: &Project, right: Right) -> Result<(), Refusal> {
    match (project.state, right.organization_state) {
        (State::Active, State::Active) => Ok(()),
        (State::Active, State::Suspended) => Err(KeyRefusal::OrganizationSuspended.into()),
        (State::Suspended, _) => Err(KeyRefusal::ProjectSuspended.into()),
        (State::Deleted, _) | (State::Active, State::Deleted) => Err(Refusal::Missing("project")),
    }
}

impl Tx {
    /// Makes a key: for its author, or for a service account by a manager.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], a [`KeyRefusal`]; or the database gave no answer.
    pub async fn issue_key(
        &mut self,
        author: &FreshAuthor,
        new: &NewApiKey,
        policy: &KeyPolicy,
    ) -> Result<ApiKey, StoreError> {
        let needed = match new.owner {
            KeyOwner::Person(_) => ProjectRole::Developer,
            KeyOwner::ServiceAccount(_) => ProjectRole::Manager,
        };
        let (project, right) = self.hold_project_as_member_by_right(author, &new.project_id, needed).await?;
        must_act(&project, right)?;
        if let KeyOwner::Person(person) = &new.owner
            && (author.kind != ActorKind::Person || *person != author.id)
        {
            return Err(KeyRefusal::ForAnotherPerson.into());
        }
        self.owner_must_act(&project, &new.owner).await?;
        let now = author.at();
        let expires_at = policy.end(new.life, now, now)?;
        self.must_have_room(&project.id, policy, now).await?;
        let key = self.insert_key(new, expires_at, (&author.id, now)).await?;
        self.audit(entry(author, "key.create", None, &key));
        Ok(key)
    }

    /// Whether the person or service account exists and may act.
    pub(super) async fn owner_must_act(
        &mut self,
        project: &Project,
        owner: &KeyOwner,
    ) -> Result<(), StoreError> {
        let state: Option<String> = match owner {
            KeyOwner::Person(id) => {
                on_tx!(self, conn => sqlx::query_scalar(PERSON).bind(id).fetch_optional(conn).await)
            }
            KeyOwner::ServiceAccount(id) => on_tx!(self, conn => {
                sqlx::query_scalar(ACCOUNT).bind(&project.id).bind(id).fetch_optional(conn).await
            }),
        }
        .map_err(|e| failed(&e))?;
        match (state.as_deref(), owner) {
            (Some("active"), _) => Ok(()),
            (Some(_), _) => Err(KeyRefusal::OwnerSuspended.into()),
            (None, KeyOwner::ServiceAccount(_)) => Err(KeyRefusal::NoServiceAccount.into()),
            (None, KeyOwner::Person(_)) => Err(Refusal::Missing("person").into()),
        }
    }

    /// Whether a held project has room for another key.
    pub(super) async fn must_have_room(
        &mut self,
        project: &str,
        policy: &KeyPolicy,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let max = policy.max_per_project;
        if self.count_keys(project, now).await? >= i64::from(max) {
            return Err(KeyRefusal::Quota { max }.into());
        }
        Ok(())
    }
}
