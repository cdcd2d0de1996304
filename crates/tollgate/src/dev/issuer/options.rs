//! What the development issuer is told at start: its address, its users and the clients it knows.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

/// Settings of [`super::DevIssuer`].
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DevIssuerOptions {
    /// The `iss` of every token, and the address clients use: `http://host:port/realms/<realm>`.
    pub issuer_url: String,
    /// Who can log in.
    pub users: Vec<DevUser>,
    /// Which clients may ask for tokens.
    pub clients: Vec<DevClient>,
    /// The `aud` of access tokens. Keycloak writes `account` unless an audience mapper adds more; an empty
    /// list leaves the claim out.
    pub audience: Vec<String>,
    /// Life of access and ID tokens, in seconds.
    pub token_lifetime_secs: u32,
    /// How long a replaced signing key stays in the key set, in seconds.
    pub key_overlap_secs: u32,
    /// Where the signing keys are kept, so that tokens outlive a restart. `None` keeps them in memory only.
    pub state_dir: Option<PathBuf>,
}

impl Default for DevIssuerOptions {
    fn default() -> Self {
        Self {
            issuer_url: "http://127.0.0.1:8080/realms/master".to_owned(),
            users: vec![
                DevUser { roles: vec!["admin".to_owned()], ..DevUser::new("admin", "admin") },
                DevUser {
                    email: Some("alice@example.com".to_owned()),
                    name: Some("Alice Example".to_owned()),
                    groups: vec!["engineering".to_owned()],
                    ..DevUser::new("alice", "alice")
                },
            ],
            clients: vec![
                DevClient::public("admin-cli"),
                DevClient::public("tollgate-dev"),
                DevClient::public("tollgate-cli"),
            ],
            audience: vec!["account".to_owned()],
            token_lifetime_secs: 3600,
            key_overlap_secs: 600,
            state_dir: None,
        }
    }
}

/// One person who can log in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevUser {
    /// Login name, compared without regard to case.
    pub username: String,
    /// Password in clear: this issuer is for development only.
    pub password: SecretString,
    /// Claim `email`; left out of tokens when absent.
    #[serde(default)]
    pub email: Option<String>,
    /// Claim `name`; left out of tokens when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// Claim `groups`.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Claim `realm_access.roles`. The role `admin` may create users.
    #[serde(default)]
    pub roles: Vec<String>,
}

impl DevUser {
    /// A user without e-mail, name, groups or roles.
    pub fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: SecretString::from(password),
            email: None,
            name: None,
            groups: Vec::new(),
            roles: Vec::new(),
        }
    }
}

/// One OAuth 2.0 client.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevClient {
    /// `client_id`, and the `azp` of its tokens.
    pub client_id: String,
    /// Redirect URIs accepted by exact comparison. Loopback addresses are accepted for every client (RFC 8252, 7.3).
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// `client_secret` of a confidential client; a public client has none.
    #[serde(default)]
    pub secret: Option<SecretString>,
}

impl DevClient {
    /// A public client that may redirect to loopback addresses only.
    pub fn public(client_id: &str) -> Self {
        Self { client_id: client_id.to_owned(), redirect_uris: Vec::new(), secret: None }
    }
}
