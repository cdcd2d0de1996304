//! V10: what a higher role switched off or narrowed stays so for everybody below that role.

use super::*;
use crate::portal::tests::rig::ADMINS;

#[tokio::test(flavor = "multi_thread")]
async fn v10_an_owner_cannot_switch_on_what_a_manager_switched_off() {
    on_both(
        |_| {},
        async |scene| {
            // Dora's own personal project, in which Max is a manager: the guide's paths reach this key too.
            let (dora, _) = scene.member("dora", ProjectRole::Developer).await;
            let (max, max_id) = scene.member("max", ProjectRole::Manager).await;
            let key = scene.create(&dora, json!({"name": "dora's"})).await;
            let off = scene.act(&max, &key, "disable", Value::Null).await.expect(200);
            assert_eq!(off["disabled_because"], "manager");
            assert_eq!(
                (&off["disabled_by"]["id"], &off["disabled_by"]["role"]),
                (&json!(max_id), &json!("manager"))
            );

            let refused = scene.act(&dora, &key, "enable", Value::Null).await;
            let detail = refused.body["detail"].to_string();
            assert!(detail.contains("disabled by a manager"), "{detail}");
            assert!(detail.contains("a manager of the project can enable it"), "{detail}");
            assert_eq!(refused.problem(403), "forbidden");
            // Switching it off herself, or another secret, changes nothing about it.
            scene.act(&dora, &key, "disable", Value::Null).await.expect(200);
            assert_eq!(scene.act(&dora, &key, "enable", Value::Null).await.problem(403), "forbidden");
            let rotated = scene.act(&dora, &key, "rotate", json!({"overlap": "now"})).await.expect(200);
            assert_eq!(rotated["state"], "disabled");
            assert!(!scene.works(text(&rotated, "secret")).await);

            // A manager lifts it, and what its owner decided is left: it is off until she switches it on.
            let lifted = scene.act(&max, &key, "enable", Value::Null).await.expect(200);
            assert_eq!(lifted["disabled_because"], "owner");
            scene.act(&dora, &key, "enable", Value::Null).await.expect(200);
            assert!(scene.works(text(&rotated, "secret")).await);
            // Without a decision of her own it works at once.
            scene.act(&max, &key, "disable", Value::Null).await.expect(200);
            assert_eq!(scene.act(&max, &key, "enable", Value::Null).await.expect(200)["state"], "live");
        },
    )
    .await;
}

#[tokio::test]
async fn v10_the_guides_paths_do_not_undo_a_higher_role() {
    let scene = Scene::new().await;
    let platform = scene.api.token("root", &[ADMINS]);
    let key = scene.api.call("POST", "/api-keys", &scene.alice, json!({"name": "k"})).await.expect(201);
    scene.act(&platform, &key, "disable", Value::Null).await.expect(200);
    let refused = scene.legacy_put(&scene.alice, &key, json!({"status": "live"})).await;
    assert!(refused.body["detail"].to_string().contains("platform administrator"), "{}", refused.body);
    assert_eq!(refused.problem(403), "forbidden");
    let end = json!({"expires_in_days": 1});
    scene.api.call("PATCH", &scene.key(&key), &platform, end).await.expect(200);
    for later in ["never", "2040-01-01T00:00:00Z"] {
        let refused = scene.legacy_put(&scene.alice, &key, json!({"expires_at": later})).await;
        assert_eq!(refused.problem(403), "forbidden", "{later}");
    }
    assert_eq!(scene.show(&key).await["state"], "disabled");
}

#[tokio::test]
async fn v10_roles_count_in_their_order() {
    let scene = Scene::new().await;
    let (dora, _) = scene.member("dora", ProjectRole::Developer).await;
    let (max, _) = scene.member("max", ProjectRole::Manager).await;
    let platform = scene.api.token("root", &[ADMINS]);
    let key = scene.create(&dora, json!({"name": "dora's"})).await;
    // alice owns the organization's project, as its administrator.
    let ladder = [&dora, &max, &scene.alice, &platform];
    for (at, decider) in ladder.iter().enumerate().skip(1) {
        scene.act(decider, &key, "disable", Value::Null).await.expect(200);
        for (below, token) in ladder.iter().enumerate() {
            if below < at {
                // A weaker disable takes nothing from the stronger one.
                scene.act(token, &key, "disable", Value::Null).await.expect(200);
                let refused = scene.act(token, &key, "enable", Value::Null).await;
                assert_eq!(refused.problem(403), "forbidden", "{below} undoes {at}");
            }
        }
        scene.act(decider, &key, "enable", Value::Null).await.expect(200);
        scene.act(&dora, &key, "enable", Value::Null).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v10_an_owner_narrows_further_and_never_past_what_a_manager_set() {
    on_both(
        |_| {},
        async |scene| {
            let (dora, _) = scene.member("dora", ProjectRole::Developer).await;
            let (max, _) = scene.member("max", ProjectRole::Manager).await;
            let key = scene.create(&dora, json!({"name": "dora's"})).await;
            let patch = async |token: &str, body: Value| {
                scene.api.call("PATCH", &scene.key(&key), token, body).await
            };
            let narrow = json!({
                "models": ["cheap-*", "tiny"], "addresses": ["10.0.0.0/8"], "routes": ["chat"], "expires_in_days": 30,
            });
            let set = patch(&max, narrow).await.expect(200);
            assert_eq!(set["bounds"][0]["role"], "manager", "{set}");
            for wide in [
                json!({"models": "all"}),
                json!({"models": ["cheap-*", "tiny", "gpt-4o"]}),
                json!({"models": ["*"]}),
                json!({"models": ["cheap*"]}),
                json!({"routes": "all"}),
                json!({"addresses": "any"}),
                json!({"addresses": ["0.0.0.0/0"]}),
                json!({"addresses": ["10.0.0.0/8", "192.0.2.7"]}),
                json!({"addresses": ["8.0.0.0/6"]}),
                json!({"expires_at": "never"}),
                json!({"expires_in_days": 31}),
            ] {
                let refused = patch(&dora, wide.clone()).await;
                let detail = refused.body["detail"].to_string();
                assert!(detail.contains("a manager"), "{wide}: {detail}");
                assert_eq!(refused.problem(403), "forbidden", "{wide}");
            }
            // Further in, and back up to what was set.
            for inside in [
                json!({"models": ["cheap-1"], "addresses": ["10.1.0.0/16"], "expires_in_days": 3}),
                json!({"models": "none"}),
                json!({"models": ["tiny", "cheap-*"], "addresses": ["10.0.0.0/8"], "expires_in_days": 30}),
                json!({"name": "renamed", "tags": ["t"]}),
            ] {
                patch(&dora, inside.clone()).await.expect(200);
            }
            scene.act(&dora, &key, "rotate", json!({"overlap": "now"})).await.expect(200);
            assert_eq!(patch(&dora, json!({"models": "all"})).await.problem(403), "forbidden");
            // The manager takes back a part of it, and the rest stays.
            patch(&max, json!({"models": "all"})).await.expect(200);
            patch(&dora, json!({"models": ["gpt-4o"]})).await.expect(200);
            assert_eq!(patch(&dora, json!({"addresses": "any"})).await.problem(403), "forbidden");
            patch(&max, json!({"addresses": "any", "routes": "all", "expires_at": "never"})).await.expect(200);
            let free = patch(&dora, json!({"addresses": ["192.0.2.7"]})).await.expect(200);
            assert_eq!(free["bounds"], json!([]));
        },
    )
    .await;
}

#[tokio::test]
async fn v10_a_manager_cannot_undo_what_an_administrator_set() {
    let scene = Scene::new().await;
    let (dora, _) = scene.member("dora", ProjectRole::Developer).await;
    let (max, _) = scene.member("max", ProjectRole::Manager).await;
    let key = scene.create(&dora, json!({"name": "dora's"})).await;
    let patch = async |token: &str, body: Value| scene.api.call("PATCH", &scene.key(&key), token, body).await;
    patch(&scene.alice, json!({"models": ["a", "b"]})).await.expect(200);
    assert_eq!(patch(&max, json!({"models": "all"})).await.problem(403), "forbidden");
    // A manager's own decision on top of it ends with the manager's taking it back; the administrator's stays.
    patch(&max, json!({"models": ["a"]})).await.expect(200);
    assert_eq!(patch(&dora, json!({"models": ["a", "b"]})).await.problem(403), "forbidden");
    patch(&max, json!({"models": ["a", "b"]})).await.expect(200);
    patch(&dora, json!({"models": ["b"]})).await.expect(200);
    assert_eq!(patch(&max, json!({"models": ["c"]})).await.problem(403), "forbidden");
    // A higher role's word replaces a lower one's.
    patch(&max, json!({"models": ["b"]})).await.expect(200);
    patch(&scene.alice, json!({"models": "all"})).await.expect(200);
    patch(&dora, json!({"models": "all"})).await.expect(200);
}

#[tokio::test]
async fn v10_a_hand_over_does_not_undo_a_managers_decision() {
    let scene = Scene::new().await;
    let (dan, dan_id) = scene.member("dan", ProjectRole::Developer).await;
    let (erin, erin_id) = scene.member("erin", ProjectRole::Developer).await;
    let (max, _) = scene.member("max", ProjectRole::Manager).await;
    let key = scene.create(&dan, json!({"name": "dan's"})).await;
    scene.act(&max, &key, "disable", Value::Null).await.expect(200);
    let narrow = json!({"models": ["cheap"]});
    scene.api.call("PATCH", &scene.key(&key), &max, narrow).await.expect(200);
    assert_eq!(scene.hand_over(&max, &dan_id, &erin_id).await.status, 204);
    let rotated = scene.act(&erin, &key, "rotate", json!({"overlap": "now"})).await.expect(200);
    assert_eq!((&rotated["state"], &rotated["disabled_because"]), (&json!("disabled"), &json!("manager")));
    assert_eq!(scene.act(&erin, &key, "enable", Value::Null).await.problem(403), "forbidden");
    let wide = scene.api.call("PATCH", &scene.key(&key), &erin, json!({"models": "all"})).await;
    assert_eq!(wide.problem(403), "forbidden");
    assert_eq!(scene.act(&max, &key, "enable", Value::Null).await.expect(200)["state"], "live");
}
