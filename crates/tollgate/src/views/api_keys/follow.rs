//! The follower: fills the view, and keeps it true by rounds. A round is begun by a notification, by a commit of this very
//! process, by a check that waits for a fresh key, and by the clock, so that none of the others has to work.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tollgate_core::time::Timestamp;

use super::fill::fill;
use super::refresh::{Reach, refresh};
use super::source::Source;
use super::status::Bus;
use super::writer::Writer;
use super::{ApiKeysView, Inner};
use crate::clock::Clock;
use crate::store::{Followed, Store, StoreError};
use crate::views::Jitter;

/// Between looks for what is over.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// In so much silence, a listening connection has to show that it lives.
const SILENCE: Duration = Duration::from_secs(2);
/// Before a lost listening connection is made anew.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);
/// Changes older than this are forgotten; a follower that was away for longer reads everything.
const KEEP_CHANGES_SECS: i64 = 86_400;
/// Between looks for changes to forget.
const TRIM_EVERY: Duration = Duration::from_secs(3600);

impl ApiKeysView {
    /// Keeps the view true to a store. Ends only by being dropped.
    pub async fn run(self, store: Arc<Store>, clock: Arc<dyn Clock>, jitter: Arc<Jitter>) {
        tokio::join!(
            self.clone().follow(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&jitter)),
            self.hear_own(&store),
            self.hear_others(&store),
            trim(&store, clock.as_ref(), &jitter),
        );
    }

    /// Keeps the view true to a source, by polling and by demand. Ends only by being dropped.
    pub async fn follow<S: Source>(self, source: Arc<S>, clock: Arc<dyn Clock>, jitter: Arc<Jitter>) {
        let now = Instant::now();
        let follower = Follower {
            view: self.0,
            source,
            clock,
            writer: None,
            filled: None,
            filling: JoinSet::new(),
            fill_wanted: Some("the process started"),
            fill_after: now,
            sweep_at: now + SWEEP_EVERY,
        };
        follower.run(&jitter).await;
    }

    /// Commits of this process.
    async fn hear_own(&self, store: &Store) {
        let mut published = store.published();
        while published.changed().await.is_ok() {
            self.0.demand.wake();
        }
    }

    /// Commits of other processes.
    async fn hear_others(&self, store: &Store) {
        loop {
            match store.listen().await {
                Ok(None) => return self.0.set_bus(Bus::None),
                Ok(Some(mut listener)) => {
                    self.0.set_bus(Bus::Listening);
                    // What was committed before the connection listened has been told to nobody.
                    self.0.demand.wake();
                    let lost = loop {
                        match listener.hear(SILENCE).await {
                            Ok(true) => self.0.demand.wake(),
                            Ok(false) => {}
                            Err(lost) => break lost,
                        }
                    };
                    tracing::warn!(%lost, "the database's notifications are lost; changes are looked for every second until they are back");
                }
                Err(error) => tracing::debug!(%error, "cannot listen for changes"),
            }
            self.0.set_bus(Bus::Lost);
            sleep(LISTEN_AGAIN).await;
        }
    }
}

impl Inner {
    fn set_bus(&self, bus: Bus) {
        self.status.set_bus(bus);
        self.metrics.keys().bus(bus == Bus::Listening);
    }
}

async fn trim(store: &Store, clock: &dyn Clock, jitter: &Jitter) {
    loop {
        sleep(TRIM_EVERY.mul_f64(0.5 + jitter.next())).await;
        if let Err(error) = store.trim_changes(clock.now().plus_secs(-KEEP_CHANGES_SECS)).await {
            tracing::debug!(%error, "old changes were not forgotten; the next try is in an hour");
        }
        if let Err(error) = store.forget_expired_token_rules(clock.now()).await {
            tracing::debug!(%error, "token rules that are over were not forgotten; the next try is in an hour");
        }
    }
}

struct Follower<S> {
    view: Arc<Inner>,
    source: Arc<S>,
    clock: Arc<dyn Clock>,
    /// Of the snapshot in use.
    writer: Option<Writer>,
    /// Of one that was read whole, and has to catch up before it is used.
    filled: Option<Writer>,
    filling: JoinSet<(Result<Writer, StoreError>, Duration)>,
    /// Why everything has to be read, if it has.
    fill_wanted: Option<&'static str>,
    fill_after: Instant,
    sweep_at: Instant,
}

impl<S: Source> Follower<S> {
    async fn run(mut self, jitter: &Jitter) {
        loop {
            self.begin_fill();
            let begun = Instant::now();
            self.round().await;
            // Replicas that started together do not ask together.
            let poll = begun + self.view.options.poll.mul_f64(0.9 + 0.2 * jitter.next());
            tokio::select! {
                Some(done) = self.filling.join_next() => self.take_fill(done),
                () = self.view.demand.woken() => sleep_until(begun + self.view.options.spacing).await,
                () = sleep_until(poll) => {}
            }
        }
    }

    fn want_fill(&mut self, why: &'static str) {
        if self.filling.is_empty() && self.filled.is_none() {
            self.fill_wanted = Some(why);
        }
    }

    fn begin_fill(&mut self) {
        if !self.filling.is_empty() || Instant::now() < self.fill_after {
            return;
        }
        let Some(why) = self.fill_wanted.take() else { return };
        tracing::info!(why, "reading all API keys");
        self.fill_after = Instant::now() + self.view.options.fill_spacing;
        let (source, clock) = (Arc::clone(&self.source), Arc::clone(&self.clock));
        let page = self.view.options.page;
        self.filling.spawn(async move {
            let begun = Instant::now();
            let filled = fill(source.as_ref(), clock.now(), page).await;
            (filled, begun.elapsed())
        });
    }

    fn take_fill(&mut self, done: Result<(Result<Writer, StoreError>, Duration), tokio::task::JoinError>) {
        let (filled, took) = match done {
            Ok((filled, took)) => (filled.map_err(|error| error.to_string()), took),
            Err(lost) => (Err(lost.to_string()), Duration::ZERO),
        };
        self.view.metrics.keys().filled(filled.is_ok(), took);
        match filled {
            Ok(writer) => {
                tracing::info!(
                    keys = writer.snapshot.keys.len(),
                    token_rules = writer.snapshot.rules.len(),
                    took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                    "all API keys were read"
                );
                self.filled = Some(writer);
            }
            Err(error) => {
                self.view.status.note(Err(error));
                self.fill_wanted = Some("the last time it failed");
            }
        }
    }

    /// Brings the view to the present, as far as the store answers.
    async fn round(&mut self) {
        self.view.demand.begin();
        let began_at = self.clock.now();
        let mut outcome = match self.writer.take() {
            None => Ok(None),
            Some(mut writer) => {
                let reach = self.catch_up(&mut writer).await;
                self.writer = Some(writer);
                reach.map(Some)
            }
        };
        if let Some(mut filled) = self.filled.take() {
            // It was read beside the one in use, and takes its place only when it knows as much.
            match self.catch_up(&mut filled).await {
                Ok(reach @ (Reach::Present | Reach::Unknown)) => {
                    self.view.current.store(Some(Arc::clone(&filled.snapshot)));
                    self.writer = Some(filled);
                    outcome = Ok(Some(reach));
                }
                Ok(Reach::Broken(why)) => {
                    outcome = Ok(Some(Reach::Broken(why)));
                }
                Err(error) => {
                    self.filled = Some(filled);
                    outcome = Err(error);
                }
            }
        }
        self.conclude(outcome, began_at);
    }

    fn conclude(&mut self, outcome: Result<Option<Reach>, StoreError>, began_at: Timestamp) {
        let present = matches!(outcome, Ok(Some(Reach::Present | Reach::Unknown)));
        if present {
            self.view.present_at.store(began_at.as_millis(), Ordering::Relaxed);
            self.view.status.note(Ok(()));
        }
        match outcome {
            Ok(Some(Reach::Broken(why))) => self.want_fill(why),
            Ok(Some(Reach::Unknown)) => self.want_fill("a change of a kind that only a later version knows"),
            Ok(Some(Reach::Present) | None) => {}
            Err(error) => self.view.status.note(Err(error.to_string())),
        }
        let now = Instant::now();
        if let Some(writer) = &mut self.writer {
            if now >= self.sweep_at {
                self.sweep_at = now + SWEEP_EVERY;
                writer.sweep(began_at);
            }
            let cluttered = writer.is_cluttered();
            let (keys, bytes) = (writer.snapshot.keys.len(), writer.snapshot.keys.bytes());
            let metrics = self.view.metrics.keys();
            metrics.holds(keys, bytes, writer.snapshot.rules.len());
            metrics.position(writer.position.seq, present.then_some(began_at));
            if cluttered {
                self.want_fill("many limits are no longer in use");
            }
        }
        self.view.demand.end(present);
    }

    async fn catch_up(&self, writer: &mut Writer) -> Result<Reach, StoreError> {
        let clock = self.clock.as_ref();
        let lag = |changes: &[Followed]| {
            let now = clock.now();
            for change in changes {
                self.view.metrics.keys().lag(now.millis_since(change.at));
            }
        };
        refresh(self.source.as_ref(), writer, || clock.now(), lag).await
    }
}
