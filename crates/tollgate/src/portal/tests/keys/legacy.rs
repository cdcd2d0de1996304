//! The guide's paths.

use super::*;

#[tokio::test]
async fn the_guides_paths_make_and_end_keys_of_the_personal_project() {
    let scene = Scene::new().await;
    let call =
        async |method: &str, path: &str, body: Value| scene.api.call(method, path, &scene.alice, body).await;
    assert_eq!(call("GET", "/api-keys", Value::Null).await.expect(200), json!([]));
    let made = call("POST", "/api-keys", json!({"name": "guide", "metadata": {"a": "b"}})).await;
    let location = made.headers["location"].to_str().unwrap().to_owned();
    let made = made.expect(201);
    assert_eq!(location, format!("/api/v1/api-keys/{}", text(&made, "id")));
    assert!(text(&made, "key").starts_with("tgk_"));
    let path = format!("/api-keys/{}", text(&made, "id"));
    let shown = call("GET", &path, Value::Null).await.expect(200);
    assert_eq!((&shown["status"], shown.get("key")), (&json!("live"), None));
    assert_eq!(scene.show(&made).await["name"], "guide", "it is a key of the project like any other");

    let changed = call("PUT", &path, json!({"name": "other", "status": "disabled"})).await.expect(200);
    assert_eq!(
        (&changed["name"], &changed["status"], &changed["metadata"]),
        (&json!("other"), &json!("disabled"), &json!({"a": "b"}))
    );
    call("PUT", &path, json!({"status": "live", "expires_at": "2040-01-01T00:00:00Z"})).await.expect(200);
    assert_eq!(call("PUT", &path, json!({"status": "revoked"})).await.problem(400), "invalid");
    assert_eq!(call("PUT", &path, json!({"key_hash": "x"})).await.problem(400), "invalid");

    let bob = scene.api.token("bob", &[]);
    for (method, body) in [("GET", Value::Null), ("PUT", json!({"name": "x"})), ("DELETE", Value::Null)] {
        assert_eq!(scene.api.call(method, &path, &bob, body).await.problem(404), "not_found", "{method}");
    }
    assert_eq!(scene.api.get("/api-keys", &bob).await.expect(200), json!([]));
    for _ in 0..2 {
        let gone = call("DELETE", &path, Value::Null).await;
        assert_eq!((gone.status.as_u16(), gone.body), (204, Value::Null));
    }
    assert_eq!(call("GET", &path, Value::Null).await.expect(200)["status"], "revoked");
    assert_eq!(call("PUT", &path, json!({"name": "x"})).await.problem(409), "conflict");
    call("POST", "/api-keys", json!({})).await.expect(201);
}
