//! Asks an issuer's directory whether people are still there, in the background and on one replica at a time: whoever is
//! deleted or disabled at the issuer is suspended here, and their keys with them.
//!
//! Silence is no answer. Only a directory that says of a person that they are gone has them suspended; whatever else goes
//! wrong changes nothing and is an alarm.

mod brake;
mod keycloak;
mod round;

use std::sync::Arc;
use std::time::Duration;

use tollgate_core::time::Timestamp;

use self::keycloak::Keycloak;
use self::round::Round;
use crate::clock::Clock;
use crate::entropy::{Entropy, EntropyError, bytes};
use crate::store::{Lease, Store, StoreError};
use crate::telemetry::{Metrics, RoundOutcome};
use crate::views::FetchError;

pub use self::keycloak::KeycloakOptions;

/// How long the work is held between two signs of life. When a replica dies in the middle of it, another goes on after this
/// time.
const HELD: Duration = Duration::from_secs(30);
/// The longest wait before it is looked again whose turn it is.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// One issuer's directory.
#[derive(Clone, Debug)]
pub struct DirectoryOptions {
    /// The configured name of the issuer.
    pub issuer: String,
    /// From the beginning of one round to that of the next.
    pub interval: Duration,
    /// Questions a second at most.
    pub requests_per_second: u32,
    /// Of those who were asked about, how many hundredths a round may suspend.
    pub max_suspended_percent: u8,
    /// Where and how to ask.
    pub keycloak: KeycloakOptions,
}

/// What the work needs of the world.
#[derive(Clone)]
pub struct DirectoryDeps {
    /// Where people are.
    pub store: Arc<Store>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where rounds are counted.
    pub metrics: Arc<Metrics>,
}

/// The work of asking one directory.
pub struct Directory {
    options: DirectoryOptions,
    keycloak: Keycloak,
    deps: DirectoryDeps,
    /// This replica's name in the lease.
    holder: String,
}

/// Why the work cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryStartError {
    /// The CA file cannot be used.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl Directory {
    /// Prepares the work; nobody is asked yet.
    ///
    /// # Errors
    /// The CA file cannot be used, or there are no random bytes.
    pub fn new(
        options: DirectoryOptions,
        deps: DirectoryDeps,
        entropy: &dyn Entropy,
    ) -> Result<Self, DirectoryStartError> {
        let holder = bytes::<16>(entropy)?.iter().map(|byte| format!("{byte:02x}")).collect();
        deps.metrics.directories().begin(&options.issuer);
        Ok(Self { keycloak: Keycloak::new(options.keycloak.clone())?, options, deps, holder })
    }

    /// Asks round by round. Ends only by being dropped; then another replica goes on.
    pub async fn run(self) {
        loop {
            let wait = match self.turn().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(issuer = self.options.issuer, %error, "the directory is not asked: our database is away");
                    LOOK_EVERY
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Does a round if it is this replica's turn; how long to wait before looking again.
    async fn turn(&self) -> Result<Duration, StoreError> {
        let begun = self.deps.clock.now();
        match self.hold(begun, after(begun, HELD)).await? {
            Lease::Theirs { until } => return Ok(wait(until, begun).min(LOOK_EVERY)),
            Lease::Ours => {}
        }
        let outcome = self.round().await;
        let now = self.deps.clock.now();
        // The next round is due an interval after this one began, whoever does it. After a failure it is this replica's own
        // database that is away, or another has the work already.
        let due = after(begun, self.options.interval).max(after(now, Duration::from_millis(50)));
        if outcome != RoundOutcome::Store {
            self.hold(now, due).await?;
        }
        Ok(wait(due, now).min(self.options.interval))
    }

    async fn round(&self) -> RoundOutcome {
        let round = Round::new(self);
        let (outcome, people) = round.go().await;
        let now = self.deps.clock.now();
        self.deps.metrics.directories().round(&self.options.issuer, outcome, people, now);
        outcome
    }

    async fn hold(&self, now: Timestamp, until: Timestamp) -> Result<Lease, StoreError> {
        let name = format!("directory/{}", self.options.issuer);
        self.deps.store.take_lease(&name, &self.holder, now, until).await
    }

    /// Says that this replica is still at work; false when another has taken it over.
    async fn is_alive(&self) -> Result<bool, StoreError> {
        let now = self.deps.clock.now();
        Ok(self.hold(now, after(now, HELD)).await? == Lease::Ours)
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("issuer", &self.options.issuer).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for DirectoryDeps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DirectoryDeps").finish_non_exhaustive()
    }
}

fn after(moment: Timestamp, time: Duration) -> Timestamp {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(moment.as_millis().saturating_add(millis))
}

/// From `now` until `due`; a moment at least, so that nothing spins.
fn wait(due: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(due.millis_since(now)).unwrap_or(0)).max(Duration::from_millis(50))
}

#[cfg(test)]
mod tests;
