//! What can happen, one random event at a time.

use tollgate_core::budget::amount::{Amount, Amounts, Limit};
use tollgate_core::budget::definition::{Enforcement, WhenUnavailable};
use tollgate_core::budget::raise::Raise;
use tollgate_core::budget::replica::{Link, Mode, Taken};
use tollgate_core::budget::round::{IfSpent, Rank, Source};
use tollgate_core::input::CheckId;
use tollgate_core::time::Timestamp;

use super::world::{Message, Request, State, World, n};

pub fn step(world: &mut World) -> Result<(), String> {
    match world.random.below(100) {
        0..28 => start(world),
        28..46 => send(world)?,
        46..64 => deliver(world)?,
        64..78 => advance(world)?,
        78..92 => live_on(world),
        92..95 => edit(world),
        95..97 => crash(world)?,
        97 => world.start_node(),
        98 => jump(world),
        _ => {
            if !world.faithful {
                world.database_away_until = world.time + world.random.between(50, 500);
            }
        }
    }
    Ok(())
}

/// A check at some replica.
fn start(world: &mut World) {
    let Some(node) = world.live_node() else { return };
    let (money, tokens) = (world.random.between(0, 60), world.random.between(1, 60));
    let estimate = Amounts { money: n(money), tokens: n(tokens), requests: n(1) };
    let mut chain = Vec::new();
    let mut bounded = false;
    for at in 0..world.budgets.len() {
        if !world.random.chance(70) {
            continue;
        }
        let budget = &world.budgets[at];
        let if_spent = if world.random.chance(5) { IfSpent::Admit } else { IfSpent::Refuse };
        let mode = match budget.definition.enforcement {
            Enforcement::Soft | Enforcement::Shadow => Mode::Open,
            Enforcement::Hard { when_unavailable, .. } => Mode::Enforced { if_spent, when_unavailable },
            Enforcement::Strict => {
                bounded = true;
                Mode::Enforced { if_spent: IfSpent::Refuse, when_unavailable: WhenUnavailable::Deny }
            }
        };
        chain.push(Link { budget: budget.id, amount: estimate.of(budget.definition.limit.unit()), mode });
    }
    let cost = |world: &mut World, held: i64| {
        let most = if world.overruns && !bounded { held * 2 } else { held };
        n(world.random.between(0, most))
    };
    let truth = Amounts { money: cost(world, money), tokens: cost(world, tokens), requests: n(1) };
    let check = CheckId::from_bits(world.requests.len() as u128 + 1);
    let tick = world.tick(node);
    let taken = world.nodes[node].replica.take(tick, check, &chain, estimate);
    let (state, receipt) = match taken {
        Taken::Held(receipt) => (State::Runs, Some(receipt)),
        Taken::Waits => (State::Waits, None),
        Taken::Unavailable(_) => (State::Failed, None),
    };
    let deadline = world.time + world.random.between(20, 100);
    let silent = world.random.chance(10);
    world.requests.push(Request { check, node, truth, state, receipt, deadline, silent, revision: 0 });
}

/// A replica sends its round, again if it was not answered.
fn send(world: &mut World) -> Result<(), String> {
    let Some(node) = world.live_node() else { return Ok(()) };
    if world.time >= world.database_away_until {
        let lost = world.random.chance(10);
        world.register(node, lost);
    }
    let tick = world.tick(node);
    let Some(round) = world.nodes[node].replica.next_round(tick).cloned() else { return Ok(()) };
    if world.time < world.database_away_until {
        return Ok(());
    }
    match world.random.below(10) {
        0 => {}
        1 => {
            world.network.push(Message::ToLedger { node, round: round.clone() });
            world.network.push(Message::ToLedger { node, round });
        }
        2..5 => world.network.push(Message::ToLedger { node, round }),
        _ => {
            let answer = world.arrive(node, &round)?;
            world.network.push(answer);
        }
    }
    Ok(())
}

/// Some message arrives: any of those under way, so they overtake each other.
fn deliver(world: &mut World) -> Result<(), String> {
    if world.network.is_empty() {
        return Ok(());
    }
    let at = world.random.below(world.network.len());
    match world.network.swap_remove(at) {
        Message::ToLedger { node, round } => {
            if world.time >= world.database_away_until {
                let answer = world.arrive(node, &round)?;
                if !world.random.chance(15) {
                    world.network.push(answer);
                }
            }
        }
        Message::ToNode { node, id, answer } => world.hear(node, id, &answer),
    }
    Ok(())
}

fn advance(world: &mut World) -> Result<(), String> {
    let long = !world.faithful && world.random.chance(15);
    world.time += if long { world.random.between(100, 600) } else { world.random.between(1, 30) };
    end_deadlines(world);
    if world.faithful {
        keep_in_touch(world)?;
    }
    Ok(())
}

/// Checks whose deadline is over wait no longer.
pub fn end_deadlines(world: &mut World) {
    for request in &mut world.requests {
        if request.state == State::Waits && request.deadline <= world.time {
            request.receipt = world.nodes[request.node].replica.give_up(request.check);
            request.state = if request.receipt.is_some() { State::Runs } else { State::Failed };
        }
    }
}

/// Every live replica is answered once within a quarter of its lease, whatever the network does otherwise.
fn keep_in_touch(world: &mut World) -> Result<(), String> {
    for node in 0..world.nodes.len() {
        if world.nodes[node].alive && world.time - world.nodes[node].heard_at >= 60 {
            world.exchange(node)?;
        }
    }
    Ok(())
}

/// A running request goes on, reports what it used so far, or ends; reports come at any replica, also twice.
fn live_on(world: &mut World) {
    let running: Vec<_> =
        (0..world.requests.len()).filter(|at| world.requests[*at].receipt.is_some()).collect();
    if running.is_empty() {
        return;
    }
    let at = running[world.random.below(running.len())];
    let Some(node) = world.live_node() else { return };
    let kind = world.random.below(10);
    let request = &mut world.requests[at];
    let Some(receipt) = request.receipt.clone() else { return };
    let replica = &mut world.nodes[node].replica;
    match kind {
        0..3 => {
            if request.state == State::Runs {
                replica.alive(receipt);
            }
        }
        3 | 4 if !request.silent => {
            request.revision += 1;
            let part = |amount: i64| n(world.random.between(0, amount));
            let used = part_of(request.truth, part);
            let rank = if kind == 3 { Rank::Estimated } else { Rank::Partial };
            replica.settle(receipt, Source { rank, revision: request.revision }, used, false);
        }
        5 if !request.silent && request.state == State::Runs && request.revision == 0 => {
            // It never reached a backend.
            request.truth = Amounts::ZERO;
            end(world, at, node);
        }
        _ if !request.silent => end(world, at, node),
        _ => request.state = State::Over,
    }
}

fn part_of(whole: Amounts, mut part: impl FnMut(i64) -> Amount) -> Amounts {
    Amounts { money: part(whole.money.get()), tokens: part(whole.tokens.get()), requests: whole.requests }
}

/// The last report of a request.
pub fn end(world: &mut World, at: usize, node: usize) {
    let request = &mut world.requests[at];
    let Some(receipt) = request.receipt.clone() else { return };
    request.state = State::Over;
    let source = Source { rank: Rank::Final, revision: 0 };
    world.nodes[node].replica.settle(receipt, source, request.truth, true);
}

/// People change limits, raise and delete.
fn edit(world: &mut World) {
    let at = world.random.below(world.budgets.len());
    let (kind, factor) = (world.random.below(10), world.random.between(20, 300));
    let now = world.ledger_now();
    let budget = &mut world.budgets[at];
    if budget.deleted {
        return;
    }
    let limit = budget.definition.limit;
    let scaled = Limit::new(limit.unit(), n((limit.amount().get() * factor / 100).max(1))).unwrap();
    match kind {
        0 => {
            budget.deleted = true;
            world.ledger.delete(budget.id);
        }
        1..4 => {
            let until = Timestamp::from_millis(now.as_millis() + world.random.between(10, 400));
            let raise = Raise::new(scaled, now, until, limit, now).unwrap();
            world.ledger.raise(budget.id, raise);
        }
        _ => {
            budget.definition.limit = scaled;
            world.ledger.put(budget.id, &budget.definition, now);
        }
    }
}

/// A replica is killed. Where everybody is faithful, the gateway's next heartbeats reach another one within the lease.
pub fn crash(world: &mut World) -> Result<(), String> {
    let Some(node) = world.live_node() else { return Ok(()) };
    world.nodes[node].alive = false;
    for request in &mut world.requests {
        if request.node == node && request.state == State::Waits {
            request.state = State::Failed;
        }
    }
    if world.live_node().is_none() {
        world.start_node();
    }
    if !world.faithful {
        return Ok(());
    }
    let Some(other) = world.live_node() else { return Ok(()) };
    let receipts: Vec<_> = world
        .requests
        .iter()
        .filter(|request| request.node == node)
        .filter_map(|r| r.receipt.clone())
        .collect();
    for receipt in receipts {
        world.nodes[other].replica.alive(receipt);
    }
    // They go out a few at a time.
    for _ in 0..12 {
        if !world.exchange(other)? {
            break;
        }
        world.time += 1;
    }
    Ok(())
}

/// The database's clock jumps, as after a failover to another host.
fn jump(world: &mut World) {
    let most = if world.faithful { 15 } else { 300 };
    world.skew = world.random.between(-most, most);
}
