//! What is kept of a key's secret: a digest that tells nothing back, compared in constant time.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use subtle::ConstantTimeEq as _;

use super::KeyId;

/// Bytes of a digest.
pub const DIGEST_LEN: usize = 32;

/// SHA-256 over id, NUL, secret. Two of them are compared in constant time, and `Debug` shows nothing.
///
/// No salt and no pepper: the secret has 256 random bits, and the id makes every digest one key's own.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; DIGEST_LEN]);

impl KeyDigest {
    /// The digest of a key with this id and secret.
    pub fn of(id: KeyId, secret: &str) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(id.as_str().as_bytes());
        context.update(b"\0");
        context.update(secret.as_bytes());
        let mut bytes = [0; DIGEST_LEN];
        // SHA-256 has 32 bytes, so the lengths always agree.
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }

    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; DIGEST_LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes, for a table of digests. Compare digests with `==`, never their bytes.
    pub const fn to_bytes(self) -> [u8; DIGEST_LEN] {
        self.0
    }

    /// From its one text: 64 lower-case hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let text: &[u8; 2 * DIGEST_LEN] = text.as_bytes().try_into().ok()?;
        let mut bytes = [0; DIGEST_LEN];
        // Looked at once at the end: digits are random, so that a branch at each would be guessed wrong half the time, and
        // a view reads a million of these.
        let mut wrong = 0;
        for (slot, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
            wrong |= high | low;
            *slot = high << 4 | (low & 15);
        }
        if wrong > 15 {
            return None;
        }
        Some(Self(bytes))
    }

    /// As 64 lower-case hexadecimal digits, for the store.
    pub fn to_hex(self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }
}

/// What a lower-case hexadecimal digit stands for; 255 for what is none.
const NIBBLES: [u8; 256] = {
    let mut table = [255; 256];
    let mut value: u8 = 0;
    while value < 16 {
        let digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
        table[digit as usize] = value;
        value += 1;
    }
    table
};

impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyDigest {}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_sha_256_over_id_nul_secret() {
        let id = KeyId::parse(&"0".repeat(22)).unwrap();
        let digest = KeyDigest::of(id, &"A".repeat(43));
        // As Python's hashlib gives it for '0' * 22, NUL, 'A' * 43.
        assert_eq!(digest.to_hex(), "7bb0ac4527cc25a8766c798412f223f05c7da56593d9155cabaaa5d0bf4bce79");
        assert_eq!(format!("{digest:?}"), "KeyDigest");
    }

    proptest! {
        #[test]
        fn hex_comes_back_both_ways(bytes: [u8; DIGEST_LEN]) {
            let digest = KeyDigest::from_bytes(bytes);
            let hex = digest.to_hex();
            prop_assert_eq!(KeyDigest::from_hex(&hex), Some(digest));
            prop_assert_eq!(digest.to_bytes(), bytes);
            prop_assert_eq!(KeyDigest::from_hex(&hex.to_uppercase()).is_some(), hex == hex.to_uppercase());
        }

        #[test]
        fn equal_only_when_every_byte_is(bytes: [u8; DIGEST_LEN], at in 0..DIGEST_LEN, flip in 1_u8..) {
            let mut other = bytes;
            other[at] ^= flip;
            prop_assert_eq!(KeyDigest::from_bytes(bytes), KeyDigest::from_bytes(bytes));
            prop_assert_ne!(KeyDigest::from_bytes(bytes), KeyDigest::from_bytes(other));
        }

        #[test]
        fn other_texts_are_no_digest(text in "\\PC{0,70}") {
            prop_assume!(text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
            prop_assert_eq!(KeyDigest::from_hex(&text), None);
        }

        #[test]
        fn id_and_secret_both_count(a: u128, b: u128, one in "[0-9A-Za-z]{43}", two in "[0-9A-Za-z]{43}") {
            let (a, b) = (KeyId::from_bits(a), KeyId::from_bits(b));
            prop_assert_eq!(KeyDigest::of(a, &one) == KeyDigest::of(b, &two), a == b && one == two);
        }
    }
}
