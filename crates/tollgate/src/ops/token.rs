//! Where a tool's bearer token comes from: given, or asked for at an issuer's token endpoint as often as it runs out.

use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tollgate_core::time::Timestamp;
use url::Url;

/// Seconds of life below which a granted token is replaced before it is used.
const SPARE_SECS: i64 = 15;

/// Where tokens come from.
#[derive(Debug)]
pub enum TokenSource {
    /// This one, for as long as it lives.
    Given(SecretString),
    /// Asked for when needed.
    Grant(Grant),
}

/// A request at a token endpoint (RFC 6749).
#[derive(Debug)]
pub struct Grant {
    /// The token endpoint.
    pub url: String,
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`, for confidential clients.
    pub client_secret: Option<SecretString>,
    /// Name and password for the password grant (section 4.3); without them the client asks for itself (section 4.4).
    pub user: Option<(String, SecretString)>,
}

/// A bearer token. Nothing of it is verified here; that is the gateway's business.
#[derive(Clone, Debug)]
pub struct Token {
    text: SecretString,
    claims: Option<Value>,
}

impl Token {
    /// From its text, without `Bearer`.
    pub fn new(text: impl Into<SecretString>) -> Self {
        let text = text.into();
        let payload =
            text.expose_secret().split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims = payload.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { text, claims }
    }

    /// The text, for sending.
    pub fn reveal(&self) -> &str {
        self.text.expose_secret()
    }

    /// A claim, when the token is a JWT and has it.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.as_ref()?.get(name)
    }

    /// `exp`.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.claim("exp")?.as_i64().map(Timestamp::from_secs)
    }

    /// Seconds that it still lives; `None` when it does not say.
    pub fn seconds_left(&self, now: Timestamp) -> Option<i64> {
        Some(self.expires_at()?.millis_since(now) / 1000)
    }

    /// As the value of `Authorization`.
    ///
    /// # Errors
    /// It holds what no header may hold.
    pub fn bearer(&self) -> anyhow::Result<HeaderValue> {
        bearer(self.reveal())
    }
}

/// `Bearer` and this text, marked so that nothing prints it.
///
/// # Errors
/// The text holds what no header may hold.
pub fn bearer(text: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| {
        anyhow::anyhow!("the token holds characters that no header may hold; give it bare, without quotes")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

impl TokenSource {
    /// A token to begin with.
    ///
    /// # Errors
    /// The issuer gave none; in its words.
    pub async fn first(&self) -> anyhow::Result<Token> {
        match self {
            Self::Given(text) => Ok(Token::new(text.clone())),
            Self::Grant(grant) => grant.ask().await,
        }
    }

    /// A new token when this one is about to end and another can be had; `None` otherwise.
    ///
    /// # Errors
    /// The issuer gave none.
    pub async fn renewed(&self, token: &Token, now: Timestamp) -> anyhow::Result<Option<Token>> {
        match self {
            Self::Grant(grant) if token.seconds_left(now).is_some_and(|left| left < SPARE_SECS) => {
                grant.ask().await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether tokens can be renewed.
    pub const fn renews(&self) -> bool {
        matches!(self, Self::Grant(_))
    }
}

impl Grant {
    async fn ask(&self) -> anyhow::Result<Token> {
        let url = Url::parse(&self.url).with_context(|| format!("--token-url '{}'", self.url))?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(10))
            .build()?;
        let mut form = vec![("client_id", self.client_id.as_str())];
        if let Some(secret) = &self.client_secret {
            form.push(("client_secret", secret.expose_secret()));
        }
        match &self.user {
            Some((name, password)) => form.extend([
                ("grant_type", "password"),
                ("username", name.as_str()),
                ("password", password.expose_secret()),
            ]),
            None => form.push(("grant_type", "client_credentials")),
        }
        let answer = client.post(url.clone()).form(&form).send().await;
        let answer = answer.map_err(|error| {
            let why = innermost(&error.without_url());
            anyhow::anyhow!("the token endpoint {url} does not answer ({why}); check --token-url, and that the issuer runs")
        })?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        let Some(token) = body.get("access_token").and_then(Value::as_str) else {
            let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let said = format!("{} {}", text("error"), text("error_description"));
            bail!(
                "the token endpoint {url} gave no token: {status} {}; check --username, --password and --client-id",
                said.trim()
            );
        };
        Ok(Token::new(token))
    }
}

/// The last cause in the chain: "connection refused" says more than "error sending request".
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
