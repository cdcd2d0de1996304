//! Records that many keys share, by number. Slots are added and their contents swapped while readers go on without a lock;
//! a slot never moves.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

/// Slots of the first bucket; each further bucket doubles what there is.
const FIRST: usize = 1024;
/// `FIRST` × (2^22 - 1) slots: more than there are numbers.
const BUCKETS: usize = 22;

type Bucket<T> = Box<[ArcSwapOption<T>]>;

/// The slots.
#[derive(Debug)]
pub(super) struct Slots<T> {
    buckets: [OnceLock<Bucket<T>>; BUCKETS],
    used: AtomicU32,
}

/// The bucket of a slot, and its place in there.
const fn place(slot: u32) -> (usize, usize) {
    let group = slot as usize / FIRST + 1;
    let bucket = group.ilog2() as usize;
    (bucket, slot as usize - ((1 << bucket) - 1) * FIRST)
}

impl<T> Slots<T> {
    pub fn new() -> Self {
        Self { buckets: [const { OnceLock::new() }; BUCKETS], used: AtomicU32::new(0) }
    }

    /// What is in a slot; `None` while it is empty.
    pub fn get(&self, slot: u32) -> Option<Arc<T>> {
        let (bucket, at) = place(slot);
        self.buckets.get(bucket)?.get()?.get(at)?.load_full()
    }

    /// Another slot, empty at first. There is one writer.
    pub fn add(&self) -> u32 {
        let slot = self.used.fetch_add(1, Ordering::Relaxed);
        let (bucket, _) = place(slot);
        self.buckets[bucket].get_or_init(|| (0..FIRST << bucket).map(|_| ArcSwapOption::empty()).collect());
        slot
    }

    /// Puts something into a slot, or empties it.
    pub fn set(&self, slot: u32, value: Option<Arc<T>>) {
        let (bucket, at) = place(slot);
        if let Some(place) = self.buckets.get(bucket).and_then(OnceLock::get).and_then(|slots| slots.get(at))
        {
            place.store(value);
        }
    }

    /// Slots there are.
    pub fn len(&self) -> usize {
        self.used.load(Ordering::Relaxed) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_stay_where_they_are() {
        let slots = Slots::new();
        for n in 0..10_000_u32 {
            assert_eq!(slots.add(), n);
            assert_eq!(slots.get(n), None);
            slots.set(n, Some(Arc::new(n)));
        }
        for n in (0..10_000).step_by(3) {
            slots.set(n, None);
        }
        for n in 0..10_000 {
            assert_eq!(slots.get(n).as_deref(), (n % 3 != 0).then_some(&n));
        }
        assert_eq!((slots.get(10_000), slots.get(u32::MAX), slots.len()), (None, None, 10_000));
        assert_eq!(place(1023), (0, 1023));
        assert_eq!(place(1024), (1, 0));
        assert_eq!(place(3071), (1, 2047));
        assert_eq!(place(3072), (2, 0));
    }
}
