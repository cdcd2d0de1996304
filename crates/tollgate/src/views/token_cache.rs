//! Tokens that were verified before. Keyed by a digest of the whole token, bounded in bytes, and only as good as the key
//! set they were verified against.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tollgate_core::jwt::VerifiedToken;

use super::Epoch;

/// SHA-256 of a token's whole text.
type Digest = [u8; 32];

/// A verified token and the epoch of the key set that verified it.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// The token.
    pub token: Arc<VerifiedToken>,
    /// Compare it with [`super::KeysView::epoch`]: another epoch means that the judgement is no longer in force.
    pub epoch: Epoch,
}

/// The cache, shared by all doors.
#[derive(Debug)]
pub struct TokenCache(Cache<Digest, Remembered, Bytes>);

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Digest, Remembered> for Bytes {
    fn weight(&self, _: &Digest, remembered: &Remembered) -> u64 {
        u64::try_from(remembered.token.weight()).unwrap_or(u64::MAX)
    }
}

impl TokenCache {
    /// A cache of about `max_bytes`.
    pub fn new(max_bytes: u64) -> Self {
        // An ordinary token with its claims takes about 4 KiB; the estimate only sizes the table.
        let entries = usize::try_from(max_bytes / 4096).unwrap_or(usize::MAX).max(16);
        Self(Cache::with_weighter(entries, max_bytes, Bytes))
    }

    /// The token with this digest, if it is remembered. Its times and epoch are the caller's to check.
    pub fn get(&self, digest: &Digest) -> Option<Remembered> {
        self.0.get(digest)
    }

    /// Remembers a token.
    pub fn put(&self, digest: Digest, token: Arc<VerifiedToken>, epoch: Epoch) {
        self.0.insert(digest, Remembered { token, epoch });
    }

    /// Tokens and bytes held now.
    pub fn size(&self) -> (usize, u64) {
        (self.0.len(), self.0.weight())
    }
}
