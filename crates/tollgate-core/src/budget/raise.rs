//! Raises: limits that are higher for a time, and end by themselves.

use super::amount::{Amount, Limit};
use super::fault::DefinitionError;
use crate::time::Timestamp;

/// How far ahead a raise may end: two years.
pub const MAX_RAISE_MILLIS: i64 = 2 * 366 * 86_400_000;

/// A limit that is higher for a time. It ends by itself; nothing has to run for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raise {
    amount: Amount,
    from: Timestamp,
    until: Timestamp,
}

impl Raise {
    /// A raise of a budget with this limit, asked for at `now`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(
        raise: Limit,
        from: Timestamp,
        until: Timestamp,
        of: Limit,
        now: Timestamp,
    ) -> Result<Self, DefinitionError> {
        if raise.unit() != of.unit() {
            return Err(DefinitionError::RaiseUnit { raise: raise.unit(), limit: of.unit() });
        }
        if until <= now {
            return Err(DefinitionError::RaiseInThePast);
        }
        if until <= from {
            return Err(DefinitionError::RaiseBackwards);
        }
        if until.millis_since(now) > MAX_RAISE_MILLIS {
            return Err(DefinitionError::RaiseTooLong);
        }
        Ok(Self { amount: raise.amount(), from, until })
    }

    /// A raise as it was stored.
    pub const fn stored(amount: Amount, from: Timestamp, until: Timestamp) -> Self {
        Self { amount, from, until }
    }

    /// Whether it counts at this moment.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// How much it adds.
    pub const fn amount(&self) -> Amount {
        self.amount
    }

    /// The first moment at which it no longer counts.
    pub const fn until(&self) -> Timestamp {
        self.until
    }
}
