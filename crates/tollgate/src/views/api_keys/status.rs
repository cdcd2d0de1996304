//! How the view is doing, for readiness and for the log.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use tollgate_core::time::Timestamp;

use super::ApiKeysView;

/// How the view hears of changes, beside looking every now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// Not at all: the database has no bus, or the view has not been started.
    None,
    /// Notifications arrive.
    Listening,
    /// The listening connection is lost; a new one is being made.
    Lost,
}

/// What the view holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Keys.
    pub keys: usize,
    /// When the view was last known to contain everything.
    pub present_at: Timestamp,
    /// Whether that is so long ago that no key is answered any more.
    pub too_old: bool,
}

/// How the view is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeysStatus {
    /// What it holds; `None` while it has never been filled.
    pub filled: Option<Filled>,
    /// Why the last round or fill failed, if it did.
    pub error: Option<String>,
    /// How changes are heard of.
    pub bus: Bus,
}

#[derive(Debug, Default)]
pub(super) struct Tracked {
    error: Mutex<Option<String>>,
    bus: AtomicU8,
}

impl Tracked {
    /// Notes how a round or fill ended; a change is logged once, not every second.
    pub fn note(&self, outcome: Result<(), String>) {
        let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*error, &outcome) {
            (None, Err(now)) => {
                tracing::warn!(
                    error = now,
                    "the store cannot be followed; API keys are answered from what is in memory"
                );
            }
            (Some(_), Ok(())) => tracing::info!("the store is followed again"),
            _ => {}
        }
        *error = outcome.err();
    }

    pub fn error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_bus(&self, bus: Bus) {
        self.bus.store(bus as u8, Ordering::Relaxed);
    }

    pub fn bus(&self) -> Bus {
        match self.bus.load(Ordering::Relaxed) {
            1 => Bus::Listening,
            2 => Bus::Lost,
            _ => Bus::None,
        }
    }
}

impl ApiKeysView {
    /// How the view is doing at `now`.
    pub fn status(&self, now: Timestamp) -> ApiKeysStatus {
        let filled = self.0.current.load().as_ref().map(|snapshot| Filled {
            keys: snapshot.keys.len(),
            present_at: Timestamp::from_millis(self.0.present_at.load(Ordering::Relaxed)),
            too_old: self.is_stale(now),
        });
        ApiKeysStatus { filled, error: self.0.status.error(), bus: self.0.status.bus() }
    }
}
