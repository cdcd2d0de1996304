//! The API for people, and what rights come from groups.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DirectorySettings, Network};

/// The REST API, on `server.http`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApiSettings {
    /// Bytes of a request's body at most.
    #[schemars(range(min = 1024, max = 1_048_576))]
    pub max_body_bytes: u32,
    /// Requests a minute, for each person and for each address that nobody has signed in from.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_minute: u32,
    /// Networks of proxies in front of the API whose `X-Forwarded-For` is believed, for audit and rate limits.
    pub trusted_proxies: Vec<Network>,
    /// Seconds that `auth_time` of an access token may be old when a secret is shown or a right is given or widened; a token
    /// without it is then not enough. 0: a token is proof enough.
    #[schemars(range(min = 0, max = 2_592_000))]
    pub reauthenticate_after_secs: u64,
    /// How command-line tools sign people in; without it `tollgate login` has to be told.
    pub cli: Option<CliSettings>,
    /// Secret scanners that report keys which they found in public.
    pub secret_scanning: SecretScanningSettings,
}

/// Secret scanners that report keys which they found in public, in the form of GitHub's partner program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecretScanningSettings {
    /// Whose reports are believed. With no entry nobody's are.
    pub keys: Vec<ScannerKeySettings>,
}

/// A public key by which a scanner proves itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScannerKeySettings {
    /// What the scanner calls it, in `Github-Public-Key-Identifier`.
    #[schemars(length(min = 1, max = 256))]
    pub id: String,
    /// The key in PEM (`BEGIN PUBLIC KEY`): ECDSA on P-256.
    pub pem: String,
}

/// How command-line tools sign people in: as a public client of an issuer, which has the device grant or accepts
/// `http://127.0.0.1` with any port as a redirect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CliSettings {
    /// The issuer's URL as people reach it. Without it: the first of `issuers`.
    #[serde(default)]
    #[schemars(extend("format" = "url"))]
    pub issuer: Option<String>,
    /// The client's id there.
    #[schemars(length(min = 1, max = 256))]
    pub client_id: String,
    /// What is asked for.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
}

fn default_scopes() -> Vec<String> {
    vec!["openid".to_owned()]
}

/// Rights that come from groups of the issuer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TenancySettings {
    /// Groups whose members administer the whole deployment.
    pub admin_groups: Vec<String>,
    /// Who may make organizations.
    pub organizations: OrganizationMakers,
    /// Issuers' directories, which are asked whether people are still there.
    pub directories: Vec<DirectorySettings>,
}

/// Who may make organizations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrganizationMakers {
    /// Members of `tenancy.admin_groups`.
    #[default]
    Admins,
    /// Everybody who can sign in.
    Everyone,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            max_body_bytes: 65_536,
            requests_per_minute: 600,
            trusted_proxies: Vec::new(),
            reauthenticate_after_secs: 0,
            cli: None,
            secret_scanning: SecretScanningSettings::default(),
        }
    }
}
