//! An issuer's key set (RFC 7517 section 5), read key by key: one odd key never sinks the others.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;
use thiserror::Error;

use super::algorithm::Algorithm;
use super::fault::TokenFault;
use super::json;
use super::key::{KeyFault, VerifyKey};

/// The largest document that is read, in bytes.
pub const MAX_KEY_SET_BYTES: usize = 1 << 20;
/// The most keys that are read.
pub const MAX_KEYS: usize = 100;

/// The usable signing keys of one issuer.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Arc<VerifyKey>>,
    digest: [u8; 32],
    document: Vec<u8>,
}

/// A key that is not used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in the document, from 0.
    pub position: usize,
    /// Its `kid`, when it has one; printable characters only.
    pub id: Option<String>,
    /// Why.
    pub fault: KeyFault,
}

/// Why a document is not a key set.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeySetError {
    /// More than [`MAX_KEY_SET_BYTES`].
    #[error("the key set has more than {MAX_KEY_SET_BYTES} bytes")]
    TooLarge,
    /// More than [`MAX_KEYS`].
    #[error("the key set has {0} keys; at most {MAX_KEYS} are read")]
    TooMany(usize),
    /// Not a JSON object with a list of keys.
    #[error("not a key set: {0}")]
    Malformed(String),
    /// Nothing in it can verify a token.
    #[error("the key set has no usable signing key ({} skipped)", .0.len())]
    NoUsableKey(Vec<SkippedKey>),
}

impl KeySet {
    /// Reads a key set.
    ///
    /// # Errors
    /// [`KeySetError`]; a set without one usable key is an error of its own, so that it cannot replace a good one.
    pub fn parse(document: &[u8]) -> Result<(Self, Vec<SkippedKey>), KeySetError> {
        if document.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let set =
            json::object(document, "key set").map_err(|fault| KeySetError::Malformed(fault.to_string()))?;
        let Some(Value::Array(entries)) = set.get("keys") else {
            return Err(KeySetError::Malformed("there is no list named 'keys'".into()));
        };
        if entries.len() > MAX_KEYS {
            return Err(KeySetError::TooMany(entries.len()));
        }
        let mut keys: Vec<(usize, Arc<VerifyKey>)> = Vec::new();
        let mut skipped = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            match VerifyKey::parse(entry) {
                Ok(key) => keys.push((position, Arc::new(key))),
                Err(fault) => skipped.push(SkippedKey { position, id: shown_id(entry), fault }),
            }
        }
        // Keys of the same id may differ in type; those that would answer for the same algorithm are all dropped.
        let clashes: Vec<usize> = keys
            .iter()
            .filter(|(at, key)| {
                let same = |(other_at, other): &(usize, Arc<VerifyKey>)| {
                    other_at != at
                        && other.id() == key.id()
                        && key.id().is_some()
                        && other.algorithms().any(|a| key.supports(a))
                };
                keys.iter().any(same)
            })
            .map(|(at, _)| *at)
            .collect();
        for at in &clashes {
            skipped.push(SkippedKey {
                position: *at,
                id: shown_id(&entries[*at]),
                fault: KeyFault::DuplicateId,
            });
        }
        keys.retain(|(at, _)| !clashes.contains(at));
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey(skipped));
        }
        let digest = content_digest(keys.iter().map(|(at, _)| &entries[*at]));
        let keys = keys.into_iter().map(|(_, key)| key).collect();
        Ok((Self { keys, digest, document: document.to_vec() }, skipped))
    }

    /// The key for a token's header.
    ///
    /// Without a key id the choice must be free of chance: exactly one key for the algorithm.
    ///
    /// # Errors
    /// [`TokenFault::KeyUnknown`] when no key has the id, [`TokenFault::KeyMismatch`] when one has it and is not for the
    /// algorithm.
    pub fn select(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Arc<VerifyKey>, TokenFault> {
        let Some(kid) = kid else {
            let mut fitting = self.keys.iter().filter(|key| key.supports(algorithm));
            return match (fitting.next(), fitting.next()) {
                (Some(only), None) => Ok(only),
                _ => Err(TokenFault::KeyUnknown),
            };
        };
        let mut named = self.keys.iter().filter(|key| key.id() == Some(kid)).peekable();
        if named.peek().is_none() {
            return Err(TokenFault::KeyUnknown);
        }
        named.find(|key| key.supports(algorithm)).ok_or(TokenFault::KeyMismatch)
    }

    /// The number of usable keys; never 0.
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Always false: a set without keys is not made.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The ids of the usable keys.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.id())
    }

    /// Whether a private half was published; an alarm.
    pub fn published_private(&self) -> bool {
        self.keys.iter().any(|key| key.published_private())
    }

    /// A digest of the usable keys' content, whatever their order.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The document as it was read, for keeping.
    pub fn as_bytes(&self) -> &[u8] {
        &self.document
    }
}

fn content_digest<'v>(entries: impl Iterator<Item = &'v Value>) -> [u8; 32] {
    // `Value` objects print their members in a fixed order, so the same content gives the same text.
    let mut texts: Vec<String> = entries.map(Value::to_string).collect();
    texts.sort_unstable();
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, texts.join("\n").as_bytes()).as_ref());
    out
}

fn shown_id(entry: &Value) -> Option<String> {
    let id = entry.get("kid")?.as_str()?;
    Some(id.chars().filter(char::is_ascii_graphic).take(64).collect())
}
