//! Tokens from bytes, where nobody counted: never for money that somebody counted.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::count::Count;

/// How many bytes of text make a token, in thousandths: at least one byte, because byte-level tokenizers only merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct BytesPerToken(u32);

/// A ratio below one byte per token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("bytes per token are at least 1000 thousandths")]
pub struct BelowOne;

impl BytesPerToken {
    /// No text has more tokens than this says.
    pub const STRICT: Self = Self(1_000);
    /// Before anything was learnt of a model.
    pub const START: Self = Self(2_000);

    /// A ratio in thousandths.
    ///
    /// # Errors
    /// [`BelowOne`].
    pub const fn of_thousandths(value: u32) -> Result<Self, BelowOne> {
        if value < 1_000 { Err(BelowOne) } else { Ok(Self(value)) }
    }

    /// Tokens in so many bytes, rounded up.
    pub fn tokens(self, bytes: u64) -> Count {
        let tokens = (u128::from(bytes) * 1_000).div_ceil(u128::from(self.0));
        Count::capped(u64::try_from(tokens).unwrap_or(u64::MAX))
    }
}

impl TryFrom<u32> for BytesPerToken {
    type Error = BelowOne;
    fn try_from(value: u32) -> Result<Self, BelowOne> {
        Self::of_thousandths(value)
    }
}

impl From<BytesPerToken> for u32 {
    fn from(ratio: BytesPerToken) -> Self {
        ratio.0
    }
}

/// What is assumed of a call that nobody counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// Its input.
    pub input: Count,
    /// How its output is estimated from the generated text.
    pub ratio: BytesPerToken,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn estimates_are_monotone_and_never_above_the_bytes(bytes in 0_u64..1 << 40, more in 0_u64..1 << 30, ratio in 1_000_u32..9_000) {
            let Ok(ratio) = BytesPerToken::of_thousandths(ratio) else { unreachable!("in range") };
            prop_assert!(ratio.tokens(bytes) <= ratio.tokens(bytes + more));
            prop_assert!(ratio.tokens(bytes) <= BytesPerToken::STRICT.tokens(bytes));
            prop_assert_eq!(BytesPerToken::STRICT.tokens(bytes), Count::capped(bytes));
            prop_assert_eq!(ratio.tokens(bytes).is_zero(), bytes == 0);
        }
    }

    #[test]
    fn no_ratio_is_below_one() {
        assert_eq!(BytesPerToken::of_thousandths(999), Err(BelowOne));
        assert_eq!(BytesPerToken::START.tokens(u64::MAX), Count::MAX);
    }
}
