//! One round: is the realm there, what does it say of each person, and can that be? Only then is anything done.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::Directory;
use super::brake::Found;
use super::keycloak::DirectoryError;
use crate::store::{Author, DirectoryPerson, DirectoryVerdict, Origin, Slice, StoreError, SuspensionCause};
use crate::telemetry::RoundOutcome;

/// People that are read at once.
const PAGE: i64 = 200;
/// Answers in a row that are none: then it is the directory that is away, not one user that is odd.
const FAILURES_IN_A_ROW: u32 = 3;
/// How often it is said that this replica is still at work.
const SIGN_OF_LIFE: Duration = Duration::from_secs(8);

/// Why a round ended early. Nothing has been done then.
enum Ended {
    /// The directory is away.
    Outage(DirectoryError),
    /// Our own database is away.
    Store(StoreError),
    /// Another replica has taken the work over.
    TakenOver,
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What was learnt of everybody.
#[derive(Default)]
struct Learnt {
    people: usize,
    unanswered: usize,
    found: Found,
    /// Whoever the directory's word changes something for.
    changes: Vec<(DirectoryPerson, DirectoryVerdict)>,
}

/// A round under way.
pub(super) struct Round<'d> {
    directory: &'d Directory,
}

impl<'d> Round<'d> {
    /// Not begun.
    pub const fn new(directory: &'d Directory) -> Self {
        Self { directory }
    }

    /// Does the round: how it ended, and how many people it asked about.
    pub async fn go(self) -> (RoundOutcome, usize) {
        let issuer = self.directory.options.issuer.as_str();
        let learnt = match self.ask_about_everybody().await {
            Ok(learnt) => learnt,
            Err(Ended::Outage(error)) => {
                tracing::error!(issuer, %error, "the directory gives no usable answer; nobody is suspended for that");
                return (RoundOutcome::Outage, 0);
            }
            Err(Ended::Store(error)) => {
                tracing::warn!(issuer, %error, "people could not be read; the directory is asked again later");
                return (RoundOutcome::Store, 0);
            }
            Err(Ended::TakenOver) => {
                tracing::info!(issuer, "another replica asks the directory now");
                return (RoundOutcome::Store, 0);
            }
        };
        let people = learnt.people;
        (self.obey(learnt).await, people)
    }

    async fn ask_about_everybody(&self) -> Result<Learnt, Ended> {
        let Directory { keycloak, options, deps, .. } = self.directory;
        keycloak.check_realm().await.map_err(Ended::Outage)?;
        let mut pace = pace(options.requests_per_second);
        let (mut learnt, mut failed_in_a_row, mut seen_alive) = (Learnt::default(), 0, Instant::now());
        let mut after = String::new();
        loop {
            let slice = Slice { after: &after, limit: PAGE };
            let page = deps.store.people_to_ask_about(&options.issuer, slice, deps.clock.now()).await?;
            let Some(last) = page.last() else { return Ok(learnt) };
            after.clone_from(&last.id);
            for person in page {
                pace.tick().await;
                if seen_alive.elapsed() > SIGN_OF_LIFE {
                    if !self.directory.is_alive().await? {
                        return Err(Ended::TakenOver);
                    }
                    seen_alive = Instant::now();
                }
                learnt.people += 1;
                match keycloak.look_up(&person.subject).await {
                    Ok(verdict) => {
                        failed_in_a_row = 0;
                        learnt.note(person, verdict);
                    }
                    Err(DirectoryError::Subject) => learnt.unanswered += 1,
                    Err(error) => {
                        learnt.unanswered += 1;
                        failed_in_a_row += 1;
                        if failed_in_a_row >= FAILURES_IN_A_ROW {
                            return Err(Ended::Outage(error));
                        }
                        tracing::warn!(issuer = options.issuer, person = person.id, %error, "the directory says nothing of a person");
                    }
                }
            }
        }
    }

    async fn obey(&self, learnt: Learnt) -> RoundOutcome {
        let options = &self.directory.options;
        let issuer = options.issuer.as_str();
        let Learnt { people, unanswered, found, changes } = learnt;
        let held = found.is_implausible(options.max_suspended_percent);
        if held {
            tracing::error!(
                issuer,
                asked = found.active,
                absent = found.absent,
                disabled = found.disabled,
                max_suspended_percent = options.max_suspended_percent,
                "the directory says that more people are gone than can be believed; nobody is suspended. Check that it is the \
                 right realm; if they are really gone, suspend them by hand or raise max_suspended_percent"
            );
        }
        for (person, verdict) in changes {
            if held && matches!(verdict, DirectoryVerdict::Gone(_)) {
                continue;
            }
            if let Err(error) = self.obey_one(&person, verdict).await {
                tracing::warn!(issuer, %error, "the directory's word could not be written down; it is asked again later");
                return RoundOutcome::Store;
            }
        }
        match (held, unanswered) {
            (true, _) => RoundOutcome::Held,
            (false, 0) => RoundOutcome::Done,
            // Nobody at all was answered for.
            (false, _) if unanswered == people => RoundOutcome::Outage,
            (false, _) => RoundOutcome::Partial,
        }
    }

    async fn obey_one(&self, person: &DirectoryPerson, verdict: DirectoryVerdict) -> Result<(), StoreError> {
        let Directory { options, deps, .. } = self.directory;
        let now = deps.clock.now();
        let author = Author::directory(&options.issuer, Origin::here(now));
        let mut tx = deps.store.begin().await?;
        let Some(after) = tx.obey_directory(&author, &person.id, verdict).await? else { return Ok(()) };
        tx.commit(now).await?;
        let suspended = after.suspended_because.is_some();
        // Who was disabled and is deleted now is not suspended a second time.
        if !suspended || person.suspended_because.is_none() {
            deps.metrics.directories().obeyed(&options.issuer, suspended);
        }
        let because = after.suspended_because.map(SuspensionCause::as_str);
        tracing::info!(
            issuer = options.issuer,
            person = person.id,
            suspended,
            because,
            "obeyed the directory"
        );
        Ok(())
    }
}

impl Learnt {
    fn note(&mut self, person: DirectoryPerson, verdict: DirectoryVerdict) {
        let was = person.suspended_because;
        if was.is_none() {
            self.found.active += 1;
            match verdict {
                DirectoryVerdict::Gone(SuspensionCause::DirectoryAbsent) => self.found.absent += 1,
                DirectoryVerdict::Gone(SuspensionCause::DirectoryDisabled) => self.found.disabled += 1,
                DirectoryVerdict::Enabled => {}
            }
        }
        let is = match verdict {
            DirectoryVerdict::Enabled => None,
            DirectoryVerdict::Gone(cause) => Some(cause),
        };
        if was != is {
            self.changes.push((person, verdict));
        }
    }
}

/// Ticks that keep questions this far apart, without making up for lost ones.
fn pace(requests_per_second: u32) -> Interval {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / requests_per_second.max(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}
