//! Ids that the process makes itself: 48 bits of time, 80 random bits, so that they sort by age and cannot be guessed.

use crate::time::Timestamp;

/// Lower-case base32 without i, l, o and u: every database collation sorts it the same way.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of the part after the prefix: 26 × 5 bits hold 128.
const TEXT_LEN: usize = 26;

/// What an id names; it stands as a prefix in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdKind {
    /// `org_…`
    Organization,
    /// `prj_…`
    Project,
    /// `per_…`
    Person,
    /// `sva_…`
    ServiceAccount,
    /// `inv_…`
    Invitation,
    /// `gmp_…`
    GroupMapping,
    /// `trl_…`
    TokenRule,
    /// `ses_…`
    Session,
    /// `bud_…`
    Budget,
}

impl IdKind {
    /// The prefix, underscore included.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Organization => "org_",
            Self::Project => "prj_",
            Self::Person => "per_",
            Self::ServiceAccount => "sva_",
            Self::Invitation => "inv_",
            Self::GroupMapping => "gmp_",
            Self::TokenRule => "trl_",
            Self::Session => "ses_",
            Self::Budget => "bud_",
        }
    }

    /// A new id.
    pub fn make(self, now: Timestamp, random: [u8; 10]) -> String {
        self.text(time_ordered(now, random))
    }

    /// The id of these bits.
    pub fn text(self, mut bits: u128) -> String {
        let mut text = [b'0'; TEXT_LEN];
        for slot in text.iter_mut().rev() {
            *slot = BASE32[(bits & 31) as usize];
            bits >>= 5;
        }
        let mut id = self.prefix().to_owned();
        id.extend(text.iter().map(|byte| char::from(*byte)));
        id
    }

    /// The bits of an id of this kind; `None` for every other text. 26 characters could hold a little more than 128 bits:
    /// such a text is nobody's id.
    pub fn bits(self, text: &str) -> Option<u128> {
        let digits = text.strip_prefix(self.prefix()).filter(|_| self.fits(text))?;
        digits.bytes().try_fold(0_u128, |bits, byte| {
            let digit = BASE32.iter().position(|other| *other == byte)?;
            Some(bits.checked_mul(32)? | digit as u128)
        })
    }

    /// Whether this text could be an id of this kind; whether there is one is the store's to say.
    pub fn fits(self, text: &str) -> bool {
        text.strip_prefix(self.prefix())
            .is_some_and(|rest| rest.len() == TEXT_LEN && rest.bytes().all(|byte| BASE32.contains(&byte)))
    }
}

/// Milliseconds in the upper 48 bits, `random` in the lower 80. Times before 1970 count as 1970.
pub fn time_ordered(now: Timestamp, random: [u8; 10]) -> u128 {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0) & ((1 << 48) - 1);
    let mut low = [0; 16];
    low[6..].copy_from_slice(&random);
    u128::from(millis) << 80 | u128::from_be_bytes(low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_fit_and_sort_by_time(early in 0_i64..1 << 47, gap in 1_i64..1 << 40, a: [u8; 10], b: [u8; 10]) {
            let first = IdKind::Project.make(Timestamp::from_millis(early), a);
            let second = IdKind::Project.make(Timestamp::from_millis(early + gap), b);
            prop_assert!(first < second);
            prop_assert!(IdKind::Project.fits(&first) && !IdKind::Person.fits(&first));
            prop_assert_eq!(IdKind::Project.bits(&first), Some(time_ordered(Timestamp::from_millis(early), a)));
        }

        #[test]
        fn nothing_else_fits(text in "\\PC{0,40}") {
            prop_assume!(!text.starts_with("org_"));
            prop_assert!(!IdKind::Organization.fits(&text));
        }
    }

    #[test]
    fn more_than_128_bits_are_no_id() {
        assert_eq!(IdKind::Budget.bits(&IdKind::Budget.text(u128::MAX)), Some(u128::MAX));
        assert_eq!(IdKind::Budget.bits("bud_zzzzzzzzzzzzzzzzzzzzzzzzzz"), None);
        assert_eq!(IdKind::Budget.bits("prj_00000000000000000000000000"), None);
    }

    #[test]
    fn foreign_spellings_do_not_fit() {
        let id = IdKind::Person.make(Timestamp::from_millis(1), [7; 10]);
        for bad in
            [id.to_uppercase(), format!("{id}0"), id.replace('0', "l"), String::new(), format!(" {id}")]
        {
            assert!(!IdKind::Person.fits(&bad), "{bad}");
        }
    }
}
