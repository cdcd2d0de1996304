//! Amounts: what budgets count, in whole numbers. Nothing here is a float, nothing wraps, and nothing is negative.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Nano-dollars in a dollar.
pub const NANOS_PER_USD: i64 = 1_000_000_000;

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Nano-dollars.
    Money,
    /// Input and output tokens together.
    Tokens,
    /// Requests.
    Requests,
}

/// So many nano-dollars, tokens or requests. Never negative; sums saturate, so that a hostile count is huge and not small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Amount(i64);

/// A limit: an amount of a unit, at least 1. As JSON `{"usd": "12.50"}`, `{"tokens": 1000}` or `{"requests": 10}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "LimitForm", into = "LimitForm")]
pub struct Limit {
    unit: Unit,
    amount: Amount,
}

/// An amount of each unit: what one request is estimated to use, or has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Nano-dollars.
    pub money: Amount,
    /// Tokens.
    pub tokens: Amount,
    /// Requests; 1, or 0 for one that never reached a backend.
    pub requests: Amount,
}

/// Why an amount cannot be what somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AmountError {
    /// Below zero.
    #[error("{0} is negative; write 0 or more")]
    Negative(i64),
    /// A limit below 1.
    #[error("a limit of zero would refuse everything; write at least {least}, or suspend the caller")]
    Zero {
        /// The least limit of the unit.
        least: &'static str,
    },
    /// Not a decimal number of dollars.
    #[error("'{0}' is not an amount of dollars; write digits, at most 9 behind the point, such as \"12.50\"")]
    Usd(String),
    /// More than an i64 of nano-dollars.
    #[error("'{0}' dollars are more than can be counted; the most is 9223372036")]
    TooMuch(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LimitForm {
    Usd(String),
    Tokens(i64),
    Requests(i64),
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One request.
    pub const ONE: Self = Self(1);
    /// The most that can be counted.
    pub const MAX: Self = Self(i64::MAX);

    /// This many.
    ///
    /// # Errors
    /// [`AmountError::Negative`]
    pub const fn new(count: i64) -> Result<Self, AmountError> {
        if count < 0 { Err(AmountError::Negative(count)) } else { Ok(Self(count)) }
    }

    /// This many, or nothing when it is negative: for counts that others report.
    pub const fn at_least_zero(count: i64) -> Self {
        Self(if count < 0 { 0 } else { count })
    }

    /// This many, or the most that can be counted.
    pub fn saturating_from(count: impl TryInto<i64>) -> Self {
        count.try_into().map_or(Self::MAX, Self::at_least_zero)
    }

    /// The amount of dollars in decimal digits, exactly.
    ///
    /// # Errors
    /// [`AmountError::Usd`] and [`AmountError::TooMuch`]
    pub fn from_usd(text: &str) -> Result<Self, AmountError> {
        let shown = || text.chars().take(40).collect::<String>();
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 9 || whole.len() > 30 {
            return Err(AmountError::Usd(shown()));
        }
        let nanos = whole.parse::<i64>().ok().zip(format!("{part:0<9}").parse::<i64>().ok());
        let nanos = nanos.and_then(|(whole, part)| whole.checked_mul(NANOS_PER_USD)?.checked_add(part));
        nanos.map(Self).ok_or_else(|| AmountError::TooMuch(shown()))
    }

    /// As dollars, with as many digits as it needs and two behind the point at least.
    pub fn to_usd(self) -> String {
        let (whole, part) = (self.0 / NANOS_PER_USD, self.0 % NANOS_PER_USD);
        let part = format!("{part:09}");
        let needed = part.trim_end_matches('0').len().max(2);
        format!("{whole}.{}", &part[..needed])
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left of it; nothing when `other` is more.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self::at_least_zero(self.0.saturating_sub(other.0))
    }

    /// This many times it.
    #[must_use]
    pub const fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(count as i64))
    }
}

impl Amounts {
    /// Nothing of anything.
    pub const ZERO: Self = Self { money: Amount::ZERO, tokens: Amount::ZERO, requests: Amount::ZERO };

    /// How much of this unit.
    pub const fn of(self, unit: Unit) -> Amount {
        match unit {
            Unit::Money => self.money,
            Unit::Tokens => self.tokens,
            Unit::Requests => self.requests,
        }
    }
}

impl Unit {
    /// The text in the API, the database and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Money => "money",
            Self::Tokens => "tokens",
            Self::Requests => "requests",
        }
    }
}

impl Limit {
    /// This amount of this unit.
    ///
    /// # Errors
    /// [`AmountError::Zero`]
    pub const fn new(unit: Unit, amount: Amount) -> Result<Self, AmountError> {
        if amount.is_zero() {
            let least = match unit {
                Unit::Money => "0.000000001",
                Unit::Tokens | Unit::Requests => "1",
            };
            return Err(AmountError::Zero { least });
        }
        Ok(Self { unit, amount })
    }

    /// What it counts.
    pub const fn unit(self) -> Unit {
        self.unit
    }

    /// How much of it.
    pub const fn amount(self) -> Amount {
        self.amount
    }
}

impl TryFrom<LimitForm> for Limit {
    type Error = AmountError;

    fn try_from(form: LimitForm) -> Result<Self, AmountError> {
        match form {
            LimitForm::Usd(text) => Self::new(Unit::Money, Amount::from_usd(&text)?),
            LimitForm::Tokens(count) => Self::new(Unit::Tokens, Amount::new(count)?),
            LimitForm::Requests(count) => Self::new(Unit::Requests, Amount::new(count)?),
        }
    }
}

impl From<Limit> for LimitForm {
    fn from(limit: Limit) -> Self {
        match limit.unit {
            Unit::Money => Self::Usd(limit.amount.to_usd()),
            Unit::Tokens => Self::Tokens(limit.amount.get()),
            Unit::Requests => Self::Requests(limit.amount.get()),
        }
    }
}

impl TryFrom<i64> for Amount {
    type Error = AmountError;

    fn try_from(count: i64) -> Result<Self, AmountError> {
        Self::new(count)
    }
}

impl From<Amount> for i64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn dollars_survive_their_text(nanos in 0_i64..=i64::MAX) {
            let amount = Amount::new(nanos).unwrap();
            prop_assert_eq!(Amount::from_usd(&amount.to_usd()), Ok(amount));
        }

        #[test]
        fn sums_never_wrap_and_never_go_below_zero(a in 0_i64..=i64::MAX, b in 0_i64..=i64::MAX, n: u32) {
            let (x, y) = (Amount::new(a).unwrap(), Amount::new(b).unwrap());
            prop_assert!(x.plus(y) >= x && x.minus(y) <= x && x.minus(y) >= Amount::ZERO);
            prop_assert_eq!(i128::from(x.plus(y).get()), (i128::from(a) + i128::from(b)).min(i128::from(i64::MAX)));
            prop_assert!(n == 0 || x.times(n) >= x);
        }
    }

    #[test]
    fn what_dollars_are() {
        for (text, nanos) in [
            ("0.05", 50_000_000),
            ("12", 12_000_000_000),
            ("0.000000001", 1),
            ("9223372036.854775807", i64::MAX),
        ] {
            assert_eq!(Amount::from_usd(text).map(Amount::get), Ok(nanos), "{text}");
        }
        assert_eq!(Amount::from_usd("12.50").unwrap().to_usd(), "12.50");
        for bad in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "0.0000000001", "NaN", "1 ", "٣", "0x10"]
        {
            assert!(matches!(Amount::from_usd(bad), Err(AmountError::Usd(_))), "{bad}");
        }
        assert!(matches!(Amount::from_usd("9223372036.854775808"), Err(AmountError::TooMuch(_))));
    }

    #[test]
    fn what_is_wrong_with_a_limit_is_said() {
        for (json, expected) in [
            (r#"{"usd":"0"}"#, "a limit of zero would refuse everything; write at least 0.000000001"),
            (r#"{"tokens":0}"#, "write at least 1"),
            (r#"{"requests":-3}"#, "-3 is negative"),
            (r#"{"usd":12.5}"#, "expected a string"),
            (r#"{"usd":"12.0000000001"}"#, "at most 9 behind the point"),
            (r#"{"euro":"1"}"#, "expected one of `usd`, `tokens`, `requests`"),
            (r#"{"tokens":9223372036854775808}"#, "i64"),
            (r#"{"tokens":1.5}"#, "i64"),
        ] {
            let error = serde_json::from_str::<Limit>(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
        for json in [r#"{"usd":"12.50"}"#, r#"{"tokens":1}"#, r#"{"requests":9223372036854775807}"#] {
            let limit: Limit = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&limit).unwrap(), json);
        }
    }
}
