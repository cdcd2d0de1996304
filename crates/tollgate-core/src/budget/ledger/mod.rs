//! The ledger: the database's transaction as a pure function over rows. The SQL implementation does the same steps, in the
//! same order, one or two statements each; a simulation runs this one over random schedules, and one suite runs both.
//!
//! `settled + held + granted ≤ limit` holds at every commit for every budget that refuses, with three exceptions that are
//! charged because they happened: a limit that was lowered, a true cost above what a hard budget held, and a hold without
//! credit behind it (see [`Noticed::unbacked`]). For a strict budget none of them happens while replicas report within their
//! leases, and final reports come within those of the holds: what lapses there is charged at all that was held.
//!
//! | step | SQL |
//! |---|---|
//! | [`Ledger::register`] | `INSERT INTO budget_replicas … RETURNING id`, an identity column; the one step in a transaction of its own |
//! | lock | `SELECT … FROM budgets WHERE id IN (…) ORDER BY id FOR UPDATE` of all budgets that the round names, in one order, so that rounds never deadlock (SQLite has one writer) |
//! | [`Ledger::turn`] | `UPDATE budgets SET period = period + 1, window_start = …, window_end = … WHERE id = … AND window_end <= now`, `INSERT INTO budget_slots` |
//! | [`Ledger::expire`] | `DELETE FROM budget_replicas WHERE lease_end <= now RETURNING id`, `DELETE FROM budget_credits WHERE replica IN (…) RETURNING`, then `UPDATE budget_slots SET granted = granted - …`; `UPDATE budget_holds SET state = 'charged', rank = 'lapsed' … WHERE state = 'held' AND lease_end <= now RETURNING`, then one `UPDATE budget_slots` per slot |
//! | known? | `SELECT number, answer FROM budget_replicas WHERE id = …`: the round's number again is answered again |
//! | reports | `INSERT INTO budget_holds … ON CONFLICT (check_id) DO NOTHING RETURNING`; only for rows that came in: `UPDATE budget_credits SET amount = amount - …`, `UPDATE budget_slots SET held = held + …, granted = granted - …` |
//! | settle | `UPDATE budget_holds SET … WHERE check_id = … AND (rank, revision) < (…) RETURNING` the old state, `UPDATE budget_hold_entries SET charged = …`; the difference goes to `budget_slots` |
//! | returns | `UPDATE budget_credits SET amount = amount - … WHERE replica = … AND amount >= …`, `UPDATE budget_slots SET granted = granted - …` |
//! | asks | reads the slots locked above; `INSERT INTO budget_holds`, `UPDATE budget_slots SET held = held + …` |
//! | grants | `INSERT INTO budget_credits … ON CONFLICT DO UPDATE SET amount = amount + …`, `UPDATE budget_slots SET granted = granted + …` |
//! | recall | `UPDATE budget_slots SET recall_until = …`, `NOTIFY`: replicas that are idle send a round |
//! | answer | `UPDATE budget_replicas SET number = …, answer = …, seen_at = now, lease_end = …` |
//!
//! `now` is the database's clock (`clock_timestamp()` on Postgres), one for all. Sums of one slot are gathered and written
//! with one `UPDATE` per slot and round.

mod credit;
mod edits;
mod holds;
mod rows;

pub use self::rows::{BudgetRow, HoldRow, HoldState, Leases, Ledger, Noticed, ReplicaRow, SlotRow};

use super::round::{Answer, Forgotten, ReplicaId, Report, Round};
use crate::time::Timestamp;

impl Ledger {
    /// One transaction.
    ///
    /// # Errors
    /// [`Forgotten`], when the replica's lease has ended. Nothing of the round was applied then.
    pub fn round(&mut self, round: &Round, now: Timestamp) -> Result<Answer, Forgotten> {
        self.turn(now);
        self.expire(now);
        if let Some(answer) = self.known(round, now)? {
            return Ok(answer);
        }
        for report in &round.reports {
            match report {
                Report::Held(receipt) => self.record(receipt, now),
                Report::Alive(receipt) => self.keep_alive(receipt, now),
                Report::Settled { receipt, source, used, last } => {
                    self.settle(receipt, *source, *used, *last, now);
                }
            }
        }
        for (slot, amount) in &round.returns {
            self.give_back(round.replica, *slot, *amount);
        }
        let asked: Vec<_> = round.asks.iter().map(|ask| self.ask(round.replica, ask, now)).collect();
        let answer = Answer {
            number: round.number,
            replicas: u32::try_from(self.replicas.len()).unwrap_or(u32::MAX).max(1),
            asked,
            budgets: self.grant(round, now),
            closed: self.closed(round.replica),
        };
        if let Some(row) = self.replicas.get_mut(&round.replica) {
            row.number = round.number;
            row.answer = Some(answer.clone());
        }
        Ok(answer)
    }

    /// Gives a replica its id. The ledger gives each id once, so that no late copy of a round can bring back a replica
    /// whose lease has ended, with credit that nobody has.
    pub fn register(&mut self, now: Timestamp) -> ReplicaId {
        self.last_replica = ReplicaId(self.last_replica.0 + 1);
        let lease_end = self.replica_lease_end(now);
        let row = ReplicaRow { number: 0, answer: None, seen_at: now, lease_end };
        self.replicas.insert(self.last_replica, row);
        self.last_replica
    }

    /// The answer of a round that was applied before. Every round extends the replica's lease.
    fn known(&mut self, round: &Round, now: Timestamp) -> Result<Option<Answer>, Forgotten> {
        let lease_end = self.replica_lease_end(now);
        let row = self.replicas.get_mut(&round.replica).ok_or(Forgotten)?;
        row.seen_at = row.seen_at.max(now);
        row.lease_end = row.lease_end.max(lease_end);
        if round.number > row.number {
            return Ok(None);
        }
        // A copy of an older round than the last was answered before the next was sent: nobody waits for this answer.
        row.answer.clone().map(Some).ok_or(Forgotten)
    }

    const fn replica_lease_end(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_millis(now.as_millis().saturating_add(self.leases.replica_millis))
    }

    /// A replica that ends and says so: its credit goes back at once. It has reported everything before.
    pub fn goodbye(&mut self, replica: ReplicaId) {
        if self.replicas.remove(&replica).is_some() {
            self.take_credit_back(replica);
        }
    }
}
