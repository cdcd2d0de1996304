//! The ledger's rows: what the database keeps, one struct per table.

use std::collections::BTreeMap;

use super::super::amount::{Amount, Amounts, Unit};
use super::super::definition::{CarryOver, Enforcement};
use super::super::owner::BudgetId;
use super::super::raise::Raise;
use super::super::round::{Answer, Period, Receipt, ReplicaId, Slot, Source};
use super::super::status::BudgetStatus;
use super::super::window::{Window, WindowRule};
use crate::input::CheckId;
use crate::time::Timestamp;

/// Table `budgets`: one row per budget; writes of people go to it.
#[derive(Clone, Debug)]
pub struct BudgetRow {
    /// What is counted.
    pub unit: Unit,
    /// Its own limit.
    pub limit: Amount,
    /// Limits on top of it, for a time. A table of its own.
    pub raises: Vec<Raise>,
    /// Its windows.
    pub rule: WindowRule,
    /// What the next window gets.
    pub carry_over: CarryOver,
    /// What the limit does.
    pub enforcement: Enforcement,
    /// Deleted budgets stay as long as requests hold of them. They charge those and refuse nothing.
    pub deleted: bool,
    /// The running window.
    pub period: Period,
    /// Its bounds.
    pub window: Window,
}

/// Table `budget_slots`: one row per budget and window; key (budget, period).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotRow {
    /// Charged.
    pub settled: Amount,
    /// Sum of the holds.
    pub held: Amount,
    /// Sum of the credit rows.
    pub granted: Amount,
    /// Got from the window before.
    pub carried_in: Amount,
    /// Given to the window after.
    pub carried_out: Amount,
    /// Until when idle credit is called back, because a check waits for it.
    pub recall_until: Option<Timestamp>,
}

/// Table `budget_replicas`: one row per live replica.
#[derive(Clone, Debug)]
pub struct ReplicaRow {
    /// The last round that was applied.
    pub number: i64,
    /// What it was answered; as JSON.
    pub answer: Option<Answer>,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// When its credit goes back.
    pub lease_end: Timestamp,
}

/// Table `budget_holds`: one row per check id. It is the usage row's part that budgets need, and lives as long as that.
#[derive(Clone, Debug)]
pub struct HoldRow {
    /// With every period filled in.
    pub receipt: Receipt,
    /// Held or charged.
    pub state: HoldState,
}

/// Held or charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// It counts as held until its lease ends.
    Held {
        /// When it lapses, unless a heartbeat comes.
        lease_end: Timestamp,
        /// When it lapses in any case.
        last_end: Timestamp,
        /// The best report so far.
        best: Option<(Source, Amounts)>,
    },
    /// It was charged.
    Charged {
        /// By which report.
        source: Source,
        /// What, one per entry of the receipt. Table `budget_hold_entries` has both.
        charged: Vec<Amount>,
    },
}

/// The time that the ledger gives. The same at every replica: they stand in the configuration of the database's schema
/// version, not of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leases {
    /// A replica's credit goes back after so long without a round. Half of it is for using credit, half for reporting.
    pub replica_millis: i64,
    /// A hold lapses after so long without a heartbeat: twice the gateway's heartbeat at least.
    pub hold_millis: i64,
    /// A hold lapses after so long in any case.
    pub longest_hold_millis: i64,
    /// How long credit stays called back after a check last waited for it.
    pub recall_millis: i64,
}

/// What the ledger noticed, for metrics and alarms: counts since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// Holds that nobody settled before their lease ended.
    pub lapsed: u64,
    /// Replicas whose lease ended.
    pub replicas_lost: u64,
    /// Holds that came without the credit they name, because it had gone back: each may have passed a limit.
    pub unbacked: u64,
}

/// All rows.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(super) leases: Leases,
    pub(super) budgets: BTreeMap<BudgetId, BudgetRow>,
    pub(super) slots: BTreeMap<Slot, SlotRow>,
    /// Table `budget_credits`; key (replica, budget, period).
    pub(super) credits: BTreeMap<(ReplicaId, Slot), Amount>,
    pub(super) replicas: BTreeMap<ReplicaId, ReplicaRow>,
    pub(super) holds: BTreeMap<CheckId, HoldRow>,
    pub(super) noticed: Noticed,
    pub(super) last_replica: ReplicaId,
}

impl BudgetRow {
    /// The running window's slot.
    pub const fn slot(&self, budget: BudgetId) -> Slot {
        Slot { budget, period: self.period }
    }

    /// Whether it can refuse.
    pub const fn is_enforced(&self) -> bool {
        self.enforcement.is_enforced() && !self.deleted
    }

    /// The limit of the running window at this moment.
    pub fn limit_at(&self, now: Timestamp, slot: &SlotRow) -> Amount {
        let in_force = self.raises.iter().filter(|raise| raise.is_in_force(now));
        let limit = in_force.fold(self.limit, |limit, raise| limit.plus(raise.amount()));
        limit.plus(slot.carried_in)
    }
}

impl SlotRow {
    /// Everything that counts against the limit.
    pub const fn taken(&self) -> Amount {
        self.settled.plus(self.held).plus(self.granted).plus(self.carried_out)
    }
}

impl Ledger {
    /// No rows.
    pub const fn new(leases: Leases) -> Self {
        Self {
            leases,
            budgets: BTreeMap::new(),
            slots: BTreeMap::new(),
            credits: BTreeMap::new(),
            replicas: BTreeMap::new(),
            holds: BTreeMap::new(),
            last_replica: ReplicaId::NONE,
            noticed: Noticed { lapsed: 0, replicas_lost: 0, unbacked: 0 },
        }
    }

    /// The budgets.
    pub const fn budgets(&self) -> &BTreeMap<BudgetId, BudgetRow> {
        &self.budgets
    }

    /// The windows of the budgets.
    pub const fn slots(&self) -> &BTreeMap<Slot, SlotRow> {
        &self.slots
    }

    /// The credit of the replicas.
    pub const fn credits(&self) -> &BTreeMap<(ReplicaId, Slot), Amount> {
        &self.credits
    }

    /// The replicas that are alive.
    pub const fn replicas(&self) -> &BTreeMap<ReplicaId, ReplicaRow> {
        &self.replicas
    }

    /// The holds, charged ones included.
    pub const fn holds(&self) -> &BTreeMap<CheckId, HoldRow> {
        &self.holds
    }

    /// What was noticed.
    pub const fn noticed(&self) -> Noticed {
        self.noticed
    }

    /// The three numbers of a budget; `None` when there is no such budget. One `SELECT` of the budget's row and its
    /// running window's.
    pub fn status(&self, budget: BudgetId, now: Timestamp) -> Option<BudgetStatus> {
        let row = self.budgets.get(&budget)?;
        let slot = self.slots.get(&row.slot(budget)).copied().unwrap_or_default();
        Some(BudgetStatus {
            budget,
            unit: row.unit,
            settled: slot.settled,
            held: slot.held,
            limit: row.limit_at(now, &slot),
            resets_at: row.window.end(),
            as_of: now,
        })
    }
}
