//! What must hold at every commit of the ledger, computed from its rows anew.

use std::collections::BTreeMap;

use tollgate_core::budget::amount::Amount;
use tollgate_core::budget::definition::Enforcement;
use tollgate_core::budget::ledger::{HoldState, SlotRow};
use tollgate_core::budget::round::{Answer, Asked, Backing, Forgotten, IfSpent, Report, Round, Slot};
use tollgate_core::input::CheckId;

use super::world::World;

/// What is compared after the commit.
pub struct Before {
    slots: BTreeMap<Slot, SlotRow>,
    unbacked: u64,
    /// What each check that the round names counts, held or charged.
    counted: BTreeMap<CheckId, Vec<(Slot, Amount)>>,
}

fn counted(world: &World, check: CheckId) -> Option<Vec<(Slot, Amount)>> {
    let row = world.ledger.holds().get(&check)?;
    let holds = row.receipt.holds.iter().enumerate();
    Some(
        holds
            .map(|(at, held)| {
                let slot = Slot { budget: held.budget, period: held.period.unwrap() };
                let amount = match &row.state {
                    HoldState::Held { .. } => held.amount,
                    HoldState::Charged { charged, .. } => charged[at],
                };
                (slot, amount)
            })
            .collect(),
    )
}

fn named(round: &Round) -> impl Iterator<Item = CheckId> {
    round.reports.iter().map(|report| match report {
        Report::Held(receipt) | Report::Alive(receipt) | Report::Settled { receipt, .. } => receipt.check,
    })
}

impl Before {
    pub fn of(world: &World, round: &Round) -> Self {
        let checks = named(round).chain(round.asks.iter().map(|ask| ask.check));
        Self {
            slots: world.ledger.slots().clone(),
            unbacked: world.ledger.noticed().unbacked,
            counted: checks.filter_map(|check| Some((check, counted(world, check)?))).collect(),
        }
    }
}

/// The sums of every slot are the sums of its rows.
pub fn sums(world: &World) -> Result<(), String> {
    let mut sums: Vec<_> =
        world.ledger.slots().iter().map(|(slot, row)| (*slot, *row, [Amount::ZERO; 3])).collect();
    let mut add = |slot: Slot, column: usize, amount: Amount| {
        if let Some((.., sum)) = sums.iter_mut().find(|(other, ..)| *other == slot) {
            sum[column] = sum[column].plus(amount);
        }
    };
    for row in world.ledger.holds().values() {
        for (at, held) in row.receipt.holds.iter().enumerate() {
            let slot = Slot { budget: held.budget, period: held.period.unwrap() };
            match &row.state {
                HoldState::Held { .. } => add(slot, 1, held.amount),
                HoldState::Charged { charged, .. } => add(slot, 0, charged[at]),
            }
        }
    }
    for ((_, slot), credit) in world.ledger.credits() {
        add(*slot, 2, *credit);
    }
    match sums.iter().find(|(_, row, sum)| [row.settled, row.held, row.granted] != *sum) {
        Some((slot, row, sum)) => Err(format!("the sums of {slot:?} are {row:?}, its rows say {sum:?}")),
        None => Ok(()),
    }
}

/// Settled + held + granted ≤ limit; above it only what had to be charged because it happened, and a lowered limit.
pub fn commit(
    world: &World,
    before: &Before,
    round: &Round,
    answer: &Result<Answer, Forgotten>,
) -> Result<(), String> {
    sums(world)?;
    let unbacked = world.ledger.noticed().unbacked > before.unbacked;
    if unbacked && world.faithful {
        return Err("a hold came without its credit, though everybody reports in time".to_owned());
    }
    let mut happened: BTreeMap<Slot, Amount> = BTreeMap::new();
    let checks = named(round).chain(round.asks.iter().map(|ask| ask.check));
    for check in checks {
        let known = before.counted.get(&check);
        for (at, (slot, amount)) in counted(world, check).unwrap_or_default().into_iter().enumerate() {
            let old = match known {
                Some(known) => known[at].1,
                // What is new has room, unless it needs none.
                None if world.ledger.holds()[&check].receipt.holds[at].backing == Backing::Open
                    && named(round).any(|other| other == check) =>
                {
                    Amount::ZERO
                }
                None => world.ledger.holds()[&check].receipt.holds[at].amount,
            };
            let sum = happened.entry(slot).or_default();
            *sum = sum.plus(amount.minus(old));
        }
    }
    for ask in &round.asks {
        for need in ask
            .needs
            .iter()
            .filter(|need| need.if_spent == IfSpent::Admit && !before.counted.contains_key(&ask.check))
        {
            if let Some(budget) = world.ledger.budgets().get(&need.budget) {
                let sum = happened.entry(budget.slot(need.budget)).or_default();
                *sum = sum.plus(need.amount);
            }
        }
    }
    for (slot, row) in world.ledger.slots() {
        let Some(budget) = world.ledger.budgets().get(&slot.budget) else { continue };
        let current = budget.period == slot.period;
        let old = before.slots.get(slot).copied().unwrap_or_default();
        let limit = if current {
            budget.limit_at(world.ledger_now(), row)
        } else if row.carried_out == old.carried_out {
            old.taken()
        } else {
            // It turned in this commit: what it gives to the next window it had left.
            old.taken().max(budget.limit.plus(row.carried_in))
        };
        if !budget.is_enforced() || row.taken() <= limit || unbacked {
            continue;
        }
        // Holds that end in the round may be charged above their amount then.
        if world.overruns && budget.enforcement != Enforcement::Strict {
            continue;
        }
        let allowed = happened.get(slot).copied().unwrap_or_default();
        if row.taken().minus(limit.max(old.taken())) > allowed {
            return Err(format!(
                "{slot:?} passed its limit {limit}: {old:?} became {row:?}, allowed {allowed}"
            ));
        }
        let strict = budget.enforcement == Enforcement::Strict && world.faithful;
        if strict && row.taken() > old.taken() {
            return Err(format!("strict {slot:?} passed its limit {limit}: {old:?} became {row:?}"));
        }
    }
    if let Ok(answer) = answer {
        refused(round, answer)?;
    }
    Ok(())
}

/// What is refused has no room.
fn refused(round: &Round, answer: &Answer) -> Result<(), String> {
    if answer.number != round.number {
        return Ok(());
    }
    for (check, asked) in &answer.asked {
        let Asked::Exhausted(status) = asked else { continue };
        let ask = round.asks.iter().find(|ask| ask.check == check.0).unwrap();
        let need = ask.needs.iter().find(|need| need.budget == status.budget).unwrap();
        if !status.is_short_of(need.amount) {
            return Err(format!("{check:?} was refused {} with room in {status:?}", need.amount));
        }
    }
    Ok(())
}
