//! How a secret that a browser or a link carries is kept: as a SHA-256, so that whoever reads the database can use none.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

/// The SHA-256 of a secret with at least 128 random bits; a shorter secret would need a slow hash.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretDigest(String);

impl SecretDigest {
    /// Of this secret.
    pub fn of(secret: &str) -> Self {
        Self(digest(&SHA256, secret.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// As it stands in the database: lower-case hex.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest")
    }
}
