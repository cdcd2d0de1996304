//! Routes: which requests may pass, and what is asked of their callers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::UnauthenticatedStatusSetting;
use super::models::ModelPolicySettings;

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// The name in logs, metrics and metadata. Each route has its own.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Only for checks whose gateway names this policy (context extension `tollgate.policy`); without it, only for
    /// checks that name none.
    #[serde(default)]
    pub policy: Option<String>,
    /// Hosts: `ai.example.com`, `*.example.com` (any host below), `*` (any host).
    #[serde(default = "any_host")]
    #[schemars(length(min = 1))]
    pub hosts: Vec<String>,
    /// Paths; one that matches is enough.
    #[schemars(length(min = 1), extend("x-hint" = "write for example `paths: [{prefix: /v1}]`"))]
    pub paths: Vec<PathSettings>,
    /// Methods, in upper case; without it, all. `GET` covers `HEAD`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub methods: Option<Vec<String>>,
    /// What is asked of the caller: `public`, `authenticated`, or rights (`groups_any`, `groups_all`, `condition`).
    #[schemars(extend(
        "x-hint" = "write `public`, `authenticated`, or a mapping with groups_any, groups_all or condition"
    ))]
    pub access: Access,
    /// Whether the backend gets the caller's credential too.
    #[serde(default)]
    pub forward_credential: bool,
    /// Overrides `checks.unauthenticated_status` here.
    #[serde(default)]
    pub unauthenticated_status: Option<UnauthenticatedStatusSetting>,
    /// The query parameter in which a credential may stand on this route. URLs end up in logs: leave it out if you can.
    #[serde(default)]
    #[schemars(length(min = 1, max = 64))]
    pub query_credential: Option<String>,
    /// The models that requests of this route may use: `all`, `none`, or a list of names and patterns (`gpt-4o`,
    /// `claude-*`). Holds for every caller; a key's own policy can only narrow it further.
    #[serde(default)]
    #[schemars(extend("x-hint" = "write `all`, `none`, or a list such as `[gpt-4o, claude-*]`"))]
    pub models: ModelPolicySettings,
    /// Whether requests of this route use models. `false` is for routes to tools, files and the like: nothing in their
    /// requests is taken for a model's name, and model policies let them pass.
    #[serde(default = "yes")]
    pub uses_models: bool,
    /// Where the model is read at endpoints that Tollgate does not know: `known` (nowhere: a caller who may not use every model is
    /// refused there) or `body` (in the body's outermost `model`; say it only of a backend that reads it there).
    #[serde(default)]
    pub model_from: ModelFrom,
    /// The models behind this route. With it, `GET …/models` is answered here with those that the caller may use (gRPC
    /// door; the HTTP doors let the request through to the backend).
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub model_list: Option<Vec<String>>,
}

/// Where the model of a request is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelFrom {
    /// Where the endpoint is known to read it.
    #[default]
    Known,
    /// There, and in the body at endpoints that are not known.
    Body,
}

/// A set of paths, matched on the canonical path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum PathSettings {
    /// This path alone.
    Exact(String),
    /// This path and everything below it.
    Prefix(String),
    /// The whole path matches this regular expression.
    Regex(String),
}

/// What is asked of the caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Access {
    /// One word says it.
    Word(AccessWord),
    /// An authenticated caller with these rights; all that are given must hold.
    Claims(ClaimsAccess),
}

/// What is asked of the caller, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessWord {
    /// Nothing: no credential is read.
    Public,
    /// To prove who they are.
    Authenticated,
}

/// Rights; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimsAccess {
    /// At least one of these groups or roles.
    #[schemars(length(min = 1))]
    pub groups_any: Option<Vec<String>>,
    /// All of these groups or roles.
    pub groups_all: Vec<String>,
    /// A CEL expression over `claims`, `caller` and `request` that must be true.
    pub condition: Option<String>,
}

fn any_host() -> Vec<String> {
    vec!["*".into()]
}

const fn yes() -> bool {
    true
}
