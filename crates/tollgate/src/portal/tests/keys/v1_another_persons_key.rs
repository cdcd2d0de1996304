//! V1: a secret never acts as a person who did not make it or rotate it.

use super::*;

const NOW: &str = "now";

fn overlap(text: &str) -> Value {
    json!({"overlap": text})
}

#[tokio::test(flavor = "multi_thread")]
async fn v1_a_handed_over_key_works_for_its_new_owner_after_their_rotation_alone() {
    on_both(
        |_| {},
        async |scene| {
            let (dan, dan_id) = scene.member("dan", ProjectRole::Developer).await;
            let (erin, erin_id) = scene.member("erin", ProjectRole::Developer).await;
            let platform = scene.api.token("root", &[crate::portal::tests::rig::ADMINS]);
            let key = scene.create(&dan, json!({"name": "dan's"})).await;
            // A rotation in its overlap: two secrets that the leaver knows.
            let rotated = scene.act(&dan, &key, "rotate", overlap("7d")).await.expect(200);
            let (older, newer) = (text(&key, "secret"), text(&rotated, "secret"));
            assert!(scene.works(older).await && scene.works(newer).await);

            assert_eq!(scene.hand_over(&scene.alice, &dan_id, &erin_id).await.status, 204);
            let shown = scene.show(&key).await;
            assert_eq!((&shown["state"], &shown["owner"]["id"]), (&json!("disabled"), &json!(erin_id)));
            assert_eq!(shown["disabled_because"], "handed_over", "{shown}");
            assert_eq!(shown["previous_secret"], Value::Null, "the older secret ended");
            for secret in [older, newer] {
                assert!(!scene.works(secret).await);
            }
            assert_eq!(scene.lookup(older).await.problem(404), "not_found");

            // Nobody switches it on: not its new owner, not those above them, by no path.
            let refused = scene.act(&erin, &key, "enable", Value::Null).await;
            assert!(refused.body["detail"].to_string().contains("otate"), "{}", refused.body);
            assert_eq!(refused.problem(409), "conflict");
            for token in [&scene.alice, &platform] {
                for (verb, body) in [("enable", Value::Null), ("rotate", overlap(NOW))] {
                    assert_eq!(scene.act(token, &key, verb, body).await.problem(403), "forbidden", "{verb}");
                }
            }
            for late in ["15m", "7d"] {
                let refused = scene.act(&erin, &key, "rotate", overlap(late)).await;
                assert!(refused.body["detail"].to_string().contains("now"), "{}", refused.body);
                assert_eq!(refused.problem(400), "invalid");
            }
            assert!(!scene.works(newer).await);

            let own = scene.act(&erin, &key, "rotate", overlap(NOW)).await.expect(200);
            assert_eq!((&own["state"], &own["disabled_because"]), (&json!("live"), &Value::Null));
            let me = scene.api.get("/me", text(&own, "secret")).await.expect(200);
            assert_eq!(me["owner"]["id"], json!(erin_id), "{me}");
            for secret in [older, newer] {
                assert!(!scene.works(secret).await);
            }
            assert_eq!(scene.act(&dan, &key, "rotate", overlap(NOW)).await.status, 404);
        },
    )
    .await;
}

#[tokio::test]
async fn v1_nobody_hands_over_their_own_keys() {
    let scene = Scene::new().await;
    let (dan, dan_id) = scene.member("dan", ProjectRole::Developer).await;
    let (max, max_id) = scene.member("max", ProjectRole::Manager).await;
    let (_, erin_id) = scene.member("erin", ProjectRole::Developer).await;
    let key = scene.create(&dan, json!({"name": "dan's"})).await;
    scene.create(&max, json!({"name": "max's"})).await;
    for (token, id) in [(&dan, &dan_id), (&max, &max_id)] {
        let refused = scene.hand_over(token, id, &erin_id).await;
        assert!(refused.body["detail"].to_string().contains("own keys"), "{}", refused.body);
        assert_eq!(refused.problem(403), "forbidden");
    }
    // A developer removes nobody.
    assert_eq!(scene.hand_over(&dan, &max_id, &erin_id).await.problem(403), "forbidden");
    assert_eq!(scene.show(&key).await["owner"]["id"], json!(dan_id), "nothing was done");
    assert!(scene.works(text(&key, "secret")).await);
    // Leaving without handing over stays open to everybody.
    let leave = format!("/projects/{}/members/{dan_id}", scene.project);
    assert_eq!(scene.api.call("DELETE", &leave, &dan, Value::Null).await.status, 204);
    assert_eq!(scene.show(&key).await["state"], "revoked");
}

#[tokio::test]
async fn v1_nobody_rotates_or_revives_another_persons_key() {
    let scene = Scene::new().await;
    let (dora, _) = scene.member("dora", ProjectRole::Developer).await;
    let (max, _) = scene.member("max", ProjectRole::Manager).await;
    let platform = scene.api.token("root", &[crate::portal::tests::rig::ADMINS]);
    let key = scene.create(&dora, json!({"name": "dora's", "expires_in_days": 1})).await;
    let secret = text(&key, "secret");
    scene.act(&dora, &key, "disable", Value::Null).await.expect(200);
    assert_eq!(scene.show(&key).await["disabled_because"], "owner");
    for token in [&max, &scene.alice, &platform] {
        for (verb, body) in [("enable", Value::Null), ("rotate", overlap(NOW)), ("rotate", overlap("7d"))] {
            let refused = scene.act(token, &key, verb, body).await;
            assert!(refused.body["detail"].to_string().contains("owner"), "{}", refused.body);
            assert_eq!(refused.problem(403), "forbidden", "{verb}");
        }
        // Switching it off and on again leaves the owner's own decision as it is.
        scene.act(token, &key, "disable", Value::Null).await.expect(200);
        let lifted = scene.act(token, &key, "enable", Value::Null).await.expect(200);
        assert_eq!((&lifted["state"], &lifted["disabled_because"]), (&json!("disabled"), &json!("owner")));
        assert!(!scene.works(secret).await);
    }
    scene.act(&dora, &key, "enable", Value::Null).await.expect(200);
    assert!(scene.works(secret).await);

    // A key past its end works again by its owner's decision alone.
    scene.api.pass(std::time::Duration::from_secs(2 * 86_400));
    let token = |name: &str| scene.api.token(name, &[]);
    let admin = scene.api.token("root", &[crate::portal::tests::rig::ADMINS]);
    let patch = async |token: &str| {
        scene.api.call("PATCH", &scene.key(&key), token, json!({"expires_in_days": 5})).await
    };
    for token in [&token("max"), &token("alice"), &admin] {
        assert_eq!(patch(token).await.problem(403), "forbidden");
    }
    assert!(!scene.works(secret).await);
    assert_eq!(patch(&token("dora")).await.expect(200)["state"], "live");
    // Ending another person's key stays.
    assert_eq!(scene.act(&token("max"), &key, "revoke", Value::Null).await.expect(200)["state"], "revoked");
}

#[tokio::test]
async fn v1_a_demoted_persons_key_is_switched_on_by_nobody_else() {
    let scene = Scene::new().await;
    let (dora, dora_id) = scene.member("dora", ProjectRole::Developer).await;
    let (max, _) = scene.member("max", ProjectRole::Manager).await;
    let keys = [
        scene.create(&dora, json!({"name": "live"})).await,
        scene.create(&dora, json!({"name": "switched off before"})).await,
    ];
    scene.act(&max, &keys[1], "disable", Value::Null).await.expect(200);
    let put = async |role: &str| {
        let path = format!("/projects/{}/members/{dora_id}", scene.project);
        scene.api.call("PUT", &path, &scene.alice, json!({"role": role})).await.expect(200)
    };
    put("viewer").await;
    assert_eq!(scene.show(&keys[0]).await["disabled_because"], "role_lost");
    for token in [&max, &scene.alice] {
        assert_eq!(scene.act(token, &keys[0], "enable", Value::Null).await.problem(403), "forbidden");
    }
    // Lifting a manager's decision does not give the role back.
    let lifted = scene.act(&max, &keys[1], "enable", Value::Null).await.expect(200);
    assert_eq!((&lifted["state"], &lifted["disabled_because"]), (&json!("disabled"), &json!("role_lost")));
    for key in &keys {
        assert!(!scene.works(text(key, "secret")).await);
        assert_eq!(scene.act(&dora, key, "enable", Value::Null).await.problem(403), "forbidden");
    }
    put("developer").await;
    assert_eq!(scene.show(&keys[0]).await["state"], "disabled", "a role that comes back switches nothing on");
    for key in &keys {
        assert_eq!(scene.act(&dora, key, "enable", Value::Null).await.expect(200)["state"], "live");
    }
}

#[tokio::test]
async fn v1_keys_are_handed_over_in_organizations_by_administrators_alone() {
    let scene = Scene::new().await;
    let root = scene.api.token("root", &[crate::portal::tests::rig::ADMINS]);
    scene.api.get("/me", &root).await.expect(200);
    let ids = |value: &Value| text(value, "id").to_owned();
    let organization =
        ids(&scene.api.call("POST", "/organizations", &root, json!({"name": "acme"})).await.expect(201));
    let wish = json!({"organization_id": organization, "name": "research"});
    let project = ids(&scene.api.call("POST", "/projects", &root, wish).await.expect(201));
    let mut people = Vec::new();
    let mut tx = scene.api.store.begin().await.unwrap();
    for name in ["dan", "erin"] {
        let token = scene.api.token(name, &[]);
        drop(tx);
        let id = ids(&scene.api.get("/me", &token).await.expect(200));
        tx = scene.api.store.begin().await.unwrap();
        let member = tollgate_core::tenancy::OrganizationRole::Member;
        tx.put_organization_member(&scene.system(), &organization, &id, member).await.unwrap();
        tx.put_project_member(&scene.system(), &project, &id, ProjectRole::Developer).await.unwrap();
        tx.commit(scene.now()).await.unwrap();
        tx = scene.api.store.begin().await.unwrap();
        people.push((token, id));
    }
    drop(tx);
    let [(dan, dan_id), (_, erin_id)] = &people[..] else { unreachable!() };
    let keys = format!("/projects/{project}/keys");
    let key = scene.api.call("POST", &keys, dan, json!({"name": "k"})).await.expect(201);
    let leave = format!("/organizations/{organization}/members/{dan_id}?keys=hand_over&to={erin_id}");
    assert_eq!(scene.api.call("DELETE", &leave, dan, Value::Null).await.problem(403), "forbidden");
    assert!(scene.works(text(&key, "secret")).await);
    assert_eq!(scene.api.call("DELETE", &leave, &root, Value::Null).await.status, 204);
    let shown = scene.api.get(&format!("{keys}/{}", text(&key, "id")), &root).await.expect(200);
    assert_eq!(
        (&shown["owner"]["id"], &shown["state"], &shown["disabled_because"]),
        (&json!(erin_id), &json!("disabled"), &json!("handed_over"))
    );
    assert!(!scene.works(text(&key, "secret")).await);
}
