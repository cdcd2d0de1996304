//! A key id that is not there: one shared fetch, a cool-down that holds, and the right word when there is no key.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::Instant;
use tollgate_core::jwt::{Algorithm, TokenFault};

use super::super::FoundKey;
use super::issuer::{Answer, Issuer};
use super::{PATIENCE, eventually, failed, find, has, loaded, set, source, until, world};

#[tokio::test]
async fn a_thousand_waiters_share_one_fetch() {
    let issuer = Issuer::start(set(&["old"])).await;
    let view = Arc::new(world().start(source(issuer.keys_at())));
    loaded(&view).await;
    issuer.set_keys(Answer::Json(set(&["old", "new"])));
    let hold = issuer.hold();
    let waiters: Vec<_> = (0..1000)
        .map(|_| {
            let view = Arc::clone(&view);
            tokio::spawn(async move { find(&view, "new", PATIENCE).await })
        })
        .collect();
    eventually(|| issuer.asked() == 2, || format!("asked {} times", issuer.asked())).await;
    hold.add_permits(1000);
    for found in join_all(waiters).await {
        assert!(matches!(found.unwrap(), FoundKey::Key { .. }));
    }
    assert_eq!(issuer.asked(), 2, "the first fetch and one for all waiters");
}

/// One fetch for the first unknown id, then none, however many ids are made up.
async fn flood(answer: Answer, word: fn(&FoundKey) -> bool) {
    let issuer = Issuer::start(set(&["old"])).await;
    let view = world().start(source(issuer.keys_at()));
    loaded(&view).await;
    issuer.set_keys(answer);
    for wave in 0..5 {
        let kids: Vec<_> = (0..100).map(|n| format!("made-up-{wave}-{n}")).collect();
        let found = join_all(kids.iter().map(|kid| find(&view, kid, PATIENCE))).await;
        for found in found {
            assert!(word(&found), "{found:?}");
        }
    }
    // A fetch that nobody waits for would still be one too many.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(issuer.asked(), 2, "one at the start, one on demand");
    assert!(has(&view, "old").await, "the known key went on working");
}

#[tokio::test]
async fn a_flood_of_unknown_ids_costs_one_fetch() {
    flood(Answer::Json(set(&["old"])), |found| matches!(found, FoundKey::Key { .. } | FoundKey::Absent))
        .await;
}

/// Fails all at once, so that the retry after the failure (at least half a second later) is not in the count.
async fn failing_flood(answer: Answer) {
    let issuer = Issuer::start(set(&["old"])).await;
    let view = world().start(source(issuer.keys_at()));
    loaded(&view).await;
    issuer.set_keys(answer);
    let kids: Vec<_> = (0..500).map(|n| format!("made-up-{n}")).collect();
    for _ in 0..2 {
        for found in join_all(kids.iter().map(|kid| find(&view, kid, PATIENCE))).await {
            assert!(matches!(found, FoundKey::Unavailable), "{found:?}");
        }
    }
    assert_eq!(issuer.asked(), 2, "one at the start, one on demand");
    assert!(has(&view, "old").await, "the known key went on working");
}

#[tokio::test]
async fn a_flood_costs_one_fetch_when_every_fetch_fails() {
    failing_flood(Answer::Status(500)).await;
}

#[tokio::test]
async fn a_flood_costs_one_fetch_when_the_set_is_empty() {
    failing_flood(Answer::Json(json!({"keys": []}))).await;
}

#[tokio::test]
async fn the_cooldown_ends() {
    let issuer = Issuer::start(set(&["old"])).await;
    let view = world()
        .start(super::IssuerSource { cooldown: Duration::from_millis(300), ..source(issuer.keys_at()) });
    loaded(&view).await;
    assert!(matches!(find(&view, "new", PATIENCE).await, FoundKey::Absent));
    issuer.set_keys(Answer::Json(set(&["new"])));
    assert!(matches!(find(&view, "new", PATIENCE).await, FoundKey::Absent), "within the cool-down");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(matches!(find(&view, "new", PATIENCE).await, FoundKey::Key { .. }));
    assert_eq!(issuer.asked(), 3);
}

#[tokio::test]
async fn a_waiter_leaves_at_its_deadline_and_the_fetch_goes_on() {
    let issuer = Issuer::start(set(&["old"])).await;
    let view = world().start(source(issuer.keys_at()));
    loaded(&view).await;
    issuer.set_keys(Answer::Json(set(&["new"])));
    let hold = issuer.hold();
    assert!(matches!(find(&view, "new", Duration::from_millis(50)).await, FoundKey::Late));
    hold.add_permits(1);
    until(&view, |status| status.key_ids == ["new"]).await;
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn before_the_first_answer_everybody_waits_for_it() {
    let issuer = Issuer::start(set(&["first"])).await;
    let hold = issuer.hold();
    let view = world().start(source(issuer.keys_at()));
    assert!(matches!(find(&view, "first", Duration::from_millis(50)).await, FoundKey::Late));
    hold.add_permits(1);
    assert!(matches!(find(&view, "first", PATIENCE).await, FoundKey::Key { .. }));
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn an_issuer_that_was_never_there_is_unavailable() {
    let issuer = Issuer::start(set(&["old"])).await;
    issuer.set_keys(Answer::Status(503));
    let view = world().start(source(issuer.keys_at()));
    assert!(matches!(find(&view, "old", PATIENCE).await, FoundKey::Unavailable));
    assert!(failed(&view).await.contains("503"));
}

/// The refresh began before the key existed, and its answer came after a token named the key.
#[tokio::test]
async fn a_waiter_that_joined_an_older_refresh_gets_one_of_its_own() {
    let issuer = Issuer::start(set(&["old"])).await;
    let first = issuer.hold();
    let view = world().start(source(issuer.keys_at()));
    eventually(|| issuer.asked() == 1, || "never asked".into()).await;
    issuer.set_keys(Answer::Json(set(&["old", "new"])));
    issuer.release();
    let (found, ()) = tokio::join!(find(&view, "new", PATIENCE), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        first.add_permits(1);
    });
    assert!(matches!(found, FoundKey::Key { .. }), "{found:?}");
    assert_eq!(issuer.asked(), 2);
}

/// The demand arrives at the very moment at which the timer fires, again and again: one fetch serves both.
#[tokio::test]
async fn a_demand_that_meets_the_timer_is_served_once() {
    const REFRESH: Duration = Duration::from_millis(200);
    // So long after a fetch the timer fires at the earliest.
    const QUIET: Duration = Duration::from_millis(160);
    let mut last_fetch = Instant::now();
    let issuer = Issuer::start(set(&["old"])).await;
    let view = world().start(super::IssuerSource {
        refresh: REFRESH,
        cooldown: Duration::ZERO,
        ..source(issuer.keys_at())
    });
    loaded(&view).await;
    let mut met = 0;
    for round in 0..200 {
        // Whoever is woken by a timer while this holds the only thread is woken together, the test first.
        let held = tokio::spawn(async {
            let begun = Instant::now();
            std::thread::sleep(REFRESH + Duration::from_millis(10));
            begun
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        let (before, asked) = (issuer.asked(), Instant::now());
        let found = find(&view, &format!("made-up-{round}"), PATIENCE).await;
        assert!(matches!(found, FoundKey::Absent), "{found:?}");
        tokio::time::sleep(Duration::from_millis(15)).await;
        let fetches = issuer.asked() - before;
        // On a busy machine the timer may have its turn before the thread is held, or one more before the count: such a
        // round was no meeting.
        let meeting = held.await.unwrap().duration_since(last_fetch) < QUIET && asked.elapsed() < QUIET;
        last_fetch = asked;
        if meeting {
            assert_eq!(fetches, 1, "fetches in round {round}");
            met += 1;
            if met == 12 {
                return;
            }
        }
    }
    panic!("only {met} meetings on a machine as busy as this");
}

#[tokio::test]
async fn a_key_of_another_algorithm_is_a_mismatch_and_costs_no_fetch() {
    let issuer = Issuer::start(set(&["old"])).await;
    let view = world().start(source(issuer.keys_at()));
    loaded(&view).await;
    let deadline = Instant::now() + PATIENCE;
    let found = view.find_key(super::NAME, Some("old"), Algorithm::RS256, deadline).await;
    assert!(matches!(found, FoundKey::Mismatch(TokenFault::KeyMismatch)), "{found:?}");
    let stranger = view.find_key("another", Some("old"), Algorithm::EdDSA, deadline).await;
    assert!(matches!(stranger, FoundKey::Unavailable), "{stranger:?}");
    assert_eq!(issuer.asked(), 1);
}
