//! Budgets under random schedules: many replicas, lost, doubled and late messages, crashes, clocks that disagree, windows
//! that turn and limits that change. Every commit and every end is checked; see `support/budget/`.
//!
//! A failure prints its seed. `TOLLGATE_SEED=<seed> cargo test -p tollgate-core --test budget_simulation` runs that
//! schedule alone; `TOLLGATE_SCHEDULES=<count>` runs so many instead of the usual number. `scripts/test` runs a million: 73 s
//! of CPU time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "support/budget/mod.rs"]
mod budget;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use budget::random::Random;
use budget::world::{Fixtures, Request, State, World};
use tollgate_core::budget::amount::{Amount, Amounts, Limit, Unit};
use tollgate_core::budget::definition::{CarryOver, Definition, Enforcement, WhenUnavailable};
use tollgate_core::budget::owner::{BudgetId, BudgetOwner};
use tollgate_core::budget::replica::{Link, Mode, Taken};
use tollgate_core::budget::round::IfSpent;
use tollgate_core::budget::scope::BudgetScope;
use tollgate_core::budget::window::{Calendar, Every, WindowRule, Zone};
use tollgate_core::input::CheckId;

/// A few seconds, with this package optimised as the workspace's manifest says.
const SCHEDULES: u64 = 100_000;

const THREADS: u64 = 2;

#[expect(clippy::disallowed_methods, reason = "how many schedules to run is the caller's choice, not a rule")]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

fn fixtures() -> Fixtures {
    Fixtures { daily: WindowRule::Calendar(Calendar::new(Every::Day, Zone::named("UTC").unwrap())) }
}

fn check(seed: u64, fixtures: &Fixtures) {
    let result = catch_unwind(AssertUnwindSafe(|| budget::run(seed, fixtures)));
    let broken = match result {
        Ok(Ok(())) => return,
        Ok(Err(broken)) => broken,
        Err(_) => "a panic, printed above".to_owned(),
    };
    panic!("TOLLGATE_SEED={seed}: {broken}");
}

#[test]
fn every_promise_is_kept_under_random_schedules() {
    if let Some(seed) = number("TOLLGATE_SEED") {
        return check(seed, &fixtures());
    }
    let schedules = number("TOLLGATE_SCHEDULES").unwrap_or(SCHEDULES);
    thread::scope(|scope| {
        for part in 0..THREADS {
            scope.spawn(move || {
                let fixtures = fixtures();
                (0..schedules).filter(|seed| seed % THREADS == part).for_each(|seed| check(seed, &fixtures));
            });
        }
    });
}

/// A budget of fifty requests, strict, and so many replicas.
fn room_for_fifty(replicas: usize) -> World {
    let mut world = World::empty(Random::new(replicas as u64), 1_000_000);
    let definition = Definition {
        owner: BudgetOwner::Key(String::new()),
        scope: BudgetScope::ALL,
        limit: Limit::new(Unit::Requests, Amount::saturating_from(50)).unwrap(),
        window: WindowRule::Total,
        carry_over: CarryOver::None,
        enforcement: Enforcement::Strict,
    };
    world.add_budget(BudgetId::from_bits(1), definition);
    for node in 0..replicas {
        world.start_node();
        world.exchange(node).unwrap();
    }
    world
}

/// So many checks at once, spread over the live replicas, with rounds between some of them.
fn call(world: &mut World, count: usize) {
    let budget = BudgetId::from_bits(1);
    let mode = Mode::Enforced { if_spent: IfSpent::Refuse, when_unavailable: WhenUnavailable::Deny };
    let chain = [Link { budget, amount: Amount::ONE, mode }];
    for _ in 0..count {
        let node = world.live_node().unwrap();
        let check = CheckId::from_bits(world.requests.len() as u128 + 1);
        let tick = world.tick(node);
        let estimate = Amounts { requests: Amount::ONE, ..Amounts::ZERO };
        let (state, receipt) = match world.nodes[node].replica.take(tick, check, &chain, estimate) {
            Taken::Held(receipt) => (State::Runs, Some(receipt)),
            Taken::Waits => (State::Waits, None),
            Taken::Unavailable(_) => (State::Failed, None),
        };
        let deadline = i64::MAX;
        world.requests.push(Request {
            check,
            node,
            truth: estimate,
            state,
            receipt,
            deadline,
            silent: false,
            revision: 0,
        });
        if world.random.chance(10) {
            world.exchange(node).unwrap();
            world.time += 1;
        }
    }
}

/// Rounds of everybody until no check waits.
fn rounds(world: &mut World) {
    for _ in 0..400 {
        if in_state(world, State::Waits) == 0 {
            break;
        }
        world.time += 5;
        for node in 0..world.nodes.len() {
            if world.nodes[node].alive {
                world.exchange(node).unwrap();
            }
        }
    }
}

fn in_state(world: &World, state: State) -> usize {
    world.requests.iter().filter(|request| request.state == state).count()
}

#[test]
fn of_a_thousand_calls_on_room_for_fifty_exactly_fifty_pass() {
    for replicas in [1, 3, 10] {
        let mut world = room_for_fifty(replicas);
        call(&mut world, 1_000);
        rounds(&mut world);
        let states = [State::Runs, State::Refused].map(|state| in_state(&world, state));
        assert_eq!(states, [50, 950], "{replicas} replicas");
    }
}

#[test]
fn a_replica_killed_midway_takes_no_room_with_it() {
    for replicas in [2, 3, 10] {
        let mut world = room_for_fifty(replicas);
        call(&mut world, 30);
        budget::events::crash(&mut world).unwrap();
        call(&mut world, 500);
        rounds(&mut world);
        let states = [State::Runs, State::Waits].map(|state| in_state(&world, state));
        assert_eq!(states, [50, 0], "{replicas} replicas");
    }
}
