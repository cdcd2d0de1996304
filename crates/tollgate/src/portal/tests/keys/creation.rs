//! Keys are made once, shown once, within bounds.

use std::sync::Arc;

use tollgate_core::apikey::PlainKey;
use tollgate_core::key_life::KeyLifetimes;

use super::*;

#[tokio::test]
async fn the_secret_is_in_one_answer_and_nowhere_else() {
    let scene = Scene::new().await;
    let reply = scene.api.call("POST", &scene.keys(), &scene.alice, json!({"name": " CI "})).await;
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert_eq!(reply.headers["etag"], "\"1\"");
    let location = reply.headers["location"].to_str().unwrap().to_owned();
    let key = reply.expect(201);
    assert_eq!(location, format!("/api/v1{}", scene.key(&key)));
    let secret = text(&key, "secret").to_owned();
    let plain = PlainKey::parse(&secret).unwrap();
    assert_eq!(plain.id().as_str(), text(&key, "id"));
    assert_eq!((&key["name"], &key["state"], &key["models"]), (&json!("CI"), &json!("live"), &json!("all")));
    assert_eq!(
        (&key["routes"], &key["addresses"], &key["expires_at"]),
        (&json!("all"), &json!("any"), &Value::Null)
    );
    assert_eq!((&key["owner"]["name"], &key["secret_shown"]), (&json!("alice"), &json!(false)));

    let shown = scene.show(&key).await;
    let listed = scene.api.get(&scene.keys(), &scene.alice).await.expect(200);
    assert_eq!(listed["items"][0], shown);
    for body in [&shown, &listed, &Value::from(scene.audit().await)] {
        assert!(!body.to_string().contains(plain.secret()), "{body}");
        assert!(body.get("secret").is_none());
    }
    let database = scene.api.database();
    let contains = |text: &[u8]| database.windows(text.len()).any(|window| window == text);
    assert!(contains(plain.id().as_str().as_bytes()) && contains(plain.digest().to_hex().as_bytes()));
    // No part of the secret that would help anybody is in the database.
    assert!(plain.secret().as_bytes().windows(8).all(|part| !contains(part)));
}

#[tokio::test]
async fn everything_that_was_wished_is_kept() {
    let scene = Scene::new().await;
    let wish = json!({
        "name": "billing", "expires_at": "2030-01-31T12:00:00+01:00", "models": ["gpt-4o", "claude-*"],
        "routes": ["chat"], "addresses": ["10.0.0.0/8", "2001:db8::1"], "tags": ["ci", "team:billing"],
        "metadata": {"ticket": "OPS-7"},
    });
    let key = scene.create(&scene.alice, wish.clone()).await;
    let shown = scene.show(&key).await;
    for field in ["name", "models", "routes", "tags", "metadata"] {
        assert_eq!(shown[field], wish[field], "{field}");
    }
    assert_eq!(shown["expires_at"], "2030-01-31T11:00:00.000Z");
    assert_eq!(shown["addresses"], json!(["10.0.0.0/8", "2001:db8::1/128"]));
    let made = &scene.audit().await[0];
    assert_eq!((&made["action"], &made["before"]), (&json!("key.create"), &Value::Null));
    assert_eq!((&made["after"]["models"], &made["actor"]["name"]), (&wish["models"], &json!("alice")));
}

#[tokio::test]
async fn a_wish_that_could_be_misread_is_refused_with_the_place() {
    let scene = Scene::new().await;
    let many: Vec<String> = (0..257).map(|n| n.to_string()).collect();
    let table = [
        (json!({}), "name"),
        (json!({"name": null}), "/name"),
        (json!({"name": ""}), "/name"),
        (json!({"name": "a\nb"}), "/name"),
        (json!({"name": "a".repeat(101)}), "/name"),
        (json!({"name": "k", "models": null}), "/models"),
        (json!({"name": "k", "models": []}), "/models"),
        (json!({"name": "k", "models": "everything"}), "/models"),
        (json!({"name": "k", "models": ["a", "a"]}), "/models"),
        (json!({"name": "k", "models": many}), "/models"),
        (json!({"name": "k", "routes": null}), "/routes"),
        (json!({"name": "k", "routes": []}), "/routes"),
        (json!({"name": "k", "routes": ["chat", "nowhere"]}), "/routes/1"),
        (json!({"name": "k", "addresses": []}), "/addresses"),
        (json!({"name": "k", "addresses": "all"}), "/addresses"),
        (json!({"name": "k", "addresses": ["10.0.0.1/8"]}), "/addresses"),
        (json!({"name": "k", "tags": ["CI"]}), "/tags"),
        (json!({"name": "k", "tags": vec!["a"; 2]}), "/tags"),
        (json!({"name": "k", "metadata": {"a": 1}}), "/metadata"),
        (json!({"name": "k", "metadata": {"a b": "c"}}), "/metadata"),
        (json!({"name": "k", "expires_at": null}), "/expires_at"),
        (json!({"name": "k", "expires_at": "tomorrow"}), "/expires_at"),
        (json!({"name": "k", "expires_at": "2001-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"name": "k", "expires_in_days": 0}), "/expires_in_days"),
        (json!({"name": "k", "expires_in_days": -1}), "/expires_in_days"),
        (json!({"name": "k", "expires_in_days": 1, "expires_at": "never"}), "/expires_in_days"),
        (json!({"name": "k", "service_account_id": null}), "/service_account_id"),
        (json!({"name": "k", "service_account_id": "sva_0"}), "/service_account_id"),
        // Nobody promotes themselves or picks what is not theirs to pick.
        (json!({"name": "k", "owner_id": "per_1"}), "owner_id"),
        (json!({"name": "k", "project_id": "prj_1"}), "project_id"),
        (json!({"name": "k", "state": "live"}), "state"),
        (json!({"name": "k", "digest": "00"}), "digest"),
    ];
    for (body, place) in table {
        let reply = scene.api.call("POST", &scene.keys(), &scene.alice, body.clone()).await;
        let problem = reply.body.to_string();
        assert_eq!(reply.problem(400), "invalid", "{body}");
        assert!(problem.contains(place), "{body}: {problem}");
    }
    let twice = r#"{"name": "a", "name": "b"}"#;
    let request = http::Request::post(format!("/api/v1{}", scene.keys()))
        .header("authorization", format!("Bearer {}", scene.alice))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(twice));
    assert_eq!(scene.api.send(request.unwrap()).await.problem(400), "invalid");
    let listed = scene.api.get(&scene.keys(), &scene.alice).await.expect(200);
    assert_eq!(listed["items"], json!([]), "nothing was half-made");
    assert_eq!(scene.audit().await.len(), 0);
}

#[tokio::test]
async fn lifetimes_are_bounded_and_the_bound_is_named() {
    let scene = Scene::with(|options| {
        options.keys.lifetimes = KeyLifetimes { max_days: Some(90), default_days: Some(30) };
    })
    .await;
    let days = |key: &Value| {
        let end: jiff::Timestamp = text(key, "expires_at").parse().unwrap();
        (end.as_millisecond() - scene.now().as_millis()) / 86_400_000
    };
    assert_eq!(days(&scene.named("default").await), 30);
    assert_eq!(days(&scene.create(&scene.alice, json!({"name": "k", "expires_in_days": 90})).await), 90);
    for wish in [
        json!({"expires_in_days": 91}),
        json!({"expires_at": "never"}),
        json!({"expires_at": "2099-01-01T00:00:00Z"}),
    ] {
        let mut body = wish.clone();
        body["name"] = "k".into();
        let reply = scene.api.call("POST", &scene.keys(), &scene.alice, body).await;
        assert!(reply.body["detail"].as_str().unwrap().contains("at most 90 days"), "{}", reply.body);
        assert_eq!(reply.problem(400), "invalid");
        let key = scene.named("short").await;
        assert_eq!(scene.patch(&key, wish).await.problem(400), "invalid");
    }
    // An old secret is not made young by editing; a new one is.
    let key = scene.named("old").await;
    scene.api.pass(std::time::Duration::from_secs(20 * 86_400));
    let alice = scene.api.token("alice", &[]);
    let scene = Scene { alice, ..scene };
    assert_eq!(scene.patch(&key, json!({"expires_in_days": 80})).await.problem(400), "invalid");
    scene.patch(&key, json!({"expires_in_days": 70})).await.expect(200);
    scene.post(&key, "rotate", json!({"overlap": "now"})).await.expect(200);
    scene.patch(&key, json!({"expires_in_days": 90})).await.expect(200);
}

#[tokio::test]
async fn a_repeated_request_makes_one_key_and_never_shows_its_secret_again() {
    let scene = Scene::new().await;
    let create = async |key: &str, name: &str| {
        let headers = [("idempotency-key", key)];
        let body = json!({"name": name});
        scene.api.call_with(("POST", &scene.keys()), &scene.alice, &headers, &body).await
    };
    let first = create("once", "CI").await.expect(201);
    let again = create("once", "CI").await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let again = again.expect(201);
    assert_eq!(
        (&again["id"], &again["secret"], &again["secret_shown"]),
        (&first["id"], &Value::Null, &json!(true))
    );
    assert_eq!(create("once", "other").await.problem(422), "idempotency_mismatch");
    assert_ne!(create("twice", "CI").await.expect(201)["id"], first["id"]);
    let listed = scene.api.get(&scene.keys(), &scene.alice).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let secret = text(&first, "secret");
    let database = scene.api.database();
    let secret = &secret.as_bytes()[27..];
    assert!(!database.windows(12).any(|window| window == &secret[..12]), "not even in the kept answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rush_makes_as_many_as_the_quota_and_one_for_one_idempotency_key() {
    on_both(
        |options| options.keys.max_per_project = 10,
        async |scene| {
            let scene = Arc::new(scene);
            let same = (0..10).map(|_| {
                let scene = Arc::clone(&scene);
                tokio::spawn(async move {
                    let headers = [("idempotency-key", "the-same")];
                    let body = json!({"name": "one"});
                    let reply =
                        scene.api.call_with(("POST", &scene.keys()), &scene.alice, &headers, &body).await;
                    let key = reply.expect(201);
                    (text(&key, "id").to_owned(), key["secret"].is_string())
                })
            });
            let mut answers = Vec::new();
            for one in same.collect::<Vec<_>>() {
                answers.push(one.await.unwrap());
            }
            assert!(answers.iter().all(|(id, _)| *id == answers[0].0), "{answers:?}");
            assert_eq!(answers.iter().filter(|(_, shown)| *shown).count(), 1, "shown once");

            let rush = (0..100).map(|n| {
                let scene = Arc::clone(&scene);
                tokio::spawn(async move {
                    let body = json!({"name": format!("key {n}")});
                    let reply = scene.api.call("POST", &scene.keys(), &scene.alice, body).await;
                    if reply.status == 201 {
                        return 1;
                    }
                    assert!(
                        reply.body["detail"].as_str().unwrap().contains("keys.max_per_project"),
                        "{}",
                        reply.body
                    );
                    assert_eq!(reply.problem(409), "conflict");
                    0
                })
            });
            let mut made = 0;
            for one in rush.collect::<Vec<_>>() {
                made += one.await.unwrap();
            }
            assert_eq!(made, 9, "ten with the one before");
            let listed = scene.api.get(&scene.keys(), &scene.alice).await.expect(200);
            assert_eq!(listed["items"].as_array().unwrap().len(), 10);
            assert_eq!(scene.audit().await.len(), 10, "each was written down, and nothing else");
        },
    )
    .await;
}

#[tokio::test]
async fn a_store_that_is_away_is_503_on_every_endpoint() {
    let timeout = std::time::Duration::from_millis(100);
    let url = "postgres://nobody@127.0.0.1:1/none".to_owned();
    let options = crate::store::StoreOptions {
        url,
        pool_size: 1,
        connect_timeout: timeout,
        statement_timeout: timeout,
    };
    let api = Api::with(crate::store::Store::open(&options).unwrap()).await;
    let alice = api.token("alice", &[]);
    let plain = "tgk_0000000000000000000000_0000000000000000000000000000000000000000000000000";
    for (method, path, body) in [
        ("GET", "/projects/prj_1/keys", Value::Null),
        ("POST", "/projects/prj_1/keys", json!({"name": "k"})),
        ("POST", "/projects/prj_1/keys/k/rotate", json!({"overlap": "now"})),
        ("POST", "/projects/prj_1/keys/k/revoke", Value::Null),
        ("POST", "/keys/lookup", json!({"secret": plain})),
        ("GET", "/api-keys", Value::Null),
    ] {
        let reply = api.call(method, path, &alice, body).await;
        assert_eq!(reply.headers["retry-after"], "1");
        assert_eq!(reply.problem(503), "unavailable", "{method} {path}");
    }
}
