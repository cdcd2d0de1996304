//! A count of tokens, images, bytes or milliseconds, bounded so that sums of counts cannot overflow.

use serde::{Deserialize, Serialize};

use crate::decimal::{Decimal, DecimalError};

/// The largest count: a trillion. No call comes near it, and a thousand of them fit an `i64`.
pub const MAX_COUNT: i64 = 1_000_000_000_000;

/// A whole number from 0 to [`MAX_COUNT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Count(i64);

impl Count {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(1);
    /// The most.
    pub const MAX: Self = Self(MAX_COUNT);

    /// A count, if it is in range.
    ///
    /// # Errors
    /// [`DecimalError::Negative`] or [`DecimalError::OutOfRange`].
    pub const fn new(value: i64) -> Result<Self, DecimalError> {
        match value {
            0..=MAX_COUNT => Ok(Self(value)),
            ..0 => Err(DecimalError::Negative),
            _ => Err(DecimalError::OutOfRange),
        }
    }

    /// The count of `value`, or [`Count::MAX`] for more.
    pub fn capped(value: u64) -> Self {
        Self(i64::try_from(value).map_or(MAX_COUNT, |value| value.min(MAX_COUNT)))
    }

    /// A JSON number × 10^`power`, rounded up, and whether nothing was rounded.
    ///
    /// # Errors
    /// Anything that is no number in range.
    pub fn parse(text: &str, power: i32) -> Result<(Self, bool), DecimalError> {
        let (value, exact) = Decimal::parse(text)?.scaled(power)?;
        Ok((Self::new(value)?, exact))
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whether it is zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or [`Count::MAX`] for more.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        let sum = self.0 + other.0;
        Self(if sum > MAX_COUNT { MAX_COUNT } else { sum })
    }

    /// The difference, or zero when `other` is larger.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        let rest = self.0 - other.0;
        Self(if rest < 0 { 0 } else { rest })
    }
}

impl TryFrom<i64> for Count {
    type Error = DecimalError;
    fn try_from(value: i64) -> Result<Self, DecimalError> {
        Self::new(value)
    }
}

impl From<Count> for i64 {
    fn from(count: Count) -> Self {
        count.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_counts_in_range_exist() {
        assert_eq!(Count::new(-1), Err(DecimalError::Negative));
        assert_eq!(Count::new(i64::MIN), Err(DecimalError::Negative));
        assert_eq!(Count::new(MAX_COUNT), Ok(Count::MAX));
        assert_eq!(Count::new(MAX_COUNT + 1), Err(DecimalError::OutOfRange));
        assert_eq!(Count::parse("1e400", 0), Err(DecimalError::OutOfRange));
        assert_eq!(Count::parse("2.5", 0), Ok((Count(3), false)));
        assert!(serde_json::from_str::<Count>("-1").is_err());
        assert!(serde_json::from_str::<Count>("1000000000001").is_err());
        assert!(serde_json::from_str::<Count>("1.5").is_err());
    }

    proptest! {
        #[test]
        fn sums_stay_in_range(a in 0..=MAX_COUNT, b in 0..=MAX_COUNT) {
            let (a, b) = (Count(a), Count(b));
            prop_assert!(a.plus(b) >= a && a.plus(b) <= Count::MAX);
            prop_assert!(a.less(b) <= a);
            prop_assert_eq!(a.less(b).plus(b), a.max(b));
        }
    }
}
