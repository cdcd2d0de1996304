//! API keys: how many a project may have, how long they live, and how replicas learn of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// API keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeySettings {
    /// Keys that one project may have. Revoked keys and keys past their time do not count.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_per_project: u32,
    /// Days after which a key's secret ends at the latest, counted from when it was made or rotated. Without it: any, or
    /// never.
    #[schemars(range(min = 1, max = 36_500))]
    pub max_lifetime_days: Option<u32>,
    /// Days that a key gets when its maker does not say. Without it: as long as it may.
    #[schemars(range(min = 1, max = 36_500))]
    pub default_lifetime_days: Option<u32>,
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
        Self {
            max_per_project: 1000,
            max_lifetime_days: None,
            default_lifetime_days: None,
            poll_ms: 1000,
            max_stale_secs: 86_400,
        }
    }
}
