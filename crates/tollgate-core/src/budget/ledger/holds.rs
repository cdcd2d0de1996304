//! Holds: recorded once, kept alive, charged by the best report; and leases that end by themselves.

use super::super::amount::{Amount, Amounts};
use super::super::definition::Enforcement;
use super::super::round::{Backing, Rank, Receipt, ReplicaId, Slot, Source};
use super::rows::{HoldRow, HoldState, Ledger};
use crate::input::CheckId;
use crate::time::Timestamp;

impl Ledger {
    /// Makes the row of a hold, unless there is one: the first report of a check, from whom and about what ever, makes it.
    /// It takes the amounts from the credit of the replica that admitted the request.
    pub(super) fn record(&mut self, receipt: &Receipt, now: Timestamp) {
        if self.holds.contains_key(&receipt.check) {
            return;
        }
        let mut receipt = receipt.clone();
        // Budgets that were removed for good charge nothing.
        receipt.holds.retain(|held| self.budgets.contains_key(&held.budget));
        for held in &mut receipt.holds {
            let Some(budget) = self.budgets.get(&held.budget) else { continue };
            let slot = Slot { budget: held.budget, period: held.period.unwrap_or(budget.period) };
            held.period = Some(slot.period);
            if held.backing == Backing::Credit {
                let drawn = self.draw(receipt.holder, slot, held.amount);
                if drawn < held.amount {
                    self.noticed.unbacked += 1;
                }
            }
            let row = self.slots.entry(slot).or_default();
            row.held = row.held.plus(held.amount);
        }
        self.insert(receipt, now);
    }

    /// A hold's row, its amounts already counted.
    pub(super) fn insert(&mut self, receipt: Receipt, now: Timestamp) {
        let after = |millis: i64| Timestamp::from_millis(now.as_millis().saturating_add(millis));
        let state = HoldState::Held {
            lease_end: after(self.leases.hold_millis),
            last_end: after(self.leases.longest_hold_millis),
            best: None,
        };
        self.holds.insert(receipt.check, HoldRow { receipt, state });
    }

    /// Takes from a credit row; what it took.
    fn draw(&mut self, holder: ReplicaId, slot: Slot, amount: Amount) -> Amount {
        let Some(credit) = self.credits.get_mut(&(holder, slot)) else { return Amount::ZERO };
        let drawn = amount.min(*credit);
        *credit = credit.minus(drawn);
        if credit.is_zero() {
            self.credits.remove(&(holder, slot));
        }
        let row = self.slots.entry(slot).or_default();
        row.granted = row.granted.minus(drawn);
        drawn
    }

    /// A heartbeat: a hold that is not yet charged lives on.
    pub(super) fn keep_alive(&mut self, receipt: &Receipt, now: Timestamp) {
        self.record(receipt, now);
        let lease = now.as_millis().saturating_add(self.leases.hold_millis);
        if let Some(HoldRow { state: HoldState::Held { lease_end, last_end, .. }, .. }) =
            self.holds.get_mut(&receipt.check)
        {
            *lease_end = (*lease_end).max(Timestamp::from_millis(lease)).min(*last_end);
        }
    }

    /// Charges what was used, in the windows of the hold, and takes back what a worse report had charged. A report that is
    /// not the last is kept for the end of the lease.
    pub(super) fn settle(
        &mut self,
        receipt: &Receipt,
        source: Source,
        used: Amounts,
        last: bool,
        now: Timestamp,
    ) {
        self.record(receipt, now);
        let Some(hold) = self.holds.get_mut(&receipt.check) else { return };
        let known = match &mut hold.state {
            HoldState::Held { best, .. } => {
                if best.is_none_or(|(known, _)| known < source) {
                    *best = Some((source, used));
                }
                if !last {
                    return;
                }
                None
            }
            HoldState::Charged { source, .. } => Some(*source),
        };
        if known.is_none_or(|known| known < source) {
            self.charge(receipt.check, last);
            self.recharge(receipt.check, source, used, last);
        }
    }

    /// Ends a hold: charges its best report, or what it was estimated at.
    ///
    /// Without a last report a strict budget is charged all that was held: less could turn out to be too little.
    fn charge(&mut self, check: CheckId, last: bool) {
        let Some(hold) = self.holds.get_mut(&check) else { return };
        let HoldState::Held { best, .. } = hold.state else { return };
        let mut charged = Vec::with_capacity(hold.receipt.holds.len());
        for held in &hold.receipt.holds {
            let budget = self.budgets.get(&held.budget);
            let amount = budget.map_or(Amount::ZERO, |budget| match best {
                _ if !last && budget.enforcement == Enforcement::Strict => held.amount,
                Some((_, used)) => used.of(budget.unit),
                None => hold.receipt.estimate.of(budget.unit).min(held.amount),
            });
            charged.push(amount);
            if let (Some(_), Some(period)) = (budget, held.period) {
                let row = self.slots.entry(Slot { budget: held.budget, period }).or_default();
                row.held = row.held.minus(held.amount);
                row.settled = row.settled.plus(amount);
            }
        }
        if best.is_none() {
            self.noticed.lapsed += 1;
        }
        let source = best.map_or(Source { rank: Rank::Lapsed, revision: 0 }, |(source, _)| source);
        hold.state = HoldState::Charged { source, charged };
    }

    /// Replaces what was charged by a better report. One that is not the last lowers nothing of a strict budget.
    fn recharge(&mut self, check: CheckId, better: Source, used: Amounts, last: bool) {
        let Some(HoldRow { receipt, state: HoldState::Charged { source, charged } }) =
            self.holds.get_mut(&check)
        else {
            return;
        };
        if *source >= better {
            return;
        }
        *source = better;
        for (held, old) in receipt.holds.iter().zip(charged) {
            let Some((budget, period)) = self.budgets.get(&held.budget).zip(held.period) else { continue };
            let row = self.slots.entry(Slot { budget: held.budget, period }).or_default();
            let keeps = !last && budget.enforcement == Enforcement::Strict;
            let amount = if keeps { (*old).max(used.of(budget.unit)) } else { used.of(budget.unit) };
            row.settled = row.settled.minus(*old).plus(amount);
            *old = amount;
        }
    }

    /// Ends the leases that are over: credit of replicas that are gone goes back, and holds that nobody settled are
    /// charged at their estimate.
    ///
    /// When no replica was heard of for half a lease, it was the database that was away, or its clock that jumped: then
    /// nobody could report, and everybody gets half a lease more. Replicas that live are heard of in a quarter of one.
    pub fn expire(&mut self, now: Timestamp) {
        let last = self.replicas.values().map(|replica| replica.seen_at).max();
        if last.is_some_and(|last| now.millis_since(last) > self.leases.replica_millis / 2) {
            self.begin_anew(now);
        }
        let gone: Vec<_> =
            self.replicas.iter().filter(|(_, row)| row.lease_end <= now).map(|(id, _)| *id).collect();
        for replica in gone {
            self.noticed.replicas_lost += 1;
            self.goodbye(replica);
        }
        let ended =
            |row: &HoldRow| matches!(row.state, HoldState::Held { lease_end, .. } if lease_end <= now);
        let ended: Vec<_> =
            self.holds.values().filter(|row| ended(row)).map(|row| row.receipt.check).collect();
        for check in ended {
            self.charge(check, false);
        }
    }

    fn begin_anew(&mut self, now: Timestamp) {
        let after = |millis: i64| Timestamp::from_millis(now.as_millis().saturating_add(millis));
        let (replica_end, hold_end) = (after(self.leases.replica_millis / 2), after(self.leases.hold_millis));
        for replica in self.replicas.values_mut() {
            replica.lease_end = replica.lease_end.max(replica_end);
            // Only the first round after an outage begins leases anew.
            replica.seen_at = now;
        }
        for hold in self.holds.values_mut() {
            if let HoldState::Held { lease_end, last_end, .. } = &mut hold.state {
                *lease_end = (*lease_end).max(hold_end);
                *last_end = (*last_end).max(hold_end);
            }
        }
    }
}
