//! What replicas and the ledger say to each other: one round is one message to the database's transaction, and its answer.
//!
//! A round may be sent again, arrive late or twice: it is known by its replica and number, and everything in it by the id
//! of its check. See [`super::ledger`] for what the transaction does and [`super::replica`] for who sends it.

use serde::{Deserialize, Serialize};

use super::amount::{Amount, Amounts};
use super::owner::BudgetId;
use super::status::BudgetStatus;
use crate::input::CheckId;

/// A process, from its registration until its lease ends. The ledger gives each id once; a process that was forgotten
/// registers anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReplicaId(pub i64);

impl ReplicaId {
    /// Of a process that is not registered, and so has no credit.
    pub const NONE: Self = Self(0);
}

/// The windows of one budget, counted by the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Period(pub i64);

/// One window of one budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slot {
    /// The budget.
    pub budget: BudgetId,
    /// Its window.
    pub period: Period,
}

/// Why a hold may count against a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backing {
    /// It was taken from credit that its replica had been granted.
    Credit,
    /// It needs none: a budget that does not refuse, one that lets this request pass although it is spent, or one that
    /// says `when_unavailable: allow`.
    Open,
}

/// What a request holds of one budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOf {
    /// The budget.
    pub budget: BudgetId,
    /// The window; `None` when the replica did not know which one runs, and the ledger takes the one that does. Only an
    /// open hold can be without.
    pub period: Option<Period>,
    /// How much.
    pub amount: Amount,
    /// Why it may.
    pub backing: Backing,
}

/// Everything that is needed to settle a request: it travels with the request, so any replica can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The check that took the hold.
    #[serde(with = "check_id")]
    pub check: CheckId,
    /// From whose credit.
    pub holder: ReplicaId,
    /// What is charged when nobody reports what was used; never more than what is held.
    pub estimate: Amounts,
    /// One per budget of the chain.
    pub holds: Vec<HeldOf>,
}

/// How well a report knows what was used. Later ones win over earlier ones, whatever order they come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// Nobody reported before the hold's lease ended.
    Lapsed,
    /// Estimated from bytes.
    Estimated,
    /// Exact, of a request that went on.
    Partial,
    /// Exact, of the whole request.
    Final,
}

/// Which report wins: the higher rank, and of two of one rank the later revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source {
    /// How well it knows.
    pub rank: Rank,
    /// Counts up in what one source says of one request, for example the bytes it had seen.
    pub revision: i64,
}

/// What a replica has to say of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Report {
    /// It was admitted here.
    Held(Receipt),
    /// It goes on; its lease is extended.
    Alive(Receipt),
    /// This was used. A request that never reached a backend used nothing: [`Rank::Final`] and zero.
    Settled {
        /// The request.
        receipt: Receipt,
        /// How well it is known.
        source: Source,
        /// What was used.
        used: Amounts,
        /// Whether the request is over and no better report is expected: then what is held above it is released at once.
        /// Else the report is kept, and charged when the hold's lease ends.
        last: bool,
    },
}

/// What happens to a waiting check of a budget that is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IfSpent {
    /// It is refused.
    Refuse,
    /// It passes and is charged: `when_spent` says so for this request.
    Admit,
}

/// What a check needs of one budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The budget.
    pub budget: BudgetId,
    /// How much.
    pub amount: Amount,
    /// Whether it passes without room.
    pub if_spent: IfSpent,
}

/// A check that waits, because its replica lacks credit: the ledger itself takes its hold, on every budget or on none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The check.
    #[serde(with = "check_id")]
    pub check: CheckId,
    /// What is charged when nobody reports.
    pub estimate: Amounts,
    /// The chain.
    pub needs: Vec<Need>,
}

/// What one replica sends at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// From whom.
    pub replica: ReplicaId,
    /// 1, 2, 3, …: the next is only sent once this one was answered.
    pub number: i64,
    /// In the order in which it happened.
    pub reports: Vec<Report>,
    /// Credit that is given back.
    pub returns: Vec<(Slot, Amount)>,
    /// Checks that wait.
    pub asks: Vec<Ask>,
    /// Credit that is asked for ahead of need.
    pub wants: Vec<(BudgetId, Amount)>,
}

/// What became of a check that waited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// Its hold is a row.
    Held(Receipt),
    /// Settled, held and its amount would pass the limit of this budget.
    Exhausted(BudgetStatus),
    /// There is room, but it was granted to other replicas, from which it is called back: ask again.
    Recalling,
}

/// What a replica learns of one budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The budget's running window.
    pub slot: Slot,
    /// Credit on top of what it has.
    pub amount: Amount,
    /// Milliseconds, from the moment when the round was first sent, for which credit of this window may be used.
    pub usable_millis: i64,
    /// Whether credit that is not needed this moment is to be given back.
    pub recall: bool,
    /// The three numbers.
    pub status: BudgetStatus,
}

/// The ledger's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The round's number.
    pub number: i64,
    /// Replicas that are alive, this one included: what each one's share of an approximate limit is.
    pub replicas: u32,
    /// Of the checks that waited.
    pub asked: Vec<(AskedCheck, Asked)>,
    /// Of the budgets that it asked about or has credit of.
    pub budgets: Vec<Granted>,
    /// Windows that are over: what is left of their credit is to be given back.
    pub closed: Vec<Slot>,
}

/// A check's id as it stands in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AskedCheck(#[serde(with = "check_id")] pub CheckId);

/// The ledger does not know the replica, because its lease ended: its credit went back, and it registers anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten;

/// Check ids as they stand in logs and headers.
mod check_id {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::input::CheckId;

    pub(super) fn serialize<S: Serializer>(id: &CheckId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CheckId, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = digits.then(|| u128::from_str_radix(&text, 16).ok()).flatten();
        bits.map(CheckId::from_bits).ok_or_else(|| D::Error::custom("a check id has 32 hexadecimal digits"))
    }
}
