//! Models: which ones requests may use, and how the model of a request is found.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the model of a request is found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSettings {
    /// Names that the gateway or the backend takes for other names, with those: `fast: gpt-4o-mini`. Policies judge what
    /// an alias stands for. Tollgate changes no request: whoever serves the alias must know it too.
    pub aliases: BTreeMap<String, String>,
    /// A header in which the gateway itself names the model before it asks for a check, such as `x-ai-eg-model`. When it
    /// is there, it alone counts. Only for gateways that remove the client's own copy. Without it, no header names a
    /// model.
    #[schemars(extend("format" = "header-name"))]
    pub trusted_header: Option<String>,
}

/// Which models may be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ModelPolicySettings {
    /// One word says it.
    Word(ModelPolicyWord),
    /// These names and patterns; `*` stands for any characters.
    List(#[schemars(length(min = 1))] Vec<String>),
}

/// Which models may be used, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelPolicyWord {
    /// Every model.
    All,
    /// No model.
    None,
}

impl Default for ModelPolicySettings {
    fn default() -> Self {
        Self::Word(ModelPolicyWord::All)
    }
}
