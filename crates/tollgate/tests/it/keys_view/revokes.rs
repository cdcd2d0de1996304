//! How long a revoked key works elsewhere: a thousand revokes while all replicas are busy.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{HARD_BOUND, Made, Replicas};
use crate::harness::grpc::Checker;

const REVOKES: usize = 1000;
/// Revokes under way at once.
const WRITERS: usize = 4;

/// From the commit's return to the first denial; denials must not end again.
async fn until_denied(checker: &Checker, text: &str, committed: Instant) -> Duration {
    loop {
        let outcome = checker.bearer(text).await;
        if !outcome.permitted() {
            assert_eq!(outcome.denial().as_deref(), Some("key_unknown"), "{outcome:?}");
            return committed.elapsed();
        }
        assert!(committed.elapsed() < HARD_BOUND, "a revoked key still works");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_revokes_under_load() {
    let Some(rig) = Replicas::start(3).await else { return };
    let rig = Arc::new(rig);
    let mut keys = Vec::new();
    for _ in 0..REVOKES {
        keys.push(rig.make().await);
    }
    let steady = rig.make().await;
    for made in keys.iter().step_by(100).chain([&steady]) {
        rig.all_permit(&made.text).await;
    }

    // Load: checks of a key that stays, on every replica, all the time.
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = rig
        .checkers
        .iter()
        .map(|checker| {
            let (checker, text) = (checker.clone(), steady.text.clone());
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let outcome = checker.bearer(&text).await;
                    assert!(outcome.permitted(), "{outcome:?}");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();

    let (next, lags) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let keys: Arc<[Made]> = keys.into();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (rig, keys) = (Arc::clone(&rig), Arc::clone(&keys));
            let (next, lags) = (Arc::clone(&next), Arc::clone(&lags));
            tokio::spawn(async move {
                while let Some(made) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
                    rig.revoke(&made.key).await;
                    let committed = Instant::now();
                    let denied =
                        rig.checkers.iter().map(|checker| until_denied(checker, &made.text, committed));
                    let all = futures_util::future::join_all(denied).await;
                    lags.lock().unwrap().extend(all);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }

    let mut lags = std::mem::take(&mut *lags.lock().unwrap());
    lags.sort_unstable();
    let at = |share: usize| lags[(lags.len() - 1) * share / 1000];
    #[expect(clippy::print_stderr, reason = "the measurement is part of the test's answer")]
    {
        eprintln!(
            "revoke to deny, {} observations on 3 replicas beside {} checks: p50 {:?}, p99 {:?}, max {:?}",
            lags.len(),
            served.load(Ordering::Relaxed),
            at(500),
            at(990),
            at(1000)
        );
    }
    assert_eq!(lags.len(), 3 * REVOKES);
    for made in keys.iter() {
        for checker in &rig.checkers {
            assert!(!checker.bearer(&made.text).await.permitted(), "a revoked key came back");
        }
    }
}
