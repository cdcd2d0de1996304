//! Sessions: how long they live, who ends them, and that other sites can do nothing with them.

use std::time::Duration;

use serde_json::{Value, json};

use super::rig::Api;
use super::site::{Browser, HERE, Page, Site};
use crate::store::probe as rows;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn sessions_idle_out_and_end_for_good() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    site.clock.pass(Duration::from_secs(3599));
    assert!(browser.is_known().await);
    site.clock.pass(Duration::from_secs(3600));
    assert!(!browser.is_known().await, "idle for an hour");
    browser.log_in().await;
    for _ in 0..9 {
        site.clock.pass(Duration::from_secs(3100));
        assert!(browser.is_known().await);
    }
    site.clock.pass(Duration::from_secs(1000));
    assert!(!browser.is_known().await, "eight hours are over");
}

#[tokio::test]
async fn a_person_sees_and_ends_their_sessions() {
    let site = Site::start().await;
    let (mut home, mut work) = (Browser::new(&site), Browser::new(&site));
    home.log_in().await;
    work.log_in().await;
    let list = home.get("/api/v1/me/sessions").await.json();
    let items = list["items"].as_array().unwrap();
    assert_eq!((items.len(), &list["next"]), (2, &Value::Null));
    let other = items.iter().find(|item| item["current"] == false).unwrap()["id"].as_str().unwrap();
    let path = format!("/api/v1/me/sessions/{other}");
    let token = home.csrf_token().await;
    let proofs = [("origin", HERE), ("x-csrf-token", token.as_str())];
    assert_eq!(home.send("DELETE", &path, &[("origin", HERE)], "").await.status, 403);
    assert!(work.is_known().await);
    assert_eq!(home.send("DELETE", &path, &proofs, "").await.status, 204);
    assert!(!work.is_known().await && home.is_known().await);
    for missing in
        [path.as_str(), "/api/v1/me/sessions/ses_00000000000000000000000000", "/api/v1/me/sessions/x"]
    {
        assert_eq!(home.send("DELETE", missing, &proofs, "").await.status, 404, "{missing}");
    }
    assert_eq!(rows(&site.store, "SELECT COUNT(*) FROM audit WHERE action = 'session.begin'").await, 2);
    assert_eq!(rows(&site.store, "SELECT COUNT(*) FROM audit WHERE action = 'session.end'").await, 1);
}

#[tokio::test]
async fn somebody_elses_session_is_not_there() {
    let site = Site::start().await;
    let (mut alice, mut bob) = (Browser::new(&site), Browser::new(&site));
    alice.log_in().await;
    let begun = bob.begin("/login").await;
    let mut claims = site.id_claims(&begun);
    claims["sub"] = json!("user-2");
    site.will_answer(&claims);
    bob.come_back(&begun).await.location();
    let id = alice.get("/api/v1/me/sessions").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let token = bob.csrf_token().await;
    let proofs = [("origin", HERE), ("x-csrf-token", token.as_str())];
    let page = bob.send("DELETE", &format!("/api/v1/me/sessions/{id}"), &proofs, "").await;
    let unknown = bob.send("DELETE", "/api/v1/me/sessions/ses_00000000000000000000000000", &proofs, "").await;
    assert_eq!((page.status.as_u16(), page.text), (404, unknown.text));
    assert!(alice.is_known().await);
}

async fn log_out(browser: &mut Browser<'_>, headers: &[(&str, &str)], body: &str) -> Page {
    browser.send("POST", "/logout", headers, body).await
}

#[tokio::test]
async fn logout_ends_the_session_here_and_at_the_issuer() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    let stolen = browser.cookies.clone();
    let token = browser.csrf_token().await;
    let page = log_out(&mut browser, &[FORM, ("origin", HERE)], &format!("csrf_token={token}")).await;
    let target: url::Url = page.location().parse().unwrap();
    assert!(target.as_str().starts_with(&format!("{}/logout?client_id=tollgate-portal", site.issuer.url)));
    assert!(
        target
            .query_pairs()
            .any(|(k, v)| k == "post_logout_redirect_uri" && v == "https://tollgate.test/docs")
    );
    assert!(browser.cookies.is_empty());
    assert!(!Browser { site: &site, cookies: stolen }.is_known().await, "the server's session is gone");
    // Once more is no error, and leads home.
    assert_eq!(log_out(&mut browser, &[], "").await.location(), format!("{HERE}/docs"));

    browser.log_in().await;
    let token = browser.csrf_token().await;
    let headers = [("origin", HERE), ("x-csrf-token", token.as_str()), ("accept", "application/json")];
    let page = log_out(&mut browser, &headers, "").await;
    assert_eq!(page.status, 200);
    assert!(page.json()["next"].as_str().unwrap().starts_with(&site.issuer.url));
    assert!(!browser.is_known().await);
}

#[tokio::test]
async fn writes_from_other_sites_are_refused() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    let token = browser.csrf_token().await;
    let evil = "https://tollgate.test.evil";
    let with = |name| -> Vec<(&str, &str)> { vec![name, ("x-csrf-token", token.as_str())] };
    let table: Vec<Vec<(&str, &str)>> = vec![
        vec![],
        vec![FORM],
        vec![("content-type", "text/plain")],
        vec![("origin", HERE)],
        vec![("x-csrf-token", &token)],
        with(("origin", "null")),
        with(("origin", evil)),
        with(("sec-fetch-site", "cross-site")),
        with(("sec-fetch-site", "same-site")),
        vec![("origin", HERE), ("x-csrf-token", "A")],
    ];
    for headers in &table {
        let page = log_out(&mut browser, headers, "").await;
        assert!([403, 415].contains(&page.status.as_u16()), "{headers:?}: {}", page.status);
        let id = "ses_00000000000000000000000000";
        let page = browser.send("DELETE", &format!("/api/v1/me/sessions/{id}"), headers, "").await;
        assert_eq!(page.status, 403, "{headers:?}");
        assert!(browser.is_known().await, "{headers:?}");
    }
    for method in ["GET", "HEAD"] {
        assert_eq!(browser.send(method, "/logout", &[], "").await.status, 405, "an image cannot log out");
    }
    let page = browser.send("OPTIONS", "/api/v1/me", &[("origin", evil)], "").await;
    assert_eq!(page.status, 405, "nothing is promised to other origins");
    assert!(browser.is_known().await);
}

#[tokio::test]
async fn a_token_goes_before_a_cookie_and_two_cookies_are_none() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    assert_eq!(browser.send("GET", "/api/v1/me", &[("authorization", "Bearer a.b.c")], "").await.status, 401);
    let cookie = format!("__Host-tollgate={}", browser.cookies["__Host-tollgate"]);
    let mut plain = Browser::new(&site);
    assert_eq!(plain.send("GET", "/api/v1/me", &[("cookie", &cookie)], "").await.status, 200);
    let twice = format!("{cookie}; {cookie}");
    assert_eq!(plain.send("GET", "/api/v1/me", &[("cookie", &twice)], "").await.status, 401);
}

#[tokio::test]
async fn a_suspended_persons_session_opens_nothing() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    rows(&site.store, "UPDATE people SET state = 'suspended' RETURNING 1").await;
    let page = browser.get("/api/v1/me").await;
    assert_eq!((page.status.as_u16(), page.json()["code"].as_str()), (403, Some("forbidden")));
}

#[tokio::test]
async fn without_configuration_there_is_no_login_and_it_says_so() {
    let api = Api::start().await;
    for (method, path) in [("GET", "/login"), ("GET", "/login/callback?state=x"), ("POST", "/logout")] {
        let request =
            http::Request::builder().method(method).uri(path).body(axum::body::Body::empty()).unwrap();
        let reply = api.send(request).await;
        assert_eq!(reply.status, 503, "{path}");
        assert_eq!(reply.body["code"], "not_configured", "{path}");
        assert!(reply.body["detail"].as_str().unwrap().contains("portal.login"), "{path}");
    }
    let token = api.token("alice", &[]);
    assert_eq!(api.get("/me/sessions", &token).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn other_methods_and_media_types() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    for path in ["/login", "/login/callback", "/logout", "/logout/backchannel", "/api/v1/me/sessions"] {
        for method in ["TRACE", "PROPFIND", "PATCH", "PUT", "get"] {
            assert_eq!(browser.send(method, path, &[], "").await.status, 405, "{method} {path}");
        }
    }
    for media_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", "text/xml", ""] {
        let page = browser
            .send("POST", "/logout/backchannel", &[("content-type", media_type)], "logout_token=x")
            .await;
        assert_eq!(page.status, 415, "{media_type}");
    }
    assert_eq!(browser.send("POST", "/logout/backchannel", &[FORM], &"x".repeat(70_000)).await.status, 413);
    for path in ["/login/x.css", "/api/v1/me/x.css", "/login/../login/", "/.git/config"] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_503_and_logs_nobody_out() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    let begun = browser.begin("/login").await;
    site.will_answer(&site.id_claims(&begun));
    let kept = browser.cookies.clone();
    site.store.close().await;
    let callback = format!("/login/callback?code=c-1&state={}&iss={}", begun.state, site.issuer.url);
    for (method, path) in [
        ("GET", "/api/v1/me"),
        ("GET", "/api/v1/me/sessions"),
        ("GET", "/login"),
        ("GET", callback.as_str()),
        ("POST", "/logout"),
    ] {
        let page = Browser { site: &site, cookies: kept.clone() }.send(method, path, &[], "").await;
        assert_eq!(
            (page.status.as_u16(), page.json()["code"].as_str()),
            (503, Some("unavailable")),
            "{method} {path}"
        );
        assert_eq!(page.headers["retry-after"], "1", "{path}");
        let cookies: Vec<_> = page.headers.get_all("set-cookie").iter().collect();
        assert!(cookies.iter().all(|line| !line.to_str().unwrap().starts_with("__Host-tollgate=")), "{path}");
    }
    let form = [FORM];
    let body = format!("logout_token={}", site.logout_token(&json!({})));
    let page = Browser::new(&site).send("POST", "/logout/backchannel", &form, &body).await;
    assert_eq!(page.status, 503, "the issuer is told to try again, not that it was wrong");
}
