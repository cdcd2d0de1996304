//! What can be wrong with a budget that somebody wrote, in sentences that say how to mend it.

use thiserror::Error;

use super::amount::{AmountError, Unit};
use super::scope::MAX_OPERATIONS;

/// Why a budget cannot be what somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DefinitionError {
    /// An id of the wrong kind.
    #[error("'{id}' names no {kind}; write its id, which starts with \"{prefix}\"")]
    OwnerId {
        /// What was written.
        id: String,
        /// What it should name.
        kind: &'static str,
        /// How such an id starts.
        prefix: &'static str,
    },
    /// An id of no key.
    #[error("'{0}' is not the id of a key; write the 22 characters between the two underscores of the key")]
    KeyId(String),
    /// A setting of another kind of budget.
    #[error("a {kind} budget has no {setting}; leave it out{hint}")]
    NotForThis {
        /// The kind that was written.
        kind: &'static str,
        /// The setting.
        setting: &'static str,
        /// Which kind has it.
        hint: &'static str,
    },
    /// A budget for no model at all.
    #[error("a budget for no models charges nothing; write \"all\" or a list of models")]
    NoModels,
    /// An empty list of operations.
    #[error("a list of operations must not be empty; write \"all\"")]
    NoOperations,
    /// More than [`MAX_OPERATIONS`].
    #[error("a budget names at most {MAX_OPERATIONS} operations")]
    TooManyOperations,
    /// Not the name of an operation.
    #[error("'{0}' is not an operation; write lower-case names such as \"inference\"")]
    Operation(String),
    /// The same name twice.
    #[error("the operation '{0}' stands in the list twice")]
    OperationTwice(String),
    /// A rate of zero.
    #[error("slow_down is {0} requests per minute; write 1 to 1000000, or \"refuse\"")]
    SlowRate(i64),
    /// Carry-over of a window that never ends.
    #[error("the window \"total\" never ends, so nothing is carried over; leave carry_over out")]
    CarryOverOfTotal,
    /// An amount in another unit than the limit.
    #[error("carry_over counts {carried}, the limit {limit}; use the same unit")]
    CarryOverUnit {
        /// The unit of carry_over.
        carried: Unit,
        /// The unit of the limit.
        limit: Unit,
    },
    /// A raise in another unit than the limit.
    #[error("the raise counts {raise}, the budget {limit}; use the same unit")]
    RaiseUnit {
        /// The unit of the raise.
        raise: Unit,
        /// The unit of the limit.
        limit: Unit,
    },
    /// A raise that is over.
    #[error("the raise ends in the past; choose a later moment")]
    RaiseInThePast,
    /// A raise that ends before it starts.
    #[error("the raise ends before it starts; choose a later end")]
    RaiseBackwards,
    /// A raise that would not end.
    #[error("a raise ends within two years; change the limit instead")]
    RaiseTooLong,
    /// An amount that is none.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

pub(super) fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
