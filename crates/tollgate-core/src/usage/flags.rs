//! What was odd about a reading of usage. A flagged row is still one row: flags are for the queue of people who look.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal;)+) => {
        /// One oddity.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Flag { $($(#[$doc])* $name = $bit,)+ }

        impl Flag {
            /// Every flag there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its name in APIs and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

flags! {
    /// A member of the usage stood there twice; the last one counted.
    Duplicated = 0, "duplicated";
    /// A number was negative; its usage was not taken.
    Negative = 1, "negative";
    /// A number was larger than any call's count, or had too many digits; its usage was not taken.
    OutOfRange = 2, "out_of_range";
    /// A count was not whole; it was rounded up.
    Fractional = 3, "fractional";
    /// A text, a list or a truth value stood where a number belongs; its usage was not taken.
    NotANumber = 4, "not_a_number";
    /// A part was larger than the whole (cached tokens above input tokens); the whole was raised to it.
    Inconsistent = 5, "inconsistent";
    /// The provider's total is not input + output.
    TotalMismatch = 6, "total_mismatch";
    /// The body, or one event, is not JSON.
    Malformed = 7, "malformed";
    /// The body ended in the middle of a value.
    Truncated = 8, "truncated";
    /// An event, a usage object or a nesting was larger than is read.
    TooLarge = 9, "too_large";
    /// A checksum of the binary event stream was wrong.
    Checksum = 10, "checksum";
    /// The output was estimated from the generated text, because the stream ended before the provider counted it.
    OutputEstimated = 11, "output_estimated";
    /// The input was estimated from the request's size.
    InputEstimated = 12, "input_estimated";
    /// Two final readings of the same request differ.
    Disagreement = 13, "disagreement";
    /// A complete answer had no usage.
    NoUsage = 14, "no_usage";
    /// The stream carried an error of the provider.
    ProviderError = 15, "provider_error";
}

/// A set of [`Flag`]s.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flags(u32);

impl Flags {
    /// None.
    pub const NONE: Self = Self(0);

    /// Adds one.
    pub const fn set(&mut self, flag: Flag) {
        self.0 |= 1 << flag as u32;
    }

    /// The set without this one.
    #[must_use]
    pub const fn without(self, flag: Flag) -> Self {
        Self(self.0 & !(1 << flag as u32))
    }

    /// Whether this one is in the set.
    pub const fn has(self, flag: Flag) -> bool {
        self.0 & 1 << flag as u32 != 0
    }

    /// Those of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are in the set.
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.iter().copied().filter(move |flag| self.has(*flag))
    }
}

impl From<Flag> for Flags {
    fn from(flag: Flag) -> Self {
        let mut flags = Self::NONE;
        flags.set(flag);
        flags
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for Flags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Flag::as_str))
    }
}

impl<'de> Deserialize<'de> for Flags {
    /// Names that are not known are an error: a row of a newer release is not read as one without oddities.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut flags = Self::NONE;
        for name in Vec::<String>::deserialize(deserializer)? {
            let known = Flag::ALL.iter().find(|flag| flag.as_str() == name);
            flags.set(*known.ok_or_else(|| serde::de::Error::custom(format!("'{name}' is no usage flag")))?);
        }
        Ok(flags)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_set_survives_json() {
        let mut all = Flags::NONE;
        for flag in Flag::ALL {
            assert!(!all.has(*flag), "{flag:?} shares its bit");
            all.set(*flag);
        }
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Flags>(&json).unwrap(), all);
        assert_eq!(serde_json::from_str::<Flags>("[]").unwrap(), Flags::NONE);
        assert!(serde_json::from_str::<Flags>("[\"new\"]").is_err());
    }
}
