//! What the issuer's discovery document says about logging in there (OpenID Connect Discovery 1.0, RFC 8414), fetched when
//! somebody logs in and kept for a while.

use std::sync::Arc;
use std::time::Duration;

use oauth2::{AuthType, AuthUrl, TokenUrl};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tollgate_core::jwt::IssuerRules;
use url::Url;

use super::LoginOptions;
use crate::views::{FetchError, Fetcher};

/// How long a document is taken for granted. An issuer that is away keeps the last one in use.
const FRESH: Duration = Duration::from_secs(300);

/// Where and how to log in.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Where the browser goes.
    pub authorization: AuthUrl,
    /// Where codes are exchanged.
    pub token: TokenUrl,
    /// Where the browser goes to log out.
    pub end_session: Option<Url>,
    /// How the client proves itself.
    pub auth_type: AuthType,
    /// Whether every authorization response names its issuer (RFC 9207).
    pub names_itself: bool,
}

/// Why it is not known.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// The document did not come.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Not a discovery document.
    #[error("{0} is not a discovery document: {1}")]
    Malformed(Url, serde_json::Error),
    /// The document speaks for an issuer that is not configured.
    #[error(
        "{0} says that its issuer is another than the configured one; correct portal.login.discovery_url or the \
             issuer's accepted_issuers"
    )]
    OtherIssuer(Url),
    /// The document has no usable address of this name.
    #[error("the discovery document has no usable '{0}'; give it as portal.login.{1}")]
    Address(&'static str, &'static str),
}

/// The document as far as it is used.
#[derive(Default, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What was learnt, and when.
#[derive(Debug, Default)]
pub struct Providers(Mutex<Option<(Instant, Arc<Provider>)>>);

impl Providers {
    /// What is known now. One caller asks while the others wait for the answer.
    ///
    /// # Errors
    /// It was never known, and is not told now.
    pub async fn get(
        &self,
        fetcher: &Fetcher,
        options: &LoginOptions,
        rules: &IssuerRules,
    ) -> Result<Arc<Provider>, ProviderError> {
        let mut known = self.0.lock().await;
        if let Some((at, provider)) = known.as_ref()
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(provider));
        }
        match discover(fetcher, options, rules).await {
            Ok(provider) => {
                let provider = Arc::new(provider);
                *known = Some((Instant::now(), Arc::clone(&provider)));
                Ok(provider)
            }
            Err(error) => match known.as_ref() {
                Some((_, provider)) => {
                    tracing::warn!(%error, "the issuer does not say how to log in; what it said before is used");
                    Ok(Arc::clone(provider))
                }
                None => Err(error),
            },
        }
    }
}

async fn discover(
    fetcher: &Fetcher,
    options: &LoginOptions,
    rules: &IssuerRules,
) -> Result<Provider, ProviderError> {
    let document = match &options.discovery_url {
        Some(address) => fetch(fetcher, address, rules).await?,
        None => Document::default(),
    };
    let choose = |given: &Option<Url>, told: Option<String>| {
        given.as_ref().map(|url| url.as_str().to_owned()).or(told)
    };
    let authorization = choose(&options.authorization_url, document.authorization_endpoint);
    let token = choose(&options.token_url, document.token_endpoint);
    let end_session = choose(&options.end_session_url, document.end_session_endpoint);
    let usable = |text: String| {
        let url = Url::parse(&text).ok()?;
        (url.scheme() == "https" || (url.scheme() == "http" && options.fetch.allow_http)).then_some(url)
    };
    let no_authorization = ProviderError::Address("authorization_endpoint", "authorization_url");
    let no_token = ProviderError::Address("token_endpoint", "token_url");
    // RFC 8414 section 2: without the list, Basic.
    let methods = document.token_endpoint_auth_methods_supported;
    let basic = methods.is_none_or(|list| list.iter().any(|method| method == "client_secret_basic"));
    Ok(Provider {
        authorization: AuthUrl::from_url(authorization.and_then(usable).ok_or(no_authorization)?),
        token: TokenUrl::from_url(token.and_then(usable).ok_or(no_token)?),
        end_session: end_session.and_then(usable),
        auth_type: if basic { AuthType::BasicAuth } else { AuthType::RequestBody },
        names_itself: document.authorization_response_iss_parameter_supported,
    })
}

async fn fetch(fetcher: &Fetcher, address: &Url, rules: &IssuerRules) -> Result<Document, ProviderError> {
    let body = fetcher.get(address).await?;
    let document: Document =
        serde_json::from_slice(&body).map_err(|error| ProviderError::Malformed(address.clone(), error))?;
    if rules.accepted_issuers.contains(&document.issuer) {
        Ok(document)
    } else {
        Err(ProviderError::OtherIssuer(address.clone()))
    }
}
