//! Where an issuer's keys are: its discovery document (OpenID Connect Discovery 1.0 section 4), believed only as far as
//! it speaks about the issuer that was configured.

use serde::Deserialize;
use thiserror::Error;
use url::Url;

use super::fetch::{FetchError, Fetcher};

/// Why discovery gives no address.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    /// The document did not come.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The configured issuer is not a URL.
    #[error("issuer '{0}' is not a URL")]
    IssuerUrl(String),
    /// Not a discovery document.
    #[error("{0} is not a discovery document: {1}")]
    Malformed(Url, serde_json::Error),
    /// The document speaks for another issuer (section 4.3).
    #[error(
        "the discovery document of '{configured}' says its issuer is '{said}'; set issuer to exactly that, or give jwks_url"
    )]
    OtherIssuer {
        /// As configured.
        configured: String,
        /// As the document says; shortened.
        said: String,
    },
    /// `jwks_uri` leads to another host.
    #[error(
        "the discovery document sends us to another host for keys ({0}); if that is right, give it as jwks_url"
    )]
    OtherHost(String),
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// Asks an issuer where its keys are.
///
/// # Errors
/// [`DiscoveryError`].
pub async fn jwks_url(fetcher: &Fetcher, issuer: &str) -> Result<Url, DiscoveryError> {
    let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let address = Url::parse(&address).map_err(|_| DiscoveryError::IssuerUrl(issuer.to_owned()))?;
    let body = fetcher.get(&address).await?;
    let document: Document =
        serde_json::from_slice(&body).map_err(|e| DiscoveryError::Malformed(address.clone(), e))?;
    if document.issuer != issuer {
        let said = document.issuer.chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(DiscoveryError::OtherIssuer { configured: issuer.to_owned(), said });
    }
    let shown = || document.jwks_uri.chars().filter(|c| !c.is_control()).take(200).collect();
    let keys = Url::parse(&document.jwks_uri).map_err(|_| DiscoveryError::OtherHost(shown()))?;
    if keys.host() != address.host() {
        return Err(DiscoveryError::OtherHost(shown()));
    }
    Ok(keys)
}
