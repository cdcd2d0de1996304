//! What a budget is: whose, for what, how much, in which windows, and what happens when it is spent. As JSON, with every
//! combination that would mean nothing refused in words: see [`super::definition_form`].

use serde::{Deserialize, Serialize};

use super::amount::{Amount, Limit};
use super::fault::DefinitionError;
use super::owner::BudgetOwner;
use super::raise::Raise;
use super::scope::BudgetScope;
use super::window::WindowRule;
use crate::models::ModelList;
use crate::time::Timestamp;

/// A budget as people write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "super::definition_form::DefinitionForm", into = "super::definition_form::DefinitionForm")]
pub struct Definition {
    /// Whose requests are charged.
    pub owner: BudgetOwner,
    /// Which of them.
    pub scope: BudgetScope,
    /// How much they may use together.
    pub limit: Limit,
    /// In which windows.
    pub window: WindowRule,
    /// What of a window's rest the next one gets.
    pub carry_over: CarryOver,
    /// What the limit does.
    pub enforcement: Enforcement,
}

/// What of a window's rest the next window gets on top of its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CarryOver {
    /// Nothing.
    #[default]
    None,
    /// The rest, up to this amount. What was carried into a window counts as its rest too; raises do not.
    UpTo(Amount),
}

/// What a limit does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// Alerts only. Requests go on, also when the database is away.
    Soft,
    /// Alerts only, and the log says what [`Enforcement::Hard`] would have refused.
    Shadow,
    /// An estimate is held for each request, which is refused when settled, held and the estimate would pass the limit.
    Hard {
        /// What happens to a request for which there is no room.
        when_spent: WhenSpent,
        /// What happens when credit has run out and the database cannot be asked.
        when_unavailable: WhenUnavailable,
    },
    /// What is held is an upper bound, so settled never passes the limit. It has no exceptions, neither for a spent budget
    /// nor for an outage: each would pass the limit.
    Strict,
}

/// What happens to a request for which a hard budget has no room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenSpent {
    /// 429 `budget_exhausted`.
    #[default]
    Refuse,
    /// It passes if it is for one of these (cheaper) models, and is charged.
    Models(ModelList),
    /// It passes at this rate, and is charged.
    SlowDown(SlowRate),
}

/// A rate of requests, at least 1 per minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SlowRateForm", into = "SlowRateForm")]
pub struct SlowRate(u32);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlowRateForm {
    requests_per_minute: i64,
}

/// What happens when credit has run out and the database cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenUnavailable {
    /// 503.
    #[default]
    Deny,
    /// Requests go on and are charged afterwards: the limit may be passed by what an outage lets through.
    Allow,
}

impl Definition {
    /// The limit at this moment: its own, and the raises that are in force.
    pub fn limit_at(&self, now: Timestamp, raises: &[Raise]) -> Amount {
        let in_force = raises.iter().filter(|raise| raise.is_in_force(now));
        in_force.fold(self.limit.amount(), |limit, raise| limit.plus(raise.amount()))
    }
}

impl Enforcement {
    /// The text in the API, the database and the log.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::Shadow => "shadow",
            Self::Hard { .. } => "hard",
            Self::Strict => "strict",
        }
    }

    /// Whether it refuses at all, and so needs credit.
    pub const fn is_enforced(&self) -> bool {
        matches!(self, Self::Hard { .. } | Self::Strict)
    }

    /// What happens when credit has run out and the database cannot be asked.
    pub const fn when_unavailable(&self) -> WhenUnavailable {
        match self {
            Self::Soft | Self::Shadow => WhenUnavailable::Allow,
            Self::Strict => WhenUnavailable::Deny,
            Self::Hard { when_unavailable, .. } => *when_unavailable,
        }
    }
}

impl SlowRate {
    /// This many requests per minute.
    ///
    /// # Errors
    /// [`DefinitionError::SlowRate`]
    pub fn per_minute(requests: i64) -> Result<Self, DefinitionError> {
        let held = u32::try_from(requests).ok().filter(|rate| (1..=1_000_000).contains(rate));
        held.map(Self).ok_or(DefinitionError::SlowRate(requests))
    }

    /// Requests per minute.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<SlowRateForm> for SlowRate {
    type Error = DefinitionError;

    fn try_from(form: SlowRateForm) -> Result<Self, DefinitionError> {
        Self::per_minute(form.requests_per_minute)
    }
}

impl From<SlowRate> for SlowRateForm {
    fn from(rate: SlowRate) -> Self {
        Self { requests_per_minute: i64::from(rate.0) }
    }
}

#[cfg(test)]
#[path = "definition_tests.rs"]
mod tests;
