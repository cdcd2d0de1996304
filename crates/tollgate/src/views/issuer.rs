//! The signing keys of one issuer: fetched before they are stale, kept when the issuer is away, and asked for anew at
//! most once per cool-down when a token names a key that is not there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::FutureExt as _;
use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tollgate_core::jwt::{Algorithm, IssuerRules, KeyFault, KeySet, KeySetError, TokenFault, VerifyKey};
use tollgate_core::time::Timestamp;
use url::Url;

use super::discovery::{DiscoveryError, jwks_url};
use super::fetch::{FetchError, FetchLimits, Fetcher};
use super::keys::ViewDeps;

/// For the store to give the last good key set: keys must not wait for a database that is away.
const RESTORE_LIMIT: Duration = Duration::from_secs(1);

/// One issuer: its rules, and where and how its keys are fetched.
#[derive(Clone, Debug)]
pub struct IssuerSource {
    /// What its tokens must say.
    pub rules: Arc<IssuerRules>,
    /// Where its keys are.
    pub location: KeyLocation,
    /// Whether `http://` is allowed for it.
    pub allow_http: bool,
    /// Age at which a key set is fetched again.
    pub refresh: Duration,
    /// The shortest time between two fetches that unknown key ids cause.
    pub cooldown: Duration,
    /// Age at which a key set that could not be refreshed stops verifying.
    pub max_stale: Duration,
    /// Of one fetch.
    pub fetch_timeout: Duration,
    /// Of one document.
    pub max_bytes: usize,
    /// A CA certificate in PEM, trusted beside the system's.
    pub ca_file: Option<std::path::PathBuf>,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLocation {
    /// In the set that the issuer's discovery document names.
    Discovery {
        /// The issuer, exactly as its document spells it.
        issuer: String,
    },
    /// At this address.
    Jwks {
        /// The address.
        url: Url,
    },
    /// Here; never fetched.
    Static {
        /// The document.
        document: String,
    },
}

impl KeyLocation {
    /// As text, for the store and for logs.
    pub fn as_text(&self) -> &str {
        match self {
            Self::Discovery { issuer } => issuer,
            Self::Jwks { url } => url.as_str(),
            Self::Static { .. } => "static",
        }
    }
}

/// Names the judgement of one key set under one rulebook. Unique in the process: a token verified in another epoch has
/// to be verified again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(u64);

impl Epoch {
    /// No key set.
    pub const NONE: Self = Self(0);

    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// The answer to a look-up of a key.
#[derive(Debug)]
pub enum FoundKey {
    /// Here it is.
    Key {
        /// The key.
        key: Arc<VerifyKey>,
        /// The epoch of its set.
        epoch: Epoch,
    },
    /// A fresh set does not hold it.
    Absent,
    /// The key id exists and is not for this algorithm.
    Mismatch(TokenFault),
    /// The issuer cannot be asked.
    Unavailable,
    /// The deadline came before the issuer's answer.
    Late,
}

/// How an issuer's keys are doing.
#[derive(Clone, Debug)]
pub struct IssuerStatus {
    /// The operator's name.
    pub name: String,
    /// Where the keys come from.
    pub location: String,
    /// Usable keys; 0 when there is no set.
    pub keys: usize,
    /// Their ids.
    pub key_ids: Vec<String>,
    /// When the set was last known to be good.
    pub refreshed_at: Option<Timestamp>,
    /// Why the last attempt failed, if it did.
    pub last_error: Option<String>,
}

/// Why there is no new key set.
#[derive(Debug, Error)]
pub enum RefreshError {
    /// No address.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// No document.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Not a usable key set.
    #[error(transparent)]
    KeySet(#[from] KeySetError),
}

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    pub source: IssuerSource,
    fetcher: Fetcher,
    loaded: ArcSwapOption<Loaded>,
    /// Guards the decision to fetch; never taken when the key is there.
    flight: Mutex<Flight>,
    asked: Notify,
    attempts: watch::Sender<u64>,
}

#[derive(Debug)]
struct Loaded {
    set: KeySet,
    epoch: Epoch,
    fetched_at: Timestamp,
}

#[derive(Debug, Default)]
struct Flight {
    under_way: bool,
    last_demand: Option<Instant>,
    last_error: Option<String>,
    ever_tried: bool,
}

enum Demand {
    Wait {
        attempts: watch::Receiver<u64>,
        /// Whether the attempt may have begun before it was asked for.
        joined: bool,
    },
    /// In cool-down: whether the last attempt worked.
    Settled { worked: bool },
}

impl IssuerKeys {
    pub fn new(source: IssuerSource) -> Result<Self, FetchError> {
        let fetcher = Fetcher::new(FetchLimits {
            timeout: source.fetch_timeout,
            max_bytes: source.max_bytes,
            allow_http: source.allow_http,
            ca_file: source.ca_file.clone(),
        })?;
        Ok(Self {
            source,
            fetcher,
            loaded: ArcSwapOption::empty(),
            flight: Mutex::default(),
            asked: Notify::new(),
            attempts: watch::Sender::new(0),
        })
    }

    /// Takes over the keys of an earlier view of the same place, under a new epoch: the rules may have changed.
    pub fn carry_over(&self, earlier: &Self) {
        if let Some(loaded) = &*earlier.loaded.load()
            && earlier.source.location == self.source.location
            && let Ok((set, _)) = KeySet::parse(loaded.set.as_bytes())
        {
            self.loaded.store(Some(Arc::new(Loaded {
                set,
                epoch: Epoch::next(),
                fetched_at: loaded.fetched_at,
            })));
        }
    }

    pub fn epoch(&self) -> Epoch {
        self.loaded.load().as_ref().map_or(Epoch::NONE, |loaded| loaded.epoch)
    }

    pub fn status(&self) -> IssuerStatus {
        let loaded = self.loaded.load();
        IssuerStatus {
            name: self.source.rules.name.clone(),
            location: self.source.location.as_text().to_owned(),
            keys: loaded.as_ref().map_or(0, |l| l.set.len()),
            key_ids: loaded.iter().flat_map(|l| l.set.key_ids().map(str::to_owned)).collect(),
            refreshed_at: loaded.as_ref().map(|l| l.fetched_at),
            last_error: self.flight().last_error.clone(),
        }
    }

    /// The key of this id. Waits only when it is not there, until `deadline` at the latest.
    pub async fn find(&self, kid: Option<&str>, algorithm: Algorithm, deadline: Instant) -> FoundKey {
        if let Some(found) = self.select(kid, algorithm) {
            return found;
        }
        // An attempt that was under way already may have begun before the issuer had the key: one more may follow it.
        for _ in 0..2 {
            let (mut attempts, joined) = match self.demand() {
                Demand::Settled { worked: true } => return FoundKey::Absent,
                Demand::Settled { worked: false } => return FoundKey::Unavailable,
                Demand::Wait { attempts, joined } => (attempts, joined),
            };
            if timeout_at(deadline, attempts.changed()).await.is_err() {
                return FoundKey::Late;
            }
            if let Some(found) = self.select(kid, algorithm) {
                return found;
            }
            if self.flight().last_error.is_some() {
                return FoundKey::Unavailable;
            }
            if !joined {
                break;
            }
        }
        FoundKey::Absent
    }

    fn select(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<FoundKey> {
        let loaded = self.loaded.load();
        let loaded = loaded.as_ref()?;
        match loaded.set.select(kid, algorithm) {
            Ok(key) => Some(FoundKey::Key { key: Arc::clone(key), epoch: loaded.epoch }),
            Err(TokenFault::KeyUnknown) => None,
            Err(fault) => Some(FoundKey::Mismatch(fault)),
        }
    }

    /// Asks for a refresh, unless one is under way or was asked for within the cool-down.
    fn demand(&self) -> Demand {
        let mut flight = self.flight();
        let attempts = self.attempts.subscribe();
        if flight.under_way || !flight.ever_tried {
            return Demand::Wait { attempts, joined: true };
        }
        let now = Instant::now();
        if flight.last_demand.is_some_and(|last| now.duration_since(last) < self.source.cooldown) {
            return Demand::Settled { worked: flight.last_error.is_none() };
        }
        flight.last_demand = Some(now);
        flight.under_way = true;
        self.asked.notify_one();
        Demand::Wait { attempts, joined: false }
    }

    /// A panic while this was held cannot have left it half-written.
    fn flight(&self) -> std::sync::MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the keys fresh until it is dropped.
    pub async fn keep_fresh(self: Arc<Self>, deps: ViewDeps) {
        let mut failures = 0_u32;
        loop {
            if self.loaded.load().is_none() {
                self.restore(&deps, failures == 0).await;
            }
            let fresh = self.attempt(&deps).await;
            failures = if fresh.is_some() { 0 } else { failures.saturating_add(1) };
            let wake = Instant::now() + self.next_wait(failures, deps.jitter.next());
            let rest = async {
                if let Some(document) = fresh {
                    self.keep(&deps, &document).await;
                }
                sleep_until(wake).await;
            };
            tokio::select! {
                () = rest => {}
                () = self.asked.notified() => {}
            }
        }
    }

    fn next_wait(&self, failures: u32, jitter: f64) -> Duration {
        let wait = if failures == 0 {
            self.source.refresh
        } else {
            // Without any key everybody is locked out, so the issuer's return is looked for more often.
            let most = Duration::from_secs(if self.loaded.load().is_none() { 4 } else { 60 });
            Duration::from_millis(500)
                .saturating_mul(1 << failures.min(10))
                .min(most)
                .min(self.source.refresh)
        };
        wait.mul_f64(0.8 + 0.2 * jitter)
    }

    /// Fetches once, and tells everybody who waits. The document, when it is good.
    async fn attempt(&self, deps: &ViewDeps) -> Option<Vec<u8>> {
        {
            let mut flight = self.flight();
            flight.under_way = true;
            // This attempt serves whoever asked before; what is left of the asking must not cause another.
            let _ = self.asked.notified().now_or_never();
        }
        let begin = Instant::now();
        let outcome = self.refresh(deps).await;
        let name = &self.source.rules.name;
        let (label, fresh, error) = match outcome {
            Ok((true, document)) => ("changed", Some(document), None),
            Ok((false, document)) => ("unchanged", Some(document), None),
            Err(error) => ("error", None, Some(error.to_string())),
        };
        deps.metrics.jwks_fetch(name, label, begin.elapsed());
        if fresh.is_none() {
            self.expire(deps.clock.now());
        }
        {
            let mut flight = self.flight();
            // One line when the state changes, not one per attempt.
            match (&flight.last_error, &error) {
                (None, Some(error)) => {
                    tracing::error!(issuer = name, error, "signing keys cannot be refreshed");
                }
                (Some(_), None) => tracing::info!(issuer = name, "signing keys are refreshed again"),
                _ => {}
            }
            flight.last_error = error;
            flight.under_way = false;
            flight.ever_tried = true;
            // Within the lock: who asks from now on must not be woken by this attempt.
            self.attempts.send_modify(|count| *count += 1);
        }
        let status = self.status();
        deps.metrics.keys_loaded(name, status.keys, status.refreshed_at);
        fresh
    }

    /// Fetches once; whether the set's content changed, and the document.
    async fn refresh(&self, deps: &ViewDeps) -> Result<(bool, Vec<u8>), RefreshError> {
        let document = match &self.source.location {
            KeyLocation::Static { document } => document.clone().into_bytes(),
            KeyLocation::Jwks { url } => self.fetcher.get(url).await?,
            KeyLocation::Discovery { issuer } => {
                let url = jwks_url(&self.fetcher, issuer).await?;
                self.fetcher.get(&url).await?
            }
        };
        let changed = self.publish(&document, deps.clock.now())?;
        Ok((changed, document))
    }

    /// Keeps a good document for the next start.
    async fn keep(&self, deps: &ViewDeps, document: &[u8]) {
        let Some(store) = &deps.store else { return };
        if matches!(self.source.location, KeyLocation::Static { .. }) {
            return;
        }
        let Some(fetched_at) = self.loaded.load().as_ref().map(|loaded| loaded.fetched_at) else { return };
        let text = String::from_utf8_lossy(document);
        let place = (self.source.rules.name.as_str(), self.source.location.as_text());
        if let Err(error) = store.put_key_set(place, &text, fetched_at).await {
            // The keys are in memory; only a restart during an outage of the issuer would miss them.
            tracing::debug!(%error, issuer = self.source.rules.name, "the key set could not be kept");
        }
    }

    /// Puts a document's keys in force.
    fn publish(&self, document: &[u8], fetched_at: Timestamp) -> Result<bool, KeySetError> {
        let (set, skipped) = KeySet::parse(document)?;
        let current = self.loaded.load();
        let unchanged = current.as_ref().filter(|loaded| loaded.set.digest() == set.digest());
        let epoch = unchanged.map_or_else(Epoch::next, |loaded| loaded.epoch);
        if unchanged.is_none() {
            let ids: Vec<_> = set.key_ids().collect();
            let name = &self.source.rules.name;
            tracing::info!(
                issuer = name,
                keys = ids.join(" "),
                skipped = skipped.len(),
                "signing keys loaded"
            );
            for key in &skipped {
                tracing::debug!(issuer = name, key = key.id, position = key.position, why = %key.fault, "key not used");
            }
            if skipped.iter().any(|key| key.fault == KeyFault::Symmetric) {
                tracing::error!(
                    issuer = name,
                    "the issuer publishes a symmetric secret; it is not used here, but it is out"
                );
            }
            if set.published_private() {
                tracing::error!(
                    issuer = name,
                    "the issuer publishes a private key: anyone can sign its tokens"
                );
            }
        }
        let changed = unchanged.is_none();
        self.loaded.store(Some(Arc::new(Loaded { set, epoch, fetched_at })));
        Ok(changed)
    }

    /// Starts with the last good set of an earlier run, while it is young enough. Says why not when `aloud`.
    async fn restore(&self, deps: &ViewDeps, aloud: bool) {
        let Some(store) = &deps.store else { return };
        let name = self.source.rules.name.as_str();
        let kept = timeout(RESTORE_LIMIT, store.find_key_set((name, self.source.location.as_text()))).await;
        let trouble = match kept {
            Ok(Ok(Some(kept))) if !self.too_old(kept.fetched_at, deps.clock.now()) => {
                match self.publish(kept.document.as_bytes(), kept.fetched_at) {
                    Ok(_) => {
                        tracing::info!(
                            issuer = name,
                            "serving the last good key set until the issuer answers"
                        );
                        return;
                    }
                    Err(error) => error.to_string(),
                }
            }
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the database takes too long".to_owned(),
        };
        if aloud {
            tracing::warn!(issuer = name, error = trouble, "the kept key set cannot be used");
        }
    }

    fn expire(&self, now: Timestamp) {
        if self.loaded.load().as_ref().is_some_and(|loaded| self.too_old(loaded.fetched_at, now)) {
            self.loaded.store(None);
            tracing::error!(
                issuer = self.source.rules.name,
                "the last good key set is too old and no longer used"
            );
        }
    }

    fn too_old(&self, fetched_at: Timestamp, now: Timestamp) -> bool {
        i128::from(now.millis_since(fetched_at)) > self.source.max_stale.as_millis().cast_signed()
    }
}
