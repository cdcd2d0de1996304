//! Making a key: a new id, and a secret in which every character is as likely as any other.

use std::fmt;

use super::{BASE62, KeyDigest, KeyId, PREFIX, SECRET_LEN, checksum_of};
use crate::time::Timestamp;

/// The largest multiple of 62 that a byte can stay below: greater bytes are thrown away, so that no character is
/// favoured.
const FAIR: u8 = 62 * 4;

/// Random bytes that are asked for at once: one call is nearly always enough for a secret.
const BATCH: usize = 64;

/// A key that was just made. The only moment at which its whole text exists; `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey {
    id: KeyId,
    secret: [u8; SECRET_LEN],
}

impl NewKey {
    /// A new key, made at `now`. `fill` fills a buffer from the operating system's random source.
    ///
    /// # Errors
    /// Whatever `fill` could not do.
    pub fn make<E>(now: Timestamp, mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut random = [0; 10];
        fill(&mut random)?;
        let secret = secret(fill)?;
        Ok(Self { id: KeyId::make(now, random), secret })
    }

    /// Another secret for a key that keeps its id: rotation.
    ///
    /// # Errors
    /// Whatever `fill` could not do.
    pub fn rotate<E>(id: KeyId, fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        Ok(Self { id, secret: secret(fill)? })
    }

    /// The public id.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What the store keeps.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.id, self.secret())
    }

    /// The whole key, to be shown once.
    pub fn reveal(&self) -> String {
        let mut text = format!("{PREFIX}{}_{}", self.id.as_str(), self.secret());
        let checksum = checksum_of(text.as_bytes());
        text.extend(checksum.map(char::from));
        text
    }

    fn secret(&self) -> &str {
        // Base62 characters only, so the fallback cannot be reached.
        std::str::from_utf8(&self.secret).unwrap_or_default()
    }
}

fn secret<E>(mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<[u8; SECRET_LEN], E> {
    let mut secret = [0; SECRET_LEN];
    let mut slots = secret.iter_mut();
    let mut random = [0; BATCH];
    let mut slot = slots.next();
    while slot.is_some() {
        fill(&mut random)?;
        for byte in random.iter().filter(|byte| **byte < FAIR) {
            let Some(place) = slot else { break };
            *place = BASE62[usize::from(byte % 62)];
            slot = slots.next();
        }
    }
    Ok(secret)
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::super::{KEY_LEN, PlainKey};
    use super::*;

    /// A small generator, so that a test is the same every time.
    fn source(mut state: u64) -> impl FnMut(&mut [u8]) -> Result<(), Infallible> {
        move |buffer| {
            for byte in buffer {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 56) as u8;
            }
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn a_new_key_is_read_back(millis in 0_i64..1 << 48, seed: u64) {
            let at = Timestamp::from_millis(millis);
            let key = NewKey::make(at, source(seed)).unwrap();
            let text = key.reveal();
            prop_assert_eq!(text.len(), KEY_LEN);
            let read = PlainKey::parse(&text).unwrap();
            prop_assert_eq!(read.id(), key.id());
            prop_assert_eq!(read.digest(), key.digest());
            prop_assert_eq!(key.id().made_at(), Some(at));
            let debug = format!("{key:?}");
            prop_assert!(!debug.contains(read.secret()));
            let rotated = NewKey::rotate(key.id(), source(seed.wrapping_add(1))).unwrap();
            prop_assert_eq!(rotated.id(), key.id());
            prop_assert_ne!(rotated.digest(), key.digest());
        }
    }

    #[test]
    fn every_character_is_as_likely_as_any_other() {
        let mut counts = [0_u32; 128];
        let mut random = source(7);
        for _ in 0..20_000 {
            for byte in secret(&mut random).unwrap() {
                counts[usize::from(byte)] += 1;
            }
        }
        let expected = f64::from(20_000 * 43) / 62.0;
        let chi: f64 =
            BASE62.iter().map(|c| (f64::from(counts[usize::from(*c)]) - expected).powi(2) / expected).sum();
        // 61 degrees of freedom: above 120 once in a hundred thousand fair sources. Modulo bias would give thousands.
        assert!(chi < 120.0, "{chi}");
    }

    #[test]
    fn unfair_bytes_are_thrown_away_and_a_dry_source_is_an_error() {
        let mut next = 200_u8;
        let secret = secret(|buffer: &mut [u8]| {
            for byte in buffer {
                next = if next == 255 { 200 } else { next + 1 };
                *byte = next;
            }
            Ok::<(), Infallible>(())
        });
        let low = secret.unwrap().iter().filter(|c| BASE62[..8].contains(*c)).count();
        // 248..=255 would fold onto the first eight characters.
        assert!(low == 0, "{low}");
        assert_eq!(NewKey::make(Timestamp::from_millis(0), |_: &mut [u8]| Err("dry")).unwrap_err(), "dry");
    }
}
