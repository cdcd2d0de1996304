//! When faults have stopped: everything comes to rest, is counted once, and no room is lost.

use std::collections::BTreeMap;

use tollgate_core::budget::amount::{Amount, Amounts};
use tollgate_core::budget::definition::{Enforcement, WhenUnavailable};
use tollgate_core::budget::ledger::HoldState;
use tollgate_core::budget::replica::{Link, Mode, Taken};
use tollgate_core::budget::round::{IfSpent, ReplicaId, Slot};
use tollgate_core::input::CheckId;

use super::events;
use super::world::{LEASES, Message, Request, State, World, n};

/// Rounds of every live replica until all leases of the dead have ended and everybody is quiet.
pub fn settle_down(world: &mut World) -> Result<(), String> {
    world.database_away_until = world.time;
    if world.live_node().is_none() {
        world.start_node();
    }
    for message in std::mem::take(&mut world.network) {
        match message {
            Message::ToLedger { node, round } => drop(world.arrive(node, &round)?),
            Message::ToNode { node, id, answer } => world.hear(node, id, &answer),
        }
    }
    for at in 0..world.requests.len() {
        if world.requests[at].receipt.is_some() && !world.requests[at].silent {
            let Some(node) = world.live_node() else { continue };
            events::end(world, at, node);
        }
    }
    // The longest wait is for a lease that began anew after everybody was silent.
    let until = world.time + 3 * LEASES.replica_millis.max(LEASES.hold_millis) + 400;
    while world.time < until || !world.nodes.iter().all(|node| !node.alive || node.replica.is_quiet()) {
        if world.time > until + 4_000 {
            return Err("the replicas never come to rest".to_owned());
        }
        world.time += 25;
        events::end_deadlines(world);
        // Checks that waited have passed meanwhile.
        for at in 0..world.requests.len() {
            let request = &world.requests[at];
            if request.state == State::Runs && !request.silent {
                let Some(node) = world.live_node() else { continue };
                events::end(world, at, node);
            }
        }
        for node in 0..world.nodes.len() {
            if world.nodes[node].alive {
                world.exchange(node)?;
            }
        }
    }
    Ok(())
}

/// No hold and no credit has leaked, and every request was charged once, as it was.
pub fn count(world: &World) -> Result<(), String> {
    for (slot, row) in world.ledger.slots() {
        if !row.held.is_zero() {
            return Err(format!("{} is still held of {slot:?}", row.held));
        }
    }
    let mut credit: BTreeMap<(ReplicaId, Slot), Amount> = BTreeMap::new();
    for node in world.nodes.iter().filter(|node| node.alive) {
        for (slot, amount) in node.replica.credit().filter(|(_, amount)| !amount.is_zero()) {
            let sum = credit.entry((node.replica.id(), slot)).or_default();
            *sum = sum.plus(amount);
        }
    }
    if credit != *world.ledger.credits() {
        let nodes: Vec<_> = world.nodes.iter().map(|node| (node.replica.id(), node.alive)).collect();
        return Err(format!(
            "replicas {nodes:?} have {credit:?}, the ledger granted {:?}; it knows {:?} and {:?}",
            world.ledger.credits(),
            world.ledger.replicas().values().map(|row| (&row.answer, row.lease_end)).collect::<Vec<_>>(),
            world.ledger.budgets(),
        ));
    }
    world.requests.iter().try_for_each(|request| charged(world, request))
}

fn charged(world: &World, request: &Request) -> Result<(), String> {
    let check = request.check;
    let row = world.ledger.holds().get(&check);
    if request.receipt.is_none() {
        // Refused, or given up: a hold that was taken too late is void, unless its replica died before it could say so.
        let Some(row) = row else { return Ok(()) };
        let HoldState::Charged { charged, .. } = &row.state else { return Err(format!("{check:?} is held")) };
        let died = !world.nodes[request.node].alive;
        let free = charged.iter().all(|amount| amount.is_zero());
        return if free || died {
            Ok(())
        } else {
            Err(format!("{check:?} never ran and was charged {charged:?}"))
        };
    };
    let Some(row) = row else {
        let unknown = request.silent && !world.nodes[request.node].alive;
        return if unknown { Ok(()) } else { Err(format!("{check:?} ran and was not charged")) };
    };
    let HoldState::Charged { charged, .. } = &row.state else {
        return Err(format!("{check:?} is still held"));
    };
    for (held, charged) in row.receipt.holds.iter().zip(charged) {
        let Some(budget) = world.ledger.budgets().get(&held.budget) else { continue };
        let right = if !request.silent {
            *charged == request.truth.of(budget.unit)
        } else if request.revision > 0 {
            true
        } else {
            *charged == held.amount
        };
        if !right {
            return Err(format!("{check:?} was charged {charged} of {held:?}, used {:?}", request.truth));
        }
    }
    Ok(())
}

/// What is left of every budget can be held by one request at any replica, and one more cannot.
pub fn probe(world: &mut World) -> Result<(), String> {
    for at in 0..world.budgets.len() {
        let id = world.budgets[at].id;
        let Some(row) = world.ledger.budgets().get(&id).filter(|row| row.is_enforced()) else { continue };
        let slot = row.slot(id);
        let sums = world.ledger.slots()[&slot];
        let limit = row.limit_at(world.ledger_now(), &sums);
        let room = limit.minus(sums.settled);
        let strict = row.enforcement == Enforcement::Strict;
        if !room.is_zero() {
            ask(world, slot, room, State::Runs, strict)?;
        }
        ask(world, slot, room.plus(n(1)), State::Refused, strict)?;
    }
    Ok(())
}

fn ask(world: &mut World, slot: Slot, amount: Amount, expected: State, strict: bool) -> Result<(), String> {
    let Some(node) = world.live_node() else { return Ok(()) };
    let check = CheckId::from_bits(world.requests.len() as u128 + 1);
    let mode = Mode::Enforced { if_spent: IfSpent::Refuse, when_unavailable: WhenUnavailable::Deny };
    let chain = [Link { budget: slot.budget, amount, mode }];
    // So that the database does not count as away.
    world.nodes[node].replica.poke();
    world.exchange(node)?;
    let tick = world.tick(node);
    let mut request = Request {
        check,
        node,
        truth: Amounts::ZERO,
        state: State::Waits,
        receipt: None,
        deadline: i64::MAX,
        silent: false,
        revision: 0,
    };
    match world.nodes[node].replica.take(tick, check, &chain, Amounts::ZERO) {
        Taken::Held(receipt) => (request.state, request.receipt) = (State::Runs, Some(receipt)),
        Taken::Waits => {}
        Taken::Unavailable(_) => request.state = State::Failed,
    }
    world.requests.push(request);
    let at = world.requests.len() - 1;
    for _ in 0..20 {
        if world.requests[at].state != State::Waits {
            break;
        }
        world.time += 5;
        for node in 0..world.nodes.len() {
            if world.nodes[node].alive {
                world.exchange(node)?;
            }
        }
    }
    let turned = world.ledger.budgets()[&slot.budget].period != slot.period;
    let got = world.requests[at].state;
    if got != expected && !turned {
        let row = world.ledger.slots()[&slot];
        return Err(format!(
            "{amount} of {slot:?} (strict: {strict}) {got:?} instead of {expected:?}: {row:?}"
        ));
    }
    if got == State::Runs {
        events::end(world, at, node);
        world.exchange(node)?;
    }
    Ok(())
}
