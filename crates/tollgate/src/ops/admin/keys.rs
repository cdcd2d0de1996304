//! Keys from the machine itself: a service account with its first key, and the end of a key that leaked. No key of a person:
//! a secret acts as somebody who has made it.

use anyhow::{Context as _, bail};
use serde_json::json;
use tollgate_core::apikey::{KeyId, NewKey};
use tollgate_core::caller::KeyLimits;
use tollgate_core::ids::IdKind;
use tollgate_core::key_life::LifeWish;
use tollgate_core::key_limits::{KeyName, Metadata, Tags};

use super::{Admin, Done};
use crate::entropy::bytes;
use crate::store::api_keys::{ApiKey, KeyOwner, NewApiKey};
use crate::store::rfc3339;

/// A key that an operator wants.
#[derive(Clone, Debug)]
pub struct KeyWish {
    /// The project.
    pub project: String,
    /// The service account (`sva_…`) that it acts for.
    pub service_account: String,
    /// Its name.
    pub name: String,
    /// In how many days it ends; without it, as the deployment says.
    pub days: Option<u32>,
}

impl Admin {
    /// Makes a service account.
    ///
    /// # Errors
    /// The name is none or taken, there is no such project, or the database gave no answer.
    pub async fn create_service_account(&self, project: &str, name: &str) -> anyhow::Result<Done> {
        let name = KeyName::try_from(name.to_owned())?;
        let now = self.now();
        let id = IdKind::ServiceAccount.make(now, bytes(self.entropy.as_ref())?);
        let mut tx = self.store.begin().await?;
        let account = tx.create_service_account(&self.author(now), project, (&id, name.as_str())).await?;
        tx.commit(now).await?;
        Ok(Done { text: format!("{id}: service account '{}'", name.as_str()), json: json!(account) })
    }

    /// Makes a key of a service account. Its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// The project or account is not known or suspended, a bound of the deployment forbids it, or the database gave no
    /// answer.
    pub async fn create_key(&self, wish: &KeyWish) -> anyhow::Result<Done> {
        let name = KeyName::try_from(wish.name.clone())?;
        let account = &wish.service_account;
        if !IdKind::ServiceAccount.fits(account) {
            bail!("'{account}' is not the id of a service account (sva_…)");
        }
        let now = self.now();
        let secret = NewKey::make(now, |buffer| self.entropy.fill(buffer))?;
        let new = NewApiKey {
            id: secret.id(),
            digest: secret.digest(),
            project_id: wish.project.clone(),
            owner: KeyOwner::ServiceAccount(account.clone()),
            name,
            life: wish.days.map_or(LifeWish::Unsaid, LifeWish::Days),
            limits: KeyLimits::NONE,
            tags: Tags::default(),
            metadata: Metadata::default(),
        };
        let mut tx = self.store.begin().await?;
        let key = tx.issue_key(&self.author(now), &new, &self.key_policy).await?;
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
        let mut tx = self.store.begin().await?;
        let found = tx.find_key_anywhere(id.as_str()).await?;
        let found = found.with_context(|| format!("there is no key {}", id.as_str()))?;
        if found.revoked.is_some() {
            let text = format!("{}: was revoked before", id.as_str());
            return Ok(Done { text, json: shown(&found) });
        }
        let key = tx.revoke_key(&self.author(now), ((&found.project_id, id.as_str()), None)).await?;
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
