//! The three numbers of a budget, and what a caller is told who was refused: typed, so that the denial, the API, the export
//! and the metrics cannot say different things.

use serde::{Deserialize, Serialize};

use super::amount::{Amount, Unit};
use super::owner::BudgetId;
use crate::time::Timestamp;

/// Settled, held and limit of a budget's running window, as of one moment of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetStatus {
    /// The budget.
    pub budget: BudgetId,
    /// What the numbers count.
    pub unit: Unit,
    /// Charged for good; reports of better rank still correct it.
    pub settled: Amount,
    /// Estimated for requests that are under way.
    pub held: Amount,
    /// The limit at that moment: the budget's own, raises, and what was carried over.
    pub limit: Amount,
    /// When the window ends; `None` for one that never does.
    #[serde(with = "millis_or_never")]
    pub resets_at: Option<Timestamp>,
    /// The moment, by the database's clock.
    #[serde(with = "millis")]
    pub as_of: Timestamp,
}

/// A limit on a request's way that is not a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limited {
    /// Requests per minute.
    RequestsPerMinute,
    /// Tokens per minute.
    TokensPerMinute,
    /// Requests under way at once.
    Concurrency,
}

/// What a caller is told who was refused with 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// `budget_exhausted`
    Budget {
        /// Of which budget, and its numbers.
        status: BudgetStatus,
        /// What the request would have held.
        asked: Amount,
        /// Seconds after which trying again makes sense; see [`BudgetStatus::retry_after_secs`].
        retry_after_secs: u32,
    },
    /// `rate_limited`
    Rate {
        /// Which one.
        limit: Limited,
        /// What it allows.
        allowed: u64,
        /// Milliseconds until this request would pass.
        retry_after_millis: u64,
    },
    /// `concurrency_exceeded`
    Concurrency {
        /// Requests that may be under way here at once.
        allowed: u32,
        /// Requests that are.
        running: u32,
    },
}

/// No client is told to come back in less than a second or in more than a day: SDKs that obey the header would hammer,
/// or sleep through a raise.
const RETRY_SECS: (i64, i64) = (1, 86_400);

impl BudgetStatus {
    /// What is left. Zero also when more was charged than the limit, as after it was lowered.
    pub const fn left(&self) -> Amount {
        self.limit.minus(self.settled).minus(self.held)
    }

    /// Whether this much would pass the limit.
    pub const fn is_short_of(&self, amount: Amount) -> bool {
        self.settled.plus(self.held).plus(amount).get() > self.limit.get()
    }

    /// Seconds after which trying again makes sense. When requests under way hold what is missing, soon: their true cost may
    /// be lower. Else when the window ends.
    pub fn retry_after_secs(&self, amount: Amount) -> u32 {
        let (least, most) = RETRY_SECS;
        let may_free = self.settled.plus(amount).get() <= self.limit.get();
        let wait = match self.resets_at {
            _ if may_free => least,
            Some(end) => end.millis_since(self.as_of).saturating_add(999) / 1_000,
            None => most,
        };
        u32::try_from(wait.clamp(least, most)).unwrap_or(1)
    }
}

impl Refused {
    /// A budget that this much would have passed.
    pub fn by_budget(status: BudgetStatus, asked: Amount) -> Self {
        Self::Budget { status, asked, retry_after_secs: status.retry_after_secs(asked) }
    }

    /// The value of `Retry-After` (RFC 9110 section 10.2.3).
    pub fn retry_after_secs(&self) -> u32 {
        match self {
            Self::Budget { retry_after_secs, .. } => *retry_after_secs,
            Self::Rate { retry_after_millis, .. } => {
                u32::try_from(retry_after_millis.div_ceil(1_000)).unwrap_or(u32::MAX).max(1)
            }
            Self::Concurrency { .. } => 1,
        }
    }
}

/// Moments as milliseconds.
pub(super) mod millis {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::time::Timestamp;

    pub(crate) fn serialize<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(moment.as_millis())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}

/// Moments as milliseconds, or null.
pub(super) mod millis_or_never {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use crate::time::Timestamp;

    pub(crate) fn serialize<S: Serializer>(
        moment: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        moment.map(Timestamp::as_millis).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp::from_millis))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn status(settled: i64, held: i64) -> BudgetStatus {
        BudgetStatus {
            budget: BudgetId::from_bits(7),
            unit: Unit::Tokens,
            settled: Amount::new(settled).unwrap(),
            held: Amount::new(held).unwrap(),
            limit: Amount::new(100).unwrap(),
            resets_at: Some(Timestamp::from_secs(5_000)),
            as_of: Timestamp::from_secs(1_000),
        }
    }

    #[test]
    fn when_to_come_back() {
        let ten = Amount::new(10).unwrap();
        for (settled, held, resets_at, expected) in [
            // What is missing is held and may be freed.
            (50, 45, Some(5_000), 1),
            (50, 45, None, 1),
            // It is spent.
            (95, 0, Some(5_000), 4_000),
            (95, 0, Some(1_000), 1),
            (95, 0, Some(9_000_000), 86_400),
            (95, 0, None, 86_400),
        ] {
            let status =
                BudgetStatus { resets_at: resets_at.map(Timestamp::from_secs), ..status(settled, held) };
            assert_eq!(
                Refused::by_budget(status, ten).retry_after_secs(),
                expected,
                "{settled} {held} {resets_at:?}"
            );
        }
        let rate = |millis| Refused::Rate {
            limit: Limited::RequestsPerMinute,
            allowed: 60,
            retry_after_millis: millis,
        };
        assert_eq!(
            [0, 1, 1_000, 1_001, u64::MAX].map(|m| rate(m).retry_after_secs()),
            [1, 1, 1, 2, u32::MAX]
        );
    }

    #[test]
    fn what_is_left() {
        assert_eq!(status(50, 45).left().get(), 5);
        assert!(!status(50, 45).is_short_of(Amount::new(5).unwrap()));
        assert!(status(50, 45).is_short_of(Amount::new(6).unwrap()));
        assert_eq!(status(120, 45).left(), Amount::ZERO);
        assert!(status(i64::MAX, i64::MAX).is_short_of(Amount::MAX));
    }

    #[test]
    fn a_status_survives_its_json() {
        for status in [status(1, 2), BudgetStatus { resets_at: None, ..status(1, 2) }] {
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(serde_json::from_str::<BudgetStatus>(&json).unwrap(), status);
        }
    }
}
