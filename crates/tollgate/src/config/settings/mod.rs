//! The settings tree: every key of the configuration with its type, range, default and description.
//!
//! The doc comments of the fields are the descriptions of the JSON schema, and through it of the manual's table. The
//! schema also carries what serde cannot say: ranges, formats and hints (`x-hint`), which [`super::validate`] reads.

mod address;
mod checks;
mod directory;
mod issuer;
mod keys;
mod login;
mod models;
mod people;
mod route;
mod server;
mod sight;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::address::{ClientAddress, Listen, Network};
pub use self::checks::{
    CheckSettings, CredentialFormName, CredentialHeaderSettings, CredentialSettings, IdentityHeaderNames,
    IdentitySettings, TokenCacheSettings, UnauthenticatedStatusSetting,
};
pub use self::directory::{DirectoryKind, DirectorySettings};
pub use self::issuer::{
    AlgorithmName, AnyWord, AudienceSettings, ClaimSettings, ClaimValue, IssuerSettings, OAuth2Settings,
};
pub use self::keys::KeySettings;
pub use self::login::{
    IntrospectionClientSettings, IntrospectionSettings, LoginSettings, PortalSettings, SessionSettings,
};
pub use self::models::{ModelPolicySettings, ModelPolicyWord, ModelSettings};
pub use self::people::{
    ApiSettings, CliSettings, OrganizationMakers, ScannerKeySettings, SecretScanningSettings, TenancySettings,
};
pub use self::route::{Access, AccessWord, ClaimsAccess, ModelFrom, PathSettings, RouteSettings};
pub use self::server::{
    CheckListenerSettings, GrpcListenerSettings, HttpListenerSettings, LimitSettings,
    MetricsListenerSettings, ServerSettings, TlsSettings, UnavailableStatus,
};
pub use self::sight::{DatabaseSettings, LogFormat, LoggingSettings, OtlpSettings, TelemetrySettings};

/// Tollgate's configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where Tollgate listens, and the bounds on connections.
    pub server: ServerSettings,
    /// How checks are answered.
    pub checks: CheckSettings,
    /// Where credentials are looked for.
    pub credentials: CredentialSettings,
    /// How a backend learns who calls.
    pub identity: IdentitySettings,
    /// Who may sign tokens. Each entry is one issuer; a token's `iss` picks the entry.
    pub issuers: Vec<IssuerSettings>,
    /// One issuer in the form of older deployments; `issuers` can say more.
    pub oauth2: Option<OAuth2Settings>,
    /// How the model of a request is found, for routes and keys that may use some models only.
    pub models: ModelSettings,
    /// Which requests may pass. The first entry that matches decides; a request that none matches is denied.
    pub routes: Vec<RouteSettings>,
    /// Memory for tokens that were verified before.
    pub token_cache: TokenCacheSettings,
    /// Where state is kept.
    pub database: DatabaseSettings,
    /// The REST API for people and their tools.
    pub api: ApiSettings,
    /// Rights that come from groups.
    pub tenancy: TenancySettings,
    /// API keys.
    pub keys: KeySettings,
    /// The people-facing port in a browser.
    pub portal: PortalSettings,
    /// Services that may ask whether a credential is good.
    pub introspection: IntrospectionSettings,
    /// What is logged, and how.
    pub logging: LoggingSettings,
    /// Traces.
    pub telemetry: TelemetrySettings,
}
