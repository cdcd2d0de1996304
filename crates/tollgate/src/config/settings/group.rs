//! A group or role in the configuration, with the issuer whose it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A group or role, as tokens name it: letter case included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum GroupSettings {
    /// By its name alone, which says whose it is only where there is one issuer.
    Bare(String),
    /// Of an issuer.
    Of(IssuerGroupSettings),
}

/// A group or role of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerGroupSettings {
    /// The issuer's name in `issuers`; `oauth2` for the one of that form.
    #[schemars(length(min = 1))]
    pub issuer: String,
    /// Its name there.
    #[schemars(length(min = 1))]
    pub group: String,
}
