//! The directory's word is obeyed; its silence, and anybody else's word, changes nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod fake;
mod faults;
mod turns;

use serde_json::json;
use tollgate_core::time::Timestamp;

use self::fake::{BEGIN, Scene};
use crate::store::tests::rig::write;
use crate::store::{FreshAuthor, Origin, StandingChange, probe};
use crate::telemetry::RoundOutcome;

#[tokio::test]
async fn whoever_is_gone_is_suspended_and_whoever_is_back_is_resumed() {
    let scene = Scene::new().await;
    let directory = scene.directory(|_| {});
    scene.fake.has(&["ada", "bob", "eve"]);
    let (ada, bob, eve, joe) = (
        scene.person("ada").await,
        scene.person("bob").await,
        scene.person("eve").await,
        scene.person("joe").await,
    );
    // Users of another directory behind Keycloak have such ids.
    write(&scene.store, "UPDATE people SET subject = 'f:1:joe/x' WHERE subject = 'joe'", None).await;
    scene.fake.says_of("f:1:joe%2Fx", fake::says(200, &json!({"id": "f:1:joe/x", "enabled": true})));
    assert_eq!(directory.round().await, RoundOutcome::Done);
    assert_eq!(
        (scene.audited().await, scene.metric("tollgate_directory_people{issuer=\"keycloak\"}")),
        (0, 4)
    );
    assert!(
        scene.fake.asked.lock().unwrap().contains(&"f:1:joe%2Fx".to_owned()),
        "one segment, whatever is in it"
    );
    scene.fake.users.lock().unwrap().remove("ada");
    scene.fake.users.lock().unwrap().insert("bob".into(), false);
    let changes = probe(&scene.store, "SELECT COUNT(*) FROM changes").await;
    assert_eq!(directory.round().await, RoundOutcome::Done);
    assert_eq!(scene.standing(&ada).await, "directory_absent");
    assert_eq!(scene.standing(&bob).await, "directory_disabled");
    assert_eq!((scene.standing(&eve).await, scene.standing(&joe).await), ("active", "active"));
    assert_eq!(probe(&scene.store, "SELECT COUNT(*) FROM changes").await, changes + 2, "replicas are told");
    let visible =
        "SELECT COUNT(*) FROM audit WHERE action = 'person.suspend' AND after LIKE '%directory_absent%'";
    assert_eq!((scene.audited().await, probe(&scene.store, visible).await), (2, 1));
    assert_eq!(directory.round().await, RoundOutcome::Done);
    assert_eq!(scene.audited().await, 2, "once");

    // Disabled first, then deleted; and back again.
    scene.fake.users.lock().unwrap().remove("bob");
    scene.fake.users.lock().unwrap().insert("ada".into(), true);
    assert_eq!(directory.round().await, RoundOutcome::Done);
    assert_eq!((scene.standing(&ada).await, scene.standing(&bob).await), ("active", "directory_absent"));
    scene.fake.users.lock().unwrap().insert("bob".into(), true);
    directory.round().await;
    assert_eq!(scene.standing(&bob).await, "active");
    let by = |what: &str| scene.metric(&format!("tollgate_directory_{what}_total{{issuer=\"keycloak\"}}"));
    assert_eq!((by("suspended"), by("resumed")), (2, 2));
}

#[tokio::test]
async fn an_administrators_word_goes_over_the_directorys() {
    let scene = Scene::new().await;
    let directory = scene.directory(|_| {});
    let (ada, bob, _eve) = (scene.person("ada").await, scene.person("bob").await, scene.person("eve").await);
    scene.fake.has(&["ada", "eve"]);
    let set = async |id: &str, suspended: bool| {
        let author = FreshAuthor::operator("root", Origin::here(Timestamp::from_millis(BEGIN)));
        let mut tx = scene.store.begin().await.unwrap();
        let change =
            if suspended { StandingChange::Suspend(&author) } else { StandingChange::Resume(&author) };
        tx.set_person_suspended(change, id).await.unwrap();
        tx.commit(Timestamp::from_millis(BEGIN)).await.unwrap();
    };
    // Suspended by hand: the directory, where they are enabled, does not let them in.
    set(&ada, true).await;
    directory.round().await;
    assert_eq!(
        (scene.standing(&ada).await, scene.standing(&bob).await),
        ("administrator", "directory_absent")
    );
    // Suspended by hand on top of it: being back at the issuer is not enough any more.
    set(&bob, true).await;
    assert_eq!(scene.standing(&bob).await, "administrator");
    scene.fake.has(&["ada", "bob", "eve"]);
    directory.round().await;
    assert_eq!(scene.standing(&bob).await, "administrator");
    // Resumed by hand although gone: the next round finds them gone.
    set(&bob, false).await;
    assert_eq!(scene.standing(&bob).await, "active");
    scene.fake.has(&["ada", "eve"]);
    directory.round().await;
    assert_eq!(scene.standing(&bob).await, "directory_absent");
}

#[tokio::test]
async fn only_people_of_the_issuer_who_could_do_something_are_asked_about() {
    let scene = Scene::new().await;
    let directory = scene.directory(|_| {});
    scene.fake.has(&["live", "browser"]);
    for (issuer, subject, key) in [
        ("keycloak", "live", "live"),
        ("keycloak", "disabled", "disabled"),
        ("keycloak", "revoked", "revoked"),
        ("keycloak", "ended", "live"),
        ("keycloak", "browser", "revoked"),
        ("keycloak", "late", "revoked"),
        ("other", "foreign", "live"),
    ] {
        scene.person_of(issuer, subject, key).await;
    }
    let of = |subject: &str| format!("(SELECT id FROM people WHERE subject = '{subject}')");
    let ended = format!("UPDATE api_keys SET expires_at = {BEGIN} WHERE person_id = {}", of("ended"));
    write(&scene.store, &ended, None).await;
    for (subject, end) in [("browser", BEGIN + 100_000), ("late", BEGIN)] {
        let session = format!(
            "INSERT INTO sessions (digest, id, person_id, issuer, groups, email_verified, authenticated_at, created_at, \
             last_seen_at, expires_at) VALUES ('{subject}', 'ses_{subject}', {}, 'keycloak', '[]', true, 0, 0, 0, {end})",
            of(subject)
        );
        write(&scene.store, &session, None).await;
    }
    assert_eq!(directory.round().await, RoundOutcome::Done);
    let mut asked = scene.fake.asked.lock().unwrap().clone();
    asked.sort();
    assert_eq!(asked, ["browser", "live"]);
}

#[tokio::test]
async fn everybody_is_reached_over_many_pages() {
    let scene = Scene::new().await;
    let directory = scene.directory(|_| {});
    let names: Vec<String> = (0..450).map(|n| format!("u{n:03}")).collect();
    for name in &names {
        scene.person(name).await;
    }
    scene
        .fake
        .has(&names.iter().map(String::as_str).filter(|name| !name.ends_with("49")).collect::<Vec<_>>());
    assert_eq!(directory.round().await, RoundOutcome::Done);
    assert_eq!(scene.fake.asked.lock().unwrap().len(), 450);
    let gone =
        "SELECT COUNT(*) FROM people WHERE suspended_because = 'directory_absent' AND subject LIKE '%49'";
    assert_eq!(probe(&scene.store, gone).await, 5);
    assert_eq!(scene.audited().await, 5);
}
