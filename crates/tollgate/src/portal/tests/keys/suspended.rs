//! A suspended project or organization takes no new keys, whichever way they are asked for.

use super::*;

/// Suspends alice's project or her organization, or resumes it.
async fn suspend(scene: &Scene, organization: bool, suspended: bool) {
    let mut tx = scene.api.store.begin().await.unwrap();
    let author = scene.system();
    let change = if suspended { StandingChange::Suspend(&author) } else { StandingChange::Resume(&author) };
    if organization {
        let (project, _) = tx.hold_project(&author, &scene.project, ProjectRole::Owner).await.unwrap();
        tx.set_organization_suspended(change, &project.organization_id).await.unwrap();
    } else {
        tx.set_project_suspended(change, &scene.project).await.unwrap();
    }
    tx.commit(scene.now()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_project_or_organization_takes_no_key_over_the_api() {
    on_both(
        |_| {},
        async |scene| {
            let key = scene.named("before").await;
            for organization in [false, true] {
                suspend(&scene, organization, true).await;
                let what = if organization { "organization" } else { "project" };
                for path in [scene.keys(), "/api-keys".to_owned()] {
                    let refused = scene.api.call("POST", &path, &scene.alice, json!({"name": "new"})).await;
                    let detail = refused.body["detail"].to_string();
                    assert_eq!(refused.problem(409), "conflict", "{what} {path}");
                    assert!(detail.contains(&format!("{what} is suspended")), "{detail}");
                }
                // No other way makes a new secret there, or lets an old one work again.
                scene.post(&key, "disable", Value::Null).await.expect(200);
                for (verb, body) in [("rotate", json!({"overlap": "now"})), ("enable", Value::Null)] {
                    assert_eq!(scene.post(&key, verb, body).await.problem(409), "conflict", "{what} {verb}");
                }
                let legacy = scene.legacy_put(&scene.alice, &key, json!({"status": "live"})).await;
                assert_eq!(legacy.problem(409), "conflict", "{what}");
                suspend(&scene, organization, false).await;
                scene.post(&key, "enable", Value::Null).await.expect(200);
            }
            assert_eq!(
                scene.api.get(&scene.keys(), &scene.alice).await.expect(200)["items"]
                    .as_array()
                    .unwrap()
                    .len(),
                1
            );
            scene.api.call("POST", "/api-keys", &scene.alice, json!({"name": "after"})).await.expect(201);
        },
    )
    .await;
}

#[tokio::test]
async fn each_refusal_of_the_guides_paths_says_its_own_reason() {
    let scene = Scene::with(|options| options.keys.max_per_project = 1).await;
    let create = async || scene.api.call("POST", "/api-keys", &scene.alice, json!({"name": "k"})).await;
    suspend(&scene, false, true).await;
    assert!(create().await.body["detail"].to_string().contains("project is suspended"));
    suspend(&scene, false, false).await;
    let key = create().await.expect(201);
    let full = create().await;
    assert!(full.body["detail"].to_string().contains("max_per_project"), "{}", full.body);
    assert_eq!(full.problem(409), "conflict");
    scene.post(&key, "revoke", Value::Null).await.expect(200);
    let revoked = scene.legacy_put(&scene.alice, &key, json!({"name": "x"})).await;
    assert!(revoked.body["detail"].to_string().contains("revoked"), "{}", revoked.body);
    assert_eq!(revoked.problem(409), "conflict");
}
