//! What somebody at the database itself may do, without a running server: the first steps of a deployment, and emergencies.
//! The same rules hold as over the API, except those about roles; every act is in the audit log with the kind `operator`.

mod keys;
mod people;
mod restore;
mod standing;
mod tenancy;

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;
use tollgate_core::time::Timestamp;

use crate::app::{key_policy, store_options};
use crate::clock::Clock;
use crate::config::Settings;
use crate::entropy::Entropy;
use crate::store::api_keys::KeyPolicy;
use crate::store::{FreshAuthor, Origin, Store};

pub use keys::KeyWish;
pub use people::Whom;
pub use standing::Thing;
pub use tenancy::Membership;

/// What was done, for people and for programs.
#[derive(Debug)]
pub struct Done {
    /// In words, one sentence a line.
    pub text: String,
    /// The thing that it was done to.
    pub json: Value,
}

/// Somebody at the database.
pub struct Admin {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    name: String,
    issuers: Vec<String>,
    key_policy: KeyPolicy,
}

impl Admin {
    /// For the database that is configured. `name` is the account on this machine, for the audit log.
    ///
    /// # Errors
    /// No database is configured, or its URL names none.
    pub fn open(
        settings: &Settings,
        name: String,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            store: open_store(settings)?,
            clock,
            entropy,
            name,
            issuers: settings.issuers.iter().map(|issuer| issuer.name.clone()).collect(),
            key_policy: key_policy(settings),
        })
    }

    /// Lets go of the database.
    pub async fn close(self) {
        self.store.close().await;
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn author(&self, now: Timestamp) -> FreshAuthor {
        FreshAuthor::operator(&self.name, Origin::here(now))
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The store of the configured database.
///
/// # Errors
/// None is configured, or its URL names none.
pub(super) fn open_store(settings: &Settings) -> anyhow::Result<Arc<Store>> {
    let options = store_options(settings)?
        .context("no database is configured: set database.url, or name the configuration with --config")?;
    Store::open(&options).context("database.url")
}
