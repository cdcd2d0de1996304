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
use tollgate_core::apikey::{KeyId, PlainKey};
use tollgate_core::caller::KeyRecord;
use tollgate_core::lookup::Lookup;
use tollgate_core::time::Timestamp;
use tollgate_core::token_controls::{TokenControls, TokenNames};

use self::demand::{Awaited, Demand};
use self::snapshot::{Sight, Snapshot};
pub use self::source::{KeySink, Source};
pub use self::status::{ApiKeysStatus, Bus};
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
    /// How long keys are answered from memory while the store is away.
    pub max_stale: Duration,
}

/// Which of a key's secrets was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySecret {
    /// The present one.
    Present,
    /// The one before, within its overlap.
    Previous,
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
        let found = |key, secret| FoundApiKey { key, secret, late: false };
        let nothing = |key| found(key, KeySecret::Present);
        let digest = key.digest();
        for again in [false, true] {
            let Some(snapshot) = self.snapshot(now) else { return nothing(Lookup::Unavailable) };
            match snapshot.look(key.id(), digest, now) {
                Sight::Key(record, secret) => {
                    if again {
                        self.0.metrics.keys().fresh_lookup(FreshLookup::Found);
                    }
                    return found(Lookup::Found(record), secret);
                }
                Sight::Unreadable => return nothing(Lookup::Unavailable),
                Sight::Nothing if again || !self.is_fresh(key.id(), now) => break,
                Sight::Nothing => {}
            }
            let (outcome, late) = match self.0.demand.wait(deadline).await {
                Awaited::Present => continue,
                Awaited::Late => (FreshLookup::Late, true),
                Awaited::Full => (FreshLookup::Refused, false),
                Awaited::Failed => (FreshLookup::Unavailable, false),
            };
            self.0.metrics.keys().fresh_lookup(outcome);
            return FoundApiKey { key: Lookup::Unavailable, secret: KeySecret::Present, late };
        }
        nothing(Lookup::Absent)
    }

    /// What is known against a token. While nothing has been read yet, nothing is.
    pub fn controls(&self, names: TokenNames<'_>, now: Timestamp) -> TokenControls {
        self.0.current.load().as_ref().map_or_else(TokenControls::default, |view| view.rules.controls(names, now))
    }

    /// Returns once the view can answer, or `deadline` has passed.
    pub async fn ready(&self, deadline: Instant) {
        while self.0.current.load().is_none() && Instant::now() < deadline {
            self.0.demand.wait(deadline).await;
        }
    }

    /// The snapshot in use, unless the store has been away for too long.
    fn snapshot(&self, now: Timestamp) -> Option<Arc<Snapshot>> {
        let stale = now.as_millis().saturating_sub(self.0.present_at.load(Ordering::Relaxed));
        if u128::try_from(stale).is_ok_and(|stale| stale > self.0.options.max_stale.as_millis()) {
            return None;
        }
        self.0.current.load_full()
    }

    /// Whether the view can be too old to know this id.
    fn is_fresh(&self, id: KeyId, now: Timestamp) -> bool {
        let Some(made_at) = id.made_at() else { return false };
        let present_at = Timestamp::from_millis(self.0.present_at.load(Ordering::Relaxed));
        made_at.plus_secs(CLOCK_SKEW_SECS) >= present_at && made_at <= now.plus_secs(CLOCK_SKEW_SECS)
    }
}

/// The same, or an error when it takes longer than `limit`: a connection can be dead without a sign.
async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(StoreError::Unavailable(format!("no answer within {limit:?}"))),
    }
}

#[cfg(test)]
mod tests;
