//! Changing, switching, rotating and ending keys. Each holds the project and the key, judges role and state under that
//! lock, writes, names the key to the followers, and writes down who did it.

use tollgate_core::apikey::KeyDigest;
use tollgate_core::caller::KeyState;
use tollgate_core::key_bounds::{KeyAuthority, KeyEditor, LimitEdit};
use tollgate_core::key_life::{LifeWish, Overlap};
use tollgate_core::key_limits::{KeyName, Metadata, Tags};
use tollgate_core::tenancy::ProjectRole;

use super::audited::entry;
use super::issue::{KeyPolicy, must_act};
use super::switch::{KeySwitch, Switcher};
use super::{ApiKey, KeyChange, KeyFilter, KeyOwner, KeyRefusal, Revocation};
use crate::store::access::Right;
use crate::store::tx::Tx;
use crate::store::{ActorKind, Author, FreshAuthor, Project, Refusal, StoreError};

/// Which key: its project and its id.
pub type KeyPath<'a> = (&'a str, &'a str);

/// What is edited in a key; what is not said stays.
#[derive(Clone, Debug, Default)]
pub struct KeyEdit {
    /// Another name.
    pub name: Option<KeyName>,
    /// Another end.
    pub life: Option<LifeWish>,
    /// Other limits; `expires_at` is given by `life`.
    pub limits: LimitEdit,
    /// Other tags.
    pub tags: Option<Tags>,
    /// Other metadata.
    pub metadata: Option<Metadata>,
    /// Whether it is to work.
    pub enabled: Option<bool>,
}

/// A key that its author may change, held until the end of the unit of work.
struct Held {
    project: Project,
    right: Right,
    key: ApiKey,
    authority: KeyAuthority,
    /// Whether the key acts for the author.
    owns: bool,
}

impl Held {
    fn switcher<'a>(&self, author: &'a Author) -> Switcher<'a> {
        Switcher { authority: self.authority, owns: self.owns, id: &author.id, at: author.at() }
    }

    fn is_at(&self, expected: Option<i64>) -> Result<(), Refusal> {
        match expected {
            Some(version) if version != self.key.version => {
                Err(Refusal::Stale { thing: "key", version: self.key.version })
            }
            _ => Ok(()),
        }
    }

    fn must_not_be_revoked(&self) -> Result<(), KeyRefusal> {
        if self.key.state == KeyState::Revoked { Err(KeyRefusal::Revoked) } else { Ok(()) }
    }

    /// Whether a person's key is somebody else's than the author's: nobody makes such a key work.
    const fn is_another_persons(&self) -> bool {
        matches!(self.key.owner, KeyOwner::Person(_)) && !self.owns
    }

    fn switched(&self, author: &Author, on: bool) -> Result<KeySwitch, KeyRefusal> {
        let (who, switch) = (self.switcher(author), &self.key.switch);
        if !on {
            return Ok(switch.switched_off(who));
        }
        if self.is_another_persons() {
            return switch.lifted(who);
        }
        let switched = switch.switched_on(who)?;
        if self.key.leaked.is_some() { Err(KeyRefusal::Leaked) } else { Ok(switched) }
    }
}

impl Tx {
    /// A key that the author may change: their own as a developer, any as a manager.
    async fn hold_key_of(&mut self, author: &Author, (project, id): KeyPath<'_>) -> Result<Held, StoreError> {
        let (project, right) = self.hold_project_by_right(author, project, ProjectRole::Developer).await?;
        let key = self.hold_key(&project.id, id).await?.ok_or(Refusal::Missing("key"))?;
        let authority = right.on_keys();
        let owns = author.kind == ActorKind::Person && key.owner.person() == Some(author.id.as_str());
        if !owns && authority < KeyAuthority::Manager {
            return Err(KeyRefusal::SomebodyElses.into());
        }
        Ok(Held { project, right, key, authority, owns })
    }

    /// Gives a key another secret. The present one works on for the overlap; the one before ends. It makes a key work whose
    /// secret was somebody else's, and undoes no other reason for which a key is off.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::Stale`], a [`KeyRefusal`]; there is no proof; or the
    /// database gave no answer.
    pub async fn rotate_key<E: From<StoreError>>(
        &mut self,
        author: &Author,
        (key, expected): (KeyPath<'_>, Option<i64>),
        (digest, overlap): (KeyDigest, Overlap),
        proof: impl FnOnce() -> Result<FreshAuthor, E>,
    ) -> Result<ApiKey, E> {
        let before = self.rotatable(author, (key, expected), overlap).await?;
        let (author, now) = (proof()?, author.at());
        let until = overlap.until(now, before.expires_at);
        let switch = before.switch.rotated();
        let after = self.write_rotation(&author, &before, (digest, until), &switch, now).await?;
        self.audit(entry(&author, "key.rotate", Some(&before), &after));
        Ok(after)
    }

    /// A held key that its author may give another secret with this overlap.
    async fn rotatable(
        &mut self,
        author: &Author,
        (key, expected): (KeyPath<'_>, Option<i64>),
        overlap: Overlap,
    ) -> Result<ApiKey, StoreError> {
        let held = self.hold_key_of(author, key).await?;
        if held.is_another_persons() {
            return Err(KeyRefusal::OwnerAlone.into());
        }
        // A secret is shown, which the platform's right alone does not bring.
        self.hold_project_as_member(author, &held.project.id, ProjectRole::Developer).await?;
        held.is_at(expected)?;
        held.must_not_be_revoked()?;
        must_act(&held.project, held.right)?;
        self.owner_must_act(&held.project, &held.key.owner).await?;
        let (key, now) = (held.key, author.at());
        if key.expires_at.is_some_and(|end| end <= now) {
            return Err(KeyRefusal::Expired.into());
        }
        let overlaps = overlap.until(now, None).is_some();
        if overlaps && key.switch.handed_over.is_some() {
            return Err(KeyRefusal::HandedOverOverlap.into());
        }
        if overlaps && key.leaked.is_some() {
            return Err(KeyRefusal::LeakedOverlap.into());
        }
        Ok(key)
    }

    /// Ends a key for good. One that has ended already stays as it is.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::Stale`], [`KeyRefusal::SomebodyElses`]; or the
    /// database gave no answer.
    pub async fn revoke_key(
        &mut self,
        author: &Author,
        (key, expected): (KeyPath<'_>, Option<i64>),
    ) -> Result<ApiKey, StoreError> {
        let held = self.hold_key_of(author, key).await?;
        held.is_at(expected)?;
        self.end_key(author, held.key).await
    }

    /// Ends keys of a project, `most` at once, or only says which it would be; and whether there are more.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`]; or the database gave no answer.
    pub async fn revoke_keys(
        &mut self,
        author: &Author,
        project: &str,
        filter: &KeyFilter,
        (most, dry_run): (usize, bool),
    ) -> Result<(Vec<ApiKey>, bool), StoreError> {
        self.hold_project(author, project, ProjectRole::Manager).await?;
        let filter = KeyFilter { unrevoked: true, ..filter.clone() };
        let fetch = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
        let mut keys = self.list_keys(project, &filter, (None, fetch), author.at()).await?;
        let more = keys.len() > most;
        keys.truncate(most);
        if dry_run {
            return Ok((keys, more));
        }
        let mut ended = Vec::with_capacity(keys.len());
        for key in keys {
            ended.push(self.end_key(author, key).await?);
        }
        Ok((ended, more))
    }

    async fn end_key(&mut self, author: &Author, before: ApiKey) -> Result<ApiKey, StoreError> {
        if before.state == KeyState::Revoked {
            return Ok(before);
        }
        let end = Revocation { at: author.at(), by: author.id.clone() };
        let after = self.save_key(before.ended(end), author.at()).await?;
        self.audit(entry(author, "key.revoke", Some(&before), &after));
        Ok(after)
    }

    /// Switches a key off.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::Stale`], a [`KeyRefusal`]; or the database gave no
    /// answer.
    pub async fn disable_key(
        &mut self,
        author: &Author,
        (key, expected): (KeyPath<'_>, Option<i64>),
    ) -> Result<ApiKey, StoreError> {
        let held = self.hold_key_of(author, key).await?;
        held.is_at(expected)?;
        held.must_not_be_revoked()?;
        let off = held.key.switched_off(held.switched(author, false)?);
        self.save_change(author, "key.disable", &held.key, off).await
    }

    /// Switches a key on again. A manager who enables another person's key takes back what managers decided, and nothing
    /// else.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::Stale`], a [`KeyRefusal`]; there is no proof; or the
    /// database gave no answer.
    pub async fn enable_key<E: From<StoreError>>(
        &mut self,
        author: &Author,
        (key, expected): (KeyPath<'_>, Option<i64>),
        proof: impl FnOnce() -> Result<FreshAuthor, E>,
    ) -> Result<ApiKey, E> {
        let (held, after) = self.enabled(author, (key, expected)).await?;
        let author = proof()?;
        must_act(&held.project, held.right).map_err(StoreError::from)?;
        self.owner_must_act(&held.project, &held.key.owner).await?;
        let change = ApiKey::proven_change(after, &author);
        Ok(self.save_change(&author, "key.enable", &held.key, change).await?)
    }

    /// A held key, and as it is once its author has enabled it.
    async fn enabled(
        &mut self,
        author: &Author,
        (key, expected): (KeyPath<'_>, Option<i64>),
    ) -> Result<(Held, ApiKey), StoreError> {
        let held = self.hold_key_of(author, key).await?;
        held.is_at(expected)?;
        held.must_not_be_revoked()?;
        let mut after = held.key.clone();
        after.switch_to(held.switched(author, true)?);
        Ok((held, after))
    }

    /// Edits a key. An edit past what a higher role set is refused; one that gives the key more than it had asks for
    /// `proof`.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::ProjectRoleNeeded`], [`Refusal::Stale`], a [`KeyRefusal`]; there is no proof; or the
    /// database gave no answer.
    pub async fn edit_key<E: From<StoreError>>(
        &mut self,
        author: &Author,
        (key, expected): (KeyPath<'_>, Option<i64>),
        (edit, policy): (KeyEdit, &KeyPolicy),
        proof: impl FnOnce() -> Result<FreshAuthor, E>,
    ) -> Result<ApiKey, E> {
        let (before, after) = self.edited(author, (key, expected), (edit, policy)).await?;
        let change = before.change_to(after, proof)?;
        Ok(self.save_change(author, "key.update", &before, change).await?)
    }

    /// A held key, and as it is after an edit.
    async fn edited(
        &mut self,
        author: &Author,
        (key, expected): (KeyPath<'_>, Option<i64>),
        (edit, policy): (KeyEdit, &KeyPolicy),
    ) -> Result<(ApiKey, ApiKey), StoreError> {
        let held = self.hold_key_of(author, key).await?;
        held.is_at(expected)?;
        held.must_not_be_revoked()?;
        let (mut after, now) = (held.key.clone(), author.at());
        let mut limits = edit.limits;
        limits.expires_at = match edit.life {
            Some(life) => Some(policy.end(life, held.key.secret_made_at(), now)?),
            None => None,
        };
        let editor = KeyEditor { authority: held.authority, owns: held.owns, id: &author.id, at: now };
        after.bounds = held
            .key
            .bounds
            .after(editor, &limits)
            .map_err(|past| KeyRefusal::PastBound { limit: past.limit, role: past.role })?;
        if let Some(end) = limits.expires_at {
            self.may_end(&held, policy, author).await?;
            after.expires_at = end;
        }
        after.limits.models = limits.models.unwrap_or(after.limits.models);
        after.limits.routes = limits.routes.unwrap_or(after.limits.routes);
        after.limits.addresses = limits.addresses.unwrap_or(after.limits.addresses);
        after.name = edit.name.unwrap_or(after.name);
        after.tags = edit.tags.unwrap_or(after.tags);
        after.metadata = edit.metadata.unwrap_or(after.metadata);
        if let Some(on) = edit.enabled {
            if on {
                must_act(&held.project, held.right)?;
            }
            after.switch_to(held.switched(author, on)?);
        }
        Ok((held.key, after))
    }

    /// Whether a key may get another end. One whose time was over works again with it: that is its owner's decision, and
    /// it takes a place among the project's keys.
    async fn may_end(&mut self, held: &Held, policy: &KeyPolicy, author: &Author) -> Result<(), StoreError> {
        let now = author.at();
        if held.key.expires_at.is_none_or(|end| end > now) {
            return Ok(());
        }
        if held.is_another_persons() && !held.key.bounds.bound_the_end(held.authority) {
            return Err(KeyRefusal::OwnerAlone.into());
        }
        self.must_have_room(&held.project.id, policy, now).await
    }

    /// Saves a change and writes it down, if anything is another way.
    async fn save_change(
        &mut self,
        author: &Author,
        action: &'static str,
        before: &ApiKey,
        change: KeyChange,
    ) -> Result<ApiKey, StoreError> {
        if change.after() == before {
            return Ok(before.clone());
        }
        let after = self.save_key(change, author.at()).await?;
        self.audit(entry(author, action, Some(before), &after));
        Ok(after)
    }
}
