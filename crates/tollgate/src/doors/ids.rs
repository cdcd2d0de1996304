//! Check ids: unique, unguessable in practice, and made without a system call or a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use tollgate_core::input::CheckId;

/// A sequence of check ids from one random seed.
#[derive(Debug)]
pub struct CheckIds {
    seed: u128,
    counter: AtomicU64,
}

impl CheckIds {
    /// A sequence; `seed` must be random, so that replicas and restarts do not repeat each other.
    pub const fn new(seed: u128) -> Self {
        Self { seed, counter: AtomicU64::new(0) }
    }

    /// The next id.
    pub fn next(&self) -> CheckId {
        let count = u128::from(self.counter.fetch_add(1, Ordering::Relaxed));
        // An odd multiplier permutes the 128-bit numbers, so ids of one process never collide; the seed keeps
        // processes apart.
        CheckId::from_bits(
            self.seed.wrapping_add(count).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_do_not_repeat_within_or_across_seeds() {
        let (a, b) = (CheckIds::new(7), CheckIds::new(1 << 100));
        let ids: HashSet<_> = (0..10_000).flat_map(|_| [a.next(), b.next()]).collect();
        assert_eq!(ids.len(), 20_000);
    }
}
