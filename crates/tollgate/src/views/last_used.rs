//! When keys were last used: noted by checks in memory, one note a key, and written by nobody who has a check to answer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tollgate_core::apikey::KeyId;
use tollgate_core::time::Timestamp;

use super::KeySecret;
use crate::store::{KeyUse, Store};
use crate::telemetry::Metrics;

/// Parts of the memory, so that checks on several cores seldom meet.
const SHARDS: usize = 16;
/// Keys that one part remembers between two writes; further ones are dropped and counted.
const KEYS_PER_SHARD: usize = 4096;
/// Characters of a user agent that are kept.
const AGENT_CHARS: usize = 200;
/// Between writes.
const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// For the write at the end of the process.
const LAST_FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// The notes, shared by all who check keys.
#[derive(Debug)]
pub struct LastUsed {
    shards: [Mutex<HashMap<KeyId, KeyUse>>; SHARDS],
    metrics: Arc<Metrics>,
}

/// One use of a key.
#[derive(Clone, Copy, Debug)]
pub struct Used<'a> {
    /// Which key.
    pub id: KeyId,
    /// With which secret.
    pub secret: KeySecret,
    /// When.
    pub at: Timestamp,
    /// From where, as the gateway tells.
    pub address: Option<IpAddr>,
    /// With which program, as the client says.
    pub agent: Option<&'a [u8]>,
}

impl LastUsed {
    /// No notes.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), metrics }
    }

    /// Notes a use. Takes a lock for the time of a look into a small map.
    pub fn note(&self, used: Used<'_>) {
        let previous_at = (used.secret == KeySecret::Previous).then_some(used.at);
        let mut shard = self.shard(used.id).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(noted) = shard.get_mut(&used.id) {
            noted.at = noted.at.max(used.at);
            noted.previous_at = noted.previous_at.max(previous_at);
            noted.address = used.address.or(noted.address);
            // Nearly always the same program, and then there is nothing to copy.
            if used.agent.is_some_and(|agent| noted.agent.as_ref().map(String::as_bytes) != Some(agent)) {
                noted.agent = used.agent.map(readable);
            }
            return;
        }
        if shard.len() >= KEYS_PER_SHARD {
            drop(shard);
            self.metrics.keys().uses_dropped(1);
            return;
        }
        let agent = used.agent.map(readable);
        shard.insert(used.id, KeyUse { id: used.id, at: used.at, address: used.address, agent, previous_at });
    }

    /// Writes what is noted every ten seconds. Ends only by being dropped; [`LastUsed::flush`] writes the rest.
    pub async fn write_behind(&self, store: &Store) {
        loop {
            tokio::time::sleep(FLUSH_EVERY).await;
            self.write(store).await;
        }
    }

    /// Writes what is noted, at the end of the process.
    pub async fn flush(&self, store: &Store) {
        if tokio::time::timeout(LAST_FLUSH_LIMIT, self.write(store)).await.is_err() {
            tracing::warn!("the last uses of some keys could not be written in time");
        }
    }

    async fn write(&self, store: &Store) {
        let uses = self.take();
        if uses.is_empty() {
            return;
        }
        match store.note_key_use(&uses).await {
            Ok(()) => self.metrics.keys().uses_written(uses.len()),
            Err(error) => {
                tracing::debug!(%error, "the last uses of keys were not written; they are kept for the next time");
                uses.into_iter().for_each(|noted| self.keep(noted));
            }
        }
    }

    /// Everything that is noted, in the order of ids, so that two replicas that write the same rows do not cross.
    fn take(&self) -> Vec<KeyUse> {
        let mut uses = Vec::new();
        for shard in &self.shards {
            let taken = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            uses.extend(taken.into_values());
        }
        uses.sort_unstable_by_key(|noted| noted.id);
        uses
    }

    /// Puts a note back, unless there is a newer one.
    fn keep(&self, noted: KeyUse) {
        let mut shard = self.shard(noted.id).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(newer) = shard.get_mut(&noted.id) {
            newer.previous_at = newer.previous_at.max(noted.previous_at);
        } else if shard.len() < KEYS_PER_SHARD {
            shard.insert(noted.id, noted);
        } else {
            drop(shard);
            self.metrics.keys().uses_dropped(1);
        }
    }

    fn shard(&self, id: KeyId) -> &Mutex<HashMap<KeyId, KeyUse>> {
        // The last character of an id is random.
        let last = id.as_str().bytes().last().unwrap_or_default();
        &self.shards[usize::from(last) % SHARDS]
    }
}

/// A user agent as text of one line and of bounded length.
fn readable(agent: &[u8]) -> String {
    String::from_utf8_lossy(agent).chars().filter(|c| !c.is_control()).take(AGENT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes() -> LastUsed {
        LastUsed::new(Arc::new(Metrics::new(&[], Timestamp::from_millis(0))))
    }

    fn used(id: u128, at: i64) -> Used<'static> {
        Used {
            id: KeyId::from_bits(id),
            secret: KeySecret::Present,
            at: Timestamp::from_millis(at),
            address: None,
            agent: Some(b"curl/8"),
        }
    }

    #[test]
    fn one_note_a_key_and_the_latest_counts() {
        let notes = notes();
        notes.note(used(7, 20));
        notes.note(Used { address: "192.0.2.1".parse().ok(), ..used(7, 10) });
        notes.note(Used { secret: KeySecret::Previous, agent: Some(b"py\x00thon\n"), ..used(7, 30) });
        notes.note(Used { agent: None, ..used(7, 31) });
        notes.note(used(8, 5));
        let uses = notes.take();
        assert_eq!(uses.len(), 2);
        let expected = KeyUse {
            id: KeyId::from_bits(7),
            at: Timestamp::from_millis(31),
            address: "192.0.2.1".parse().ok(),
            agent: Some("python".into()),
            previous_at: Some(Timestamp::from_millis(30)),
        };
        assert_eq!(uses[0], expected);
        assert!(notes.take().is_empty());
    }

    #[test]
    fn a_note_that_comes_back_never_hides_a_newer_one() {
        let notes = notes();
        notes.note(Used { secret: KeySecret::Previous, ..used(7, 10) });
        let failed = notes.take();
        notes.note(used(7, 20));
        failed.into_iter().for_each(|noted| notes.keep(noted));
        let uses = notes.take();
        assert_eq!(uses[0].at, Timestamp::from_millis(20));
        assert_eq!(uses[0].previous_at, Some(Timestamp::from_millis(10)));
    }

    #[test]
    fn memory_is_bounded_and_what_is_dropped_is_counted() {
        let notes = notes();
        let all = 3 * SHARDS * KEYS_PER_SHARD;
        (0..all).for_each(|id| notes.note(used(id as u128, 1)));
        let kept = notes.take().len();
        assert!(kept <= SHARDS * KEYS_PER_SHARD, "{kept}");
        let dropped = format!("tollgate_key_uses_dropped_total {}", all - kept);
        assert!(notes.metrics.render().contains(&dropped));
    }
}
