//! How checks are answered: bounds, where credentials stand, and what the backend is told.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use tollgate_core::denial::UnauthenticatedStatus;
use tollgate_core::identity::{Fact, IdentityHeaders};

/// How checks are answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CheckSettings {
    /// Milliseconds that one check may take; then it is denied as unavailable. Keep it well below the gateway's own
    /// timeout, which is 200 in Envoy unless set.
    #[schemars(range(min = 1, max = 10_000))]
    pub deadline_ms: u64,
    /// Checks in progress at once; more are denied as overloaded.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_concurrent: u32,
    /// The status for callers who did not prove who they are: 401 or 403. Routes can say otherwise.
    pub unauthenticated_status: UnauthenticatedStatusSetting,
    /// The protection space named in `WWW-Authenticate`.
    #[schemars(length(min = 1, max = 128))]
    pub realm: String,
    /// Bytes of the largest token that is looked at.
    #[schemars(range(min = 256, max = 65_536))]
    pub max_token_bytes: usize,
}

/// Where credentials are looked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CredentialSettings {
    /// The headers in which a credential may stand. Two that differ in one request are refused.
    #[schemars(length(min = 1))]
    pub headers: Vec<CredentialHeaderSettings>,
}

/// One header in which a credential may stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialHeaderSettings {
    /// The header's name; letter case does not matter.
    #[schemars(extend("format" = "header-name"))]
    pub name: String,
    /// How the credential is written in it.
    pub form: CredentialFormName,
}

/// How a credential is written in its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CredentialFormName {
    /// `Bearer <credential>`
    Bearer,
    /// The credential alone.
    Bare,
}

/// How a backend learns who calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IdentitySettings {
    /// The header that carries each fact. On every allowed request each one is set, or removed when there is no such
    /// fact, so a client's own copy never reaches the backend.
    pub headers: IdentityHeaderNames,
    /// Also send the names that backends of older gateways read: `x-account-id`, `x-project-id`, `x-api-key-id`.
    pub compatibility: bool,
}

/// The header of each fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityHeaderNames {
    /// The issuer's stable id of the user, or of the key's owner.
    #[schemars(extend("format" = "header-name"))]
    pub subject: String,
    /// The name that a person recognises.
    #[schemars(extend("format" = "header-name"))]
    pub user: String,
    /// E-mail address; informational, never an identity.
    #[schemars(extend("format" = "header-name"))]
    pub email: String,
    /// The token's `iss`.
    #[schemars(extend("format" = "header-name"))]
    pub issuer: String,
    /// The public id of the API key.
    #[schemars(extend("format" = "header-name"))]
    pub key_id: String,
    /// The project that pays.
    #[schemars(extend("format" = "header-name"))]
    pub project: String,
    /// The organization of the project.
    #[schemars(extend("format" = "header-name"))]
    pub organization: String,
    /// Groups and roles, comma-separated.
    #[schemars(extend("format" = "header-name"))]
    pub groups: String,
    /// The id of the check, also on denials and in the log.
    #[schemars(extend("format" = "header-name"))]
    pub check_id: String,
}

/// Memory for tokens that were verified before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenCacheSettings {
    /// Bytes that remembered tokens may take. 0: every token is verified each time.
    #[schemars(range(min = 0, max = 17_179_869_184_u64))]
    pub max_bytes: u64,
}

/// The status for callers who did not prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct UnauthenticatedStatusSetting(pub UnauthenticatedStatus);

impl Default for CheckSettings {
    fn default() -> Self {
        Self {
            deadline_ms: 100,
            max_concurrent: 4096,
            unauthenticated_status: UnauthenticatedStatusSetting::default(),
            realm: "tollgate".into(),
            max_token_bytes: tollgate_core::jwt::DEFAULT_MAX_TOKEN_BYTES,
        }
    }
}

impl Default for CredentialSettings {
    fn default() -> Self {
        let entry = |name: &str, form| CredentialHeaderSettings { name: name.into(), form };
        Self {
            headers: vec![
                entry("authorization", CredentialFormName::Bearer),
                entry("x-api-key", CredentialFormName::Bare),
                entry("api-key", CredentialFormName::Bare),
                entry("x-goog-api-key", CredentialFormName::Bare),
            ],
        }
    }
}

impl Default for IdentityHeaderNames {
    fn default() -> Self {
        let names = IdentityHeaders::default();
        let name = |fact| names.name(fact).to_owned();
        Self {
            subject: name(Fact::Subject),
            user: name(Fact::User),
            email: name(Fact::Email),
            issuer: name(Fact::Issuer),
            key_id: name(Fact::KeyId),
            project: name(Fact::Project),
            organization: name(Fact::Organization),
            groups: name(Fact::Groups),
            check_id: name(Fact::CheckId),
        }
    }
}

impl IdentityHeaderNames {
    /// The configured name of a fact.
    pub fn name(&self, fact: Fact) -> &str {
        match fact {
            Fact::Subject => &self.subject,
            Fact::User => &self.user,
            Fact::Email => &self.email,
            Fact::Issuer => &self.issuer,
            Fact::KeyId => &self.key_id,
            Fact::Project => &self.project,
            Fact::Organization => &self.organization,
            Fact::Groups => &self.groups,
            Fact::CheckId => &self.check_id,
        }
    }
}

impl Default for TokenCacheSettings {
    fn default() -> Self {
        Self { max_bytes: 64 << 20 }
    }
}

impl TryFrom<u16> for UnauthenticatedStatusSetting {
    type Error = String;

    fn try_from(status: u16) -> Result<Self, String> {
        UnauthenticatedStatus::from_u16(status).map(Self).ok_or_else(|| "write 401 or 403".into())
    }
}

impl From<UnauthenticatedStatusSetting> for u16 {
    fn from(status: UnauthenticatedStatusSetting) -> Self {
        status.0.status().as_u16()
    }
}

impl JsonSchema for UnauthenticatedStatusSetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UnauthenticatedStatus".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "enum": [401, 403]})
    }
}
