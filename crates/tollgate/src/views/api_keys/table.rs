//! All keys by id: many small sorted tables, each swapped as a whole. A reader borrows one table without a lock; a writer
//! copies the one table that a key is in, never all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

use super::entry::Entry;

/// A million keys make tables of about 244 entries: 17 KB to copy for an update, eight steps to search.
const SHARDS: usize = 4096;

type Shard = Box<[Entry]>;

/// The keys.
#[derive(Debug)]
pub(super) struct KeyTable {
    shards: Box<[ArcSwap<Shard>]>,
    len: AtomicUsize,
}

/// What becomes of one key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Update {
    Put(Entry),
    Remove(u128),
}

impl Update {
    const fn id(&self) -> u128 {
        match self {
            Self::Put(entry) => entry.id(),
            Self::Remove(id) => *id,
        }
    }
}

/// The low bits of an id are random, so tables have about the same size.
const fn shard_of(id: u128) -> usize {
    id as usize % SHARDS
}

impl KeyTable {
    /// A table without keys.
    pub fn new() -> Self {
        let empty: Arc<Shard> = Arc::default();
        let shards = (0..SHARDS).map(|_| ArcSwap::new(Arc::clone(&empty))).collect();
        Self { shards, len: AtomicUsize::new(0) }
    }

    /// The key with this id.
    pub fn find(&self, id: u128) -> Option<Entry> {
        let shard = self.shards[shard_of(id)].load();
        let at = shard.binary_search_by_key(&id, Entry::id).ok()?;
        shard.get(at).copied()
    }

    /// Keys in all tables.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Bytes that the tables occupy.
    pub fn bytes(&self) -> usize {
        // An `Arc` has two counters before its value; a boxed slice is a pointer and a length.
        let around = size_of::<ArcSwap<Shard>>() + 2 * size_of::<usize>() + size_of::<Shard>();
        self.len() * size_of::<Entry>() + SHARDS * around
    }

    /// Puts these keys in place of all others.
    pub fn fill(&self, builder: TableBuilder) {
        let mut len = 0;
        for (shard, mut entries) in self.shards.iter().zip(builder.shards) {
            entries.sort_unstable_by_key(Entry::id);
            len += entries.len();
            shard.store(Arc::new(entries.into_boxed_slice()));
        }
        self.len.store(len, Ordering::Relaxed);
    }

    /// Changes some keys. There is one writer; each table that is touched is copied once, however many of its keys
    /// change.
    pub fn update(&self, updates: &mut [Update]) {
        // Stable, so that of two updates of one key the later one counts.
        updates.sort_by_key(|update| (shard_of(update.id()), update.id()));
        for group in updates.chunk_by(|a, b| shard_of(a.id()) == shard_of(b.id())) {
            let Some(shard) = group.first().map(|update| &self.shards[shard_of(update.id())]) else {
                continue;
            };
            let old = shard.load();
            let mut entries = Vec::with_capacity(old.len() + group.len());
            let mut rest = old.as_ref().as_ref();
            for update in group {
                let before = rest.partition_point(|entry| entry.id() < update.id());
                entries.extend_from_slice(&rest[..before]);
                rest = &rest[before..];
                if rest.first().is_some_and(|entry| entry.id() == update.id()) {
                    rest = &rest[1..];
                }
                if entries.last().is_some_and(|entry: &Entry| entry.id() == update.id()) {
                    entries.pop();
                }
                if let Update::Put(entry) = update {
                    entries.push(*entry);
                }
            }
            entries.extend_from_slice(rest);
            let (before, after) = (old.len(), entries.len());
            drop(old);
            shard.store(Arc::new(entries.into_boxed_slice()));
            self.len.store((self.len() + after).saturating_sub(before), Ordering::Relaxed);
        }
    }
}

/// Keys on their way into a table.
#[derive(Debug)]
pub(super) struct TableBuilder {
    shards: Vec<Vec<Entry>>,
}

impl TableBuilder {
    pub fn new() -> Self {
        Self { shards: vec![Vec::new(); SHARDS] }
    }

    /// Takes a key; each id once.
    pub fn push(&mut self, entry: Entry) {
        self.shards[shard_of(entry.id())].push(entry);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use tollgate_core::apikey::KeyDigest;
    use tollgate_core::caller::KeyState;

    use super::super::entry::Parts;
    use super::*;

    fn entry(id: u128, mark: u32) -> Entry {
        Entry::new(Parts {
            id,
            digest: KeyDigest::from_bytes([7; 32]),
            expires_at: None,
            owner: mark,
            project: 0,
            limits: None,
            state: KeyState::Live,
            overlaps: false,
        })
    }

    /// Few ids in few shards, so that they meet.
    fn id() -> impl Strategy<Value = u128> {
        (0_u128..6, 0_u128..3).prop_map(|(high, low)| high << 64 | low)
    }

    proptest! {
        #[test]
        fn it_is_a_map(
            first in proptest::collection::btree_map(id(), any::<u32>(), 0..12),
            batches in proptest::collection::vec(proptest::collection::vec((id(), any::<Option<u32>>()), 0..8), 0..6),
        ) {
            let mut map: BTreeMap<u128, u32> = first.clone();
            let table = KeyTable::new();
            let mut builder = TableBuilder::new();
            first.iter().rev().for_each(|(id, mark)| builder.push(entry(*id, *mark)));
            table.fill(builder);
            for batch in batches {
                let mut updates: Vec<_> = batch
                    .iter()
                    .map(|(id, mark)| mark.map_or(Update::Remove(*id), |mark| Update::Put(entry(*id, mark))))
                    .collect();
                table.update(&mut updates);
                for (id, mark) in batch {
                    match mark {
                        Some(mark) => drop(map.insert(id, mark)),
                        None => drop(map.remove(&id)),
                    }
                }
                prop_assert_eq!(table.len(), map.len());
                for high in 0..6 {
                    for low in 0..3 {
                        let id = high << 64 | low;
                        prop_assert_eq!(table.find(id).map(|entry| entry.owner), map.get(&id).copied());
                    }
                }
            }
        }
    }
}
