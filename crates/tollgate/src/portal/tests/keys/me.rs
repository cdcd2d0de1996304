//! A key alone may ask what it is good for, and nothing else.

use super::*;
use crate::portal::SignInView;

impl Scene {
    async fn by_key(&self, secret: &str, header: &str) -> Reply {
        let value = if header == "authorization" { format!("Bearer {secret}") } else { secret.to_owned() };
        self.api.call_with(("GET", "/me"), "", &[(header, &value)], &Value::Null).await
    }
}

#[tokio::test]
async fn a_key_learns_its_own_limits() {
    let scene = Scene::new().await;
    let wish = json!({"name": "CI", "models": ["gpt-4o"], "routes": ["chat"], "metadata": {"note": "mine"}});
    let key = scene.create(&scene.alice, wish).await;
    let secret = text(&key, "secret");
    for header in ["authorization", "x-api-key", "api-key", "x-goog-api-key"] {
        let me = scene.by_key(secret, header).await.expect(200);
        assert_eq!(
            (&me["key_id"], &me["models"], &me["project_models"]),
            (&key["id"], &json!(["gpt-4o"]), &json!("all"))
        );
        assert_eq!(
            (&me["routes"], &me["owner"]["name"], &me["secret_ends_at"]),
            (&json!(["chat"]), &json!("alice"), &Value::Null)
        );
        let told = me.to_string();
        assert!(!told.contains("mine") && !told.contains(secret));
    }
    // What a key is for at the gateway, it is not for here.
    for (method, path, body) in [
        ("GET", scene.keys(), Value::Null),
        ("POST", scene.keys(), json!({"name": "k"})),
        ("POST", format!("{}/revoke", scene.key(&key)), Value::Null),
        ("POST", "/keys/lookup".to_owned(), json!({"secret": secret})),
        ("GET", "/api-keys".to_owned(), Value::Null),
    ] {
        assert_eq!(
            scene.api.call(method, &path, secret, body).await.problem(401),
            "unauthenticated",
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_key_that_does_not_work_learns_nothing() {
    let scene = Scene::new().await;
    let refused = async |secret: &str| {
        let reply = scene.by_key(secret, "authorization").await;
        assert_eq!(reply.headers["www-authenticate"], "Bearer realm=\"tollgate\"");
        assert_eq!(reply.status, 401);
        reply.body
    };
    let unknown = {
        let key = tollgate_core::apikey::NewKey::make(scene.now(), |buffer: &mut [u8]| {
            buffer.fill(9);
            Ok::<(), std::convert::Infallible>(())
        });
        refused(&key.unwrap().reveal()).await
    };
    let key = scene.create(&scene.alice, json!({"name": "a", "expires_in_days": 1})).await;
    let secret = text(&key, "secret").to_owned();
    scene.post(&key, "disable", Value::Null).await.expect(200);
    assert_eq!(refused(&secret).await, unknown);
    scene.post(&key, "enable", Value::Null).await.expect(200);
    let rotated = scene.post(&key, "rotate", json!({"overlap": "15m"})).await.expect(200);
    let me = scene.by_key(&secret, "x-api-key").await.expect(200);
    assert_eq!(me["secret_ends_at"], rotated["previous_secret"]["until"]);
    assert_eq!(
        scene.by_key(text(&rotated, "secret"), "x-api-key").await.expect(200)["secret_ends_at"],
        Value::Null
    );
    scene.api.pass(std::time::Duration::from_secs(15 * 60));
    assert_eq!(refused(&secret).await, unknown, "the overlap is over");

    let mut tx = scene.api.store.begin().await.unwrap();
    tx.set_project_suspended(StandingChange::Suspend(&scene.system()), &scene.project).await.unwrap();
    tx.commit(scene.now()).await.unwrap();
    assert_eq!(refused(text(&rotated, "secret")).await, unknown);
    let mut tx = scene.api.store.begin().await.unwrap();
    tx.set_project_suspended(StandingChange::Resume(&scene.system()), &scene.project).await.unwrap();
    tx.commit(scene.now()).await.unwrap();
    scene.by_key(text(&rotated, "secret"), "api-key").await.expect(200);
    scene.api.pass(std::time::Duration::from_secs(86_400));
    assert_eq!(refused(text(&rotated, "secret")).await, unknown);

    for malformed in [
        format!("{secret}\u{20}x"),
        format!("\"{secret}\""),
        secret.to_lowercase(),
        format!("Bearer {secret}"),
        secret[..75].to_owned(),
    ] {
        assert_eq!(scene.by_key(&malformed, "authorization").await.status, 401, "{malformed}");
    }
    let both = [("x-api-key", secret.as_str()), ("authorization", "Bearer a.b.c")];
    assert_eq!(
        scene.api.call_with(("GET", "/me"), "", &both, &Value::Null).await.problem(401),
        "unauthenticated"
    );
}

#[tokio::test]
async fn tools_are_told_where_to_sign_in() {
    let sign_in = SignInView {
        issuer: "https://login.example.com".into(),
        client_id: "tollgate-cli".into(),
        scopes: vec!["openid".into()],
    };
    let told = sign_in.clone();
    let scene = Scene::with(|options| options.sign_in = Some(told)).await;
    assert_eq!(scene.api.get("/sign-in", "").await.expect(200), serde_json::to_value(&sign_in).unwrap());
    assert_eq!(Scene::new().await.api.get("/sign-in", "").await.problem(404), "not_found");
}
