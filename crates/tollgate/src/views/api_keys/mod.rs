//! API keys and rules against tokens, whole in memory. A check finds a key without a lock and without waiting; what is
//! committed anywhere reaches this view through the change sequence. ADR 0009 says why it is built like this.

mod demand;
mod entry;
mod fill;
mod follow;
mod refresh;
mod rules;
mod slots;
mod snapshot;
mod source;
mod status;
mod table;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::time::Instant;
use tollgate_core::apikey::{KeyDigest, KeyId, PlainKey};
use tollgate_core::caller::KeyRecord;
use tollgate_core::lookup::Lookup;
use tollgate_core::time::Timestamp;
use tollgate_core::token_controls::{TokenControls, TokenNames};

use self::demand::{Awaited, Demand};
use self::snapshot::{Sight, Snapshot};
pub use self::source::{KeySink, Source};
pub use self::status::{ApiKeysStatus, Bus, Filled};
use crate::store::StoreError;
use crate::telemetry::{FreshLookup, Metrics};

/// Clocks of replicas may differ by so much: ids this much older than the view still count as fresh, and ids further in
/// the future are nobody's.
const CLOCK_SKEW_SECS: i64 = 60;

/// How the view is kept.
#[derive(Clone, Copy, Debug)]
pub struct ApiKeysOptions {
    /// Between looks at the change sequence that nothing asked for.
    pub poll: Duration,
    /// Looks begin at least this far apart, however many ask for one.
    pub spacing: Duration,
    /// Between fills, of which the last one failed or was not enough.
    pub fill_spacing: Duration,
    /// How long keys are answered from memory while the store is away.
    pub max_stale: Duration,
    /// Rows that are read at once when everything is: few enough that no statement runs into the database's time limit.
    pub page: i64,
}

/// Which of a key's secrets was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySecret {
    /// The present one.
    Present,
    /// The one before, within its overlap.
    Previous,
}

impl Default for ApiKeysOptions {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(1),
            spacing: Duration::from_millis(20),
            fill_spacing: Duration::from_secs(2),
            max_stale: Duration::from_secs(86_400),
            page: 50_000,
        }
    }
}

/// What the view says about a presented key.
#[derive(Debug)]
pub struct FoundApiKey {
    /// The key, after its secret was compared.
    pub key: Lookup<Arc<KeyRecord>>,
    /// Which secret it was.
    pub secret: KeySecret,
    /// Whether the deadline passed while the answer was awaited.
    pub late: bool,
}

impl FoundApiKey {
    const UNAVAILABLE: Self = Self { key: Lookup::Unavailable, secret: KeySecret::Present, late: false };
}

/// The view, shared by all who check keys.
#[derive(Clone, Debug)]
pub struct ApiKeysView(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: ApiKeysOptions,
    current: ArcSwapOption<Snapshot>,
    /// When the view was last known to contain everything, in milliseconds.
    present_at: AtomicI64,
    demand: Demand,
    status: status::Tracked,
    metrics: Arc<Metrics>,
}

impl ApiKeysView {
    /// A view that has not been filled; [`ApiKeysView::follow`] fills it and keeps it true.
    pub fn new(options: ApiKeysOptions, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Inner {
            options,
            current: ArcSwapOption::empty(),
            present_at: AtomicI64::new(i64::MIN),
            demand: Demand::new(),
            status: status::Tracked::default(),
            metrics,
        }))
    }

    /// Looks for a key. Immediate, but for an id that was made about as late as the view was last compared with the
    /// store: then it waits, until `deadline`, for the view to catch up.
    pub async fn find(&self, key: &PlainKey<'_>, now: Timestamp, deadline: Instant) -> FoundApiKey {
        let digest = key.digest();
        let first = self.look(key.id(), digest, now);
        if !matches!(first.key, Lookup::Absent) || !self.is_fresh(key.id(), now) {
            return first;
        }
        let (found, outcome) = match self.0.demand.wait(deadline).await {
            Awaited::Present => {
                let second = self.look(key.id(), digest, now);
                let outcome = match second.key {
                    Lookup::Found(_) => FreshLookup::Found,
                    Lookup::Absent => FreshLookup::Absent,
                    Lookup::Unavailable => FreshLookup::Unavailable,
                };
                (second, outcome)
            }
            Awaited::Late => (FoundApiKey { late: true, ..FoundApiKey::UNAVAILABLE }, FreshLookup::Late),
            Awaited::Full => (FoundApiKey::UNAVAILABLE, FreshLookup::Refused),
            Awaited::Failed => (FoundApiKey::UNAVAILABLE, FreshLookup::Unavailable),
        };
        self.0.metrics.keys().fresh_lookup(outcome);
        found
    }

    /// Looks for a key in what is in memory, and nowhere else.
    fn look(&self, id: KeyId, digest: KeyDigest, now: Timestamp) -> FoundApiKey {
        if self.is_stale(now) {
            return FoundApiKey::UNAVAILABLE;
        }
        let snapshot = self.0.current.load();
        let Some(snapshot) = snapshot.as_ref() else { return FoundApiKey::UNAVAILABLE };
        match snapshot.look(id, digest, now) {
            Sight::Key(record, secret) => FoundApiKey { key: Lookup::Found(record), secret, late: false },
            Sight::Unreadable => FoundApiKey::UNAVAILABLE,
            Sight::Nothing => FoundApiKey { key: Lookup::Absent, ..FoundApiKey::UNAVAILABLE },
        }
    }

    /// What is known against a token. While nothing has been read yet, nothing is.
    pub fn controls(&self, names: TokenNames<'_>, now: Timestamp) -> TokenControls {
        self.0
            .current
            .load()
            .as_ref()
            .map_or_else(TokenControls::default, |view| view.rules.controls(names, now))
    }

    /// Waits until the view contains everything that was committed before now; false when `deadline` came first. Does not
    /// wait for a view that has never been filled: that one knows no key at all.
    pub async fn caught_up(&self, deadline: Instant) -> bool {
        self.0.current.load().is_none() || self.0.demand.wait_seated(deadline).await == Awaited::Present
    }

    /// Returns once the view can answer, or `deadline` has passed.
    pub async fn ready(&self, deadline: Instant) {
        while self.0.current.load().is_none() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether the store has been away for too long.
    fn is_stale(&self, now: Timestamp) -> bool {
        let stale = now.as_millis().saturating_sub(self.0.present_at.load(Ordering::Relaxed));
        u128::try_from(stale).is_ok_and(|stale| stale > self.0.options.max_stale.as_millis())
    }

    /// Whether the view can be too old to know this id.
    fn is_fresh(&self, id: KeyId, now: Timestamp) -> bool {
        let Some(made_at) = id.made_at() else { return false };
        let present_at = Timestamp::from_millis(self.0.present_at.load(Ordering::Relaxed));
        made_at.plus_secs(CLOCK_SKEW_SECS) >= present_at && made_at <= now.plus_secs(CLOCK_SKEW_SECS)
    }
}

/// The same, or an error when it takes longer than `limit`: a connection can be dead without a sign.
async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(StoreError::Unavailable(format!("no answer within {limit:?}"))),
    }
}

#[cfg(test)]
mod tests;
