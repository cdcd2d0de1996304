//! What people and the calendar change: budgets are made, changed, raised and deleted, and windows turn.

use super::super::amount::Amount;
use super::super::definition::{CarryOver, Definition};
use super::super::owner::BudgetId;
use super::super::raise::Raise;
use super::super::round::{Period, Slot};
use super::rows::{BudgetRow, HoldState, Ledger, SlotRow};
use crate::time::Timestamp;

impl Ledger {
    /// Makes a budget, or changes one: what was charged and held in the running window stays. A limit that is now below it
    /// grants nothing more, and calls back what was granted.
    ///
    /// A budget's unit never changes; whoever wants another one makes another budget.
    pub fn put(&mut self, id: BudgetId, definition: &Definition, now: Timestamp) {
        self.turn(now);
        let old = self.budgets.get(&id);
        let window = match old {
            Some(old) if old.rule == definition.window => old.window,
            Some(old) => definition.window.changed(old.window, now),
            None => definition.window.window_at(now),
        };
        let row = BudgetRow {
            unit: old.map_or(definition.limit.unit(), |old| old.unit),
            limit: definition.limit.amount(),
            raises: old.map_or_else(Vec::new, |old| old.raises.clone()),
            rule: definition.window.clone(),
            carry_over: definition.carry_over,
            enforcement: definition.enforcement.clone(),
            deleted: false,
            period: old.map_or(Period(1), |old| old.period),
            window,
        };
        self.slots.entry(row.slot(id)).or_default();
        self.budgets.insert(id, row);
    }

    /// Adds a raise.
    pub fn raise(&mut self, id: BudgetId, raise: Raise) {
        if let Some(row) = self.budgets.get_mut(&id) {
            row.raises.push(raise);
        }
    }

    /// Deletes a budget. It refuses nothing from now on; what requests hold of it is still charged to it.
    pub fn delete(&mut self, id: BudgetId) {
        if let Some(row) = self.budgets.get_mut(&id) {
            row.deleted = true;
        }
    }

    /// Removes the rows of deleted budgets of which nothing is held or granted any more.
    pub fn purge(&mut self) {
        let held = |id: BudgetId| {
            let of_it = |budget: &BudgetId| *budget == id;
            self.credits.keys().any(|(_, slot)| of_it(&slot.budget))
                || self.holds.values().any(|row| {
                    matches!(row.state, HoldState::Held { .. })
                        && row.receipt.holds.iter().any(|held| of_it(&held.budget))
                })
        };
        let gone: Vec<_> =
            self.budgets.iter().filter(|(id, row)| row.deleted && !held(**id)).map(|(id, _)| *id).collect();
        for id in gone {
            self.budgets.remove(&id);
            self.slots.retain(|slot, _| slot.budget != id);
        }
    }

    /// Turns the windows that are over. Credit of an old window stays counted there until its replica gives it back.
    pub fn turn(&mut self, now: Timestamp) {
        for (id, budget) in &mut self.budgets {
            if !budget.window.is_over(now) {
                continue;
            }
            let old = self.slots.entry(budget.slot(*id)).or_default();
            let carried = carried(budget, old);
            old.carried_out = carried;
            budget.window = budget.rule.following(budget.window, now);
            budget.period = Period(budget.period.0 + 1);
            budget.raises.retain(|raise| now < raise.until());
            let slot = Slot { budget: *id, period: budget.period };
            self.slots.insert(slot, SlotRow { carried_in: carried, ..SlotRow::default() });
        }
    }
}

/// What the next window gets: what nobody can use any more in this one. Holds and credit count as used, since they may be;
/// raises are not carried over.
fn carried(budget: &BudgetRow, old: &SlotRow) -> Amount {
    match budget.carry_over {
        CarryOver::None => Amount::ZERO,
        CarryOver::UpTo(cap) => budget.limit.plus(old.carried_in).minus(old.taken()).min(cap),
    }
}
