//! The text of an API key: `tgk_<id>_<secret><checksum>`. Text alone refuses typos, before any look-up.

mod digest;
mod id;
mod make;

use std::fmt;

pub use digest::{DIGEST_LEN, KeyDigest};
pub use id::KeyId;
pub use make::NewKey;

use crate::crc32::Crc32;

/// The prefix of every key. Secret scanners match on it: never change it.
pub const PREFIX: &str = "tgk_";
/// Base62 characters of the public, time-ordered id.
pub const ID_LEN: usize = 22;
/// Base62 characters of the secret: 43 × log2(62) = 256.03 bits.
pub const SECRET_LEN: usize = 43;
/// Base62 characters of the CRC-32 over everything before them.
pub const CHECKSUM_LEN: usize = 6;
/// Length of a whole key in bytes.
pub const KEY_LEN: usize = PREFIX.len() + ID_LEN + 1 + SECRET_LEN + CHECKSUM_LEN;
/// The published pattern for secret scanners.
pub const PATTERN: &str = "tgk_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}";

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key as it was presented: well-formed, and nothing more is known. Its `Debug` never shows the secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PlainKey<'a> {
    id: KeyId,
    secret: &'a str,
}

impl<'a> PlainKey<'a> {
    /// Reads a whole key; `None` for a wrong length, alphabet, separator or checksum.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() != KEY_LEN || !text.is_ascii() {
            return None;
        }
        let (body, checksum) = text.split_at_checked(KEY_LEN - CHECKSUM_LEN)?;
        let rest = body.strip_prefix(PREFIX)?;
        let (id, secret) = rest.split_once('_')?;
        if secret.len() != SECRET_LEN || !secret.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let id = KeyId::parse(id)?;
        (checksum.as_bytes() == checksum_of(body.as_bytes())).then_some(Self { id, secret })
    }

    /// The public id.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The secret characters, for the digest only.
    pub const fn secret(&self) -> &'a str {
        self.secret
    }

    /// What the store would hold of this key.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.id, self.secret)
    }
}

impl fmt::Debug for PlainKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whether this text means to be a key: then a wrong checksum is a malformed key, and never a token.
pub fn claims_to_be_a_key(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The base62 text of the CRC-32 over `body`, most significant digit first, padded with `0`.
pub fn checksum_of(body: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut rest = Crc32::of(body);
    let mut out = [b'0'; CHECKSUM_LEN];
    for slot in out.iter_mut().rev() {
        *slot = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn key(id: &str, secret: &str) -> String {
        let body = format!("{PREFIX}{id}_{secret}");
        let checksum = checksum_of(body.as_bytes());
        format!("{body}{}", std::str::from_utf8(&checksum).unwrap())
    }

    proptest! {
        #[test]
        fn a_made_key_parses_and_any_changed_character_does_not(
            id in "[0-9A-Za-z]{22}", secret in "[0-9A-Za-z]{43}", at in 0..KEY_LEN, to in "[ -~]",
        ) {
            let text = key(&id, &secret);
            let parsed = PlainKey::parse(&text).unwrap();
            let parsed_id = parsed.id();
            prop_assert_eq!(parsed_id.as_str(), id);
            prop_assert_eq!(parsed.secret(), secret);
            let mut changed = text.clone().into_bytes();
            changed[at] = to.as_bytes()[0];
            let changed = String::from_utf8(changed).unwrap();
            prop_assert_eq!(PlainKey::parse(&changed).is_some(), changed == text);
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*") {
            let _ = PlainKey::parse(&text);
        }
    }

    #[test]
    fn debug_does_not_show_the_secret() {
        let text = key(&"a".repeat(22), &"S".repeat(43));
        assert!(!format!("{:?}", PlainKey::parse(&text).unwrap()).contains("SSS"));
    }
}
