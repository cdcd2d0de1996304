//! What checks read: keys, what they share, overlapping secrets and token rules. One writer changes it piece by piece;
//! each piece is swapped whole, and readers take no lock.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tollgate_core::apikey::{KeyDigest, KeyId};
use tollgate_core::caller::{KeyLimits, KeyRecord, OwnerRecord, ProjectRecord};
use tollgate_core::time::Timestamp;

use super::rules::TokenRules;
use super::slots::Slots;
use super::table::KeyTable;
use super::{KeySecret, entry::Entry};

/// Everything that is known about keys, and against tokens.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub keys: KeyTable,
    pub owners: Slots<OwnerRecord>,
    pub projects: Slots<ProjectRecord>,
    pub limits: Slots<KeyLimits>,
    /// Secrets before the present ones, of keys in an overlap.
    pub previous: ArcSwap<HashMap<u128, Previous>>,
    pub rules: TokenRules,
}

/// The secret before the present one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Previous {
    pub digest: KeyDigest,
    /// It works before this moment.
    pub until: Timestamp,
}

/// What a snapshot says about a presented key.
#[derive(Debug)]
pub(super) enum Sight {
    /// It exists, and the secret is right.
    Key(Arc<KeyRecord>, KeySecret),
    /// No such key, or a wrong secret.
    Nothing,
    /// It exists, and what the store says about it cannot be understood.
    Unreadable,
}

/// What an unknown key is compared with, so that it takes as long as a wrong secret.
const NOBODY: KeyDigest = KeyDigest::from_bytes([0; 32]);

impl Snapshot {
    pub fn new() -> Self {
        Self {
            keys: KeyTable::new(),
            owners: Slots::new(),
            projects: Slots::new(),
            limits: Slots::new(),
            previous: ArcSwap::default(),
            rules: TokenRules::default(),
        }
    }

    /// Looks for a key whose secret has this digest.
    pub fn look(&self, id: KeyId, digest: KeyDigest, now: Timestamp) -> Sight {
        let entry = id.to_bits().and_then(|bits| self.keys.find(bits));
        let present = entry.as_ref().map_or(NOBODY, |entry| entry.digest) == digest;
        let Some(entry) = entry else { return Sight::Nothing };
        let secret = if present {
            KeySecret::Present
        } else if entry.overlaps && self.is_previous(&entry, digest, now) {
            KeySecret::Previous
        } else {
            return Sight::Nothing;
        };
        match self.record(id, &entry) {
            Some(record) => Sight::Key(Arc::new(record), secret),
            None => Sight::Unreadable,
        }
    }

    fn is_previous(&self, entry: &Entry, digest: KeyDigest, now: Timestamp) -> bool {
        let previous = self.previous.load();
        previous.get(&entry.id()).is_some_and(|previous| previous.digest == digest && now < previous.until)
    }

    fn record(&self, id: KeyId, entry: &Entry) -> Option<KeyRecord> {
        Some(KeyRecord {
            id,
            state: entry.state,
            expires_at: entry.expires_at(),
            owner: self.owners.get(entry.owner)?,
            project: self.projects.get(entry.project)?,
            limits: self.limits.get(entry.limits()?)?,
        })
    }
}
