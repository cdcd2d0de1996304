//! Any bytes as a key set: what is accepted has keys, and selects only keys that support what was asked for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_core::jwt::{Algorithm, KeySet};

fuzz_target!(|bytes: &[u8]| {
    if let Ok((set, _)) = KeySet::parse(bytes) {
        assert!(set.len() > 0);
        for algorithm in Algorithm::ALL {
            for kid in set.key_ids().map(Some).chain([None]) {
                if let Ok(key) = set.select(kid, algorithm) {
                    assert!(key.supports(algorithm));
                }
            }
        }
    }
});
