//! Putting a changed configuration in force. A bad one changes nothing and says so loudly.

use std::sync::Arc;

use anyhow::Context as _;

use super::{Reloads, options};
use crate::config::{Loaded, Settings, restart_needed};
use crate::telemetry::Metrics;
use crate::views::{CurrentRulebook, KeysView, ViewDeps};

/// What a reload needs.
pub struct Reloader {
    /// The settings in force.
    pub settings: Settings,
    /// The rulebook in force.
    pub rulebook: CurrentRulebook,
    /// For the next key views.
    pub deps: ViewDeps,
    /// Where reloads are counted.
    pub metrics: Arc<Metrics>,
}

impl Reloader {
    /// Takes over every good configuration that comes in.
    pub async fn follow(mut self, mut reloads: Reloads) {
        while let Some(outcome) = reloads.recv().await {
            let applied = match outcome {
                Ok(loaded) => self.apply(loaded).map_err(|e| format!("{e:#}")),
                Err(error) => Err(error.to_string()),
            };
            self.metrics.config_reload(applied.is_ok());
            if let Err(error) = applied {
                tracing::error!(
                    error,
                    "the changed configuration cannot be used; the old one stays in force"
                );
            }
        }
    }

    fn apply(&mut self, loaded: Loaded) -> anyhow::Result<()> {
        let Loaded { settings, compiled, warnings, .. } = loaded;
        let (keys, api_keys) = {
            let current = self.rulebook.borrow();
            let keys = KeysView::start(options::sources(&compiled)?, Some(&current.keys), &self.deps)?;
            (keys, current.api_keys.clone())
        };
        self.rulebook.replace(options::rulebook(&settings, compiled.policy, keys, api_keys));
        for warning in warnings {
            tracing::warn!(%warning, "configuration");
        }
        self.renew_credentials(&settings)?;
        let waiting = restart_needed(&self.settings, &settings);
        if waiting.is_empty() {
            tracing::info!("configuration reloaded");
        } else {
            tracing::warn!(keys = waiting.join(" "), "configuration reloaded; these keys wait for a restart");
        }
        // What waits for a restart still waits at the next reload, so the settings of the start are kept.
        Ok(())
    }

    /// Passwords of a database are replaced while everything runs; connections that are made from now on use the new one.
    fn renew_credentials(&self, settings: &Settings) -> anyhow::Result<()> {
        let Some(store) = &self.deps.store else { return Ok(()) };
        if let Some(options) = options::store(settings)? {
            // Another database is said to wait for a restart.
            let _ = store.renew(&options).context("database.url")?;
        }
        Ok(())
    }
}
