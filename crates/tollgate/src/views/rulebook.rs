//! The rulebook: policy, keys and bounds of one configuration, swapped as a whole so that no check ever sees half of
//! one and half of another.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tollgate_core::policy::Policy;

use super::{ApiKeysView, KeysView};

/// Everything a check reads that a reload can change.
#[derive(Debug)]
pub struct Rulebook {
    /// Routes, issuers and credential rules.
    pub policy: Policy,
    /// The issuers' signing keys.
    pub keys: KeysView,
    /// API keys and rules against tokens; the same over all reloads. `None` without a store: then no key is known.
    pub api_keys: Option<ApiKeysView>,
    /// How long a check may take before it is denied as late.
    pub deadline: Duration,
    /// Checks under way at once, over all doors, before further ones are shed.
    pub max_concurrent: usize,
}

/// The rulebook in force, shared by all doors.
#[derive(Clone, Debug)]
pub struct CurrentRulebook(Arc<ArcSwap<Rulebook>>);

impl CurrentRulebook {
    /// Starts with `first`.
    pub fn new(first: Rulebook) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(first)))
    }

    /// Borrows the rulebook in force; costs no lock and no reference count on the usual path.
    pub fn borrow(&self) -> Guard<Arc<Rulebook>> {
        self.0.load()
    }

    /// Puts another rulebook in force. Checks under way finish with the one they began with.
    pub fn replace(&self, next: Rulebook) {
        self.0.store(Arc::new(next));
    }
}
