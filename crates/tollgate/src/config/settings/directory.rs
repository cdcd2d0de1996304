//! Issuers' directories: who is asked whether people are still there.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::secret::Secret;

/// An issuer's directory. People who own keys or have a browser's session are asked about in the background; whoever is
/// deleted or disabled there is suspended here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectorySettings {
    /// The name of one of the `issuers`; its subjects are the directory's user ids (`claims.subject` is `sub`).
    #[schemars(length(min = 1))]
    pub issuer: String,
    /// What is asked.
    pub kind: DirectoryKind,
    /// Keycloak's address, as far as it stands before `/admin` and `/realms`. Without it: as in the issuer's URL.
    #[serde(default)]
    #[schemars(extend("format" = "url"))]
    pub url: Option<String>,
    /// The realm, as it stands in the issuer's URL. Without it: the one there.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256))]
    pub realm: Option<String>,
    /// The client, in the same realm. Its service account has the role `view-users` of `realm-management` and no other.
    #[schemars(length(min = 1, max = 256))]
    pub client_id: String,
    /// The client's secret.
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// A file that holds the client's secret.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// Seconds from the beginning of one round of questions to that of the next.
    #[serde(default = "defaults::interval_secs")]
    #[schemars(range(min = 1, max = 86_400))]
    pub interval_secs: u64,
    /// Questions a second at most.
    #[serde(default = "defaults::requests_per_second")]
    #[schemars(range(min = 1, max = 1000))]
    pub requests_per_second: u32,
    /// Of those who were asked about, how many hundredths one round may suspend; ten people always, unless the directory knows
    /// nobody at all. When more are gone nobody is suspended, and the log and `tollgate_directory_rounds_total` say so. 100: no
    /// such bound.
    #[serde(default = "defaults::max_suspended_percent")]
    #[schemars(range(min = 0, max = 100))]
    pub max_suspended_percent: u8,
}

/// What kind of directory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DirectoryKind {
    /// Keycloak's administration API.
    Keycloak,
}

mod defaults {
    pub const fn interval_secs() -> u64 {
        60
    }

    pub const fn requests_per_second() -> u32 {
        50
    }

    pub const fn max_suspended_percent() -> u8 {
        10
    }
}
