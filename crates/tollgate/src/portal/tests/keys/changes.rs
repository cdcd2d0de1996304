//! Keys are changed, switched, rotated and ended; what was read is never overwritten unseen.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn what_is_left_out_stays() {
    let scene = Scene::new().await;
    let wish =
        json!({"name": "a", "models": ["m"], "tags": ["t"], "metadata": {"x": "y"}, "expires_in_days": 5});
    let key = scene.create(&scene.alice, wish).await;
    let changed = scene.patch(&key, json!({"name": "b"})).await;
    assert_eq!(changed.headers["etag"], "\"2\"");
    let changed = changed.expect(200);
    assert_eq!(changed["name"], "b");
    for field in ["models", "tags", "metadata", "expires_at", "routes", "addresses"] {
        assert_eq!(changed[field], key[field], "{field}");
    }
    let wide =
        json!({"models": "all", "tags": [], "metadata": {}, "expires_at": "never", "routes": ["chat"]});
    let wide = scene.patch(&key, wide).await.expect(200);
    assert_eq!((&wide["models"], &wide["expires_at"]), (&json!("all"), &Value::Null));
    let same = scene.patch(&key, json!({"models": "all"})).await.expect(200);
    assert_eq!(same["version"], wide["version"], "a change of nothing is none");
    for bad in [
        json!({"models": null}),
        json!({"name": null}),
        json!({"tags": null}),
        json!({"version": 1}),
        json!({"routes": ["nowhere"]}),
    ] {
        assert_eq!(scene.patch(&key, bad.clone()).await.problem(400), "invalid", "{bad}");
    }
    let audit = scene.audit().await;
    let last = audit.last().unwrap();
    assert_eq!(
        (&last["action"], &last["before"]["models"], &last["after"]["models"]),
        (&json!("key.update"), &json!(["m"]), &json!("all"))
    );
    assert_eq!(audit.len(), 3);
}

#[tokio::test]
async fn a_change_on_an_old_reading_is_refused() {
    let scene = Scene::new().await;
    let key = scene.named("a").await;
    let path = scene.key(&key);
    let with = async |method: &str, path: &str, tag: &str, body: Value| {
        scene.api.call_with((method, path), &scene.alice, &[("if-match", tag)], &body).await
    };
    with("PATCH", &path, "\"1\"", json!({"name": "b"})).await.expect(200);
    assert_eq!(with("PATCH", &path, "\"1\"", json!({"name": "c"})).await.problem(412), "precondition_failed");
    for verb in ["disable", "enable", "revoke"] {
        let reply = with("POST", &format!("{path}/{verb}"), "\"1\"", Value::Null).await;
        assert_eq!(reply.problem(412), "precondition_failed", "{verb}");
    }
    let rotate = with("POST", &format!("{path}/rotate"), "\"1\"", json!({"overlap": "now"})).await;
    assert_eq!(rotate.problem(412), "precondition_failed");
    assert_eq!(with("PATCH", &path, "W/x", json!({"name": "c"})).await.problem(400), "invalid");
    with("PATCH", &path, "*", json!({"name": "c"})).await.expect(200);
}

#[tokio::test]
async fn a_key_is_switched_off_and_on_and_ended_once() {
    let scene = Scene::new().await;
    let key = scene.named("a").await;
    assert_eq!(scene.post(&key, "disable", Value::Null).await.expect(200)["state"], "disabled");
    assert_eq!(scene.post(&key, "disable", Value::Null).await.expect(200)["version"], 2);
    assert_eq!(scene.post(&key, "enable", Value::Null).await.expect(200)["state"], "live");
    let ended = scene.post(&key, "revoke", Value::Null).await.expect(200);
    assert_eq!((&ended["state"], &ended["revoked"]["by"]), (&json!("revoked"), &key["owner"]["id"]));
    assert_eq!(scene.post(&key, "revoke", Value::Null).await.expect(200), ended, "again changes nothing");
    for (verb, body) in
        [("enable", Value::Null), ("disable", Value::Null), ("rotate", json!({"overlap": "now"}))]
    {
        assert_eq!(scene.post(&key, verb, body).await.problem(409), "conflict", "{verb}");
    }
    assert_eq!(scene.patch(&key, json!({"name": "b"})).await.problem(409), "conflict");
    let actions: Vec<_> = scene.audit().await.iter().map(|entry| text(entry, "action").to_owned()).collect();
    assert_eq!(actions, ["key.create", "key.disable", "key.enable", "key.revoke"]);
    let changes = scene.api.store.changes_since(0, 1000).await.unwrap();
    let of_keys = changes.iter().filter(|(_, change, _)| matches!(change, crate::store::Change::Key(_)));
    assert_eq!(of_keys.count(), 4, "each is told to the followers");
}

#[tokio::test]
async fn a_rotation_keeps_the_key_and_overlaps_as_asked() {
    let scene = Scene::new().await;
    let key = scene.create(&scene.alice, json!({"name": "a", "expires_in_days": 2})).await;
    let (first, id) = (text(&key, "secret"), text(&key, "id"));
    let rotated = scene.post(&key, "rotate", json!({"overlap": "15m"})).await;
    assert_eq!(rotated.headers["cache-control"], "no-store");
    let rotated = rotated.expect(200);
    let second = text(&rotated, "secret");
    assert_eq!(
        (text(&rotated, "id"), &rotated["name"], &rotated["expires_at"]),
        (id, &key["name"], &key["expires_at"])
    );
    assert_ne!(first, second);
    assert_eq!(rotated["previous_secret"]["works"], true);
    let found = async |secret: &str| scene.lookup(secret).await.expect(200)["secret"].clone();
    assert_eq!((found(first).await, found(second).await), (json!("previous"), json!("current")));

    scene.api.pass(Duration::from_secs(15 * 60));
    assert_eq!(scene.show(&key).await["previous_secret"]["works"], false);
    let third = scene.post(&key, "rotate", json!({"overlap": "7d"})).await.expect(200);
    assert_eq!(third["previous_secret"]["until"], key["expires_at"], "an overlap never outlives the key");
    assert_eq!(scene.lookup(first).await.problem(404), "not_found", "the oldest secret is gone");
    let fourth = scene.post(&key, "rotate", json!({"overlap": "now"})).await.expect(200);
    assert_eq!(fourth["previous_secret"], Value::Null);
    assert_eq!(scene.lookup(text(&third, "secret")).await.problem(404), "not_found");

    for overlap in [json!("14m"), json!("8d"), json!(""), json!(15), Value::Null, json!("soon")] {
        let reply = scene.post(&key, "rotate", json!({"overlap": overlap})).await;
        assert_eq!(reply.problem(400), "invalid", "{overlap}");
    }
    assert_eq!(scene.post(&key, "rotate", json!({})).await.problem(400), "invalid", "it has to be said");
    let alice = scene.api.token("alice", &[]);
    scene.api.pass(Duration::from_secs(2 * 86_400));
    drop(alice);
    let scene = Scene { alice: scene.api.token("alice", &[]), ..scene };
    assert_eq!(scene.show(&key).await["state"], "expired");
    assert_eq!(scene.post(&key, "rotate", json!({"overlap": "now"})).await.problem(409), "conflict");
    assert_eq!(scene.patch(&key, json!({"expires_in_days": 1})).await.expect(200)["state"], "live");
}

#[tokio::test]
async fn a_repeated_rotation_rotates_once() {
    let scene = Scene::new().await;
    let key = scene.named("a").await;
    let rotate = async || {
        let path = format!("{}/rotate", scene.key(&key));
        let headers = [("idempotency-key", "r")];
        scene
            .api
            .call_with(("POST", &path), &scene.alice, &headers, &json!({"overlap": "1h"}))
            .await
            .expect(200)
    };
    let (first, again) = (rotate().await, rotate().await);
    assert_eq!(
        (&again["version"], &again["secret"], &again["secret_shown"]),
        (&first["version"], &Value::Null, &json!(true))
    );
    scene.lookup(text(&first, "secret")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_rotations_take_turns() {
    on_both(
        |_| {},
        async |scene| {
            let scene = std::sync::Arc::new(scene);
            let key = scene.named("a").await;
            let racers = (0..8).map(|_| {
                let (scene, key) = (std::sync::Arc::clone(&scene), key.clone());
                tokio::spawn(async move {
                    let rotated = scene.post(&key, "rotate", json!({"overlap": "1h"})).await.expect(200);
                    (rotated["version"].as_i64().unwrap(), text(&rotated, "secret").to_owned())
                })
            });
            let mut secrets = Vec::new();
            for racer in racers.collect::<Vec<_>>() {
                secrets.push(racer.await.unwrap());
            }
            secrets.sort();
            let versions: Vec<_> = secrets.iter().map(|(version, _)| *version).collect();
            assert_eq!(versions, (2..=9).collect::<Vec<_>>());
            let mut found = Vec::new();
            for (_, secret) in &secrets {
                found.push(scene.lookup(secret).await.body["secret"].clone());
            }
            assert_eq!(found[6..], [json!("previous"), json!("current")]);
            assert!(found[..6].iter().all(Value::is_null), "{found:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn what_is_suspended_above_is_shown_and_takes_no_new_keys() {
    let scene = Scene::new().await;
    let key = scene.named("a").await;
    let suspend = async |suspended: bool| {
        let mut tx = scene.api.store.begin().await.unwrap();
        let author = scene.system();
        let change =
            if suspended { StandingChange::Suspend(&author) } else { StandingChange::Resume(&author) };
        tx.set_project_suspended(change, &scene.project).await.unwrap();
        tx.commit(scene.now()).await.unwrap();
    };
    suspend(true).await;
    let shown = scene.show(&key).await;
    assert_eq!((&shown["state"], &shown["held_by"]), (&json!("live"), &json!("project")));
    let refused = scene.api.call("POST", &scene.keys(), &scene.alice, json!({"name": "b"})).await;
    assert_eq!(refused.problem(409), "conflict");
    scene.post(&key, "revoke", Value::Null).await.expect(200);
    suspend(false).await;
    assert_eq!(scene.show(&key).await["held_by"], Value::Null);
    scene.named("b").await;
}
