//! What there is in the world, and how messages reach the ledger.

use tollgate_core::budget::amount::{Amount, Amounts, Limit, Unit};
use tollgate_core::budget::credit::Tick;
use tollgate_core::budget::definition::{CarryOver, Definition, Enforcement, WhenSpent, WhenUnavailable};
use tollgate_core::budget::ledger::{Leases, Ledger};
use tollgate_core::budget::owner::{BudgetId, BudgetOwner};
use tollgate_core::budget::replica::{Outcome, Replica, Settings};
use tollgate_core::budget::round::{Answer, Forgotten, Receipt, ReplicaId, Round};
use tollgate_core::budget::scope::BudgetScope;
use tollgate_core::budget::window::WindowRule;
use tollgate_core::input::CheckId;
use tollgate_core::time::Timestamp;

use super::audit;
use super::random::Random;

/// Leases, shortened so that a schedule of a second sees them end.
pub const LEASES: Leases =
    Leases { replica_millis: 400, hold_millis: 300, longest_hold_millis: 2_000, recall_millis: 60 };

/// The replicas' settings to go with them.
pub const SETTINGS: Settings =
    Settings { away_millis: 120, lease_millis: 80, idle_millis: 100, rounds_ahead: 2, most_per_round: 6 };

/// A midnight: windows turn at it.
const MIDNIGHT: i64 = 20_000 * 86_400_000;

/// What all schedules share, because it is slow to make.
pub struct Fixtures {
    pub daily: WindowRule,
}

/// A budget as the world knows it.
pub struct Budget {
    pub id: BudgetId,
    pub definition: Definition,
    pub deleted: bool,
}

/// A replica and its circumstances.
pub struct Node {
    pub replica: Replica,
    pub offset: i64,
    pub alive: bool,
    pub heard_at: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waits,
    Runs,
    Over,
    Refused,
    Failed,
}

/// One check and the request behind it.
pub struct Request {
    pub check: CheckId,
    pub node: usize,
    pub truth: Amounts,
    pub state: State,
    pub receipt: Option<Receipt>,
    pub deadline: i64,
    /// Its usage is reported by nobody.
    pub silent: bool,
    pub revision: i64,
}

pub enum Message {
    ToLedger { node: usize, round: Round },
    ToNode { node: usize, id: ReplicaId, answer: Result<Answer, Forgotten> },
}

pub struct World {
    pub random: Random,
    pub time: i64,
    pub skew: i64,
    pub ledger: Ledger,
    pub nodes: Vec<Node>,
    pub network: Vec<Message>,
    pub requests: Vec<Request>,
    pub budgets: Vec<Budget>,
    /// Everybody reports within their leases: then strict limits hold without exception.
    pub faithful: bool,
    /// Some requests cost more than was held for them.
    pub overruns: bool,
    pub database_away_until: i64,
}

pub fn n(amount: i64) -> Amount {
    Amount::at_least_zero(amount)
}

impl World {
    pub fn new(mut random: Random, fixtures: &Fixtures) -> Self {
        let start = MIDNIGHT - random.between(-200, 900);
        let mut world = Self::empty(random, start);
        world.faithful = world.random.chance(60);
        world.overruns = world.random.chance(30);
        world.skew = world.random.between(-15, 15);
        for index in 0..=world.random.below(3) {
            world.make_budget(index as u128, fixtures);
        }
        for _ in 0..=world.random.below(3) {
            world.start_node();
        }
        world
    }

    /// Nobody and nothing, where everybody is faithful.
    pub const fn empty(random: Random, time: i64) -> Self {
        Self {
            random,
            time,
            skew: 0,
            ledger: Ledger::new(LEASES),
            nodes: Vec::new(),
            network: Vec::new(),
            requests: Vec::new(),
            budgets: Vec::new(),
            faithful: true,
            overruns: false,
            database_away_until: time,
        }
    }

    fn make_budget(&mut self, index: u128, fixtures: &Fixtures) {
        let random = &mut self.random;
        let unit = [Unit::Money, Unit::Tokens, Unit::Requests][random.below(3)];
        let limit = if unit == Unit::Requests { random.between(1, 12) } else { random.between(20, 300) };
        let when_unavailable = if random.chance(25) { WhenUnavailable::Allow } else { WhenUnavailable::Deny };
        let enforcement = match random.below(6) {
            0 => Enforcement::Soft,
            1 | 2 => Enforcement::Hard { when_spent: WhenSpent::Refuse, when_unavailable },
            _ => Enforcement::Strict,
        };
        let definition = Definition {
            owner: BudgetOwner::Key(String::new()),
            scope: BudgetScope::ALL,
            limit: Limit::new(unit, n(limit)).unwrap(),
            window: if random.chance(70) { fixtures.daily.clone() } else { WindowRule::Total },
            carry_over: if random.chance(40) { CarryOver::UpTo(n(limit / 2)) } else { CarryOver::None },
            enforcement,
        };
        self.add_budget(BudgetId::from_bits(index), definition);
    }

    pub fn add_budget(&mut self, id: BudgetId, definition: Definition) {
        let now = self.ledger_now();
        self.ledger.put(id, &definition, now);
        self.budgets.push(Budget { id, definition, deleted: false });
    }

    pub fn start_node(&mut self) {
        let replica = Replica::new(SETTINGS);
        let offset = self.random.between(-5_000_000, 5_000_000);
        self.nodes.push(Node { replica, offset, alive: true, heard_at: self.time });
    }

    /// A replica without an id asks for one. The answer may be lost: then a row is left that nobody uses.
    pub fn register(&mut self, node: usize, lost: bool) {
        if !self.nodes[node].replica.is_registered() {
            let now = self.ledger_now();
            let id = self.ledger.register(now);
            if !lost {
                self.nodes[node].replica.registered(id);
            }
        }
    }

    pub fn ledger_now(&self) -> Timestamp {
        Timestamp::from_millis(self.time + self.skew)
    }

    pub fn tick(&self, node: usize) -> Tick {
        Tick::from_millis(self.time + self.nodes[node].offset)
    }

    pub fn live_node(&mut self) -> Option<usize> {
        let live: Vec<_> = (0..self.nodes.len()).filter(|node| self.nodes[*node].alive).collect();
        (!live.is_empty()).then(|| live[self.random.below(live.len())])
    }

    /// The ledger gets a round; its answer goes on its way.
    pub fn arrive(&mut self, node: usize, round: &Round) -> Result<Message, String> {
        let before = audit::Before::of(self, round);
        let now = self.ledger_now();
        let answer = self.ledger.round(round, now);
        audit::commit(self, &before, round, &answer)?;
        Ok(Message::ToNode { node, id: round.replica, answer })
    }

    /// A replica gets an answer.
    pub fn hear(&mut self, node: usize, id: ReplicaId, answer: &Result<Answer, Forgotten>) {
        if !self.nodes[node].alive || self.nodes[node].replica.id() != id {
            return;
        }
        let tick = self.tick(node);
        match answer {
            Err(Forgotten) => self.nodes[node].replica.forgotten(),
            Ok(answer) => {
                let time = self.time;
                self.nodes[node].heard_at = time;
                for (check, outcome) in self.nodes[node].replica.answered(tick, answer) {
                    let request = self.requests.iter_mut().find(|request| request.check == check).unwrap();
                    match outcome {
                        Outcome::Held(receipt) => {
                            request.state = State::Runs;
                            request.receipt = Some(receipt);
                        }
                        Outcome::Exhausted(_) => request.state = State::Refused,
                    }
                }
            }
        }
    }

    /// A round there and back, at once.
    pub fn exchange(&mut self, node: usize) -> Result<bool, String> {
        self.register(node, false);
        let tick = self.tick(node);
        let Some(round) = self.nodes[node].replica.next_round(tick).cloned() else { return Ok(false) };
        let Message::ToNode { id, answer, .. } = self.arrive(node, &round)? else { return Ok(false) };
        self.hear(node, id, &answer);
        Ok(true)
    }
}
