//! A replica's side: checks take holds from credit in memory; one round at a time tells the ledger what happened and asks
//! for more. No clock, no task, no lock: the server calls it with the tick and sends what it gives.
//!
//! When the last answer is older than [`Settings::away_millis`], the database counts as away. Budgets that do not refuse go
//! on; the others while their credit may be used, and then as `when_unavailable` says.

use std::collections::{BTreeMap, VecDeque};

use super::amount::{Amount, Amounts};
use super::credit::{Credit, Tick, take_all};
use super::definition::WhenUnavailable;
use super::owner::BudgetId;
use super::round::{
    Answer, Ask, Asked, Backing, Granted, HeldOf, IfSpent, Need, Rank, Receipt, ReplicaId, Report, Round,
    Slot, Source,
};
use super::status::BudgetStatus;
use crate::input::CheckId;

/// How a replica behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// After this long without an answer the database counts as away.
    pub away_millis: i64,
    /// A round is sent at least this often, so that the lease goes on: a quarter of the lease at most.
    pub lease_millis: i64,
    /// Credit that nobody took from for this long is given back.
    pub idle_millis: i64,
    /// Rounds of recent demand to be ahead of.
    pub rounds_ahead: u32,
    /// Reports and waiting checks in one round at most.
    pub most_per_round: usize,
}

/// One budget of a check's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The budget.
    pub budget: BudgetId,
    /// What the check needs of it.
    pub amount: Amount,
    /// Whether it can refuse.
    pub mode: Mode,
}

/// Whether a budget can refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It never does: soft and shadow budgets.
    Open,
    /// It does.
    Enforced {
        /// What `when_spent` says of this request.
        if_spent: IfSpent,
        /// What happens without credit and database.
        when_unavailable: WhenUnavailable,
    },
}

/// What became of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It passes, with this hold.
    Held(Receipt),
    /// It waits for the next answer, until its deadline; then [`Replica::give_up`].
    Waits,
    /// 503: without credit of this budget, and the database is away.
    Unavailable(BudgetId),
}

/// What became of a check that waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passes, with this hold.
    Held(Receipt),
    /// 429 `budget_exhausted`.
    Exhausted(BudgetStatus),
}

/// What is known of one budget.
#[derive(Debug)]
struct Known {
    credit: Credit,
    status: BudgetStatus,
    /// Taken since the last round was made.
    demand: Amount,
    /// Taken per round, lately.
    pace: Amount,
    last_taken: Tick,
    recall: bool,
}

/// A check that waits.
#[derive(Debug)]
struct Waiting {
    ask: Ask,
    since: Tick,
    /// The hold with which it passes when the database stays silent, if each of its budgets allows that.
    unanswered: Option<Receipt>,
}

#[derive(Debug)]
struct Sent {
    round: Round,
    first: Tick,
}

/// The state of one replica.
#[derive(Debug)]
pub struct Replica {
    settings: Settings,
    id: ReplicaId,
    number: i64,
    known: BTreeMap<BudgetId, Known>,
    reports: VecDeque<Report>,
    returns: Vec<(Slot, Amount)>,
    waiting: Vec<Waiting>,
    /// Checks whose ask is under way and that passed without its answer.
    passed: Vec<CheckId>,
    /// First needs of budgets of which nothing is known.
    unknown: BTreeMap<BudgetId, Amount>,
    sent: Option<Sent>,
    last_made: Option<Tick>,
    last_answer: Option<Tick>,
    poked: bool,
    replicas: u32,
}

impl Replica {
    /// A replica that has just started and is not registered.
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            id: ReplicaId::NONE,
            number: 0,
            known: BTreeMap::new(),
            reports: VecDeque::new(),
            returns: Vec::new(),
            waiting: Vec::new(),
            passed: Vec::new(),
            unknown: BTreeMap::new(),
            sent: None,
            last_made: None,
            last_answer: None,
            poked: false,
            replicas: 1,
        }
    }

    /// Under which id it asks.
    pub const fn id(&self) -> ReplicaId {
        self.id
    }

    /// Whether the ledger must give it an id before it can send rounds; see [`super::ledger::Ledger::register`].
    pub fn is_registered(&self) -> bool {
        self.id != ReplicaId::NONE
    }

    /// The ledger gave it this id.
    pub const fn registered(&mut self, id: ReplicaId) {
        self.id = id;
        self.number = 0;
    }

    /// Replicas that are alive, as last heard.
    pub const fn replicas(&self) -> u32 {
        self.replicas
    }

    /// The three numbers of a budget, as last heard.
    pub fn status(&self, budget: BudgetId) -> Option<BudgetStatus> {
        self.known.get(&budget).map(|known| known.status)
    }

    /// Credit that it has, by window.
    pub fn credit(&self) -> impl Iterator<Item = (Slot, Amount)> {
        let given_back = self.returns.iter().copied();
        self.known.values().map(|known| (known.credit.slot(), known.credit.available())).chain(given_back)
    }

    /// Checks that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing is left to be told or asked.
    pub fn is_quiet(&self) -> bool {
        self.sent.is_none() && self.reports.is_empty() && self.returns.is_empty() && self.waiting.is_empty()
    }

    fn is_away(&self, now: Tick) -> bool {
        self.last_answer.is_none_or(|last| now.since(last) > self.settings.away_millis)
    }

    /// Takes the hold of a check on its whole chain, or on none of it.
    pub fn take(&mut self, now: Tick, check: CheckId, chain: &[Link], estimate: Amounts) -> Taken {
        let away = self.is_away(now);
        let mut holds = Vec::with_capacity(chain.len());
        let mut from: Vec<(BudgetId, Amount)> = Vec::with_capacity(chain.len());
        let mut lacking = None;
        for link in chain {
            let known = self.known.get_mut(&link.budget);
            if let Some(known) = known {
                known.demand = known.demand.plus(link.amount);
                known.last_taken = now;
            } else {
                let first = self.unknown.entry(link.budget).or_default();
                *first = first.plus(link.amount);
            }
            let known = self.known.get(&link.budget).filter(|known| known.credit.is_usable(now));
            let period = known.map(|known| known.credit.slot().period);
            let covered = known.is_some_and(|known| known.credit.available() >= link.amount);
            let backing = match link.mode {
                Mode::Open => Backing::Open,
                Mode::Enforced { .. } if covered => Backing::Credit,
                Mode::Enforced { when_unavailable, .. } if away => {
                    if when_unavailable == WhenUnavailable::Deny {
                        return Taken::Unavailable(link.budget);
                    }
                    Backing::Open
                }
                Mode::Enforced { .. } => {
                    lacking = Some(link.budget);
                    Backing::Credit
                }
            };
            if backing == Backing::Credit {
                from.push((link.budget, link.amount));
            }
            holds.push(HeldOf { budget: link.budget, period, amount: link.amount, backing });
        }
        let chain_of =
            || from.iter().filter_map(|(budget, amount)| Some((&self.known.get(budget)?.credit, *amount)));
        if lacking.is_none() {
            match take_all(&chain_of(), now) {
                Ok(()) => {
                    let receipt = Receipt { check, holder: self.id, estimate, holds };
                    self.reports.push_back(Report::Held(receipt.clone()));
                    return Taken::Held(receipt);
                }
                Err(lack) => self.returns.extend(lack.stranded),
            }
        }
        let needs = chain.iter().map(|link| Need {
            budget: link.budget,
            amount: link.amount,
            if_spent: match link.mode {
                Mode::Open => IfSpent::Admit,
                Mode::Enforced { if_spent, .. } => if_spent,
            },
        });
        let ask = Ask { check, estimate, needs: needs.collect() };
        let allowed = chain.iter().all(|link| match link.mode {
            Mode::Open => true,
            Mode::Enforced { when_unavailable, .. } => when_unavailable == WhenUnavailable::Allow,
        });
        let unanswered = allowed.then(|| {
            let open = |held: HeldOf| HeldOf { backing: Backing::Open, ..held };
            Receipt { check, holder: self.id, estimate, holds: holds.into_iter().map(open).collect() }
        });
        self.waiting.push(Waiting { ask, since: now, unanswered });
        Taken::Waits
    }

    /// The deadline of a check that waits has passed. It passes with this hold when the database was silent all the time and
    /// every budget of its chain says `when_unavailable: allow`; else the answer is 503. Should the ledger take its hold
    /// after all, that is given up.
    pub fn give_up(&mut self, check: CheckId) -> Option<Receipt> {
        let at = self.waiting.iter().position(|waiting| waiting.ask.check == check)?;
        let Waiting { since, unanswered, .. } = self.waiting.remove(at);
        let silent = self.last_answer.is_none_or(|last| last < since);
        let receipt = unanswered.filter(|_| silent)?;
        if self.sent.as_ref().is_some_and(|sent| sent.round.asks.iter().any(|ask| ask.check == check)) {
            self.passed.push(check);
        }
        self.reports.push_back(Report::Held(receipt.clone()));
        Some(receipt)
    }

    /// A request goes on, here or at another replica.
    pub fn alive(&mut self, receipt: Receipt) {
        self.reports.push_back(Report::Alive(receipt));
    }

    /// What a request used, admitted here or at another replica.
    ///
    /// `last` says that it is over and no better report is expected. Only that releases what is held above it before the
    /// hold's lease ends.
    pub fn settle(&mut self, receipt: Receipt, source: Source, used: Amounts, last: bool) {
        self.reports.push_back(Report::Settled { receipt, source, used, last });
    }

    /// Credit that a check took and could not put back.
    pub fn give_back(&mut self, slot: Slot, amount: Amount) {
        self.returns.push((slot, amount));
    }

    /// Another replica waits for credit: send a round now.
    pub const fn poke(&mut self) {
        self.poked = true;
    }

    /// The round to send now, if it is registered: the last one as long as it was not answered, else a new one when there is anything to say.
    pub fn next_round(&mut self, now: Tick) -> Option<&Round> {
        if self.sent.is_none() && self.is_registered() {
            let quiet = self.reports.is_empty() && self.returns.is_empty() && self.waiting.is_empty();
            let due = self.last_made.is_none_or(|last| now.since(last) >= self.settings.lease_millis);
            let wants = self.wants(now);
            if quiet && wants.is_empty() && self.unknown.is_empty() && !due && !self.poked {
                return None;
            }
            let round = self.make(now, wants);
            self.sent = Some(Sent { round, first: now });
            self.last_made = Some(now);
            self.poked = false;
        }
        self.sent.as_ref().map(|sent| &sent.round)
    }

    /// Credit to ask for: what recent rounds took, several times over, less what there is.
    fn wants(&self, now: Tick) -> Vec<(BudgetId, Amount)> {
        let ahead = |known: &Known| known.pace.plus(known.demand).times(self.settings.rounds_ahead);
        let wants = self.known.iter().filter(|(_, known)| !known.recall).map(|(budget, known)| {
            let has = if known.credit.is_usable(now) { known.credit.available() } else { Amount::ZERO };
            (*budget, ahead(known).minus(has))
        });
        wants.filter(|(_, amount)| !amount.is_zero()).collect()
    }

    fn make(&mut self, now: Tick, mut wants: Vec<(BudgetId, Amount)>) -> Round {
        let asks: Vec<_> = self
            .waiting
            .iter()
            .take(self.settings.most_per_round)
            .map(|waiting| waiting.ask.clone())
            .collect();
        for (budget, known) in &mut self.known {
            // Where a check waits, the ledger takes its hold, and what little is here counts for that.
            let waited_for = asks.iter().any(|ask| ask.needs.iter().any(|need| need.budget == *budget));
            let idle = now.since(known.last_taken) >= self.settings.idle_millis;
            if waited_for || idle || known.recall || !known.credit.is_usable(now) {
                let left = known.credit.drain();
                if !left.is_zero() {
                    self.returns.push((known.credit.slot(), left));
                }
            }
            known.pace = Amount::at_least_zero(known.pace.get() / 2).max(known.demand);
            known.demand = Amount::ZERO;
            if idle {
                known.pace = Amount::ZERO;
            }
        }
        wants.retain(|(budget, _)| {
            let waited_for = asks.iter().any(|ask| ask.needs.iter().any(|need| need.budget == *budget));
            !waited_for && self.known.get(budget).is_some_and(|known| !known.pace.is_zero())
        });
        let first = std::mem::take(&mut self.unknown);
        wants.extend(
            first.into_iter().map(|(budget, amount)| (budget, amount.times(self.settings.rounds_ahead))),
        );
        self.number += 1;
        let reports = self.reports.len().min(self.settings.most_per_round);
        Round {
            replica: self.id,
            number: self.number,
            reports: self.reports.drain(..reports).collect(),
            returns: std::mem::take(&mut self.returns),
            asks,
            wants,
        }
    }

    /// Applies an answer; what became of checks that waited. An answer that is not for the round under way is ignored.
    pub fn answered(&mut self, now: Tick, answer: &Answer) -> Vec<(CheckId, Outcome)> {
        let Some(sent) = self.sent.take_if(|sent| sent.round.number == answer.number) else {
            return Vec::new();
        };
        self.last_answer = Some(now);
        self.replicas = answer.replicas;
        for granted in &answer.budgets {
            self.learn(granted, sent.first);
        }
        for slot in &answer.closed {
            if let Some(known) = self.known.get(&slot.budget).filter(|known| known.credit.slot() == *slot) {
                let left = known.credit.close();
                if !left.is_zero() {
                    self.returns.push((*slot, left));
                }
            }
        }
        let mut outcomes = Vec::new();
        for (check, asked) in &answer.asked {
            let waits = self.waiting.iter().position(|waiting| waiting.ask.check == check.0);
            let outcome = match (asked, waits) {
                (Asked::Held(receipt), Some(_)) => Outcome::Held(receipt.clone()),
                (Asked::Held(_), None) if self.passed.contains(&check.0) => continue,
                (Asked::Held(receipt), None) => {
                    // It never reached a backend.
                    let source = Source { rank: Rank::Final, revision: 0 };
                    self.settle(receipt.clone(), source, Amounts::ZERO, true);
                    continue;
                }
                (Asked::Exhausted(status), Some(_)) => Outcome::Exhausted(*status),
                (Asked::Exhausted(_), None) | (Asked::Recalling, _) => continue,
            };
            if let Some(at) = waits {
                self.waiting.remove(at);
            }
            outcomes.push((check.0, outcome));
        }
        self.passed.clear();
        outcomes
    }

    fn learn(&mut self, granted: &Granted, first_sent: Tick) {
        let known = self.known.entry(granted.slot.budget).or_insert_with(|| Known {
            credit: Credit::new(granted.slot),
            status: granted.status,
            demand: Amount::ZERO,
            pace: Amount::ZERO,
            last_taken: first_sent,
            recall: false,
        });
        if known.credit.slot() != granted.slot {
            let left = known.credit.close();
            if !left.is_zero() {
                self.returns.push((known.credit.slot(), left));
            }
            known.credit = Credit::new(granted.slot);
        }
        // The ledger's milliseconds began after the round was sent, so this is early, never late.
        known.credit.grant(granted.amount, first_sent.plus(granted.usable_millis));
        known.status = granted.status;
        known.recall = granted.recall;
    }

    /// The ledger forgot this replica: its credit went back. It registers anew, and says again what it had to say: reports
    /// that were applied before are known by their checks.
    pub fn forgotten(&mut self) {
        self.id = ReplicaId::NONE;
        self.known.clear();
        self.returns.clear();
        if let Some(sent) = self.sent.take() {
            for report in sent.round.reports.into_iter().rev() {
                self.reports.push_front(report);
            }
            // The round may have been applied before: checks that wait no longer never ran, whatever it held for them.
            for ask in sent.round.asks {
                let waits = self.waiting.iter().any(|waiting| waiting.ask.check == ask.check);
                if !waits && !self.passed.contains(&ask.check) {
                    let receipt = Receipt {
                        check: ask.check,
                        holder: self.id,
                        estimate: Amounts::ZERO,
                        holds: Vec::new(),
                    };
                    let source = Source { rank: Rank::Final, revision: 0 };
                    self.settle(receipt, source, Amounts::ZERO, true);
                }
            }
            self.passed.clear();
        }
    }
}
