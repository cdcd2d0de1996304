//! Many keys are ended at once, after a look at which.

use super::*;

#[tokio::test]
async fn a_dry_run_ends_nothing_and_names_what_the_real_one_ends() {
    let scene = Scene::new().await;
    let (dora, dora_id) = scene.member("dora", ProjectRole::Developer).await;
    for n in 0..3 {
        scene.create(&dora, json!({"name": format!("d{n}"), "tags": ["ci"]})).await;
        scene.create(&scene.alice, json!({"name": format!("a{n}")})).await;
    }
    let revoke = async |body: Value| {
        scene.api.call("POST", &format!("{}/revoke", scene.keys()), &scene.alice, body).await
    };
    for bad in [
        json!({}),
        json!({"dry_run": true}),
        json!({"all": false}),
        json!({"all": true, "tag": "ci"}),
        json!({"tag": null}),
        json!({"owner": "bob"}),
        json!({"everything": true}),
    ] {
        assert_eq!(revoke(bad.clone()).await.problem(400), "invalid", "{bad}");
    }
    let look = revoke(json!({"owner": dora_id, "tag": "ci", "dry_run": true})).await.expect(200);
    assert_eq!((&look["count"], &look["more"], &look["dry_run"]), (&json!(3), &json!(false), &json!(true)));
    assert!(look["items"].as_array().unwrap().iter().all(|key| key["state"] == "live"));
    let live =
        async || scene.api.get(&format!("{}?state=live", scene.keys()), &scene.alice).await.expect(200);
    assert_eq!(live().await["items"].as_array().unwrap().len(), 6);

    let done = revoke(json!({"owner": dora_id, "tag": "ci"})).await.expect(200);
    let ids = |answer: &Value| {
        answer["items"].as_array().unwrap().iter().map(|key| key["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&done), ids(&look));
    assert!(done["items"].as_array().unwrap().iter().all(|key| key["state"] == "revoked"));
    assert_eq!(live().await["items"].as_array().unwrap().len(), 3);
    assert_eq!(
        revoke(json!({"owner": dora_id})).await.expect(200)["count"],
        0,
        "what has ended is left alone"
    );
    assert_eq!(revoke(json!({"unused_since": "2040-01-01T00:00:00Z"})).await.expect(200)["count"], 3);
    assert_eq!(revoke(json!({"all": true})).await.expect(200)["count"], 0);
    let ended = scene.audit().await.iter().filter(|entry| entry["action"] == "key.revoke").count();
    assert_eq!(ended, 6, "each is an entry of its own");
}

#[tokio::test]
async fn more_than_one_request_ends_is_said() {
    let scene = Scene::with(|options| options.keys.max_per_project = 1000).await;
    for n in 0..501 {
        scene.named(&format!("{n}")).await;
    }
    let revoke = async || {
        let body = json!({"all": true});
        scene.api.call("POST", &format!("{}/revoke", scene.keys()), &scene.alice, body).await.expect(200)
    };
    let first = revoke().await;
    assert_eq!((&first["count"], &first["more"]), (&json!(500), &json!(true)));
    let second = revoke().await;
    assert_eq!((&second["count"], &second["more"]), (&json!(1), &json!(false)));
}
