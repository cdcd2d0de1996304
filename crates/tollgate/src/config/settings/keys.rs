//! API keys: how many a project may have, and how long they live.

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
}

impl Default for KeySettings {
    fn default() -> Self {
        Self { max_per_project: 1000, max_lifetime_days: None, default_lifetime_days: None }
    }
}
