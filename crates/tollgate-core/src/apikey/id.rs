//! The public id of a key: 128 time-ordered bits as 22 base62 characters, whose byte order is the order of the bits.

use std::fmt;

use super::{BASE62, ID_LEN};
use crate::ids::time_ordered;
use crate::time::Timestamp;

/// Digits that are read at once.
const PART: usize = 10;
/// How many numbers they write.
const PART_SIZE: u128 = 62_u128.pow(PART as u32);

/// The public half of a key: fit for logs, portal and metadata.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; ID_LEN]);

impl KeyId {
    /// From its text; `None` unless it is exactly [`ID_LEN`] base62 characters.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; ID_LEN] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(Self(bytes))
    }

    /// The id that was made at `now`, from 80 random bits.
    pub fn make(now: Timestamp, random: [u8; 10]) -> Self {
        Self::from_bits(time_ordered(now, random))
    }

    /// The text of these bits. Ids sort as their bits do.
    pub fn from_bits(mut bits: u128) -> Self {
        let mut text = [b'0'; ID_LEN];
        for slot in text.iter_mut().rev() {
            *slot = BASE62[(bits % 62) as usize];
            bits /= 62;
        }
        Self(text)
    }

    /// The bits of this text. 22 characters could hold a little more than 128 bits: such a text is well-formed, and no
    /// key was ever given it, so it is `None`.
    pub fn to_bits(self) -> Option<u128> {
        // Ten digits fit 64 bits, whose arithmetic is cheap; every check of a key comes through here.
        let part = |digits: &[u8]| digits.iter().fold(0_u64, |sum, byte| sum * 62 + digit(*byte));
        let (first, rest) = self.0.split_at(ID_LEN - 2 * PART);
        let (middle, last) = rest.split_at(PART);
        let [first, middle, last] = [first, middle, last].map(|digits| u128::from(part(digits)));
        first.checked_mul(PART_SIZE * PART_SIZE)?.checked_add(middle * PART_SIZE + last)
    }

    /// When the key was made, by the clock of the process that made it; `None` for a text that no key has.
    pub fn made_at(self) -> Option<Timestamp> {
        let millis = self.to_bits()? >> 80;
        i64::try_from(millis).ok().map(Timestamp::from_millis)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        // The constructors admit ASCII alphanumerics only, so the fallback cannot be reached.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

const fn digit(byte: u8) -> u64 {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'Z' => byte - b'A' + 10,
        // The constructors admit nothing else than lower-case letters here.
        _ => byte.wrapping_sub(b'a').wrapping_add(36),
    };
    digit as u64
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_come_back_and_keep_their_order(a: u128, b: u128) {
            let (first, second) = (KeyId::from_bits(a), KeyId::from_bits(b));
            prop_assert_eq!(first.to_bits(), Some(a));
            prop_assert_eq!(KeyId::parse(first.as_str()), Some(first));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(first.as_str().cmp(second.as_str()), a.cmp(&b));
        }

        #[test]
        fn text_comes_back_or_is_of_no_key(text in "[0-9A-Za-z]{22}") {
            let id = KeyId::parse(&text).unwrap();
            match id.to_bits() {
                Some(bits) => prop_assert_eq!(KeyId::from_bits(bits), id),
                None => prop_assert!(id > KeyId::from_bits(u128::MAX)),
            }
        }

        #[test]
        fn an_id_tells_when_it_was_made(millis in 0_i64..1 << 48, random: [u8; 10]) {
            let at = Timestamp::from_millis(millis);
            prop_assert_eq!(KeyId::make(at, random).made_at(), Some(at));
        }
    }

    #[test]
    fn the_ends() {
        assert_eq!(KeyId::from_bits(0).as_str(), "0".repeat(ID_LEN));
        assert_eq!(KeyId::from_bits(61).as_str(), format!("{}z", "0".repeat(ID_LEN - 1)));
        let beyond = KeyId::parse(&"z".repeat(ID_LEN)).unwrap();
        assert_eq!((beyond.to_bits(), beyond.made_at()), (None, None));
        for bad in ["", "0", &"0".repeat(23), &format!("{}_", "0".repeat(21)), &"é".repeat(11)] {
            assert_eq!(KeyId::parse(bad), None, "{bad}");
        }
    }
}
