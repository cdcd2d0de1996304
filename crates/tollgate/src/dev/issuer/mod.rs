//! The embedded development issuer: an OpenID provider with Keycloak's paths, so that commands written for Keycloak work
//! against it as they stand. Users and passwords are in memory and in clear in the options: for development only.

mod admin;
mod authorize;
mod codes;
mod device;
mod discovery;
mod entropy;
mod error;
mod form;
mod keys;
mod options;
mod pages;
mod refresh;
mod rotation;
mod token;
mod tokens;
mod userinfo;
mod users;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use serde_json::Value;
use url::Url;

use self::codes::Codes;
use self::device::DeviceCodes;
pub use self::entropy::{Entropy, EntropyError, SystemEntropy};
use self::error::RequestError;
pub use self::keys::KeyError;
use self::keys::KeyRing;
pub use self::options::{DevClient, DevIssuerOptions, DevUser};
use self::refresh::RefreshTokens;
pub use self::rotation::{RotateError, Rotated, rotate_running};
use self::users::{AddUserError, Directory};
use crate::clock::Clock;

/// Largest request body that any endpoint reads, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// Why the issuer could not start.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The issuer's address does not have the form that the paths need.
    #[error("issuer URL {0:?} must look like http://127.0.0.1:8080/realms/master, without query or fragment")]
    Url(String),
    /// Two users share a name, or a name is empty.
    #[error("user {0:?} is empty or listed twice")]
    User(String),
    /// The signing keys could not be had.
    #[error("cannot have signing keys")]
    Keys(#[from] KeyError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// A small OpenID provider inside the process.
pub struct DevIssuer {
    options: DevIssuerOptions,
    /// Scheme, host and port of the issuer, without a slash at the end.
    origin: String,
    realm: String,
    keys: KeyRing,
    users: Directory,
    codes: Codes,
    devices: DeviceCodes,
    refresh_tokens: RefreshTokens,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for DevIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevIssuer").field("issuer_url", &self.options.issuer_url).finish_non_exhaustive()
    }
}

impl DevIssuer {
    /// Makes the issuer and its keys: from `state_dir` when an earlier run left them there, else new ones (which takes
    /// up to a second or two, on the calling thread).
    pub fn new(
        options: DevIssuerOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Arc<Self>, IssuerError> {
        let (origin, realm) =
            split_issuer(&options.issuer_url).ok_or_else(|| IssuerError::Url(options.issuer_url.clone()))?;
        let mut salt = [0; 32];
        entropy.fill(&mut salt)?;
        let users = Directory::new(&options.issuer_url, salt);
        for user in &options.users {
            users
                .add(user.clone().into())
                .map_err(|_: AddUserError| IssuerError::User(user.username.clone()))?;
        }
        let keys = KeyRing::open(options.state_dir.as_deref())?;
        Ok(Arc::new(Self {
            options,
            origin,
            realm,
            keys,
            users,
            codes: Codes::default(),
            devices: DeviceCodes::default(),
            refresh_tokens: RefreshTokens::default(),
            clock,
            entropy,
        }))
    }

    /// Everything the issuer serves. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: without the
    /// peer's address the rotation endpoint refuses everybody.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/realms/{realm}/.well-known/openid-configuration", get(discovery::configuration))
            .route("/realms/{realm}/protocol/openid-connect/certs", get(discovery::certs))
            .route("/realms/{realm}/protocol/openid-connect/token", post(token::exchange))
            .route(
                "/realms/{realm}/protocol/openid-connect/auth",
                get(authorize::show).post(authorize::submit),
            )
            .route("/realms/{realm}/protocol/openid-connect/auth/device", post(device::begin))
            .route("/realms/{realm}/device", get(device::show).post(device::submit))
            .route("/realms/{realm}/protocol/openid-connect/revoke", post(refresh::revoke))
            .route(
                "/realms/{realm}/protocol/openid-connect/userinfo",
                get(userinfo::show).post(userinfo::show),
            )
            .route(
                "/realms/{realm}/protocol/openid-connect/logout",
                get(userinfo::logout).post(userinfo::logout),
            )
            .route("/admin/realms/{realm}/users", post(admin::create_user))
            .route("/dev/rotate-keys", post(admin::rotate_keys))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    /// Makes a new signing key. Its predecessor stays in the key set for `key_overlap_secs`, then its tokens stop
    /// verifying. Returns the new key id. Takes up to a second on the calling thread.
    pub fn rotate(&self) -> Result<String, KeyError> {
        self.rotate_with_overlap(i64::from(self.options.key_overlap_secs))
    }

    /// [`Self::rotate`] with an overlap of its own, in seconds. Zero drops the predecessor at once.
    pub fn rotate_with_overlap(&self, overlap_secs: i64) -> Result<String, KeyError> {
        self.keys.rotate(self.clock.now(), overlap_secs)
    }

    /// The key set as published now (RFC 7517).
    pub fn jwks(&self) -> Value {
        self.keys.jwks(self.clock.now())
    }

    /// The token endpoint's address.
    pub fn token_url(&self) -> String {
        self.endpoint("token")
    }

    fn endpoint(&self, name: &str) -> String {
        format!("{}/realms/{}/protocol/openid-connect/{name}", self.origin, self.realm)
    }

    /// Refuses every realm but the one that the issuer's address names.
    fn check_realm(&self, realm: &str) -> Result<(), RequestError> {
        if realm == self.realm { Ok(()) } else { Err(RequestError::realm_unknown()) }
    }
}

/// Origin and realm of an issuer address.
fn split_issuer(text: &str) -> Option<(String, String)> {
    let url = Url::parse(text).ok()?;
    let realm = url.path().strip_prefix("/realms/")?.to_owned();
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let named = !realm.is_empty()
        && realm.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let web = matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.password().is_none();
    (plain && named && web).then(|| (url.origin().ascii_serialization(), realm))
}
