//! What services learn about credentials: active or not, never why not, and 503 when it cannot be told.

use std::time::{Duration, Instant};

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use serde_json::{Value, json};
use tollgate_core::apikey::NewKey;

use super::rig::{Api, Reply};
use crate::entropy::{Entropy as _, SystemEntropy};

const FORM: &str = "application/x-www-form-urlencoded";
const PATHS: [&str; 2] = ["/oauth2/introspect", "/v1/authorino/validate/introspect"];

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn authorino() -> String {
    basic("authorino", "s3cret-of-authorino+%")
}

fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn post(api: &Api, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

pub async fn introspect(api: &Api, token: &str, more: &str) -> Value {
    let mut answers = Vec::new();
    for path in PATHS {
        let headers = [("authorization", authorino().as_str()), ("content-type", FORM)]
            .map(|(name, value)| (name, value.to_owned()));
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let reply = post(api, path, &headers, &format!("token={}{more}", escaped(token))).await;
        assert_eq!(reply.headers["cache-control"], "no-store");
        answers.push(reply.expect(200));
    }
    assert_eq!(answers[0], answers[1], "both addresses say the same");
    answers.remove(0)
}

/// Alice's personal project.
async fn project(api: &Api) -> String {
    let token = api.token("alice", &[]);
    let list = api.get("/projects", &token).await.expect(200);
    list["items"][0]["id"].as_str().unwrap().to_owned()
}

async fn key(api: &Api, project: &str, wish: Value) -> Value {
    let path = format!("/projects/{project}/keys");
    api.call("POST", &path, &api.token("alice", &[]), wish).await.expect(201)
}

/// Within a second, as the view promises.
/// For what must happen: long, so that a busy machine does not matter. How fast it is is measured elsewhere.
const PATIENCE: Duration = Duration::from_secs(20);

async fn becomes_inactive(api: &Api, secret: &str) {
    let begun = Instant::now();
    while introspect(api, secret, "").await != json!({"active": false}) {
        assert!(begun.elapsed() < PATIENCE, "still active");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_key_with_everything_that_stands_behind_it() {
    let api = Api::watching().await;
    let project = project(&api).await;
    let made = key(&api, &project, json!({"name": "ci", "models": ["gpt-*"], "expires_in_days": 30})).await;
    let secret = made["secret"].as_str().unwrap();
    let answer = introspect(&api, secret, "&token_type_hint=access_token").await;
    for (name, expected) in [
        ("active", json!(true)),
        ("credential", json!("key")),
        ("sub", json!("alice")),
        ("account_id", json!("alice")),
        ("username", json!("alice")),
        ("api_key_id", made["id"].clone()),
        ("api_key_status", json!("active")),
        ("project_id", json!(project)),
        ("model_policy", json!("allowlist")),
        ("allowed_models", json!(["gpt-*"])),
        ("exp", json!(1_800_000_000_i64 + 30 * 86_400)),
    ] {
        assert_eq!(answer[name], expected, "{name}: {answer}");
    }
    assert!(!answer.to_string().contains(secret));

    let path = format!("/projects/{project}/keys/{}/revoke", made["id"].as_str().unwrap());
    assert!(api.call("POST", &path, &api.token("alice", &[]), Value::Null).await.status.is_success());
    becomes_inactive(&api, secret).await;
}

#[tokio::test]
async fn whatever_is_not_good_is_not_active_and_no_more_is_said() {
    let api = Api::watching().await;
    let project = project(&api).await;
    let made = key(&api, &project, json!({"name": "a"})).await;
    let secret = made["secret"].as_str().unwrap();
    let mistyped = secret.replace(&secret[40..41], if &secret[40..41] == "a" { "b" } else { "a" });
    let now = 1_800_000_000;
    for token in [
        "x",
        "a.b.c",
        &mistyped,
        "tgk_0000000000000000000000_0000000000000000000000000000000000000000000000000",
        &api.token_with("alice", &json!({"exp": now - 60})),
        &api.token_with("alice", &json!({"aud": "other"})),
        &api.token_with("alice", &json!({"iss": "https://evil.test"})),
        &api.token_with("alice", &json!({"typ": "ID"})),
        &"x".repeat(60_000),
    ] {
        assert_eq!(introspect(&api, token, "").await, json!({"active": false}), "{token:.80}");
    }
    // The standing of what a key belongs to is part of it.
    let admin = api.token("root", &["platform-admins"]);
    let me = api.get("/me", &api.token("alice", &[])).await.expect(200);
    let person = me["id"].as_str().unwrap();
    let other = key(&api, &project, json!({"name": "b"})).await;
    let other = other["secret"].as_str().unwrap();
    for (path, back) in [
        (format!("/projects/{project}/suspend"), format!("/projects/{project}/resume")),
        (format!("/people/{person}/suspend"), format!("/people/{person}/resume")),
    ] {
        assert!(api.call("POST", &path, &admin, Value::Null).await.status.is_success(), "{path}");
        becomes_inactive(&api, other).await;
        assert!(api.call("POST", &back, &admin, Value::Null).await.status.is_success(), "{back}");
        let begun = Instant::now();
        while introspect(&api, other, "").await["active"] == false {
            assert!(begun.elapsed() < PATIENCE, "{back}");
            tokio::time::sleep(Duration::from_millis(5)).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_narrowed_key_is_good_where_it_is_narrowed_to() {
    let api = Api::watching().await;
    let project = project(&api).await;
    let made = key(&api, &project, json!({"name": "a", "addresses": ["10.0.0.0/8"]})).await;
    let secret = made["secret"].as_str().unwrap();
    for (more, expected) in [
        ("", false),
        ("&client_address=192.0.2.1", false),
        ("&client_address=10.1.2.3", true),
        ("&client_address=::ffff:10.1.2.3", true),
        ("&client_address=10.1.2.3&route=any", true),
    ] {
        assert_eq!(introspect(&api, secret, more).await["active"], expected, "{more}");
    }
    let reply = post(
        &api,
        PATHS[0],
        &[("authorization", &authorino()), ("content-type", FORM)],
        "token=x&client_address=here",
    )
    .await;
    assert_eq!(reply.expect(400)["error"], "invalid_request");
}

#[tokio::test]
async fn a_token_of_the_issuer() {
    let api = Api::watching().await;
    let token = api.token_with(
        "alice",
        &json!({"scope": "openid x", "azp": "cli", "jti": "j", "sid": "s", "groups": ["g"]}),
    );
    let answer = introspect(&api, &token, "").await;
    for (name, expected) in [
        ("active", json!(true)),
        ("credential", json!("token")),
        ("token_type", json!("Bearer")),
        ("sub", json!("alice")),
        ("username", json!("alice")),
        ("client_id", json!("cli")),
        ("scope", json!("openid x")),
        ("aud", json!("api")),
        ("iss", json!("https://issuer.test/realms/one")),
        ("exp", json!(1_800_003_600_i64)),
        ("iat", json!(1_800_000_000_i64)),
        ("jti", json!("j")),
        ("groups", json!(["g"])),
    ] {
        assert_eq!(answer[name], expected, "{name}: {answer}");
    }
    api.get("/me", &token).await.expect(200);
    // A rule against its session ends it here as it does at a gateway.
    let admin = api.token("root", &["platform-admins"]);
    let rule = json!({"issuer": "one", "kind": "sid", "value": "s", "reason": "test"});
    api.call("POST", "/token-rules", &admin, rule).await.expect(201);
    becomes_inactive(&api, &token).await;
}

#[tokio::test]
async fn nobody_asks_without_proving_who_they_are() {
    let api = Api::watching().await;
    let token = escaped(&api.token("alice", &[]));
    let good = authorino();
    let form = ("content-type", FORM);
    let auth = |value: String| ("authorization", value);
    let escaped_secret = escaped("s3cret-of-authorino+%");
    /// Client and secret, the body, and the expected status.
    type Attempt<'a> = (Option<(&'a str, String)>, String, u16);
    let table: Vec<Attempt<'_>> = vec![
        (Some(auth(good.clone())), String::new(), 200),
        (Some(auth(good.replace("Basic", "basic"))), String::new(), 200),
        (Some(auth(basic("authorino", &escaped_secret))), String::new(), 200),
        (Some(auth(good.clone())), "&client_id=authorino".into(), 200),
        (None, format!("&client_id=authorino&client_secret={escaped_secret}"), 200),
        (None, String::new(), 401),
        (None, "&client_id=authorino".into(), 401),
        (None, "&client_id=authorino&client_secret=x".into(), 401),
        (None, format!("&client_id=other&client_secret={escaped_secret}"), 401),
        (Some(auth(basic("authorino", "wrong"))), String::new(), 401),
        (Some(auth(basic("other", "s3cret-of-authorino+%"))), String::new(), 401),
        (Some(auth(basic("", ""))), String::new(), 401),
        (Some(auth("Basic %%%".into())), String::new(), 401),
        (Some(auth(format!("Bearer {}", api.token("alice", &[])))), String::new(), 401),
        (Some(auth(good.clone())), "&client_id=other".into(), 401),
        (Some(auth(good.clone())), format!("&client_id=authorino&client_secret={escaped_secret}"), 401),
    ];
    for (header, more, status) in table {
        let mut headers = vec![form];
        if let Some((name, value)) = &header {
            headers.push((name, value));
        }
        for path in PATHS {
            let reply = post(&api, path, &headers, &format!("token={token}{more}")).await;
            assert_eq!(reply.status.as_u16(), status, "{header:?} {more} {}", reply.body);
            if status == 401 {
                assert!(reply.headers["www-authenticate"].to_str().unwrap().starts_with("Basic "));
                assert_eq!(reply.body["error"], "invalid_client");
            }
        }
    }
    let headers = [form, ("authorization", good.as_str())];
    assert_eq!(post(&api, PATHS[0], &headers, "").await.expect(400)["error"], "invalid_request");
    assert_eq!(post(&api, PATHS[0], &headers, "token=a&token=b").await.status, 400);
    assert_eq!(post(&api, PATHS[0], &headers[1..], "token=a").await.status, 415);
    let json = [("content-type", "application/json"), headers[1]];
    assert_eq!(post(&api, PATHS[0], &json, "{\"token\":\"a\"}").await.status, 415);
    assert_eq!(post(&api, PATHS[0], &headers, &"x".repeat(70_000)).await.status, 413);
    for method in ["GET", "PUT", "DELETE", "TRACE"] {
        let request = Request::builder().method(method).uri(PATHS[0]).body(Body::empty()).unwrap();
        assert_eq!(api.send(request).await.status, 405, "{method}");
    }
}

#[tokio::test]
async fn what_cannot_be_told_is_503() {
    // Keys that were never loaded.
    let api = Api::unfilled().await;
    let now = tollgate_core::time::Timestamp::from_millis(1_700_000_000_000);
    let text = NewKey::make(now, |buffer: &mut [u8]| SystemEntropy.fill(buffer)).unwrap().reveal();
    let headers = [("authorization", authorino()), ("content-type", FORM.to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let reply = post(&api, PATHS[0], &headers, &format!("token={text}")).await;
    assert_eq!(reply.headers["retry-after"], "1");
    assert_eq!(reply.problem(503), "unavailable");
    assert_eq!(introspect(&api, &api.token("alice", &[]), "").await["active"], true, "tokens can be told");
}

#[tokio::test]
async fn the_context_of_a_subject_and_of_a_key() {
    let api = Api::watching().await;
    let project = project(&api).await;
    let headers = [("authorization", authorino()), ("content-type", "application/json".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let ask =
        async |question: Value| post(&api, "/idp/v1/resolve-context", &headers, &question.to_string()).await;
    let mine = json!({"subject": "alice", "project_id": project});
    let answer = ask(mine.clone()).await.expect(200);
    for (name, expected) in [
        ("account_id", json!("alice")),
        ("project_id", json!(project)),
        ("role", json!("owner")),
        ("model_policy", json!("allow_all")),
    ] {
        assert_eq!(answer[name], expected, "{name}: {answer}");
    }
    for issuer in ["one", "https://issuer.test/realms/one"] {
        let question = json!({"subject": "alice", "project_id": project, "issuer": issuer});
        assert_eq!(ask(question).await.expect(200), answer);
    }
    api.get("/me", &api.token("bob", &[])).await.expect(200);
    let unknown = ask(json!({"subject": "nobody", "project_id": project})).await;
    assert_eq!(unknown.status, 404);
    for question in [
        json!({"subject": "bob", "project_id": project}),
        json!({"subject": "alice", "project_id": "prj_00000000000000000000000000"}),
        json!({"subject": "alice", "project_id": project, "issuer": "two"}),
        json!({"api_key": "x"}),
        json!({"api_key": api.token("alice", &[])}),
    ] {
        let reply = ask(question.clone()).await;
        assert_eq!((reply.status.as_u16(), &reply.body), (404, &unknown.body), "{question}");
    }
    let made = key(&api, &project, json!({"name": "a", "models": "none"})).await;
    let of_key = ask(json!({"api_key": made["secret"]})).await.expect(200);
    assert_eq!((&of_key["api_key_id"], &of_key["project_id"]), (&made["id"], &json!(project)));
    assert_eq!(of_key["model_policy"], "deny_all");

    for question in [json!({}), json!({"subject": "alice"}), json!({"subject": "alice", "api_key": "x"})] {
        assert_eq!(ask(question).await.status, 400);
    }
    assert_eq!(ask(json!({"subject": "alice", "project_id": project, "x": 1})).await.status, 400);
    let reply =
        post(&api, "/idp/v1/resolve-context", &[("content-type", "application/json")], &mine.to_string())
            .await;
    assert_eq!(reply.status, 401);
    let admin = api.token("root", &["platform-admins"]);
    api.call("POST", &format!("/projects/{project}/suspend"), &admin, Value::Null).await;
    assert_eq!(ask(mine).await.status, 404, "a suspended project has no context to act in");
}
