//! Issuers: who may sign tokens, and what a token must say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One issuer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    /// The name in logs and metrics. Each issuer has its own.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// The issuer's URL; its discovery document is looked for below it unless `jwks_url` or `jwks_file` is given.
    #[schemars(extend("format" = "url"))]
    pub issuer: String,
    /// The `iss` values of its tokens, when they differ from `issuer`, compared byte for byte.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub accepted_issuers: Option<Vec<String>>,
    /// Where the key set is, when discovery is not wanted.
    #[serde(default)]
    #[schemars(extend("format" = "url"))]
    pub jwks_url: Option<String>,
    /// A file with the key set, when nothing is to be fetched.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// The `aud` values of which a token must have one, or the word `any`.
    #[schemars(extend(
        "x-hint" = "list the `aud` values to accept (an empty list would deny everybody), or write `audiences: any` to \
                    accept tokens that were made for anyone"
    ))]
    pub audiences: AudienceSettings,
    /// The signature algorithms that are accepted.
    #[serde(default = "AlgorithmName::defaults")]
    #[schemars(
        length(min = 1),
        extend(
            "x-hint" = "`none` and HMAC (HS256 and kin) are never accepted: a key set is public, so anyone could \
                        sign with it"
        )
    )]
    pub algorithms: Vec<AlgorithmName>,
    /// Seconds by which the issuer's clock may differ.
    #[serde(default = "defaults::leeway_secs")]
    #[schemars(range(min = 0, max = 300))]
    pub leeway_secs: u32,
    /// The values that a `typ` claim may have (`Bearer` at Keycloak). Without it, the claim is not looked at.
    #[serde(default)]
    pub payload_types: Option<Vec<String>>,
    /// The values that the `typ` of the token's header may have.
    #[serde(default = "defaults::header_types")]
    #[schemars(length(min = 1))]
    pub header_types: Vec<String>,
    /// Whether the header must have a `typ`.
    #[serde(default)]
    pub header_type_required: bool,
    /// The clients (`azp`) whose tokens are accepted. Without it, all.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub authorized_parties: Option<Vec<String>>,
    /// Claims by path that must have one of the listed values.
    #[serde(default)]
    pub required_claims: BTreeMap<String, Vec<ClaimValue>>,
    /// Which claims say who the caller is.
    #[serde(default)]
    pub claims: ClaimSettings,
    /// Seconds that a token may live (`exp` - `iat`). Without it, any.
    #[serde(default)]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub max_lifetime_secs: Option<u32>,
    /// Whether `http://` is accepted for the issuer and its key set. Whoever can change an answer on the way can then
    /// make keys.
    #[serde(default)]
    pub allow_http: bool,
    /// Seconds between refreshes of the key set.
    #[serde(default = "defaults::refresh_secs")]
    #[schemars(range(min = 5, max = 86_400))]
    pub refresh_secs: u64,
    /// Seconds between refreshes that unknown key ids cause.
    #[serde(default = "defaults::cooldown_secs")]
    #[schemars(range(min = 1, max = 3600))]
    pub cooldown_secs: u64,
    /// Seconds that the last good key set serves while the issuer cannot be reached.
    #[serde(default = "defaults::max_stale_secs")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub max_stale_secs: u64,
    /// Milliseconds that a fetch may take.
    #[serde(default = "defaults::fetch_timeout_ms")]
    #[schemars(range(min = 10, max = 60_000))]
    pub fetch_timeout_ms: u64,
    /// PEM file with the authorities that the issuer's server certificate is checked against, besides the usual ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// The audiences that are accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AudienceSettings {
    /// Tokens made for anyone.
    Any(AnyWord),
    /// A token must be for one of these.
    OneOf(#[schemars(length(min = 1))] Vec<String>),
}

/// The word `any`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnyWord {
    /// Tokens made for anyone.
    Any,
}

/// Which claims say who the caller is. A path goes into objects by dots: `realm_access.roles`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimSettings {
    /// The stable id.
    pub subject: String,
    /// The name that a person recognises; the first that the token has.
    pub username: Vec<String>,
    /// The e-mail address.
    pub email: String,
    /// Groups and roles; all that the token has.
    pub groups: Vec<String>,
}

/// One issuer in the form of older deployments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2Settings {
    /// Where the key set is.
    #[schemars(extend("format" = "url"))]
    pub jwks_url: String,
    /// The issuer's URL. Without it, `jwks_url` up to Keycloak's `/protocol/openid-connect/certs`.
    #[serde(default)]
    #[schemars(extend("format" = "url"))]
    pub issuer: Option<String>,
    /// The `iss` values of its tokens, when they differ from `issuer`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub accepted_issuers: Option<Vec<String>>,
    /// The `aud` values of which a token must have one, or `any`. Without it `any`, with a warning.
    #[serde(default)]
    pub audiences: Option<AudienceSettings>,
    /// Whether `http://` is accepted. Older deployments reach Keycloak by it, so here it is unless refused; with a
    /// warning.
    #[serde(default = "defaults::yes")]
    pub allow_http: bool,
}

/// A signature algorithm of RFC 7518 or RFC 8037 that Tollgate verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AlgorithmName {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// A value that a claim may be required to have; compared with its type, so that `"true"` is not `true`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ClaimValue {
    /// `true` or `false`.
    Truth(bool),
    /// A whole number.
    Number(i64),
    /// Text.
    Text(String),
}

impl ClaimValue {
    /// As it stands in a token.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Truth(truth) => (*truth).into(),
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
        }
    }
}

impl IssuerSettings {
    /// An issuer of which no more is said than what has no default; its keys are had by discovery.
    pub fn new(name: impl Into<String>, issuer: impl Into<String>, audiences: AudienceSettings) -> Self {
        Self {
            name: name.into(),
            issuer: issuer.into(),
            accepted_issuers: None,
            jwks_url: None,
            jwks_file: None,
            audiences,
            algorithms: AlgorithmName::defaults(),
            leeway_secs: defaults::leeway_secs(),
            payload_types: None,
            header_types: defaults::header_types(),
            header_type_required: false,
            authorized_parties: None,
            required_claims: BTreeMap::new(),
            claims: ClaimSettings::default(),
            max_lifetime_secs: None,
            allow_http: false,
            refresh_secs: defaults::refresh_secs(),
            cooldown_secs: defaults::cooldown_secs(),
            max_stale_secs: defaults::max_stale_secs(),
            fetch_timeout_ms: defaults::fetch_timeout_ms(),
            ca_file: None,
        }
    }
}

impl AudienceSettings {
    /// Tokens made for anyone.
    pub const ANY: Self = Self::Any(AnyWord::Any);
}

impl AlgorithmName {
    /// What is accepted unless an issuer says otherwise: everything that is verified.
    pub fn defaults() -> Vec<Self> {
        vec![
            Self::RS256,
            Self::RS384,
            Self::RS512,
            Self::PS256,
            Self::PS384,
            Self::PS512,
            Self::ES256,
            Self::ES384,
            Self::ES512,
            Self::EdDsa,
        ]
    }

    /// The name in a token's header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl Default for ClaimSettings {
    fn default() -> Self {
        let list = |items: &[&str]| items.iter().map(ToString::to_string).collect();
        Self {
            subject: "sub".into(),
            username: list(&["preferred_username"]),
            email: "email".into(),
            groups: list(&["groups", "realm_access.roles"]),
        }
    }
}

mod defaults {
    pub const fn leeway_secs() -> u32 {
        30
    }

    pub fn header_types() -> Vec<String> {
        vec!["JWT".into(), "at+jwt".into()]
    }

    pub const fn refresh_secs() -> u64 {
        300
    }

    pub const fn cooldown_secs() -> u64 {
        30
    }

    pub const fn max_stale_secs() -> u64 {
        86_400
    }

    pub const fn fetch_timeout_ms() -> u64 {
        3000
    }

    pub const fn yes() -> bool {
        true
    }
}
