//! Signing in at the issuer of an API: with a code that is typed on any device (RFC 8628) where the issuer offers it, else
//! with the browser of this machine (RFC 8252). The command is a public client: it has no secret.

mod browser;
mod device;
mod issuer;

pub use browser::by_browser;
pub use device::by_device;
pub use issuer::{Issuer, renew, revoke};

use serde_json::Value;

use super::api::{Api, Call};
use super::error::ClientError;

/// How an API says that command-line tools sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// The issuer's URL.
    pub issuer: String,
    /// The client that tools are.
    pub client_id: String,
    /// What they ask for.
    pub scopes: Vec<String>,
}

impl SignIn {
    /// Asks the API.
    ///
    /// # Errors
    /// It is away, or does not say.
    pub async fn of(api: &Api) -> Result<Self, ClientError> {
        let answer = api.call(&Call::get(&["sign-in"])).await?.body;
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        let foreign = || ClientError::Address("the API does not say where to sign in".into());
        Ok(Self {
            issuer: text("issuer").ok_or_else(foreign)?,
            client_id: text("client_id").ok_or_else(foreign)?,
            scopes: answer["scopes"]
                .as_array()
                .map(|scopes| scopes.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                .unwrap_or_default(),
        })
    }
}
