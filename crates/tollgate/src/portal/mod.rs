//! The port for people and their tools: the REST API and its documentation. It uses the same store and views as the doors,
//! and never the doors themselves.
//!
//! A request goes: bounds (body, rate) → who ([`person`]) → may they → what (one file per endpoint) → one unit of work in
//! the store, with its audit entry and its change → an answer, or a [`problem::Problem`].

mod acquaintance;
mod audit;
pub mod body;
mod docs;
pub mod forms;
mod group_mappings;
pub mod introspection;
mod invitations;
mod issuers;
pub mod keys;
mod legacy_keys;
mod limit;
mod me;
mod me_key;
mod members;
pub mod once;
mod organizations;
pub mod origin;
pub mod page;
mod parameters;
mod people;
pub mod person;
pub mod problem;
mod projects;
pub mod rights;
mod routes;
pub mod secret_scanning;
mod service_accounts;
pub mod session;
mod sign_in;
mod token_rules;
pub mod version;
mod words;
mod writes;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::store::Store;
use crate::store::api_keys::KeyPolicy;
use crate::telemetry::Metrics;
use crate::views::{CurrentRulebook, TokenCache};

pub use routes::{openapi, router};
pub use sign_in::SignInView;

/// What the API is told by the configuration.
#[derive(Clone, Debug)]
pub struct PortalOptions {
    /// Bytes of a request's body at most.
    pub max_body_bytes: usize,
    /// For a request's whole body to arrive.
    pub body_timeout: Duration,
    /// Requests a minute, per person, and per address that nobody has signed in from.
    pub requests_per_minute: NonZeroU32,
    /// Whoever is in one of these groups administers the whole deployment.
    pub admin_groups: Vec<String>,
    /// Whether everybody may make organizations, or administrators of the deployment only.
    pub open_organizations: bool,
    /// How command-line tools sign people in, when the deployment says.
    pub sign_in: Option<SignInView>,
    /// What holds for every key.
    pub keys: KeyPolicy,
    /// How old `auth_time` of a token may be when a secret is shown or a right is given. None: nothing is asked of tokens.
    pub token_reauthenticate_after: Option<Duration>,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who may report keys that were found in public.
    pub secret_scanners: Vec<secret_scanning::ScannerKey>,
}

/// What the portal is made of.
pub struct PortalParts {
    /// Projects, keys and people; without it the API says that it is not configured.
    pub store: Option<Arc<Store>>,
    /// Issuers and their keys.
    pub rulebook: CurrentRulebook,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes, for ids and secrets.
    pub entropy: Arc<dyn Entropy>,
    /// Login with a browser, when it is configured.
    pub login: Option<session::Login>,
    /// Services that may ask about credentials.
    pub introspection: Vec<introspection::IntrospectionClient>,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// From the configuration.
    pub options: PortalOptions,
}

/// The portal, shared by all its handlers.
#[derive(Clone)]
pub struct Portal(Arc<Inner>);

struct Inner {
    parts: PortalParts,
    tokens: TokenCache,
    limits: limit::RateLimits,
    acquaintances: acquaintance::Acquaintances,
}

/// Memory for tokens that the API has verified, in bytes.
const TOKEN_CACHE_BYTES: u64 = 4 << 20;

impl Portal {
    /// Puts the parts together.
    pub fn new(parts: PortalParts) -> Self {
        let limits = limit::RateLimits::new(parts.options.requests_per_minute);
        Self(Arc::new(Inner {
            parts,
            tokens: TokenCache::new(TOKEN_CACHE_BYTES),
            limits,
            acquaintances: acquaintance::Acquaintances::default(),
        }))
    }

    /// The store.
    ///
    /// # Errors
    /// This deployment has none.
    pub fn store(&self) -> problem::Answer<&Arc<Store>> {
        self.0.parts.store.as_ref().ok_or_else(|| {
            let detail = "Projects and keys need a database. Set database.url in Tollgate's configuration.";
            problem::Problem::new(problem::Code::NotConfigured, detail)
        })
    }

    /// Login with a browser, when it is configured.
    pub fn configured_login(&self) -> Option<&session::Login> {
        self.0.parts.login.as_ref()
    }

    /// Login with a browser.
    ///
    /// # Errors
    /// This deployment has none.
    pub fn login(&self) -> problem::Answer<&session::Login> {
        self.configured_login().ok_or_else(|| {
            let detail = "Login with a browser is not configured here. An operator can set portal.login; until then, send an \
                          access token as 'Authorization: Bearer …'.";
            problem::Problem::new(problem::Code::NotConfigured, detail)
        })
    }

    fn introspection(&self) -> &[introspection::IntrospectionClient] {
        &self.0.parts.introspection
    }

    /// Issuers and their keys, as they are now.
    pub fn rulebook(&self) -> &CurrentRulebook {
        &self.0.parts.rulebook
    }

    /// The present moment.
    pub fn now(&self) -> tollgate_core::time::Timestamp {
        self.0.parts.clock.now()
    }

    /// Random bytes.
    pub fn entropy(&self) -> &dyn Entropy {
        self.0.parts.entropy.as_ref()
    }

    /// From the configuration.
    pub fn options(&self) -> &PortalOptions {
        &self.0.parts.options
    }

    fn metrics(&self) -> &Metrics {
        &self.0.parts.metrics
    }

    fn tokens(&self) -> &TokenCache {
        &self.0.tokens
    }

    fn limits(&self) -> &limit::RateLimits {
        &self.0.limits
    }

    fn acquaintances(&self) -> &acquaintance::Acquaintances {
        &self.0.acquaintances
    }
}

impl std::fmt::Debug for Portal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Portal").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PortalParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PortalParts").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
