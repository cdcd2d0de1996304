//! Login: what is asked, what is checked on the way back, and that nothing half-done is left behind.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::site::{Answers, Begun, Browser, CLIENT, HERE, Site};
use crate::clock::Clock as _;

const SESSION: &str = "__Host-tollgate";

#[tokio::test]
async fn a_person_logs_in() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    assert!(!browser.is_known().await);
    let begun = browser.begin("/login?next=/docs/problems?a=1%26b=2").await;
    let asked: BTreeMap<String, String> = begun.target.query_pairs().into_owned().collect();
    assert_eq!(begun.target.path(), "/auth");
    for (name, expected) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", "https://tollgate.test/login/callback"),
        ("scope", "openid profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], expected);
    }
    assert!(asked["state"].len() == 43 && asked["nonce"].len() == 43 && asked["state"] != asked["nonce"]);
    site.will_answer(&site.id_claims(&begun));
    let page = browser.come_back(&begun).await;
    assert_eq!(page.location(), format!("{HERE}/docs/problems?a=1&b=2"));
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), [SESSION], "the login's own cookie is gone");

    let exchange = site.issuer.exchanges.lock().unwrap()[0].clone();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, exchange["code_verifier"].as_bytes());
    assert_eq!(URL_SAFE_NO_PAD.encode(hash), asked["code_challenge"], "PKCE holds");
    assert_eq!(exchange["redirect_uri"], asked["redirect_uri"]);
    let basic = STANDARD.encode(format!("{CLIENT}:s3cret%2F%2B%C3%A4"));
    assert_eq!(exchange["authorization"], format!("Basic {basic}"));
    assert!(!exchange.contains_key("client_secret"));

    let me = browser.get("/api/v1/me").await.json();
    assert_eq!((me["name"].as_str(), me["email"].as_str()), (Some("alice"), Some("alice@example.com")));
    assert_eq!(me["groups"], json!(["dev"]));
    assert_eq!(me["platform_admin"], false);
    // Tokens of the issuer reach neither the browser nor the database.
    let Answers::Tokens(tokens) = site.issuer.answers.lock().unwrap().clone() else {
        panic!("tokens were given")
    };
    let seen = format!("{} {:?} {:?} {me}", page.text, page.headers, browser.cookies);
    for token in ["access_token", "id_token"] {
        let token = tokens[token].as_str().unwrap();
        assert!(!seen.contains(token), "{seen}");
        assert!(!site.database().windows(token.len()).any(|bytes| bytes == token.as_bytes()));
    }
}

#[tokio::test]
async fn groups_of_the_access_token_count_when_it_is_good_and_the_same_persons() {
    let site = Site::start().await;
    let now = site.clock.now().as_secs();
    let access = |change: Value| {
        let mut claims = json!({"iss": site.issuer.url, "aud": "api", "sub": "user-1", "exp": now + 300,
            "groups": ["platform-admins"]});
        claims[change.as_object().unwrap().keys().next().unwrap()] =
            change.as_object().unwrap().values().next().unwrap().clone();
        site.issuer.key.sign_claims(&claims)
    };
    for (access_token, expected) in [
        (access(json!({"x": 1})), true),
        (access(json!({"aud": "other"})), false),
        (access(json!({"sub": "user-2"})), false),
        (access(json!({"exp": now - 300})), false),
        ("opaque".to_owned(), false),
    ] {
        let mut browser = Browser::new(&site);
        let begun = browser.begin("/login").await;
        let tokens = json!({"access_token": access_token, "token_type": "Bearer",
            "id_token": site.issuer.key.sign_claims(&site.id_claims(&begun))});
        *site.issuer.answers.lock().unwrap() = Answers::Tokens(tokens);
        browser.come_back(&begun).await.location();
        assert_eq!(browser.get("/api/v1/me").await.json()["platform_admin"], expected, "{access_token}");
    }
}

/// A way back that must not lead in. The browser comes with its cookies unless `foreign`.
async fn refused(site: &Site, foreign: bool, query: impl Fn(&Begun) -> String, why: &str) {
    let mut browser = Browser::new(site);
    let begun = browser.begin("/login").await;
    site.will_answer(&site.id_claims(&begun));
    let mut other = Browser::new(site);
    let comer = if foreign { &mut other } else { &mut browser };
    let page = comer.get(&format!("/login/callback?{}", query(&begun))).await;
    assert_eq!(page.status, 400, "{why}: {}", page.text);
    assert!(["login_failed", "invalid"].contains(&page.json()["code"].as_str().unwrap()), "{why}");
    assert!(!page.text.contains("c-1"), "{why}: the code is not shown");
    assert!(!comer.cookies.contains_key(SESSION) && !comer.is_known().await, "{why}");
}

#[tokio::test]
async fn answers_that_do_not_belong_to_a_login_of_this_browser() {
    let site = Site::start().await;
    let iss = site.issuer.url.clone();
    let other = "A".repeat(43);
    refused(&site, false, |_| format!("code=c-1&iss={iss}"), "no state").await;
    refused(&site, false, |_| format!("code=c-1&state=&iss={iss}"), "empty state").await;
    refused(&site, false, |_| format!("code=c-1&state={other}&iss={iss}"), "another state").await;
    refused(&site, false, |_| format!("code=c-1&state={}&iss={iss}", "A".repeat(10_000)), "10 kB").await;
    refused(&site, false, |b| format!("code=c-1&state={0}&state={0}&iss={iss}", b.state), "twice").await;
    refused(&site, true, |b| format!("code=c-1&state={}&iss={iss}", b.state), "another browser").await;
    refused(&site, false, |b| format!("state={}&iss={iss}", b.state), "no code").await;
    refused(&site, false, |b| format!("code=&state={}&iss={iss}", b.state), "empty code").await;
    refused(&site, false, |b| format!("code={}&state={}&iss={iss}", "c".repeat(5000), b.state), "long code")
        .await;
    refused(&site, false, |b| format!("code=c-1&state={}", b.state), "announced iss is missing").await;
    refused(&site, false, |b| format!("code=c-1&state={}&iss=https://evil.test", b.state), "mixed up").await;
    refused(&site, false, |b| format!("code=c-1&state={}&iss={iss}/", b.state), "nearly the issuer").await;
    refused(&site, false, |b| format!("error=access_denied&state={}&iss={iss}", b.state), "said no").await;
    assert!(site.issuer.exchanges.lock().unwrap().is_empty(), "no code was exchanged for any of these");
}

#[tokio::test]
async fn a_state_counts_once_and_for_ten_minutes() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    let begun = browser.begin("/login").await;
    let kept = browser.cookies.clone();
    site.will_answer(&site.id_claims(&begun));
    browser.come_back(&begun).await.location();
    let mut again = Browser { site: &site, cookies: kept };
    assert_eq!(again.come_back(&begun).await.status, 400, "used");

    let late = again.begin("/login").await;
    site.clock.pass(Duration::from_secs(600));
    site.will_answer(&site.id_claims(&late));
    assert_eq!(again.come_back(&late).await.status, 400, "late");

    // Two tabs do not disturb each other.
    let (first, second) = (again.begin("/login").await, again.begin("/login").await);
    for begun in [&second, &first] {
        site.will_answer(&site.id_claims(begun));
        again.come_back(begun).await.location();
    }
    for _ in 0..30 {
        again.begin("/login").await;
    }
    assert!(again.cookies.len() < 12, "logins that were left pile up: {}", again.cookies.len());
}

#[tokio::test]
async fn id_tokens_that_are_not_for_this_login() {
    let site = Site::start().await;
    let now = site.clock.now().as_secs();
    let table = [
        json!({"nonce": null}),
        json!({"nonce": "another"}),
        json!({"aud": "another"}),
        json!({"aud": [CLIENT, "another"]}),
        json!({"azp": "another"}),
        json!({"iss": "https://evil.test"}),
        json!({"exp": now - 60}),
        json!({"iat": now + 60}),
        json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}),
        json!({"sub": null}),
        json!({"typ": "Bearer"}),
    ];
    for change in table {
        let mut browser = Browser::new(&site);
        let begun = browser.begin("/login").await;
        let mut claims = site.id_claims(&begun);
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        site.will_answer(&claims);
        let page = browser.come_back(&begun).await;
        assert_eq!(page.status, 400, "{change}: {}", page.text);
        assert!(!browser.is_known().await, "{change}");
    }
    // A nonce of an earlier login, with everything else right.
    let mut browser = Browser::new(&site);
    let earlier = browser.begin("/login").await;
    let later = browser.begin("/login").await;
    site.will_answer(&site.id_claims(&earlier));
    assert_eq!(browser.come_back(&later).await.status, 400);
}

#[tokio::test]
async fn an_issuer_that_is_broken_leaves_no_half_session() {
    let site = Site::start().await;
    let signed_otherwise = {
        let other = tollgate_core::testing::TestKey::generate(tollgate_core::jwt::Algorithm::ES256, "k1");
        json!({"access_token": "a", "token_type": "Bearer", "id_token": other.sign_claims(&json!({"iss": site.issuer.url}))})
    };
    let none = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.";
    let table = [
        (Answers::Text(400, json!({"error": "invalid_grant", "error_description": "<b>x"}).to_string()), 400),
        (Answers::Text(400, json!({"error": "invalid_client"}).to_string()), 400),
        (Answers::Text(500, "<html>oops</html>".into()), 503),
        (Answers::Text(200, "<html>welcome</html>".into()), 503),
        (Answers::Text(302, String::new()), 503),
        (Answers::Text(200, "x".repeat(100_000)), 503),
        (Answers::Silence, 503),
        (Answers::Tokens(json!({"access_token": "a", "token_type": "Bearer"})), 400),
        (Answers::Tokens(json!({"access_token": "a", "token_type": "Bearer", "id_token": "x"})), 400),
        (Answers::Tokens(json!({"access_token": "a", "token_type": "Bearer", "id_token": none})), 400),
        (Answers::Tokens(signed_otherwise), 400),
    ];
    for (answers, status) in table {
        let mut browser = Browser::new(&site);
        let begun = browser.begin("/login").await;
        *site.issuer.answers.lock().unwrap() = answers;
        let page = browser.come_back(&begun).await;
        assert_eq!(page.status.as_u16(), status, "{}", page.text);
        assert!(browser.cookies.is_empty(), "{}", page.text);
        assert!(!page.text.contains('<'), "{}", page.text);
        // A person sees a page that says so and leads on, with nothing on it of what the issuer said.
        let begun = browser.begin("/login").await;
        let back = format!("/login/callback?code=c-1&state={}&iss={}", begun.state, site.issuer.url);
        let page = browser.send("GET", &back, &[("accept", "text/html")], "").await;
        assert_eq!(page.status.as_u16(), status, "{}", page.text);
        assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(page.text.contains("href=\"/login\">Log in again"), "{}", page.text);
        assert!(
            !page.text.contains("oops") && !page.text.contains("welcome") && !page.text.contains("invalid_")
        );
        assert!(browser.cookies.is_empty() && !browser.is_known().await, "{}", page.text);
        // And the next attempt succeeds.
        browser.log_in().await;
    }
    let mut gone = Browser::new(&site);
    *site.issuer.metadata.lock().unwrap() = json!({"issuer": "https://evil.test"});
    gone.begin("/login").await;
}

#[tokio::test]
async fn discovery_is_believed_about_the_configured_issuer_alone() {
    for (metadata, status) in [
        (json!({"issuer": "https://evil.test"}), 503),
        (json!({"token_endpoint": "ftp://x/token"}), 503),
        (json!({"authorization_endpoint": null}), 503),
        (json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]}), 303),
    ] {
        let site = Site::start().await;
        *site.issuer.metadata.lock().unwrap() = metadata.clone();
        let mut browser = Browser::new(&site);
        let page = browser.get("/login").await;
        assert_eq!(page.status.as_u16(), status, "{metadata}: {}", page.text);
        if status == 303 {
            browser.log_in().await;
            let exchange = site.issuer.exchanges.lock().unwrap()[0].clone();
            assert_eq!(exchange["client_secret"], "s3cret/+ä");
            assert!(!exchange.contains_key("authorization"));
        }
    }
}

#[tokio::test]
async fn addresses_and_hosts_of_a_request_decide_nothing() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    let headers = [("host", "evil.test"), ("x-forwarded-host", "evil.test"), ("x-forwarded-proto", "http")];
    for next in ["//evil.test", "https://evil.test/", "/%5cevil.test", "/\\evil.test", "javascript:x"] {
        let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let page = browser.send("GET", &format!("/login?next={next}"), &headers, "").await;
        let target: url::Url = page.location().parse().unwrap();
        let asked: BTreeMap<String, String> = target.query_pairs().into_owned().collect();
        assert_eq!(asked["redirect_uri"], "https://tollgate.test/login/callback");
        let begun = Begun { state: asked["state"].clone(), nonce: asked["nonce"].clone(), target };
        site.will_answer(&site.id_claims(&begun));
        assert_eq!(browser.come_back(&begun).await.location(), format!("{HERE}/docs"), "{next}");
    }
}

#[tokio::test]
async fn a_login_gets_a_session_of_its_own() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    let planted = "P".repeat(43);
    browser.cookies.insert(SESSION.into(), planted.clone());
    assert!(!browser.is_known().await);
    browser.log_in().await;
    let first = browser.cookies[SESSION].clone();
    assert_ne!(first, planted);
    browser.log_in().await;
    assert_ne!(browser.cookies[SESSION], first);
    let mut earlier = Browser { site: &site, cookies: [(SESSION.to_owned(), first)].into() };
    assert!(!earlier.is_known().await, "the session before is dead");
    assert!(browser.is_known().await);
}

#[tokio::test]
async fn too_many_logins_from_one_address_have_to_wait() {
    use crate::listener::PeerAddr;
    use tower::ServiceExt as _;
    let mut site = Site::start_with(|options| options.attempts_per_minute = 5.try_into().unwrap()).await;
    site.router = site.router.clone().layer(axum::Extension(PeerAddr("192.0.2.7:1".parse().unwrap())));
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let request = http::Request::get("/login").body(axum::body::Body::empty()).unwrap();
        let response = site.router.clone().oneshot(request).await.unwrap();
        if response.status() == 429 {
            assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
        }
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [303, 303, 303, 303, 303, 429, 429, 429]);
}

#[tokio::test]
async fn a_page_for_people_shows_text_as_text() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    let begun = browser.begin("/login").await;
    let query = format!(
        "error=%3Cscript%3Ealert(1)%3C/script%3E&error_description=%3Cscript%3E&state={}&iss={}",
        begun.state, site.issuer.url
    );
    let html = [("accept", "text/html,application/xhtml+xml")];
    let page = browser.send("GET", &format!("/login/callback?{query}"), &html, "").await;
    assert_eq!(page.status, 400);
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(!page.text.contains("<script") && page.text.contains("/login"), "{}", page.text);
}
