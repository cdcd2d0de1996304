//! What has a price, and a price as an integer.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::decimal::{Decimal, DecimalError};

/// The highest price of one unit: 1000 dollars, in femto-dollars.
const MAX_PRICE: i64 = 1_000_000_000_000_000_000;

/// What has a price. The kinds of tokens do not overlap: a token is counted under the most particular one that is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A token that was read.
    Input,
    /// A token that was written.
    Output,
    /// A token that was read from a cache.
    CachedRead,
    /// An audio token that was read from a cache.
    CachedAudio,
    /// An image token that was read from a cache.
    CachedImage,
    /// A token that was written to a cache for five minutes, or a time that is not said.
    CacheWrite,
    /// A token that was written to a cache for an hour.
    #[serde(rename = "cache_write_1h")]
    CacheWrite1h,
    /// A token of audio that was read.
    InputAudio,
    /// A token of an image that was read.
    InputImage,
    /// A token of a video that was read.
    InputVideo,
    /// A token that was thought.
    Reasoning,
    /// A token of audio that was made.
    OutputAudio,
    /// A token of an image that was made.
    OutputImage,
    /// A token of a video that was made.
    OutputVideo,
    /// An image that was made.
    Image,
    /// An hour of audio that was transcribed; charged by the millisecond.
    AudioHour,
    /// A character that was spoken.
    Character,
    /// A web search.
    WebSearch,
    /// A search in files, or a reranking.
    Search,
    /// A call of another tool of the provider.
    ToolCall,
    /// A request.
    Request,
}

impl Unit {
    /// Every unit there is.
    pub const ALL: [Self; 21] = [
        Self::Input,
        Self::Output,
        Self::CachedRead,
        Self::CachedAudio,
        Self::CachedImage,
        Self::CacheWrite,
        Self::CacheWrite1h,
        Self::InputAudio,
        Self::InputImage,
        Self::InputVideo,
        Self::Reasoning,
        Self::OutputAudio,
        Self::OutputImage,
        Self::OutputVideo,
        Self::Image,
        Self::AudioHour,
        Self::Character,
        Self::WebSearch,
        Self::Search,
        Self::ToolCall,
        Self::Request,
    ];

    /// Its place in [`Unit::ALL`].
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// How many units a written price is for, as a power of ten: prices of tokens and characters are written for a
    /// million, those of requests and searches for a thousand, those of images and hours for one.
    pub const fn written_for(self) -> u32 {
        match self {
            Self::Image | Self::AudioHour => 0,
            Self::WebSearch | Self::Search | Self::ToolCall | Self::Request => 3,
            _ => 6,
        }
    }

    /// Whether it is a kind of token that is read.
    pub const fn is_input(self) -> bool {
        matches!(
            self,
            Self::Input
                | Self::CachedRead
                | Self::CachedAudio
                | Self::CachedImage
                | Self::CacheWrite
                | Self::CacheWrite1h
                | Self::InputAudio
                | Self::InputImage
                | Self::InputVideo
        )
    }

    /// Whether it is a kind of token that is written.
    pub const fn is_output(self) -> bool {
        matches!(
            self,
            Self::Output | Self::Reasoning | Self::OutputAudio | Self::OutputImage | Self::OutputVideo
        )
    }
}

/// The price of one unit in femto-dollars (10^-15 dollars), from 0 to 1000 dollars: a price per million tokens keeps nine
/// places after the point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Price(i64);

/// Why a price is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PriceError {
    /// The text is no number in range.
    #[error(transparent)]
    Number(#[from] DecimalError),
    /// Above a thousand dollars for one unit.
    #[error("the price is above 1000 dollars for one unit")]
    TooHigh,
}

impl Price {
    /// Free of charge.
    pub const FREE: Self = Self(0);

    /// A price in femto-dollars.
    ///
    /// # Errors
    /// [`PriceError`] below zero and above 1000 dollars.
    pub const fn new(femto_dollars: i64) -> Result<Self, PriceError> {
        match femto_dollars {
            0..=MAX_PRICE => Ok(Self(femto_dollars)),
            ..0 => Err(PriceError::Number(DecimalError::Negative)),
            _ => Err(PriceError::TooHigh),
        }
    }

    /// A price as it is written, in dollars for as many units as is [usual](Unit::written_for), read exactly and rounded
    /// up to a femto-dollar for one unit; and whether nothing was rounded.
    ///
    /// # Errors
    /// [`PriceError`].
    pub fn parse(unit: Unit, text: &str) -> Result<(Self, bool), PriceError> {
        let power = 15 - i32::try_from(unit.written_for()).unwrap_or_default();
        let (value, exact) = Decimal::parse(text)?.scaled(power)?;
        Ok((Self::new(value)?, exact))
    }

    /// The price in femto-dollars.
    pub const fn femto_dollars(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Price {
    type Error = PriceError;
    fn try_from(value: i64) -> Result<Self, PriceError> {
        Self::new(value)
    }
}

impl From<Price> for i64 {
    fn from(price: Price) -> Self {
        price.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_stand_in_their_place() {
        for (at, unit) in Unit::ALL.into_iter().enumerate() {
            assert_eq!(unit.index(), at);
            assert!(!(unit.is_input() && unit.is_output()));
        }
    }

    #[test]
    fn prices_are_read_exactly() {
        let parse = |unit, text| Price::parse(unit, text).map(|(price, exact)| (price.0, exact));
        let table = [
            (Unit::Input, "3", Ok((3_000_000_000, true))),
            (Unit::Input, "0", Ok((0, true))),
            (Unit::Input, "0.0028", Ok((2_800_000, true))),
            (Unit::Input, "0.000000001", Ok((1, true))),
            (Unit::Input, "0.0000000001", Ok((1, false))),
            (Unit::Input, "0.041666666666666664", Ok((41_666_667, false))),
            (Unit::Request, "12", Ok((12_000_000_000_000, true))),
            (Unit::AudioHour, "0.111", Ok((111_000_000_000_000, true))),
            (Unit::Image, "0.17", Ok((170_000_000_000_000, true))),
            (Unit::Image, "1000", Ok((MAX_PRICE, true))),
            (Unit::Image, "1000.01", Err(PriceError::TooHigh)),
            (Unit::Input, "-1", Err(PriceError::Number(DecimalError::Negative))),
            (Unit::Input, "1e300", Err(PriceError::Number(DecimalError::OutOfRange))),
            (Unit::Input, "NaN", Err(PriceError::Number(DecimalError::NotANumber))),
            (Unit::Input, "", Err(PriceError::Number(DecimalError::NotANumber))),
        ];
        for (unit, text, expected) in table {
            assert_eq!(parse(unit, text), expected, "{text}");
        }
    }
}
