//! How people log in with a browser, and which other services may ask about credentials.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::secret::Secret;

/// The people-facing port in a browser.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PortalSettings {
    /// Where people reach `server.http`: scheme and host, such as `https://tollgate.example.com`. Plain `http` is for
    /// `localhost` alone.
    #[schemars(extend("format" = "url"))]
    pub public_url: Option<String>,
    /// Login with a browser, at one of the `issuers`. Without it there is none.
    pub login: Option<LoginSettings>,
    /// How long a browser stays logged in.
    pub session: SessionSettings,
}

/// Login with a browser: OpenID Connect, authorization code with PKCE.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginSettings {
    /// The name of one of the `issuers` (`oauth2` is the name of the older form).
    pub issuer: String,
    /// The client that this deployment is at the issuer.
    #[schemars(length(min = 1, max = 256))]
    pub client_id: String,
    /// The client's secret. Without one the client is public, and PKCE alone proves it.
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// A file that holds the client's secret.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// The scopes to ask for; `openid` is among them.
    #[serde(default = "defaults::scopes")]
    #[schemars(length(min = 1))]
    pub scopes: Vec<String>,
    /// The discovery document, when it is not below the issuer's URL.
    #[serde(default)]
    #[schemars(extend("format" = "url"))]
    pub discovery_url: Option<String>,
    /// Where the browser logs in, instead of what discovery says.
    #[serde(default)]
    #[schemars(extend("format" = "url"))]
    pub authorization_url: Option<String>,
    /// Where codes are exchanged, instead of what discovery says.
    #[serde(default)]
    #[schemars(extend("format" = "url"))]
    pub token_url: Option<String>,
    /// Where the browser logs out at the issuer, instead of what discovery says.
    #[serde(default)]
    #[schemars(extend("format" = "url"))]
    pub end_session_url: Option<String>,
    /// Whether a logout token's header must have the type `logout+jwt`.
    #[serde(default)]
    pub logout_type_required: bool,
    /// Logins that one address may begin in a minute.
    #[serde(default = "defaults::attempts_per_minute")]
    #[schemars(range(min = 1, max = 100_000))]
    pub attempts_per_minute: u32,
}

/// How long a browser stays logged in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionSettings {
    /// Seconds that a session may lie unused.
    #[schemars(range(min = 60, max = 2_592_000))]
    pub idle_secs: u64,
    /// Seconds after which a session ends whatever happens.
    #[schemars(range(min = 60, max = 2_592_000))]
    pub lifetime_secs: u64,
    /// Seconds after which whoever is logged in proves anew who they are before a secret is shown or a right is given or
    /// widened: keys, members, invitations, group mappings, resuming. 0: never.
    #[schemars(range(min = 0, max = 2_592_000))]
    pub reauthenticate_after_secs: u64,
}

/// Services that may ask whether a credential is good (RFC 7662), such as Authorino.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IntrospectionSettings {
    /// Who may ask. With no entry nobody may.
    pub clients: Vec<IntrospectionClientSettings>,
}

/// A service that may ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntrospectionClientSettings {
    /// Its name: the user name of HTTP Basic, or `client_id`.
    #[schemars(length(min = 1, max = 128))]
    pub id: String,
    /// Its secret, of 16 characters or more.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// A file that holds the secret.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { idle_secs: 3600, lifetime_secs: 43_200, reauthenticate_after_secs: 3600 }
    }
}

mod defaults {
    pub fn scopes() -> Vec<String> {
        ["openid", "profile", "email"].map(str::to_owned).to_vec()
    }

    pub const fn attempts_per_minute() -> u32 {
        60
    }
}
