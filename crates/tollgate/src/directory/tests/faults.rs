//! A directory that is away, ill, or somebody else: nobody is suspended, and it can be seen.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::fake::{Does, Scene, html, says};
use crate::store::tests::rig::write;
use crate::telemetry::RoundOutcome;

#[tokio::test]
async fn an_outage_suspends_nobody_and_is_an_alarm() {
    let absent = says(404, &json!({"error": "User not found"}));
    let token = |does: Does| (does, Does::Right, Does::Right);
    let count = |does: Does| (Does::Right, does, absent.clone());
    let user = |does: Does| (Does::Right, Does::Right, does);
    let table = [
        ("token 401", token(says(401, &json!({"error": "unauthorized_client"})))),
        ("token 404", token(says(404, &json!({"error": "Realm does not exist"})))),
        ("token 500", token(html(500))),
        ("token HTML", token(html(200))),
        (
            "token of a kind that we cannot use",
            token(says(200, &json!({"access_token": "t-1", "token_type": "DPoP"}))),
        ),
        ("token silent", token(Does::Nothing)),
        ("token without end", token(Does::Says(200, "application/json", "x".repeat(100_000)))),
        // From here on everybody would be absent if it were asked.
        ("no such realm", count(says(404, &json!({"error": "Realm not found."})))),
        ("realm 403", count(says(403, &json!({"error": "HTTP 403 Forbidden"})))),
        ("realm 500", count(html(500))),
        ("realm HTML", count(html(200))),
        ("realm that counts no users", count(says(200, &json!({"error": "x"})))),
        ("realm moved", count(Does::Says(302, "text/plain", String::new()))),
        ("realm silent", count(Does::Nothing)),
        ("users 500", user(html(500))),
        ("users HTML", user(html(200))),
        ("users a proxy's 404", user(html(404))),
        ("users the realm's 404", user(says(404, &json!({"error": "Realm not found."})))),
        ("users another 404", user(says(404, &json!({"error": "HTTP 404 Not Found"})))),
        ("users an empty 404", user(Does::Says(404, "application/json", String::new()))),
        ("users 403", user(says(403, &json!({"error": "HTTP 403 Forbidden"})))),
        ("users 401", user(says(401, &json!({"error": "HTTP 401 Unauthorized"})))),
        ("users 429", user(says(429, &json!({})))),
        ("users 204", user(Does::Says(204, "text/plain", String::new()))),
        ("users somebody else", user(says(200, &json!({"id": "joe", "enabled": false})))),
        ("users without a word on it", user(says(200, &json!({"id": "ada"})))),
        ("users a word of another type", user(says(200, &json!({"id": "ada", "enabled": "false"})))),
        ("users a list", user(says(200, &json!([])))),
        ("users silent", user(Does::Nothing)),
        ("users without end", user(Does::Says(200, "application/json", "x".repeat(100_000)))),
    ];
    for (what, (token, count, user)) in table {
        let scene = Scene::new().await;
        let (ada, bob, eve) =
            (scene.person("ada").await, scene.person("bob").await, scene.person("eve").await);
        *scene.fake.token.lock().unwrap() = token;
        *scene.fake.count.lock().unwrap() = count;
        scene.fake.says_of("*", user);
        let directory = scene.directory(|_| {});
        assert_eq!(directory.round().await, RoundOutcome::Outage, "{what}");
        for person in [&ada, &bob, &eve] {
            assert_eq!(scene.standing(person).await, "active", "{what}");
        }
        assert_eq!(
            (scene.audited().await, scene.rounds("outage"), scene.rounds("done")),
            (0, 1, 0),
            "{what}"
        );
        // It comes back, and the next round is as if nothing had been.
        *scene.fake.token.lock().unwrap() = Does::Right;
        *scene.fake.count.lock().unwrap() = Does::Right;
        scene.fake.said.lock().unwrap().clear();
        scene.fake.has(&["ada", "eve"]);
        assert_eq!(directory.round().await, RoundOutcome::Done, "{what}");
        assert_eq!(scene.standing(&bob).await, "directory_absent", "{what}");
    }
}

#[tokio::test]
async fn nobody_who_is_suspended_is_let_in_by_an_outage() {
    let scene = Scene::new().await;
    let (ada, _bob, _eve) = (scene.person("ada").await, scene.person("bob").await, scene.person("eve").await);
    scene.fake.has(&["bob", "eve"]);
    let directory = scene.directory(|_| {});
    directory.round().await;
    assert_eq!(scene.standing(&ada).await, "directory_absent");
    for does in [html(500), html(200), says(200, &json!({"id": "bob", "enabled": true})), Does::Nothing] {
        scene.fake.says_of("ada", does.clone());
        assert_eq!(directory.round().await, RoundOutcome::Partial, "{does:?}");
        assert_eq!(scene.standing(&ada).await, "directory_absent", "{does:?}");
    }
}

#[tokio::test]
async fn one_odd_user_holds_nobody_else_up() {
    let scene = Scene::new().await;
    for name in ["ada", "bob", "eve", "joe", "kim"] {
        scene.person(name).await;
    }
    let gone = scene.person("gone").await;
    write(&scene.store, "UPDATE people SET subject = '..' WHERE subject = 'joe'", None).await;
    scene.fake.has(&["ada", "bob", "eve", "kim"]);
    scene.fake.says_of("bob", html(500));
    scene.fake.says_of("kim", html(500));
    assert_eq!(scene.directory(|_| {}).round().await, RoundOutcome::Partial);
    assert_eq!((scene.standing(&gone).await, scene.audited().await), ("directory_absent", 1));
    assert_eq!(scene.fake.asked.lock().unwrap().len(), 5, "'..' would have led elsewhere");
}

#[tokio::test]
async fn a_directory_that_knows_too_few_is_not_believed() {
    let scene = Scene::new().await;
    let mut ids = Vec::new();
    let names: Vec<String> = (0..12).map(|n| format!("u{n:02}")).collect();
    for name in &names {
        ids.push(scene.person(name).await);
    }
    // Another realm, or this one set up anew: it has users, and none of ours.
    scene.fake.has(&["somebody", "else"]);
    let directory = scene.directory(|_| {});
    assert_eq!(directory.round().await, RoundOutcome::Held);
    assert_eq!((scene.audited().await, scene.rounds("held")), (0, 1));
    // Ten are believed, eleven of twelve are not.
    scene.fake.has(&["u00"]);
    assert_eq!(directory.round().await, RoundOutcome::Held);
    scene.fake.has(&["u00", "u01"]);
    assert_eq!(directory.round().await, RoundOutcome::Done);
    assert_eq!(scene.audited().await, 10);
    // Whoever is back is let in even while others are held.
    for name in ["v1", "v2"] {
        scene.person(name).await;
    }
    scene.fake.has(&["u05"]);
    assert_eq!(directory.round().await, RoundOutcome::Held);
    assert_eq!((scene.standing(&ids[5]).await, scene.standing(&ids[0]).await), ("active", "active"));
    // Said by the operator, it is done.
    assert_eq!(
        scene.directory(|options| options.max_suspended_percent = 100).round().await,
        RoundOutcome::Done
    );
    assert_eq!(
        (scene.standing(&ids[5]).await, scene.standing(&ids[0]).await),
        ("active", "directory_absent")
    );
}

#[tokio::test]
async fn a_token_that_ended_early_is_replaced_and_a_good_one_kept() {
    let scene = Scene::new().await;
    for name in ["ada", "bob"] {
        scene.person(name).await;
    }
    scene.fake.has(&["ada", "bob"]);
    let directory = scene.directory(|_| {});
    for _ in 0..3 {
        assert_eq!(directory.round().await, RoundOutcome::Done);
    }
    assert_eq!(scene.fake.tokens.load(Ordering::Relaxed), 1);
    scene.fake.ended.store(1, Ordering::Relaxed);
    assert_eq!(directory.round().await, RoundOutcome::Done);
    assert_eq!(scene.fake.tokens.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn questions_keep_their_distance() {
    let scene = Scene::new().await;
    let names: Vec<String> = (0..20).map(|n| format!("u{n:02}")).collect();
    for name in &names {
        scene.person(name).await;
    }
    scene.fake.has(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let begun = std::time::Instant::now();
    scene.directory(|options| options.requests_per_second = 50).round().await;
    assert!(begun.elapsed() >= Duration::from_millis(19 * 20), "{:?}", begun.elapsed());
}
