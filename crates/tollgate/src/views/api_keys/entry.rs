//! One key in the least room: 72 bytes, all but the digest and the id shared with other keys by number.

use tollgate_core::apikey::KeyDigest;
use tollgate_core::caller::KeyState;
use tollgate_core::time::Timestamp;

/// Stands for "never" where a time is expected.
const NEVER: i64 = i64::MAX;

/// One key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The id's bits in two halves, so that an entry needs no 16-byte alignment.
    id: [u64; 2],
    /// The digest of its secret.
    pub digest: KeyDigest,
    expires_at: i64,
    /// Where its owner is.
    pub owner: u32,
    /// Where its project is.
    pub project: u32,
    /// Where its limits are; `None` when they could not be read.
    limits: u32,
    /// As its people set it.
    pub state: KeyState,
    /// Whether the secret before this one may still work.
    pub overlaps: bool,
}

/// A million keys have to fit in 128 MB with all that is around them.
const _: () = assert!(size_of::<Entry>() == 72);

/// What a new [`Entry`] is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub id: u128,
    pub digest: KeyDigest,
    pub expires_at: Option<Timestamp>,
    pub owner: u32,
    pub project: u32,
    pub limits: Option<u32>,
    pub state: KeyState,
    pub overlaps: bool,
}

impl Entry {
    pub fn new(parts: Parts) -> Self {
        let Parts { id, digest, expires_at, owner, project, limits, state, overlaps } = parts;
        Self {
            id: [(id >> 64) as u64, id as u64],
            digest,
            expires_at: expires_at.map_or(NEVER, Timestamp::as_millis),
            owner,
            project,
            limits: limits.unwrap_or(u32::MAX),
            state,
            overlaps,
        }
    }

    pub const fn id(&self) -> u128 {
        (self.id[0] as u128) << 64 | self.id[1] as u128
    }

    pub fn expires_at(&self) -> Option<Timestamp> {
        (self.expires_at != NEVER).then(|| Timestamp::from_millis(self.expires_at))
    }

    pub fn limits(&self) -> Option<u32> {
        (self.limits != u32::MAX).then_some(self.limits)
    }
}
