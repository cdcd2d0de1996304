//! A new secret is shown to whoever proved lately who they are; everybody else is asked to prove it anew.

use std::time::Duration;

use serde_json::{Value, json};

use super::rig::Api;
use super::site::{Browser, HERE, Page, Site};
use crate::store::probe as rows;

const KEYS: &str = "SELECT COUNT(*) FROM api_keys";
const HOUR: Duration = Duration::from_secs(3600);

impl Browser<'_> {
    /// A write with everything that a page of ours sends.
    async fn write(&mut self, method: &str, path: &str, more: &[(&str, &str)], body: &Value) -> Page {
        let token = self.csrf_token().await;
        let mut headers = vec![("origin", HERE), ("x-csrf-token", token.as_str())];
        headers.extend_from_slice(more);
        let text = if body.is_null() { String::new() } else { body.to_string() };
        if !body.is_null() {
            headers.push(("content-type", "application/json"));
        }
        self.send(method, path, &headers, &text).await
    }

    async fn project(&mut self) -> String {
        let list = self.get("/api/v1/projects").await.json();
        format!("/api/v1/projects/{}", list["items"][0]["id"].as_str().unwrap())
    }

    /// Logs in anew, with these changes to the ID token; the answer to the way back.
    async fn prove_anew(&mut self, change: &Value) -> Page {
        let begun = self.begin("/login?again=true&next=/docs/problems").await;
        let asked: Vec<_> = begun.target.query_pairs().into_owned().collect();
        for (name, value) in [("prompt", "login"), ("max_age", "3600")] {
            assert!(asked.contains(&(name.to_owned(), value.to_owned())), "{asked:?}");
        }
        let mut claims = self.site.id_claims(&begun);
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        self.site.will_answer(&claims);
        self.come_back(&begun).await
    }
}

#[tokio::test]
async fn a_session_shows_new_secrets_for_an_hour_and_then_asks_who_is_there() {
    let site = Site::start_with(|options| options.idle = 7 * HOUR).await;
    let now = || crate::clock::Clock::now(site.clock.as_ref()).as_secs();
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    let project = browser.project().await;
    let keys = format!("{project}/keys");
    let once = [("idempotency-key", "k1")];
    // The proof is a minute old at the login.
    site.clock.pass(HOUR - Duration::from_secs(60));
    let page = browser.write("POST", &keys, &once, &json!({"name": "first"})).await;
    assert_eq!(page.status, 201, "{}", page.text);
    let key = page.json();
    assert!(key["secret"].as_str().unwrap().starts_with("tgk_"));
    let key = format!("{keys}/{}", key["id"].as_str().unwrap());

    site.clock.pass(Duration::from_secs(1));
    let before = rows(&site.store, "SELECT COUNT(*) FROM audit").await;
    for (path, body) in [
        (keys.as_str(), json!({"name": "second"})),
        (&format!("{key}/rotate"), json!({"overlap": "now"})),
        ("/api/v1/api-keys", json!({"name": "third"})),
        (&format!("{project}/invitations"), json!({"role": "viewer"})),
    ] {
        let page = browser.write("POST", path, &[], &body).await;
        let problem = page.json();
        assert_eq!(
            (page.status.as_u16(), &problem["code"]),
            (401, &json!("reauthentication_required")),
            "{path}"
        );
        assert_eq!(problem["login"], "/login?again=true");
        assert!(problem["detail"].as_str().unwrap().contains("60 minutes"), "{problem}");
        let challenge = page.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
        assert!(challenge.contains("max_age=\"3600\""), "{challenge}");
        assert!(!page.text.contains("tgk_") && !page.text.contains("tgi_"), "{path}");
    }
    assert_eq!(rows(&site.store, KEYS).await, 1);
    assert_eq!(rows(&site.store, "SELECT COUNT(*) FROM audit").await, before, "nothing was done");
    // The same request as before shows no secret, and neither does anything else that a session may do.
    let page = browser.write("POST", &keys, &once, &json!({"name": "first"})).await;
    assert_eq!((page.status.as_u16(), &page.json()["secret"]), (201, &Value::Null));
    assert_eq!(browser.write("PATCH", &key, &[], &json!({"name": "other"})).await.status, 200);
    assert_eq!(browser.write("POST", &format!("{key}/revoke"), &[], &Value::Null).await.status, 200);
    // Whoever may not make a key learns that, and is not sent away to log in first.
    let missing = "/api/v1/projects/prj_00000000000000000000000000/keys";
    assert_eq!(browser.write("POST", missing, &[], &json!({"name": "x"})).await.status, 404);

    // The issuer's own session is no new proof, however often one comes by.
    let begun = browser.begin("/login").await;
    let mut claims = site.id_claims(&begun);
    claims["auth_time"] = json!(now() - 3700);
    site.will_answer(&claims);
    browser.come_back(&begun).await.location();
    assert_eq!(browser.write("POST", &keys, &[], &json!({"name": "x"})).await.status, 401);
    for (why, change) in [
        ("old", json!({"auth_time": now() - 3700})),
        ("before it was asked for", json!({"auth_time": now() - 31})),
        ("unsaid", json!({"auth_time": null})),
        ("no moment", json!({"auth_time": "now"})),
    ] {
        let page = browser.prove_anew(&change).await;
        assert_eq!(
            (page.status.as_u16(), page.json()["code"].as_str()),
            (400, Some("login_failed")),
            "{why}"
        );
        assert_eq!(browser.write("POST", &keys, &[], &json!({"name": "x"})).await.status, 401, "{why}");
    }
    assert_eq!(
        browser.prove_anew(&json!({"auth_time": now()})).await.location(),
        format!("{HERE}/docs/problems")
    );
    assert_eq!(browser.write("POST", &keys, &[], &json!({"name": "second"})).await.status, 201);
}

#[tokio::test]
async fn v5_a_stale_session_narrows_and_ends_but_gives_and_widens_nothing() {
    let site = Site::start_with(|options| options.idle = 7 * HOUR).await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    let project = browser.project().await;
    let me = browser.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    let wish = json!({"name": "k", "models": ["gpt-*"], "addresses": ["10.0.0.0/8"], "expires_in_days": 30});
    let key = browser.write("POST", &format!("{project}/keys"), &[], &wish).await.json();
    let key = format!("{project}/keys/{}", key["id"].as_str().unwrap());
    let account =
        browser.write("POST", &format!("{project}/service-accounts"), &[], &json!({"name": "ci"})).await;
    let account = format!("{project}/service-accounts/{}", account.json()["id"].as_str().unwrap());
    site.clock.pass(HOUR);
    let narrow = [
        ("PATCH", key.clone(), json!({"name": "other", "models": ["gpt-4o"], "addresses": ["10.1.0.0/16"]})),
        ("PATCH", key.clone(), json!({"expires_in_days": 7})),
        ("POST", format!("{key}/disable"), Value::Null),
        ("PATCH", project.clone(), json!({"models": ["gpt-*"]})),
        ("POST", format!("{account}/suspend"), Value::Null),
        ("POST", format!("{project}/suspend"), Value::Null),
    ];
    for (method, path, body) in &narrow {
        let page = browser.write(method, path, &[], body).await;
        assert_eq!(page.status, 200, "{method} {path} {body}: {}", page.text);
    }
    let wide = [
        ("POST", format!("{project}/resume"), Value::Null),
        ("POST", format!("{account}/resume"), Value::Null),
        ("POST", format!("{key}/enable"), Value::Null),
        ("PATCH", key.clone(), json!({"models": "all"})),
        ("PATCH", key.clone(), json!({"models": ["gpt-4o", "gpt-5"]})),
        ("PATCH", key.clone(), json!({"addresses": ["10.1.0.0/16", "10.2.0.0/16"]})),
        ("PATCH", key.clone(), json!({"addresses": "any"})),
        ("PATCH", key.clone(), json!({"expires_in_days": 8})),
        ("PATCH", project.clone(), json!({"models": "all"})),
        ("PUT", format!("{project}/members/{me}"), json!({"role": "owner"})),
        ("POST", format!("{project}/service-accounts"), json!({"name": "more"})),
    ];
    let written = rows(&site.store, "SELECT COUNT(*) FROM audit").await;
    for (method, path, body) in &wide {
        let page = browser.write(method, path, &[], body).await;
        let code = page.json()["code"].clone();
        assert_eq!(
            (page.status.as_u16(), code),
            (401, json!("reauthentication_required")),
            "{method} {path} {body}"
        );
    }
    assert_eq!(rows(&site.store, "SELECT COUNT(*) FROM audit").await, written, "nothing was done");
    let now = crate::clock::Clock::now(site.clock.as_ref()).as_secs();
    browser.prove_anew(&json!({"auth_time": now})).await.location();
    for (method, path, body) in &wide {
        let page = browser.write(method, path, &[], body).await;
        assert!(page.status.is_success(), "{method} {path} {body}: {}", page.text);
    }
}

#[tokio::test]
async fn the_moment_of_the_login_counts_where_the_issuer_does_not_say() {
    let site = Site::start_with(|options| options.idle = 7 * HOUR).await;
    let now = crate::clock::Clock::now(site.clock.as_ref()).as_secs();
    for (change, expected) in [
        (Value::Null, "2027-01-15T08:00:00.000Z"),
        (json!(now - 50), "2027-01-15T07:59:10.000Z"),
        (json!(now + 86_400), "2027-01-15T08:00:00.000Z"),
    ] {
        let mut browser = Browser::new(&site);
        let begun = browser.begin("/login").await;
        let mut claims = site.id_claims(&begun);
        if change.is_null() {
            claims.as_object_mut().unwrap().remove("auth_time");
        } else {
            claims["auth_time"] = change.clone();
        }
        site.will_answer(&claims);
        browser.come_back(&begun).await.location();
        let sessions = browser.get("/api/v1/me/sessions").await.json();
        let own =
            sessions["items"].as_array().unwrap().iter().find(|session| session["current"] == true).unwrap();
        assert_eq!(own["authenticated_at"], expected, "{change}");
    }
}

#[tokio::test]
async fn without_a_bound_nobody_is_asked() {
    let site =
        Site::start_with(|options| (options.idle, options.reauthenticate_after) = (7 * HOUR, None)).await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    site.clock.pass(6 * HOUR);
    let keys = format!("{}/keys", browser.project().await);
    assert_eq!(browser.write("POST", &keys, &[], &json!({"name": "x"})).await.status, 201);
}

#[tokio::test]
async fn a_token_is_proof_enough_unless_the_deployment_says_otherwise() {
    for (bound, auth_time, expected) in [
        (None, None, 201),
        (None, Some(-90_000), 201),
        (Some(HOUR), None, 401),
        (Some(HOUR), Some(-3601), 401),
        (Some(HOUR), Some(-3600), 201),
        (Some(HOUR), Some(0), 201),
    ] {
        let api = Api::start_with(|options| options.token_reauthenticate_after = bound).await;
        let now = crate::clock::Clock::now(api.clock.as_ref()).as_secs();
        let claims = auth_time.map_or(json!({}), |ago| json!({"auth_time": now + ago}));
        let token = api.token_with("alice", &claims);
        let project =
            api.get("/projects", &token).await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
        let reply =
            api.call("POST", &format!("/projects/{project}/keys"), &token, json!({"name": "x"})).await;
        if expected == 401 {
            let challenge = reply.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("max_age=\"3600\""), "{challenge}");
            assert_eq!(reply.body["login"], Value::Null, "a tool signs in by itself: {}", reply.body);
            assert_eq!(reply.problem(401), "reauthentication_required");
        } else {
            reply.expect(expected);
        }
    }
}
