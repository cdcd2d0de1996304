//! Decimal numbers as they are written, without floating point: `12`, `12.50`, `1.25e-7`. A number is read exactly or
//! refused; rounding happens once, where it is asked for.

use thiserror::Error;

/// The longest text of a number that is read, in bytes.
pub const MAX_LEN: usize = 40;

/// Exponents beyond this are out of every range here, and small enough that arithmetic on them cannot overflow.
const FAR: i32 = 10_000;

/// A number: `digits` × 10^`exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    digits: u128,
    exponent: i32,
}

/// Why a text is no number that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecimalError {
    /// Not a number in the grammar of JSON (RFC 8259 section 6).
    #[error("not a decimal number")]
    NotANumber,
    /// More digits than are read, or too large for an integer of 64 bits.
    #[error("the number is too large, or has more than 38 digits")]
    OutOfRange,
    /// Below zero.
    #[error("the number is negative")]
    Negative,
}

impl Decimal {
    /// Reads a number in the grammar of JSON.
    ///
    /// # Errors
    /// [`DecimalError::NotANumber`], and [`DecimalError::OutOfRange`] for more digits than fit.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = match rest.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, exponent(power)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
            Some(_) => return Err(DecimalError::NotANumber),
            None => (mantissa, ""),
        };
        if !is_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
            return Err(DecimalError::NotANumber);
        }
        if text.len() > MAX_LEN {
            return Err(DecimalError::OutOfRange);
        }
        let digits = whole.bytes().chain(fraction.bytes()).try_fold(0_u128, |value, digit| {
            value.checked_mul(10)?.checked_add(u128::from(digit.wrapping_sub(b'0')))
        });
        let digits = digits.ok_or(DecimalError::OutOfRange)?;
        let places = i32::try_from(fraction.len()).map_err(|_| DecimalError::OutOfRange)?;
        Ok(Self { negative, digits, exponent: power - places })
    }

    /// The number × 10^`power` as an integer, rounded up, and whether nothing was rounded.
    ///
    /// # Errors
    /// [`DecimalError::Negative`] below zero, [`DecimalError::OutOfRange`] above `i64::MAX`.
    pub fn scaled(self, power: i32) -> Result<(i64, bool), DecimalError> {
        if self.digits == 0 {
            return Ok((0, true));
        }
        if self.negative {
            return Err(DecimalError::Negative);
        }
        let exponent = self.exponent.saturating_add(power);
        let factor = 10_u128.checked_pow(exponent.unsigned_abs());
        let (value, exact) = if exponent >= 0 {
            let factor = factor.ok_or(DecimalError::OutOfRange)?;
            (self.digits.checked_mul(factor).ok_or(DecimalError::OutOfRange)?, true)
        } else {
            match factor {
                Some(factor) => (self.digits.div_ceil(factor), self.digits.is_multiple_of(factor)),
                // Smaller than 1, whatever the digits are.
                None => (1, false),
            }
        };
        Ok((i64::try_from(value).map_err(|_| DecimalError::OutOfRange)?, exact))
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn exponent(text: &str) -> Result<i32, DecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !is_digits(digits) {
        return Err(DecimalError::NotANumber);
    }
    let size = digits.parse::<i32>().map_or(FAR, |size| size.min(FAR));
    Ok(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn scaled(text: &str, power: i32) -> Result<(i64, bool), DecimalError> {
        Decimal::parse(text)?.scaled(power)
    }

    #[test]
    fn numbers_are_read_exactly_or_refused() {
        use DecimalError::{Negative, NotANumber, OutOfRange};
        let table = [
            ("0", 0, Ok((0, true))),
            ("-0", 0, Ok((0, true))),
            ("0e99999999999", 0, Ok((0, true))),
            ("12", 0, Ok((12, true))),
            ("12.0", 0, Ok((12, true))),
            ("1.2e1", 0, Ok((12, true))),
            ("12.5", 0, Ok((13, false))),
            ("4.7", 3, Ok((4700, true))),
            ("0.041666666666666664", 9, Ok((41_666_667, false))),
            ("0.041666666666666664", 18, Ok((41_666_666_666_666_664, true))),
            ("5.0000000000000004E-8", 15, Ok((50_000_001, false))),
            ("1e-400", 9, Ok((1, false))),
            ("9223372036854775807", 0, Ok((i64::MAX, true))),
            ("9223372036854775808", 0, Err(OutOfRange)),
            ("1e400", 0, Err(OutOfRange)),
            ("1e19", 0, Err(OutOfRange)),
            ("-1", 0, Err(Negative)),
            ("-0.5", 0, Err(Negative)),
            ("NaN", 0, Err(NotANumber)),
            ("Infinity", 0, Err(NotANumber)),
            ("", 0, Err(NotANumber)),
            ("-", 0, Err(NotANumber)),
            ("+1", 0, Err(NotANumber)),
            ("01", 0, Err(NotANumber)),
            ("1.", 0, Err(NotANumber)),
            (".5", 0, Err(NotANumber)),
            ("1e", 0, Err(NotANumber)),
            ("1e+-2", 0, Err(NotANumber)),
            ("0x10", 0, Err(NotANumber)),
            ("1_000", 0, Err(NotANumber)),
            ("99999999999999999999999999999999999999999", 0, Err(OutOfRange)),
        ];
        for (text, power, expected) in table {
            assert_eq!(scaled(text, power), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn integers_are_themselves(value in 0..=i64::MAX) {
            prop_assert_eq!(scaled(&value.to_string(), 0).unwrap(), (value, true));
        }

        #[test]
        fn rounding_adds_less_than_one(whole in 0_i64..1_000_000_000, fraction in 0_u32..1_000_000) {
            let (value, exact) = scaled(&format!("{whole}.{fraction:06}"), 0).unwrap();
            prop_assert_eq!(value, whole + i64::from(fraction > 0));
            prop_assert_eq!(exact, fraction == 0);
        }

        #[test]
        fn any_text_is_an_answer(text in "[-+0-9.eE]{0,45}", power in -40..40) {
            let ours = scaled(&text, power);
            let json = serde_json::from_str::<f64>(&text);
            if matches!(ours, Err(DecimalError::NotANumber)) {
                // serde_json calls a number out of its range an error too.
                prop_assert!(json.is_err(), "{}", text);
            }
        }
    }
}
