//! People in a browser: login at the configured issuer (OpenID Connect, authorization code with PKCE), a session whose
//! secret the browser keeps and the server forgets, and logout by the person, by the server or by the issuer.

mod backchannel;
mod begin;
mod callback;
mod cookies;
mod csrf;
mod list;
mod logout;
mod next;
mod page;
mod provider;
mod recent;
mod recognise;
mod tokens;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::{get, post};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use secrecy::SecretString;
use tollgate_core::jwt::IssuerRules;
use tollgate_core::time::Timestamp;
use url::Url;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::cookies::Cookies;
use self::provider::{Provider, Providers};
use super::Portal;
use super::problem::{Answer, Code, Problem};
use super::routes::Served;
use crate::listener::counted_as;
use crate::store::Alive;
use crate::views::{FetchError, FetchLimits, Fetcher, Rulebook};

pub use self::recent::recent_proof;
pub use self::recognise::{SessionContext, recognise};

/// Addresses that are remembered before the idle ones are forgotten.
const SWEEP_AT: usize = 50_000;

/// What login is told by the configuration.
#[derive(Clone, Debug)]
pub struct LoginOptions {
    /// Where people reach the portal: scheme and host.
    pub public_url: Url,
    /// The configured name of the issuer.
    pub issuer: String,
    /// The client that this deployment is there.
    pub client_id: String,
    /// Its secret; a public client has none.
    pub client_secret: Option<SecretString>,
    /// What to ask for.
    pub scopes: Vec<String>,
    /// The issuer's discovery document; without it the three addresses have to be given.
    pub discovery_url: Option<Url>,
    /// Instead of what discovery says.
    pub authorization_url: Option<Url>,
    /// Instead of what discovery says.
    pub token_url: Option<Url>,
    /// Instead of what discovery says.
    pub end_session_url: Option<Url>,
    /// Whether a logout token's header must name its kind.
    pub logout_type_required: bool,
    /// Logins that one address may begin in a minute.
    pub attempts_per_minute: NonZeroU32,
    /// How long a session may lie unused.
    pub idle: Duration,
    /// How old the proof of who somebody is may be when a secret is shown or a right is given. None: as old as the session.
    pub reauthenticate_after: Option<Duration>,
    /// How long a session lives whatever happens.
    pub lifetime: Duration,
    /// Bounds of exchanges with the issuer.
    pub fetch: FetchLimits,
}

/// Login at one issuer.
#[derive(Debug)]
pub struct Login {
    options: LoginOptions,
    cookies: Cookies,
    fetcher: Fetcher,
    providers: Providers,
    attempts: DefaultKeyedRateLimiter<IpAddr>,
}

impl LoginOptions {
    /// Where the issuer sends the browser back to. From the configuration alone: a request's `Host` is the client's word.
    pub fn callback_url(&self) -> Url {
        let mut url = self.public_url.clone();
        url.set_path("/login/callback");
        url
    }
}

impl Login {
    /// Prepares login; the issuer is asked when somebody logs in.
    ///
    /// # Errors
    /// The issuer's CA file cannot be used.
    pub fn new(options: LoginOptions) -> Result<Self, FetchError> {
        Ok(Self {
            cookies: Cookies::of(&options.public_url),
            fetcher: Fetcher::new(options.fetch.clone())?,
            providers: Providers::default(),
            attempts: DefaultKeyedRateLimiter::keyed(Quota::per_minute(options.attempts_per_minute)),
            options,
        })
    }

    /// The issuer's rules as they are in force.
    fn rules(&self, rulebook: &Rulebook) -> Option<Arc<IssuerRules>> {
        rulebook.policy.issuers().iter().find(|rules| rules.name == self.options.issuer).cloned()
    }

    /// The issuer's rules, and where and how to log in there.
    ///
    /// # Errors
    /// The issuer is no longer configured, or was never reached and cannot be now.
    async fn provider(&self, portal: &Portal) -> Answer<(Arc<IssuerRules>, Arc<Provider>)> {
        let rules = self.rules(&portal.rulebook().borrow()).ok_or_else(|| {
            let detail = "The issuer of logins is no longer configured. Ask an operator.";
            Problem::new(Code::NotConfigured, detail)
        })?;
        match self.providers.get(&self.fetcher, &self.options, &rules).await {
            Ok(provider) => Ok((rules, provider)),
            Err(error) => {
                tracing::warn!(%error, "the issuer does not say how to log in");
                let detail = "The issuer cannot be reached. Log in again in a moment.";
                Err(Problem::new(Code::Unavailable, detail).retry_after(2))
            }
        }
    }

    /// Which sessions are alive at `now`.
    const fn alive(&self, now: Timestamp) -> Alive {
        Alive { now, idle: self.options.idle }
    }

    /// Counts a login that an address begins.
    fn attempt(&self, address: Option<IpAddr>) -> Answer<()> {
        let Some(address) = address else { return Ok(()) };
        if self.attempts.len() > SWEEP_AT {
            self.attempts.retain_recent();
        }
        self.attempts.check_key(&counted_as(address)).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now()).as_secs() + 1;
            let detail = format!("Too many logins from your address. Try again in {wait} s.");
            Problem::new(Code::RateLimited, detail).retry_after(wait)
        })
    }
}

/// The endpoints about a person's own sessions, below `/api/v1`.
pub fn routes() -> OpenApiRouter<Portal> {
    OpenApiRouter::new().routes(routes!(list::show)).routes(routes!(list::end))
}

/// What a browser's login is served at.
pub fn beside_the_api() -> Vec<Served> {
    vec![
        ("GET", "/login", get(begin::show)),
        ("GET", "/login/callback", get(callback::show)),
        ("POST", "/logout", post(logout::submit)),
        ("POST", "/logout/backchannel", post(backchannel::submit)),
    ]
}

/// Forgets sessions, logins and logout tokens that are over. An error is for the log: the next round does it again.
pub async fn sweep(portal: &Portal) {
    let (Ok(store), Ok(login)) = (portal.store(), portal.login()) else { return };
    let now = portal.now();
    let swept = async {
        store.sweep_sessions(login.alive(now)).await?;
        store.sweep_logins(now).await?;
        // A token is refused for its age until the issuer's clock and ours agree that it is over.
        store.sweep_logout_tokens(now.plus_secs(-600)).await
    };
    if let Err(error) = swept.await {
        tracing::debug!(%error, "sessions that are over could not be forgotten");
    }
}
