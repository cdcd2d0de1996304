//! What holds at every route that there is, drawn from the table that the server itself is made of: methods, other origins,
//! other hosts, paths that look like files.

use std::collections::{BTreeMap, BTreeSet};

use http::header::ALLOW;
use serde_json::{Value, json};

use super::access::{operations, parameters};
use super::site::{Browser, HERE, Page, Site};
use crate::portal::routes::beside_the_api;
use crate::store::probe as rows;

/// The path of an endpoint of the API, with something that is no id for every parameter.
fn filled(template: &str) -> String {
    let mut path = format!("/api/v1{template}");
    for name in parameters(template) {
        path = path.replace(&format!("{{{name}}}"), "x");
    }
    path
}

/// Every path that is served, with its methods.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let mut table: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let api = operations().into_iter().map(|(method, template)| (method, filled(&template)));
    let beside = beside_the_api().into_iter().map(|(method, path, _)| (method.to_owned(), path.to_owned()));
    for (method, path) in api.chain(beside) {
        table.entry(path).or_default().insert(method);
    }
    table
}

#[tokio::test]
async fn other_methods_are_405_and_the_right_ones_are_named() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    let table = table();
    assert!(table.len() > 40, "{}", table.len());
    for (path, served) in &table {
        let mut allowed = served.clone();
        if allowed.contains("GET") {
            allowed.insert("HEAD".into());
        }
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "get",
            "post", "GETX", "X",
        ] {
            let page = browser.send(method, path, &[], "").await;
            if allowed.contains(method) {
                assert_ne!(page.status, 405, "{method} {path}");
                continue;
            }
            assert_eq!(page.status, 405, "{method} {path}: {}", page.text);
            let named: BTreeSet<String> =
                page.headers[ALLOW].to_str().unwrap().split(',').map(|name| name.trim().to_owned()).collect();
            assert_eq!(named, allowed, "{method} {path}");
            assert_eq!(page.headers["content-type"], "application/problem+json", "{method} {path}");
            assert!(
                method == "HEAD" || page.json()["code"] == "method_not_allowed",
                "{method} {path}: {}",
                page.text
            );
        }
    }
}

/// Asks with the first method of each route, as somebody who is logged in by a browser.
async fn everywhere(headers: &[(&str, &str)], check: impl Fn(&str, &Page)) {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    let kept = browser.cookies.clone();
    for (path, served) in table() {
        for method in served.iter().map(String::as_str).chain(["OPTIONS"]) {
            browser.cookies.clone_from(&kept);
            let page = browser.send(method, &path, headers, "").await;
            assert!(page.status.as_u16() < 500 || page.json()["code"] == "not_configured", "{method} {path}");
            check(&format!("{method} {path}"), &page);
        }
    }
}

/// The browser of the rig fails on every answer that has a CORS header, that a cache may keep, or that may be framed.
#[tokio::test]
async fn other_origins_are_promised_nothing() {
    for origin in
        ["null", "https://evil.test", "https://tollgate.test.evil", "https://portal.tollgate.test", HERE]
    {
        let preflight = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "x-csrf-token,content-type"),
            ("access-control-request-private-network", "true"),
        ];
        everywhere(&preflight, |what, page| {
            if what.starts_with("OPTIONS") {
                assert_eq!(page.status, 405, "{what}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn another_host_gets_into_no_answer() {
    let headers = [
        ("host", "evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-server", "evil.test"),
        ("x-original-host", "evil.test"),
        ("x-host", "evil.test"),
        ("forwarded", "for=192.0.2.1;host=evil.test;proto=http"),
        ("x-forwarded-prefix", "/evil.test"),
        ("x-original-url", "/evil.test"),
        ("x-rewrite-url", "/evil.test"),
    ];
    everywhere(&headers, |what, page| {
        assert!(!page.text.contains("evil.test"), "{what}: {}", page.text);
        assert!(!format!("{:?}", page.headers).contains("evil.test"), "{what}: {:?}", page.headers);
    })
    .await;
}

/// What is made for somebody else to follow has no host of the request in it.
#[tokio::test]
async fn an_invitation_leads_nowhere_that_a_header_says() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    let project = browser.get("/api/v1/projects").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let token = browser.csrf_token().await;
    let headers = [
        ("origin", HERE),
        ("x-csrf-token", token.as_str()),
        ("content-type", "application/json"),
        ("host", "evil.test"),
        ("x-forwarded-host", "evil.test"),
    ];
    for (what, body) in [("invitations", json!({"role": "viewer"})), ("keys", json!({"name": "x"}))] {
        let page = browser
            .send("POST", &format!("/api/v1/projects/{project}/{what}"), &headers, &body.to_string())
            .await;
        assert_eq!(page.status, 201, "{}", page.text);
        assert!(!page.text.contains("evil") && !format!("{:?}", page.headers).contains("evil"), "{page:?}");
    }
}

#[tokio::test]
async fn a_path_that_looks_like_a_file_is_not_there() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    for (path, _) in table().into_iter().filter(|(_, served)| served.contains("GET")) {
        for ending in [
            "/x.css",
            "/keys.css",
            ";x.css",
            ".css",
            "%2fx.css",
            "%00.css",
            "/",
            "//",
            "/..%2fx.js",
            ".map",
            "~",
        ] {
            let asked = format!("{path}{ending}");
            let page = browser.get(&asked).await;
            // Something that is no id is answered as an unknown id: 404, or 403 where only administrators may ask.
            let status = page.status.as_u16();
            assert!([403, 404, 405].contains(&status), "{asked}: {status} {}", page.text);
            assert!(!page.text.contains("alice"), "{asked}");
        }
    }
    for path in [
        "/.git/config",
        "/.git/HEAD",
        "/.env",
        "/.well-known/x",
        "/robots.txt",
        "/index.html",
        "/static/",
        "/assets/app.js.map",
        "/../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/docs/../../etc/passwd",
        "/docs/%2e%2e/%2e%2e/etc/passwd",
        "/docs/..%5c..%5cx",
        "/docs/",
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/API/V1/me",
        "/Docs",
        "//docs",
        "/api/v2/me",
        "/api/v1//me",
        "/tollgate.db",
        "/config.yaml",
    ] {
        let page = browser.get(path).await;
        assert_eq!((page.status.as_u16(), page.json()["code"].as_str()), (404, Some("not_found")), "{path}");
    }
}

/// Whatever people write comes back as JSON, to everybody who asks: no page is made of it.
#[tokio::test]
async fn what_people_write_is_never_a_page() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    let evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'";
    let begun = browser.begin("/login").await;
    let mut claims = site.id_claims(&begun);
    for claim in ["preferred_username", "email", "name"] {
        claims[claim] = json!(evil);
    }
    claims["groups"] = json!([evil]);
    site.will_answer(&claims);
    browser.come_back(&begun).await.location();
    let project = browser.get("/api/v1/projects").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let project = format!("/api/v1/projects/{project}");
    let token = browser.csrf_token().await;
    let write = [("origin", HERE), ("x-csrf-token", token.as_str()), ("content-type", "application/json")];
    let wish = json!({"name": evil, "metadata": {"note": evil}, "tags": ["a"]});
    for (method, path, body) in [
        ("PATCH", project.clone(), json!({"name": evil})),
        ("POST", format!("{project}/keys"), wish),
        ("POST", format!("{project}/service-accounts"), json!({"name": evil})),
    ] {
        let page = browser.send(method, &path, &write, &body.to_string()).await;
        assert!(page.status.is_success(), "{path}: {}", page.text);
    }
    let html = [("accept", "text/html,application/xhtml+xml,*/*;q=0.1")];
    let mut seen = 0;
    for path in [
        "/api/v1/me".to_owned(),
        "/api/v1/projects".into(),
        "/api/v1/organizations".into(),
        project.clone(),
        format!("{project}/keys"),
        format!("{project}/members"),
        format!("{project}/service-accounts"),
        format!("{project}/audit"),
        format!("{project}/audit?format=ndjson"),
        format!("/api/v1/{evil}").replace(' ', "%20"),
        "/docs".into(),
        "/docs/problems".into(),
        format!("/login?next={}", evil.replace(' ', "%20")),
    ] {
        let path = path.replace(['<', '>', '"'], "%3C");
        let page = browser.send("GET", &path, &html, "").await;
        let kind = page.headers.get("content-type").map_or("", |kind| kind.to_str().unwrap());
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("object-src 'none'") && policy.contains("base-uri 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        if kind.starts_with("text/html") {
            assert!(
                !page.text.contains("alert(1)") && !page.text.contains("<script"),
                "{path}: {}",
                page.text
            );
            for attribute in [" onclick", " onload", " onerror", " style=", "javascript:"] {
                assert!(!page.text.contains(attribute), "{path}: {attribute}");
            }
        } else {
            seen += u32::from(page.text.contains("alert(1)"));
            let known = ["application/json", "application/problem+json", "application/x-ndjson", ""];
            assert!(known.contains(&kind), "{path}: {kind}");
        }
    }
    assert!(seen >= 6, "it was there to be seen: {seen}");
}

/// A write by a cookie comes from our own pages or is refused, at every endpoint that writes.
#[tokio::test]
async fn every_write_from_another_site_is_refused() {
    let site = Site::start().await;
    let mut browser = Browser::new(&site);
    browser.log_in().await;
    let token = browser.csrf_token().await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let text = ("content-type", "text/plain");
    let json_type = ("content-type", "application/json");
    let csrf = ("x-csrf-token", token.as_str());
    let tries: Vec<Vec<(&str, &str)>> = vec![
        vec![form],
        vec![text],
        vec![json_type],
        vec![("origin", "https://evil.test"), form],
        vec![("origin", "null"), text],
        vec![("origin", "https://evil.test"), csrf, json_type],
        vec![("origin", "null"), csrf, json_type],
        vec![("sec-fetch-site", "cross-site"), csrf, json_type],
        vec![("sec-fetch-site", "same-site"), csrf, json_type],
        vec![csrf, json_type],
        vec![("origin", HERE), json_type],
        vec![("origin", HERE), ("x-csrf-token", "AAAA"), json_type],
    ];
    let before = rows(&site.store, "SELECT COUNT(*) FROM audit").await;
    // Who proves themselves by something that a browser does not send along needs no protection here.
    let document = serde_json::to_value(crate::portal::openapi()).unwrap();
    let by_session = |(method, template): &(String, String)| {
        let operation = &document["paths"][format!("/api/v1{template}")][method.to_lowercase()];
        operation["security"] != json!([{}])
    };
    let writes: Vec<_> = operations().into_iter().filter(|it| it.0 != "GET" && by_session(it)).collect();
    assert!(writes.len() > 30, "{}", writes.len());
    for (method, template) in &writes {
        let path = filled(template);
        for headers in &tries {
            let page = browser.send(method, &path, headers, "{}").await;
            let said = page.json();
            assert_eq!(
                (page.status.as_u16(), &said["code"]),
                (403, &json!("forbidden")),
                "{method} {path} {headers:?}"
            );
            assert!(
                said["detail"].as_str().unwrap().contains("browser's session"),
                "{method} {path}: {said}"
            );
        }
        // What an image or a link can send does nothing: there is no such GET, or it is a reading.
        let page = browser.send("GET", &path, &[("sec-fetch-site", "cross-site")], "").await;
        assert!([200, 400, 403, 404, 405].contains(&page.status.as_u16()), "{path}: {}", page.status);
    }
    assert_eq!(rows(&site.store, "SELECT COUNT(*) FROM audit").await, before, "nothing was written");
    // With both proofs the same requests are looked at.
    for (method, template) in &writes {
        let path = filled(template);
        let page = browser.send(method, &path, &[("origin", HERE), csrf, json_type], "{}").await;
        assert!(!page.text.contains("browser's session"), "{method} {path}: {}", page.text);
    }
    assert_eq!(browser.get("/api/v1/me").await.json()["csrf_token"], Value::from(token));
}
