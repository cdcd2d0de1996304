//! Authorization codes: single use, 60 seconds, bound to client, redirect URI and PKCE challenge (RFC 6749 section 4.1,
//! RFC 7636).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tollgate_core::time::Timestamp;

use super::users::{User, sha256};

/// Life of a code in seconds.
const LIFETIME_SECS: i64 = 60;
/// Codes alive at once; beyond it the oldest goes.
const MAX_CODES: usize = 1_000;

/// What a login granted, waiting to be exchanged for tokens.
pub(super) struct CodeGrant {
    pub user: Arc<User>,
    pub client_id: String,
    pub redirect_uri: String,
    pub scope: String,
    pub nonce: Option<String>,
    /// PKCE challenge, method S256.
    pub challenge: String,
    pub issued_at: Timestamp,
}

/// Codes by the digest of their text, so that a look-up's time says nothing about a code.
#[derive(Default)]
pub(super) struct Codes(Mutex<HashMap<[u8; 32], CodeGrant>>);

impl Codes {
    /// Remembers what `code` stands for.
    pub(super) fn put(&self, code: &str, grant: CodeGrant) {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, old| grant.issued_at.millis_since(old.issued_at) < LIFETIME_SECS * 1000);
        if codes.len() >= MAX_CODES
            && let Some(oldest) = codes.iter().min_by_key(|(_, old)| old.issued_at).map(|(key, _)| *key)
        {
            codes.remove(&oldest);
        }
        codes.insert(sha256(&[code.as_bytes()]), grant);
    }

    /// Takes the grant out, whatever comes of it: a code that was tried once is gone.
    pub(super) fn take(
        &self,
        code: &str,
        client_id: &str,
        redirect_uri: &str,
        verifier: &str,
        now: Timestamp,
    ) -> Option<CodeGrant> {
        let grant =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&sha256(&[code.as_bytes()]))?;
        let alive = now.millis_since(grant.issued_at) < LIFETIME_SECS * 1000;
        let challenge = URL_SAFE_NO_PAD.encode(sha256(&[verifier.as_bytes()]));
        let proven = verify_slices_are_equal(challenge.as_bytes(), grant.challenge.as_bytes()).is_ok();
        let bound = grant.client_id == client_id && grant.redirect_uri == redirect_uri;
        (alive && proven && bound && is_verifier(verifier)).then_some(grant)
    }
}

/// RFC 7636 section 4.1: 43 to 128 unreserved characters.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

/// RFC 7636 section 4.2 with S256: 43 base64url characters.
pub(super) fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
