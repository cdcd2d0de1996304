//! Credit: holds taken for checks that wait, grants, and what is called back or given back.

use super::super::amount::Amount;
use super::super::owner::BudgetId;
use super::super::round::{
    Ask, Asked, AskedCheck, Backing, Granted, HeldOf, IfSpent, Need, Receipt, ReplicaId, Round, Slot,
};
use super::rows::{BudgetRow, HoldRow, HoldState, Ledger, SlotRow};
use crate::time::Timestamp;

/// What one budget says to one need.
enum Verdict {
    /// This is held.
    Held(HeldOf),
    /// Nothing is held, because there is no such budget any more.
    Gone,
    /// It would pass the limit.
    Exhausted(BudgetId),
    /// It would not, if others gave back what they were granted.
    Recalling(Slot),
}

impl Ledger {
    /// Takes back credit that a replica does not need.
    pub(super) fn give_back(&mut self, replica: ReplicaId, slot: Slot, amount: Amount) {
        let Some(credit) = self.credits.get_mut(&(replica, slot)) else { return };
        let back = amount.min(*credit);
        *credit = credit.minus(back);
        if credit.is_zero() {
            self.credits.remove(&(replica, slot));
        }
        let row = self.slots.entry(slot).or_default();
        row.granted = row.granted.minus(back);
    }

    /// Takes all credit of a replica back.
    pub(super) fn take_credit_back(&mut self, replica: ReplicaId) {
        let of_it: Vec<_> =
            self.credits.iter().filter(|((id, _), _)| *id == replica).map(|((_, slot), _)| *slot).collect();
        for slot in of_it {
            self.give_back(replica, slot, Amount::MAX);
        }
    }

    /// Takes the hold of a check that waits, on its whole chain or not at all. Asked again, it says the same.
    pub(super) fn ask(&mut self, replica: ReplicaId, ask: &Ask, now: Timestamp) -> (AskedCheck, Asked) {
        let check = AskedCheck(ask.check);
        match self.holds.get(&ask.check) {
            Some(HoldRow { receipt, state: HoldState::Held { .. } }) => {
                return (check, Asked::Held(receipt.clone()));
            }
            // Its lease has ended, and so has its deadline, long ago.
            Some(HoldRow { state: HoldState::Charged { .. }, .. }) => return (check, Asked::Recalling),
            None => {}
        }
        let verdicts: Vec<_> = merged(&ask.needs).iter().map(|need| self.judge(need, now)).collect();
        let spent = verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Exhausted(budget) => self.status(*budget, now),
            _ => None,
        });
        if let Some(status) = spent {
            return (check, Asked::Exhausted(status));
        }
        let until = Timestamp::from_millis(now.as_millis().saturating_add(self.leases.recall_millis));
        let mut recalling = false;
        let mut holds = Vec::with_capacity(verdicts.len());
        for verdict in verdicts {
            match verdict {
                Verdict::Held(held) => holds.push(held),
                Verdict::Recalling(slot) => {
                    recalling = true;
                    self.slots.entry(slot).or_default().recall_until = Some(until);
                }
                Verdict::Gone | Verdict::Exhausted(_) => {}
            }
        }
        if recalling {
            return (check, Asked::Recalling);
        }
        for held in &holds {
            let Some(period) = held.period else { continue };
            let row = self.slots.entry(Slot { budget: held.budget, period }).or_default();
            row.held = row.held.plus(held.amount);
        }
        let receipt = Receipt { check: ask.check, holder: replica, estimate: ask.estimate, holds };
        self.insert(receipt.clone(), now);
        (check, Asked::Held(receipt))
    }

    fn judge(&self, need: &Need, now: Timestamp) -> Verdict {
        let Some(budget) = self.budgets.get(&need.budget).filter(|budget| !budget.deleted) else {
            return Verdict::Gone;
        };
        let slot = budget.slot(need.budget);
        let row = self.slots.get(&slot).copied().unwrap_or_default();
        let held = HeldOf {
            budget: need.budget,
            period: Some(slot.period),
            amount: need.amount,
            backing: Backing::Open,
        };
        let limit = budget.limit_at(now, &row);
        let fits = |taken: Amount| {
            i128::from(taken.get()) + i128::from(need.amount.get()) <= i128::from(limit.get())
        };
        if !budget.is_enforced() || fits(row.taken()) {
            return Verdict::Held(held);
        }
        match (fits(row.settled.plus(row.held)), need.if_spent) {
            (true, _) => Verdict::Recalling(slot),
            (false, IfSpent::Admit) => Verdict::Held(held),
            (false, IfSpent::Refuse) => Verdict::Exhausted(need.budget),
        }
    }

    /// Grants what was asked for ahead of need, and says how the budgets stand.
    ///
    /// A grant is at most the replica's share of half of the room: near the limit grants get small, and checks wait for
    /// their holds instead of room lying idle elsewhere. While credit is called back nothing is granted.
    pub(super) fn grant(&mut self, round: &Round, now: Timestamp) -> Vec<Granted> {
        let mut budgets: Vec<BudgetId> = round.wants.iter().map(|(budget, _)| *budget).collect();
        budgets.extend(round.asks.iter().flat_map(|ask| ask.needs.iter().map(|need| need.budget)));
        budgets.extend(
            self.credits.keys().filter(|(replica, _)| *replica == round.replica).map(|(_, slot)| slot.budget),
        );
        budgets.sort_unstable();
        budgets.dedup();
        budgets.into_iter().filter_map(|id| self.grant_of(id, round, now)).collect()
    }

    fn grant_of(&mut self, id: BudgetId, round: &Round, now: Timestamp) -> Option<Granted> {
        let status = self.status(id, now)?;
        let budget = self.budgets.get(&id)?;
        let slot = budget.slot(id);
        let row = self.slots.entry(slot).or_default();
        let over = row.taken() > status.limit;
        let recall = budget.is_enforced() && (over || row.recall_until.is_some_and(|until| now < until));
        let wanted = round.wants.iter().filter(|(budget, _)| *budget == id);
        let wanted = wanted.fold(Amount::ZERO, |sum, (_, want)| sum.plus(*want));
        let shares = i64::try_from(self.replicas.len()).unwrap_or(i64::MAX).saturating_mul(2).max(2);
        let most = status.limit.minus(row.taken()).get() / shares;
        let amount = if recall || !budget.is_enforced() {
            Amount::ZERO
        } else {
            wanted.min(Amount::at_least_zero(most))
        };
        let usable_millis = usable(budget, self.leases.replica_millis / 2, now);
        if !amount.is_zero() {
            *row = SlotRow { granted: row.granted.plus(amount), ..*row };
            let credit = self.credits.entry((round.replica, slot)).or_default();
            *credit = credit.plus(amount);
        }
        Some(Granted { slot, amount, usable_millis, recall, status })
    }

    /// Windows that are over and of which the replica has credit.
    pub(super) fn closed(&self, replica: ReplicaId) -> Vec<Slot> {
        let of_it = self.credits.keys().filter(|(id, _)| *id == replica).map(|(_, slot)| *slot);
        of_it
            .filter(|slot| {
                self.budgets.get(&slot.budget).is_none_or(|row| row.deleted || row.period != slot.period)
            })
            .collect()
    }
}

/// One need per budget: a chain that names a budget twice needs the sum of it.
fn merged(needs: &[Need]) -> Vec<Need> {
    let mut merged: Vec<Need> = Vec::with_capacity(needs.len());
    for need in needs {
        match merged.iter_mut().find(|other| other.budget == need.budget) {
            Some(other) => other.amount = other.amount.plus(need.amount),
            None => merged.push(*need),
        }
    }
    merged
}

/// For how long credit may be used: not beyond the window, and no longer than half of the lease.
fn usable(budget: &BudgetRow, most: i64, now: Timestamp) -> i64 {
    budget.window.end().map_or(most, |end| end.millis_since(now).clamp(0, most))
}
