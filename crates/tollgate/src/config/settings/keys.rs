//! API keys: how replicas learn of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// API keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeySettings {
    /// Milliseconds between looks for changed keys in the database, beside its notifications. When those are lost, a
    /// revoked key works on other replicas for so long.
    #[schemars(range(min = 50, max = 5000))]
    pub poll_ms: u64,
    /// Seconds for which keys are answered from memory while the database cannot be reached. After that their checks are
    /// answered as unavailable.
    #[schemars(range(min = 10, max = 2_592_000))]
    pub max_stale_secs: u64,
}

impl Default for KeySettings {
    fn default() -> Self {
        Self { poll_ms: 1000, max_stale_secs: 86_400 }
    }
}
