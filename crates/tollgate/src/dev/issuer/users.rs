//! The users of the development issuer: in memory, from the options and from the admin endpoint.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{self, SHA256};
use secrecy::{ExposeSecret, SecretString};
use uuid::{Builder, Uuid};

use super::options::DevUser;

/// More users than any demonstration needs, and few enough to bound the memory a script can take.
const MAX_USERS: usize = 10_000;

/// A user as tokens describe one.
pub(super) struct User {
    /// Claim `sub`: the same for the same issuer and name in every run.
    pub id: Uuid,
    pub username: String,
    pub email: Option<String>,
    pub name: Option<String>,
    pub groups: Vec<String>,
    pub roles: Vec<String>,
    pub enabled: bool,
    password: Option<[u8; 32]>,
}

/// What the admin endpoint or the options say about a new user.
pub(super) struct NewUser {
    pub username: String,
    pub password: Option<SecretString>,
    pub email: Option<String>,
    pub name: Option<String>,
    pub groups: Vec<String>,
    pub roles: Vec<String>,
    pub enabled: bool,
}

/// Why a user was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddUserError {
    NameTaken,
    NameEmpty,
    Full,
}

/// Why a login was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginError {
    /// No such user, or not that password: one answer for both.
    BadCredentials,
    Disabled,
}

/// All users by lower-case name.
pub(super) struct Directory {
    users: RwLock<HashMap<String, Arc<User>>>,
    issuer_url: String,
    /// Mixed into password digests; drawn anew in every run.
    salt: [u8; 32],
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

// ------------------------------------------------------------------------------------------------------------------

impl Directory {
    pub(super) fn new(issuer_url: &str, salt: [u8; 32]) -> Self {
        Self { users: RwLock::new(HashMap::new()), issuer_url: issuer_url.to_owned(), salt }
    }

    /// Adds a user whose name is not taken.
    pub(super) fn add(&self, new: NewUser) -> Result<Arc<User>, AddUserError> {
        let key = new.username.trim().to_lowercase();
        if key.is_empty() {
            return Err(AddUserError::NameEmpty);
        }
        let user = Arc::new(User {
            id: self.subject(&key),
            username: key.clone(),
            email: new.email,
            name: new.name,
            groups: new.groups,
            roles: new.roles,
            enabled: new.enabled,
            password: new.password.map(|password| self.digest(password.expose_secret())),
        });
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        if users.contains_key(&key) {
            return Err(AddUserError::NameTaken);
        }
        if users.len() >= MAX_USERS {
            return Err(AddUserError::Full);
        }
        users.insert(key, Arc::clone(&user));
        Ok(user)
    }

    /// The user with this name and password.
    pub(super) fn login(&self, username: &str, password: &str) -> Result<Arc<User>, LoginError> {
        let found = self.find(username);
        // The digest and the comparison run for unknown names too, so that the time tells nothing about who exists.
        let expected = found.as_ref().and_then(|user| user.password);
        let matches = verify_slices_are_equal(&self.digest(password), &expected.unwrap_or([0; 32])).is_ok()
            && expected.is_some();
        match found {
            Some(user) if matches && user.enabled => Ok(user),
            Some(_) if matches => Err(LoginError::Disabled),
            _ => Err(LoginError::BadCredentials),
        }
    }

    /// The user with this name.
    pub(super) fn find(&self, username: &str) -> Option<Arc<User>> {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        users.get(&username.trim().to_lowercase()).cloned()
    }

    fn digest(&self, password: &str) -> [u8; 32] {
        sha256(&[&self.salt, password.as_bytes()])
    }

    /// A UUID (version 8, RFC 9562) made of the issuer's address and the name.
    fn subject(&self, key: &str) -> Uuid {
        let hash = sha256(&[self.issuer_url.as_bytes(), &[0], key.as_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Builder::from_custom_bytes(bytes).into_uuid()
    }
}

impl From<DevUser> for NewUser {
    fn from(user: DevUser) -> Self {
        Self {
            username: user.username,
            password: Some(user.password),
            email: user.email,
            name: user.name,
            groups: user.groups,
            roles: user.roles,
            enabled: true,
        }
    }
}

/// SHA-256 over the parts, one after the other.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}
