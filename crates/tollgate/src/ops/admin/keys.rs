//! Keys from the machine itself: one for the first caller, and the end of one that leaked.

use anyhow::{Context as _, bail};
use serde_json::json;
use tollgate_core::apikey::{KeyId, NewKey};
use tollgate_core::caller::KeyLimits;
use tollgate_core::ids::IdKind;
use tollgate_core::key_life::LifeWish;
use tollgate_core::key_limits::{KeyName, Metadata, Tags};
use tollgate_core::tenancy::ProjectRole;

use super::{Admin, Done, Whom};
use crate::store::api_keys::{ApiKey, KeyCreation, KeyOwner, NewApiKey};
use crate::store::rfc3339;

/// A key that an operator wants.
#[derive(Clone, Debug)]
pub struct KeyWish {
    /// The project.
    pub project: String,
    /// The person or service account (`sva_…`) that it acts for.
    pub owner: Result<Whom, String>,
    /// Its name.
    pub name: String,
    /// In how many days it ends; without it, as the deployment says.
    pub days: Option<u32>,
}

impl Admin {
    /// Makes a key. Its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// The project or owner is not known, a bound of the deployment forbids it, or the database gave no answer.
    pub async fn create_key(&self, wish: &KeyWish) -> anyhow::Result<Done> {
        let name = KeyName::try_from(wish.name.clone())?;
        let owner = match &wish.owner {
            Ok(whom) => KeyOwner::Person(self.person(whom).await?.id),
            Err(account) if IdKind::ServiceAccount.fits(account) => KeyOwner::ServiceAccount(account.clone()),
            Err(other) => bail!("'{other}' is not the id of a service account (sva_…)"),
        };
        let now = self.now();
        let life = wish.days.map_or(LifeWish::Unsaid, LifeWish::Days);
        let expires_at = self.key_lifetimes.grant(life, now, now)?;
        let secret = NewKey::make(now, |buffer| self.entropy.fill(buffer))?;
        let author = self.author(now);
        let mut tx = self.store.begin().await?;
        let (project, _) = tx.hold_project(&author, &wish.project, ProjectRole::Owner).await?;
        let new = NewApiKey {
            id: secret.id(),
            digest: secret.digest(),
            project_id: project.id.clone(),
            owner,
            name,
            expires_at,
            limits: KeyLimits::NONE,
            tags: Tags::default(),
            metadata: Metadata::default(),
            created_by: author.id.clone(),
        };
        let key = match tx.create_key(&author, &new, self.key_quota, now).await? {
            KeyCreation::Created(key) => key,
            KeyCreation::NoProject => bail!("there is no such project"),
            KeyCreation::NoOwner => bail!("there is no such owner in this project, or they are suspended"),
            KeyCreation::Full => {
                bail!("the project has {} keys, as many as keys.max_per_project allows", self.key_quota)
            }
        };
        let entry = author.entry("key.create", "key", key.id.as_str());
        tx.audit(entry.in_project(&project.organization_id, &project.id).after(&shown(&key)));
        tx.commit(now).await?;
        let end =
            key.expires_at.map_or_else(|| "never ends".to_owned(), |at| format!("ends {}", rfc3339(at)));
        let text = format!(
            "{}: key '{}' of {}, {end}. Its text is shown this once:\n{}",
            key.id.as_str(),
            key.name.as_str(),
            key.owner_name,
            secret.reveal()
        );
        let mut json = shown(&key);
        json["secret"] = secret.reveal().into();
        Ok(Done { text, json })
    }

    /// Ends a key for good.
    ///
    /// # Errors
    /// There is no such key, or the database gave no answer.
    pub async fn revoke_key(&self, id: &str) -> anyhow::Result<Done> {
        let id = KeyId::parse(id).with_context(|| format!("'{id}' is not the id of a key"))?;
        let now = self.now();
        let author = self.author(now);
        let mut tx = self.store.begin().await?;
        let found = tx.find_key_anywhere(id.as_str()).await?;
        let found = found.with_context(|| format!("there is no key {}", id.as_str()))?;
        let held = tx.hold_key(&found.project_id, id.as_str()).await?;
        let before = held.with_context(|| format!("there is no key {}", id.as_str()))?;
        if before.revoked.is_some() {
            let text = format!("{}: was revoked before", id.as_str());
            return Ok(Done { text, json: shown(&before) });
        }
        let key = tx.revoke_key(&before, &author.id, now).await?;
        let entry = author.entry("key.revoke", "key", id.as_str());
        let entry = entry.in_project(&key.organization_id, &key.project_id);
        tx.audit(entry.before(&shown(&before)).after(&shown(&key)));
        tx.commit(now).await?;
        let text = format!("{}: key '{}' of {} is revoked", id.as_str(), key.name.as_str(), key.owner_name);
        Ok(Done { text, json: shown(&key) })
    }
}

fn shown(key: &ApiKey) -> serde_json::Value {
    json!({
        "id": key.id.as_str(),
        "project_id": key.project_id,
        "name": key.name,
        "owner": key.owner.id(),
        "expires_at": key.expires_at.map(rfc3339),
        "revoked_at": key.revoked.as_ref().map(|end| rfc3339(end.at)),
    })
}
