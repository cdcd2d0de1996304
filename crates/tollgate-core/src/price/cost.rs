//! From usage and prices to money: exact integers throughout, rounded up once.

use thiserror::Error;

use super::row::Rates;
use super::unit::{Price, Unit};
use crate::usage::{Count, Counts};

/// Milliseconds of an hour: what all terms are multiplied by, so that audio needs no rounding of its own.
const HOUR: i128 = 3_600_000;
/// Femto-dollars of a nano-dollar.
const NANO: i128 = 1_000_000;
/// Basis points of the whole.
const WHOLE: i128 = 10_000;

/// A reduction in basis points (hundredths of a percent), from 0 to 10 000.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "u16", into = "u16")]
pub struct Discount(u16);

/// A discount of more than everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a discount is 0 to 10000 basis points")]
pub struct NotADiscount;

impl Discount {
    /// No discount.
    pub const NONE: Self = Self(0);

    /// A discount of so many basis points.
    ///
    /// # Errors
    /// [`NotADiscount`] above 10 000.
    pub const fn basis_points(points: u16) -> Result<Self, NotADiscount> {
        if points > 10_000 { Err(NotADiscount) } else { Ok(Self(points)) }
    }
}

impl TryFrom<u16> for Discount {
    type Error = NotADiscount;
    fn try_from(points: u16) -> Result<Self, NotADiscount> {
        Self::basis_points(points)
    }
}

impl From<Discount> for u16 {
    fn from(discount: Discount) -> Self {
        discount.0
    }
}

/// What a call costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// In nano-dollars, rounded up once.
    pub nano_dollars: i64,
    /// What was counted beside the tokens and has no price: the row is to be looked at.
    pub unpriced: Vec<Unit>,
    /// The way it was served has no prices of its own; the standard ones were used.
    pub tier_unpriced: bool,
}

/// Why a call has no cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CostError {
    /// Tokens without a price.
    #[error("the model has no price for {0:?}")]
    NoPrice(Unit),
    /// Nothing that was counted has a price.
    #[error("nothing that was counted has a price")]
    Nothing,
    /// More than 9.2 billion dollars.
    #[error("the cost is too large")]
    TooLarge,
}

/// Counts that do not overlap, each with the units whose price it may have, the most particular first.
fn lines(c: &Counts) -> [(Count, &'static [Unit]); 14] {
    use Unit::{
        CacheWrite, CacheWrite1h, CachedAudio, CachedImage, CachedRead, Input, InputAudio, InputImage,
        InputVideo, Output, OutputAudio, OutputImage, OutputVideo, Reasoning,
    };
    let cached_text = c.cached_read.less(c.cached_audio).less(c.cached_image);
    // Cache writes may be of audio and images as well; what is left for each kind is never more than was read.
    let mut left = c.input.less(c.cached_read).less(c.cache_writes());
    let mut of = |count: Count| {
        let taken = count.min(left);
        left = left.less(taken);
        taken
    };
    let audio = of(c.audio_input.less(c.cached_audio));
    let image = of(c.image_input.less(c.cached_image));
    let video = of(c.video_input);
    let written = c.output.less(c.reasoning).less(c.media_output());
    [
        (left, &[Input]),
        (cached_text, &[CachedRead, Input]),
        (c.cached_audio, &[CachedAudio, CachedRead, InputAudio, Input]),
        (c.cached_image, &[CachedImage, CachedRead, InputImage, Input]),
        (c.cache_write.plus(c.cache_write_5m), &[CacheWrite, Input]),
        (c.cache_write_1h, &[CacheWrite1h, CacheWrite, Input]),
        (audio, &[InputAudio, Input]),
        (image, &[InputImage, Input]),
        (video, &[InputVideo, Input]),
        (written, &[Output]),
        (c.reasoning, &[Reasoning, Output]),
        (c.audio_output, &[OutputAudio, Output]),
        (c.image_output, &[OutputImage, Output]),
        (c.video_output, &[OutputVideo, Output]),
    ]
}

impl Cost {
    /// The cost of a call at these prices.
    ///
    /// # Errors
    /// [`CostError::NoPrice`] for tokens without a price, [`CostError::Nothing`] when nothing that was counted has one:
    /// never zero for what is not known. [`CostError::TooLarge`].
    pub fn of(rates: &Rates<'_>, counts: &Counts, discount: Discount) -> Result<Self, CostError> {
        let mut sum = Sum::default();
        for (count, units) in lines(counts) {
            if count.is_zero() {
                continue;
            }
            let rate = rates.first(units).ok_or(CostError::NoPrice(units[0]))?;
            sum.add(count, rate.at(counts.input), HOUR)?;
        }
        let mut unpriced = Vec::new();
        let least = rates.least_audio_millis.filter(|_| !counts.audio_millis.is_zero());
        let others = [
            (counts.audio_millis.max(least.unwrap_or_default()), Unit::AudioHour, 1),
            (counts.characters, Unit::Character, HOUR),
            (counts.images, Unit::Image, HOUR),
            (counts.web_searches, Unit::WebSearch, HOUR),
            (counts.searches, Unit::Search, HOUR),
            (counts.tool_calls, Unit::ToolCall, HOUR),
            (counts.requests, Unit::Request, HOUR),
        ];
        for (count, unit, factor) in others {
            // An image that was paid by its tokens, and a request, need no price of their own.
            let included = match unit {
                Unit::Image => !counts.image_output.is_zero(),
                Unit::AudioHour => !counts.input.is_zero(),
                unit => unit == Unit::Request,
            };
            match rates.get(unit) {
                _ if count.is_zero() => {}
                Some(rate) => sum.add(count, rate.at(counts.input), factor)?,
                None if !included => unpriced.push(unit),
                None => {}
            }
        }
        let counted = counts.named().any(|(name, count)| name != "requests" && !count.is_zero());
        if counted && !sum.any {
            return Err(CostError::Nothing);
        }
        let nano_dollars = sum.nanos(discount)?;
        Ok(Self { nano_dollars, unpriced, tier_unpriced: !rates.tier_is_priced })
    }

    /// No call with at most so many tokens costs more, whatever kinds they are of and wherever tiers begin. What is not
    /// counted in tokens (images by the piece, hours, searches) is not in it.
    ///
    /// # Errors
    /// As [`Cost::of`].
    pub fn upper_bound(
        rates: &Rates<'_>,
        input: Count,
        output: Count,
        discount: Discount,
    ) -> Result<i64, CostError> {
        let highest = |of: fn(Unit) -> bool| {
            let prices = rates.priced().filter(|(unit, _)| of(*unit));
            prices.map(|(_, rate)| rate.highest_up_to(input)).max()
        };
        let mut sum = Sum::default();
        for (count, price, unit) in
            [(input, highest(Unit::is_input), Unit::Input), (output, highest(Unit::is_output), Unit::Output)]
        {
            if !count.is_zero() {
                sum.add(count, price.ok_or(CostError::NoPrice(unit))?, HOUR)?;
            }
        }
        if let Some(rate) = rates.get(Unit::Request) {
            sum.add(Count::ONE, rate.highest_up_to(input), HOUR)?;
        }
        sum.nanos(discount)
    }
}

/// A sum of counts times prices times [`HOUR`], in femto-dollars.
#[derive(Default)]
struct Sum {
    value: i128,
    any: bool,
}

impl Sum {
    fn add(&mut self, count: Count, price: Price, factor: i128) -> Result<(), CostError> {
        let term = i128::from(count.get()).checked_mul(i128::from(price.femto_dollars()));
        let sum =
            term.and_then(|term| term.checked_mul(factor)).and_then(|term| self.value.checked_add(term));
        self.value = sum.ok_or(CostError::TooLarge)?;
        self.any = true;
        Ok(())
    }

    fn nanos(&self, discount: Discount) -> Result<i64, CostError> {
        let reduced = self.value.checked_mul(WHOLE - i128::from(discount.0)).ok_or(CostError::TooLarge)?;
        let unit = HOUR * NANO * WHOLE;
        let nanos = reduced / unit + i128::from(reduced % unit != 0);
        i64::try_from(nanos).map_err(|_| CostError::TooLarge)
    }
}

#[cfg(test)]
#[path = "cost_tests.rs"]
mod tests;
