//! What a stranger can learn with a clock: a wrong secret for a key that exists takes as long as a key that does not.

use std::time::Instant;

use tollgate::entropy::{Entropy as _, SystemEntropy};
use tollgate_core::apikey::NewKey;
use tollgate_core::time::Timestamp;

use super::{POLICY, Replicas, alice, now, wish};

/// Checks of each kind. On an idle machine so many show a difference of some microseconds, on a busy one of some tens; a
/// question to the database, or another wait, is a hundred times that.
const SAMPLES: usize = 5_000;
/// Keys of each kind, so that no single place in memory is measured.
const KEYS: usize = 64;
/// Above this the two are different, by the usual reading of Welch's test for side channels.
const DIFFERENT: f64 = 4.5;

fn text(made: Timestamp) -> NewKey {
    NewKey::make(made, |buffer| SystemEntropy.fill(buffer)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_takes_as_long_as_an_unknown_key() {
    let Some(rig) = Replicas::start(1).await else { return };
    // Of yesterday, so that nobody waits for a key that may be new.
    let yesterday = now().plus_secs(-86_400);
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    let mut last = String::new();
    for _ in 0..KEYS {
        let new = text(yesterday);
        let mut tx = rig.store.begin().await.unwrap();
        tx.issue_key(&alice(), &wish(&new), &POLICY).await.unwrap();
        tx.commit(now()).await.unwrap();
        last = new.reveal();
        wrong.push(NewKey::rotate(new.id(), |buffer| SystemEntropy.fill(buffer)).unwrap().reveal());
        unknown.push(text(yesterday).reveal());
    }
    rig.all_permit(&last).await;
    let checker = &rig.checkers[0];
    let (mut times, mut random) = ([Vec::new(), Vec::new()], 0x9e37_79b9_7f4a_7c15_u64);
    while times.iter().any(|times| times.len() < SAMPLES) {
        // In no order that the machine's moods could follow.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (kind, at) = ((random >> 32 & 1) as usize, (random >> 40) as usize % KEYS);
        let key = if kind == 0 { &wrong[at] } else { &unknown[at] };
        let begun = Instant::now();
        let outcome = checker.bearer(key).await;
        times[kind].push(begun.elapsed().as_secs_f64() * 1e6);
        assert_eq!(outcome.denial().as_deref(), Some("key_unknown"));
    }
    // The slowest tenth is the machine's and not ours.
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let crop = all[all.len() * 9 / 10];
    let [wrong, unknown] = times.map(|times| Sample::of(times.into_iter().filter(|time| *time < crop)));
    let t = (wrong.mean - unknown.mean)
        / (wrong.variance / wrong.count + unknown.variance / unknown.count).sqrt();
    let said = format!("wrong secret {:.2} µs, unknown key {:.2} µs, t = {t:.2}", wrong.mean, unknown.mean);
    tell(&said);
    assert!(t.abs() < DIFFERENT, "{said}");
}

#[expect(clippy::print_stderr, reason = "the measurement is part of the test's answer")]
fn tell(said: &str) {
    eprintln!("{said}");
}

struct Sample {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Sample {
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    fn of(times: impl Iterator<Item = f64>) -> Self {
        let times: Vec<f64> = times.collect();
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self { count, mean, variance }
    }
}
