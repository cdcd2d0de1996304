//! The signing keys of all issuers, for one rulebook.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tollgate_core::jwt::Algorithm;

use super::fetch::FetchError;
use super::issuer::{Epoch, FoundKey, IssuerKeys, IssuerSource, IssuerStatus};
use crate::clock::Clock;
use crate::store::Store;
use crate::telemetry::Metrics;

/// What the views need of the world.
#[derive(Clone)]
pub struct ViewDeps {
    /// Where last good key sets are kept, if anywhere.
    pub store: Option<Arc<Store>>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where fetches are counted.
    pub metrics: Arc<Metrics>,
    /// Spreads refreshes of replicas apart.
    pub jitter: Arc<Jitter>,
}

impl std::fmt::Debug for ViewDeps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ViewDeps").finish_non_exhaustive()
    }
}

/// Numbers between 0 and 1 from a seed (SplitMix64): good enough to spread timers, and nothing else.
#[derive(Debug)]
pub struct Jitter(AtomicU64);

impl Jitter {
    /// From a seed.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number, in `0.0..1.0`.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are left, and a double holds them")]
    pub fn next(&self) -> f64 {
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// All issuers' keys. Background work ends when this is dropped.
#[derive(Debug)]
pub struct KeysView {
    issuers: HashMap<String, Arc<IssuerKeys>>,
    _stop: DropGuard,
}

impl KeysView {
    /// Starts keeping the keys of these issuers fresh. Keys of `previous` are taken over where the location is the same,
    /// so that a reload leaves no gap. Must be called within the runtime.
    ///
    /// # Errors
    /// A CA file cannot be used.
    pub fn start(
        sources: Vec<IssuerSource>,
        previous: Option<&Self>,
        deps: &ViewDeps,
    ) -> Result<Self, FetchError> {
        let stop = CancellationToken::new();
        let mut issuers = HashMap::with_capacity(sources.len());
        for source in sources {
            let name = source.rules.name.clone();
            let keys = Arc::new(IssuerKeys::new(source)?);
            if let Some(earlier) = previous.and_then(|p| p.issuers.get(&name)) {
                keys.carry_over(earlier);
            }
            let task = Arc::clone(&keys).keep_fresh(deps.clone());
            tokio::spawn(stop.clone().run_until_cancelled_owned(task));
            issuers.insert(name, keys);
        }
        Ok(Self { issuers, _stop: stop.drop_guard() })
    }

    /// The key with which `issuer` signs as `kid`. Immediate when it is known; a key id that is new waits for at most one
    /// shared refresh, until `deadline`.
    pub async fn find_key(
        &self,
        issuer: &str,
        kid: Option<&str>,
        algorithm: Algorithm,
        deadline: Instant,
    ) -> FoundKey {
        match self.issuers.get(issuer) {
            Some(keys) => keys.find(kid, algorithm, deadline).await,
            None => FoundKey::Unavailable,
        }
    }

    /// The epoch of an issuer's present key set.
    pub fn epoch(&self, issuer: &str) -> Epoch {
        self.issuers.get(issuer).map_or(Epoch::NONE, |keys| keys.epoch())
    }

    /// How every issuer is doing, by name.
    pub fn status(&self) -> Vec<IssuerStatus> {
        let mut status: Vec<_> = self.issuers.values().map(|keys| keys.status()).collect();
        status.sort_by(|a, b| a.name.cmp(&b.name));
        status
    }
}
