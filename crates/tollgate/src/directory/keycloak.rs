//! Keycloak's administration API, as far as it tells whether a user is there and enabled. Every answer is held to its form:
//! what does not look exactly like Keycloak's word on this user is no word at all.

use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::store::{DirectoryVerdict, SuspensionCause};
use crate::views::{FetchError, FetchLimits, Fetcher};

/// What Keycloak says of a user whom it does not have. The same status comes from a realm that is not there, and from any
/// proxy on the way, with other words.
const USER_ABSENT: &str = "user not found";
/// A token is not used in the last moments of its life.
const MARGIN: Duration = Duration::from_secs(10);
/// The life of a token that does not say how long it is.
const UNSAID_LIFETIME_SECS: u64 = 60;

/// Where and as what to ask.
#[derive(Clone, Debug)]
pub struct KeycloakOptions {
    /// The realm in the administration API: `…/admin/realms/{realm}`.
    pub admin_url: Url,
    /// Where access tokens are had by client credentials.
    pub token_url: Url,
    /// The client; its service account has the role `view-users` of `realm-management`.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: SecretString,
    /// Bounds of one exchange.
    pub fetch: FetchLimits,
}

/// Why there is no answer. Nothing may be concluded from it about a person.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// No exchange, or none in time.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The client gets no token.
    #[error(
        "the token endpoint answered {0}{1}; check client_id and client_secret, and that the client has a service account"
    )]
    Token(StatusCode, String),
    /// The client may not look at users.
    #[error("{0} answered {1}; give the client's service account the role view-users of realm-management")]
    Forbidden(&'static str, StatusCode),
    /// There is no such realm.
    #[error("there is no such realm at {0}; check the address and the name of the realm")]
    Realm(Url),
    /// An answer that is not Keycloak's.
    #[error("{0} answered {1} with something that is not Keycloak's answer")]
    Foreign(&'static str, StatusCode),
    /// Such a subject is no user's id.
    #[error("a subject that cannot be a user's id")]
    Subject,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    enabled: bool,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// A client of one realm's administration API.
pub struct Keycloak {
    options: KeycloakOptions,
    fetcher: Fetcher,
    token: Mutex<Option<(SecretString, Instant)>>,
}

impl Keycloak {
    /// Prepares it; nothing is asked yet.
    ///
    /// # Errors
    /// The CA file cannot be used.
    pub fn new(options: KeycloakOptions) -> Result<Self, FetchError> {
        Ok(Self { fetcher: Fetcher::new(options.fetch.clone())?, options, token: Mutex::default() })
    }

    /// Whether the realm is there and we may look at its users: asked before anybody, since what is said of a person means
    /// nothing without it.
    ///
    /// # Errors
    /// It is not, or nobody can tell.
    pub async fn check_realm(&self) -> Result<(), DirectoryError> {
        const WHAT: &str = "the count of users";
        let (status, body) = self.ask(self.below(&["users", "count"])?).await?;
        match status {
            StatusCode::OK if serde_json::from_slice::<u64>(&body).is_ok() => Ok(()),
            StatusCode::NOT_FOUND => Err(DirectoryError::Realm(self.options.admin_url.clone())),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(DirectoryError::Forbidden(WHAT, status)),
            _ => Err(DirectoryError::Foreign(WHAT, status)),
        }
    }

    /// What is said of the user of this id.
    ///
    /// # Errors
    /// Nothing is said of them.
    pub async fn look_up(&self, subject: &str) -> Result<DirectoryVerdict, DirectoryError> {
        const WHAT: &str = "a user";
        let (status, body) = self.ask(self.below(&["users", subject])?).await?;
        match status {
            StatusCode::OK => match serde_json::from_slice::<User>(&body) {
                Ok(user) if user.id != subject => Err(DirectoryError::Foreign(WHAT, status)),
                Ok(user) if user.enabled => Ok(DirectoryVerdict::Enabled),
                Ok(_) => Ok(DirectoryVerdict::Gone(SuspensionCause::DirectoryDisabled)),
                Err(_) => Err(DirectoryError::Foreign(WHAT, status)),
            },
            StatusCode::NOT_FOUND => match serde_json::from_slice::<Refusal>(&body) {
                Ok(refusal) if refusal.error.trim_end_matches('.').eq_ignore_ascii_case(USER_ABSENT) => {
                    Ok(DirectoryVerdict::Gone(SuspensionCause::DirectoryAbsent))
                }
                _ => Err(DirectoryError::Foreign(WHAT, status)),
            },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(DirectoryError::Forbidden(WHAT, status)),
            _ => Err(DirectoryError::Foreign(WHAT, status)),
        }
    }

    /// An address below the realm. Each part is one segment, whatever is in it.
    fn below(&self, parts: &[&str]) -> Result<Url, DirectoryError> {
        // As a segment these would lead elsewhere, and be taken for an answer from there.
        if parts.iter().any(|part| part.is_empty() || *part == "." || *part == "..") {
            return Err(DirectoryError::Subject);
        }
        let mut url = self.options.admin_url.clone();
        url.path_segments_mut().map_err(|()| DirectoryError::Subject)?.pop_if_empty().extend(parts);
        Ok(url)
    }

    /// A question with a token; with a fresh one when the first is refused, since tokens can be ended early.
    async fn ask(&self, url: Url) -> Result<(StatusCode, Vec<u8>), DirectoryError> {
        let (status, body) = self.ask_once(&url).await?;
        if status != StatusCode::UNAUTHORIZED {
            return Ok((status, body));
        }
        *self.token.lock().await = None;
        self.ask_once(&url).await
    }

    async fn ask_once(&self, url: &Url) -> Result<(StatusCode, Vec<u8>), DirectoryError> {
        let token = self.token().await?;
        let request = Request::builder()
            .method(Method::GET)
            .uri(url.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", token.expose_secret()))
            .body(Vec::new())
            .map_err(|_| DirectoryError::Subject)?;
        let answer = self.fetcher.send(request).await?;
        Ok((answer.status(), answer.into_body()))
    }

    /// The access token (RFC 6749 section 4.4), kept while it lives.
    async fn token(&self) -> Result<SecretString, DirectoryError> {
        let mut kept = self.token.lock().await;
        if let Some((token, until)) = kept.as_ref()
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let options = &self.options;
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &options.client_id)
            .append_pair("client_secret", options.client_secret.expose_secret())
            .finish();
        let request = Request::builder()
            .method(Method::POST)
            .uri(options.token_url.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into_bytes())
            .map_err(|_| FetchError::Address(options.token_url.to_string()))?;
        let answer = self.fetcher.send(request).await?;
        let status = answer.status();
        if status != StatusCode::OK {
            let refusal = serde_json::from_slice::<Refusal>(answer.body());
            return Err(DirectoryError::Token(
                status,
                refusal.map_or_else(|_| String::new(), |said| code(&said.error)),
            ));
        }
        let token: Token = serde_json::from_slice(answer.body())
            .map_err(|_| DirectoryError::Foreign("the token endpoint", status))?;
        if !token.token_type.eq_ignore_ascii_case("bearer") {
            return Err(DirectoryError::Foreign("the token endpoint", status));
        }
        let lifetime = Duration::from_secs(token.expires_in.unwrap_or(UNSAID_LIFETIME_SECS));
        let token = SecretString::from(token.access_token);
        *kept = Some((token.clone(), Instant::now() + lifetime.saturating_sub(MARGIN)));
        Ok(token)
    }
}

/// An error code as far as RFC 6749 allows it to look.
fn code(error: &str) -> String {
    let code: String = error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect();
    format!(" ({code})")
}
