//! The issuer as its discovery document describes it, and its token endpoint.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;
use tollgate_core::time::Timestamp;
use url::Url;
use url::form_urlencoded::Serializer;

use super::SignIn;
use crate::client::error::origin;
use crate::client::http::{Http, HttpOptions};
use crate::client::{ClientError, SavedLogin};

/// An issuer, discovered.
#[derive(Debug)]
pub struct Issuer {
    pub(super) sign_in: SignIn,
    pub(super) authorization_endpoint: Option<Url>,
    pub(super) device_endpoint: Option<Url>,
    /// Whether answers name the issuer (RFC 9207).
    pub(super) names_itself: bool,
    revocation_endpoint: Option<Url>,
    token_endpoint: Url,
    pub(super) http: Http,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    token_endpoint: Url,
    authorization_endpoint: Option<Url>,
    device_authorization_endpoint: Option<Url>,
    revocation_endpoint: Option<Url>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What the token endpoint gives.
#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    expires_in: Option<i64>,
    refresh_token: Option<String>,
}

/// What an issuer says when it gives nothing (RFC 6749 section 5.2).
#[derive(Debug, Deserialize)]
pub(super) struct OAuthError {
    pub error: String,
    pub error_description: Option<String>,
}

impl From<OAuthError> for ClientError {
    fn from(refusal: OAuthError) -> Self {
        let plain = |text: String| text.chars().filter(|c| !c.is_control()).take(300).collect::<String>();
        Self::Issuer(match refusal.error_description {
            Some(description) => format!("{} ({})", plain(description), plain(refusal.error)),
            None => plain(refusal.error),
        })
    }
}

impl Issuer {
    /// Reads the discovery document of the issuer that an API named.
    ///
    /// # Errors
    /// It is away, or is not what it says.
    pub async fn discover(sign_in: SignIn, options: &HttpOptions) -> Result<Self, ClientError> {
        let http = Http::new(options)?;
        let wrong = |why: &str| ClientError::Issuer(format!("{} {why}", sign_in.issuer));
        let url: Url = format!("{}/.well-known/openid-configuration", sign_in.issuer.trim_end_matches('/'))
            .parse()
            .map_err(|_| wrong("is not an address"))?;
        let request = http.client().get(url).build().map_err(|_| wrong("is not an address"))?;
        let answered = http.send(request).await?;
        let document: Document = match serde_json::from_slice(&answered.body) {
            Ok(document) if answered.status.is_success() => document,
            _ => return Err(wrong("has no discovery document")),
        };
        if document.issuer.trim_end_matches('/') != sign_in.issuer.trim_end_matches('/') {
            return Err(wrong("has the discovery document of another issuer"));
        }
        http.check(&document.token_endpoint)?;
        Ok(Self {
            authorization_endpoint: document.authorization_endpoint,
            device_endpoint: document.device_authorization_endpoint,
            revocation_endpoint: document.revocation_endpoint,
            names_itself: document.authorization_response_iss_parameter_supported,
            token_endpoint: document.token_endpoint,
            sign_in,
            http,
        })
    }

    /// Whether a code can be typed on any device.
    pub const fn offers_device(&self) -> bool {
        self.device_endpoint.is_some()
    }

    /// Asks for tokens as this client.
    pub(super) async fn token(
        &self,
        fields: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<Result<SavedLogin, OAuthError>, ClientError> {
        let SignIn { issuer, client_id, .. } = &self.sign_in;
        let tokens = token(&self.http, &self.token_endpoint, client_id, fields).await?;
        Ok(tokens.map(|tokens| login((issuer, client_id, &self.token_endpoint), tokens, None, now)))
    }
}

/// Renews a login whose access token is over.
///
/// # Errors
/// It cannot be renewed: then somebody has to sign in again.
pub async fn renew(
    old: &SavedLogin,
    options: &HttpOptions,
    now: Timestamp,
) -> Result<SavedLogin, ClientError> {
    let over = || ClientError::Issuer("the login is over; run `tollgate login` again".into());
    let refresh = old.refresh_token.as_deref().ok_or_else(over)?;
    let endpoint: Url = old.token_endpoint.parse().map_err(|_| over())?;
    let http = Http::new(options)?;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    match token(&http, &endpoint, &old.client_id, &fields).await? {
        Ok(tokens) => {
            Ok(login((&old.issuer, &old.client_id, &endpoint), tokens, old.refresh_token.clone(), now))
        }
        Err(refusal) if refusal.error == "invalid_grant" => Err(over()),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Tells the issuer that the refresh token is no longer needed (RFC 7009), where it listens. A login ends here in any case.
pub async fn revoke(login: &SavedLogin, options: &HttpOptions) {
    let Some(refresh) = &login.refresh_token else { return };
    let sign_in =
        SignIn { issuer: login.issuer.clone(), client_id: login.client_id.clone(), scopes: Vec::new() };
    let Ok(issuer) = Issuer::discover(sign_in, options).await else { return };
    let Some(endpoint) = &issuer.revocation_endpoint else { return };
    // Whether or not it is heard, nothing on this machine knows the token any more.
    let _ = post::<serde_json::Value>(&issuer.http, endpoint, &login.client_id, &[("token", refresh)]).await;
}

fn login(
    (issuer, client_id, endpoint): (&str, &str, &Url),
    tokens: Tokens,
    refresh: Option<String>,
    now: Timestamp,
) -> SavedLogin {
    SavedLogin {
        issuer: issuer.to_owned(),
        client_id: client_id.to_owned(),
        token_endpoint: endpoint.to_string(),
        access_token: tokens.access_token,
        expires_at: tokens.expires_in.map(|secs| now.plus_secs(secs).as_millis()),
        // An issuer that does not rotate refresh tokens sends none again.
        refresh_token: tokens.refresh_token.or(refresh),
    }
}

async fn token(
    http: &Http,
    endpoint: &Url,
    client_id: &str,
    fields: &[(&str, &str)],
) -> Result<Result<Tokens, OAuthError>, ClientError> {
    post(http, endpoint, client_id, fields).await
}

/// A form to one of the issuer's endpoints, and what it gives or why not.
pub(super) async fn post<T: serde::de::DeserializeOwned>(
    http: &Http,
    endpoint: &Url,
    client_id: &str,
    fields: &[(&str, &str)],
) -> Result<Result<T, OAuthError>, ClientError> {
    let form =
        Serializer::new(String::new()).append_pair("client_id", client_id).extend_pairs(fields).finish();
    let request = http
        .client()
        .post(endpoint.clone())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(form)
        .build()
        .map_err(|_| ClientError::Issuer(format!("{endpoint} cannot be asked")))?;
    let answered = http.send(request).await?;
    let foreign = || ClientError::Issuer(format!("{} answered {}", origin(endpoint), answered.status));
    if answered.status.is_success() {
        return serde_json::from_slice(&answered.body).map(Ok).map_err(|_| foreign());
    }
    serde_json::from_slice(&answered.body).map(Err).map_err(|_| foreign())
}
