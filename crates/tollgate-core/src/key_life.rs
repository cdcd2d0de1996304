//! How long a key lives, and how long the secret before the present one works after a rotation. The wish is a person's, the
//! bounds are the deployment's.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::Timestamp;

const DAY_SECS: i64 = 86_400;
/// The shortest overlap beside none: long enough to roll out a secret.
const MIN_OVERLAP_SECS: i64 = 15 * 60;
/// The longest overlap.
const MAX_OVERLAP_SECS: i64 = 7 * DAY_SECS;

/// The deployment's bounds on a key's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyLifetimes {
    /// Days after which a secret ends at the latest, counted from when it was made.
    pub max_days: Option<u32>,
    /// Days that a key gets when nothing is said.
    pub default_days: Option<u32>,
}

/// How long somebody wants a key to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifeWish {
    /// Nothing was said.
    Unsaid,
    /// For ever.
    Never,
    /// Until this moment.
    Until(Timestamp),
    /// For so many days from now.
    Days(u32),
}

/// Why a wish for a key's life was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LifeError {
    /// The deployment bounds how long a secret lives.
    #[error(
        "a secret lives at most {0} days here (keys.max_lifetime_days), counted from when it was made; rotate the key to begin anew"
    )]
    TooLong(u32),
    /// A key that ends before it begins is of no use.
    #[error("the end must lie in the future")]
    Past,
}

impl KeyLifetimes {
    /// When a key ends whose secret was made at `made`, if somebody wishes so at `now`; `None` is never.
    ///
    /// # Errors
    /// [`LifeError`].
    pub fn grant(
        &self,
        wish: LifeWish,
        made: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, LifeError> {
        let days = |days: u32| now.plus_secs(i64::from(days) * DAY_SECS);
        let latest = self.max_days.map(|max| (max, made.plus_secs(i64::from(max) * DAY_SECS)));
        let end = match wish {
            LifeWish::Unsaid => match (self.default_days.map(days), latest) {
                (Some(end), Some((_, latest))) => Some(end.min(latest)),
                (end, latest) => end.or(latest.map(|(_, at)| at)),
            },
            LifeWish::Never => None,
            LifeWish::Until(at) => Some(at),
            LifeWish::Days(count) => Some(days(count)),
        };
        match (end, latest) {
            (Some(end), _) if end <= now => Err(LifeError::Past),
            (Some(end), Some((_, latest))) if end <= latest => Ok(Some(end)),
            (_, Some((max_days, _))) => Err(LifeError::TooLong(max_days)),
            (end, None) => Ok(end),
        }
    }
}

/// How long the secret before the present one works after a rotation: `now` ends it at once, else `15m` to `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Overlap(i64);

/// Why a text is no overlap.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("write \"now\", or 15m to 7d in minutes (m), hours (h) or days (d)")]
pub struct OverlapError;

impl Overlap {
    /// From its text.
    ///
    /// # Errors
    /// [`OverlapError`].
    pub fn parse(text: &str) -> Result<Self, OverlapError> {
        if text == "now" {
            return Ok(Self(0));
        }
        let secs = [("m", 60), ("h", 3600), ("d", DAY_SECS)].into_iter().find_map(|(unit, secs)| {
            let count = text.strip_suffix(unit)?;
            let plain = (1..=5).contains(&count.len()) && count.bytes().all(|b| b.is_ascii_digit());
            Some(if plain { count.parse::<i64>().ok()? * secs } else { -1 })
        });
        match secs {
            Some(secs) if (MIN_OVERLAP_SECS..=MAX_OVERLAP_SECS).contains(&secs) => Ok(Self(secs)),
            _ => Err(OverlapError),
        }
    }

    /// Until when the secret works that was replaced at `now`, of a key that ends at `expires_at`; `None`: it ends at
    /// once.
    pub fn until(self, now: Timestamp, expires_at: Option<Timestamp>) -> Option<Timestamp> {
        let until = (self.0 > 0).then(|| now.plus_secs(self.0))?;
        Some(expires_at.map_or(until, |end| until.min(end)))
    }
}

impl TryFrom<String> for Overlap {
    type Error = OverlapError;

    fn try_from(text: String) -> Result<Self, OverlapError> {
        Self::parse(&text)
    }
}

impl From<Overlap> for String {
    fn from(overlap: Overlap) -> Self {
        overlap.to_string()
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("now"),
            secs if secs % DAY_SECS == 0 => write!(f, "{}d", secs / DAY_SECS),
            secs if secs % 3600 == 0 => write!(f, "{}h", secs / 3600),
            secs => write!(f, "{}m", secs / 60),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn day(n: i64) -> Timestamp {
        Timestamp::from_secs(n * DAY_SECS)
    }

    #[test]
    fn a_wish_within_the_bounds_is_granted() {
        use LifeWish::{Days, Never, Unsaid, Until};
        let free = KeyLifetimes::default();
        let bound = KeyLifetimes { max_days: Some(90), default_days: None };
        let both = KeyLifetimes { max_days: Some(90), default_days: Some(30) };
        let default = KeyLifetimes { max_days: None, default_days: Some(30) };
        // policy, wish, day the secret was made; now is day 100
        let table = [
            (free, Unsaid, 100, Ok(None)),
            (free, Never, 100, Ok(None)),
            (free, Days(36_500), 100, Ok(Some(day(36_600)))),
            (free, Until(day(101)), 100, Ok(Some(day(101)))),
            (free, Until(day(100)), 100, Err("future")),
            (free, Days(0), 100, Err("future")),
            (default, Unsaid, 100, Ok(Some(day(130)))),
            (default, Never, 100, Ok(None)),
            (bound, Unsaid, 100, Ok(Some(day(190)))),
            (bound, Days(90), 100, Ok(Some(day(190)))),
            (bound, Days(91), 100, Err("at most 90 days")),
            (bound, Never, 100, Err("at most 90 days")),
            // The bound is the secret's, not the edit's: an old secret is not made young by editing.
            (bound, Days(90), 50, Err("rotate the key")),
            (bound, Days(40), 50, Ok(Some(day(140)))),
            (bound, Unsaid, 5, Err("future")),
            (both, Unsaid, 100, Ok(Some(day(130)))),
            (both, Unsaid, 20, Ok(Some(day(110)))),
            (both, Days(60), 100, Ok(Some(day(160)))),
        ];
        for (policy, wish, made, expected) in table {
            match (policy.grant(wish, day(made), day(100)), expected) {
                (Ok(end), Ok(expected)) => assert_eq!(end, expected, "{policy:?} {wish:?}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (given, expected) => assert_eq!(format!("{given:?}"), format!("{expected:?}"), "{wish:?}"),
            }
        }
    }

    #[test]
    fn overlaps() {
        for (text, shown, secs) in [
            ("now", "now", 0),
            ("15m", "15m", 900),
            ("60m", "1h", 3600),
            ("24h", "1d", 86_400),
            ("7d", "7d", 604_800),
            ("90m", "90m", 5400),
        ] {
            let overlap = Overlap::parse(text).unwrap();
            assert_eq!((overlap.to_string().as_str(), overlap.0), (shown, secs));
        }
        for bad in
            ["", "0m", "14m", "8d", "169h", "1w", "-1d", "1.5h", "1 h", "NOW", "d", "99999999999d", "+1d"]
        {
            assert!(Overlap::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_overlap_never_outlives_the_key() {
        let now = day(100);
        let table = [
            ("now", None, None),
            ("1d", None, Some(day(101))),
            ("2d", Some(day(101)), Some(day(101))),
            ("1d", Some(day(105)), Some(day(101))),
        ];
        for (text, expires, expected) in table {
            assert_eq!(Overlap::parse(text).unwrap().until(now, expires), expected, "{text}");
        }
    }
}
