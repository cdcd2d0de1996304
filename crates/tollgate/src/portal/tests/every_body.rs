//! Bodies at every endpoint that takes one: bounded, strict, JSON and nothing else; and lists that stay bounded.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use super::access::world::World;
use super::access::{operations, samples};
use super::rig::{Api, Reply};
use crate::portal::openapi;
use crate::store::probe as rows;
use crate::store::tests::rig::write;

/// Method, path and a good body of each endpoint that takes one.
fn takers(world: &World) -> Vec<(String, String, Value)> {
    let document = serde_json::to_value(openapi()).unwrap();
    let mut takers = Vec::new();
    for (method, template) in operations() {
        let operation = &document["paths"][format!("/api/v1{template}")][method.to_lowercase()];
        // What is signed instead of sent by a person is not read before the signature is.
        if operation.get("requestBody").is_some() && operation["security"] != json!([{}]) {
            let path = samples::path(&template, |name| world.ids.get(name).cloned()).unwrap();
            takers.push((method.clone(), path, samples::body(world, &method, &template).unwrap()));
        }
    }
    takers
}

async fn send(
    api: &Api,
    token: &str,
    (method, path): (&str, &str),
    kind: Option<&str>,
    body: Vec<u8>,
) -> Reply {
    let request = Request::builder().method(method).uri(format!("/api/v1{path}"));
    let request = request.header("authorization", format!("Bearer {token}"));
    let request = match kind {
        Some(kind) => request.header("content-type", kind),
        None => request,
    };
    api.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn every_body_is_bounded_strict_and_json() {
    let world = World::make().await;
    let awake = world.copy().await;
    let api = &awake.api;
    let token = world.credential(api, "platform");
    // The first call makes the administrator known.
    api.get("/me", &token).await.expect(200);
    let before = rows(&api.store, "SELECT COUNT(*) FROM audit").await;
    let takers = takers(&world);
    assert!(takers.len() >= 16, "{}", takers.len());
    for (method, path, good) in takers {
        let good = good.to_string();
        let open = good.strip_suffix('}').unwrap();
        let (name, value) = serde_json::from_str::<Value>(&good)
            .unwrap()
            .as_object()
            .unwrap()
            .iter()
            .next()
            .map(|(name, value)| (name.clone(), value.clone()))
            .unwrap();
        let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(1000), close.repeat(1000));
        let invalid: Vec<(&str, Vec<u8>)> = vec![
            ("unknown member", format!("{open},\"is_admin\":true}}").into()),
            ("unknown member first", format!("{{\"owner_id\":\"x\",{}", &good[1..]).into()),
            ("a member twice", format!("{open},\"{name}\":{value}}}").into()),
            (
                "a member twice, escaped",
                format!("{open},\"\\u00{:02x}{}\":{value}}}", name.as_bytes()[0], &name[1..]).into(),
            ),
            ("1000 deep", format!("{open},\"x\":{}}}", deep("[", "]")).into()),
            ("1000 deep in a known member", format!("{{\"{name}\":{}}}", deep("{\"a\":", "}")).into()),
            ("only depth", deep("[", "]").into()),
            ("a list", b"[]".to_vec()),
            ("null", b"null".to_vec()),
            ("a text", b"\"x\"".to_vec()),
            ("cut", open.into()),
            ("two documents", format!("{good}{good}").into()),
            ("more behind it", format!("{good}x").into()),
            ("no UTF-8", [open.as_bytes(), b",\"\xff\":1}"].concat()),
            ("a byte order mark", format!("\u{feff}{good}").into()),
            ("a comment", format!("/* */{good}").into()),
            ("NaN", format!("{open},\"x\":NaN}}").into()),
            ("empty", Vec::new()),
        ];
        for (what, body) in invalid {
            let reply = send(api, &token, (&method, &path), Some("application/json"), body).await;
            assert_eq!(reply.status, 400, "{method} {path}: {what}: {}", reply.body);
            assert!(reply.body.to_string().len() < 2000, "{method} {path}: {what}");
            assert_eq!(reply.problem(400), "invalid", "{method} {path}: {what}");
        }
        for kind in [
            None,
            Some(""),
            Some("text/plain"),
            Some("text/json"),
            Some("application/xml"),
            Some("text/xml"),
            Some("multipart/form-data; boundary=x"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonx"),
            Some("application/json+xml"),
            Some("application/octet-stream"),
        ] {
            let reply = send(api, &token, (&method, &path), kind, good.clone().into()).await;
            assert_eq!(reply.problem(415), "unsupported_media_type", "{method} {path}: {kind:?}");
        }
        for size in [65_537, 10_000_000] {
            let mut body = format!("{open},\"x\":\"").into_bytes();
            body.resize(size, b'a');
            let reply = send(api, &token, (&method, &path), Some("application/json"), body).await;
            assert_eq!(reply.problem(413), "too_large", "{method} {path}: {size}");
        }
    }
    assert_eq!(rows(&api.store, "SELECT COUNT(*) FROM audit").await, before, "nothing was written");
}

#[tokio::test]
async fn a_list_of_ten_thousand_keys_comes_in_bounded_pages() {
    let api = Api::start_with(|options| options.keys.max_per_project = 20_000).await;
    let alice = api.token("alice", &[]);
    let project =
        api.get("/projects", &alice).await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let keys = format!("/projects/{project}/keys");
    api.call("POST", &keys, &alice, json!({"name": "first"})).await.expect(201);
    let columns = "project_id, person_id, service_account_id, name, state, models, routes, addresses, tags, metadata, \
                   created_by, version, updated_at";
    write(
        &api.store,
        &format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) \
             INSERT INTO api_keys (id, digest, created_at, {columns}) \
             SELECT substr(id, 1, 16) || printf('%06d', i), digest, created_at + i % 7, {columns} FROM api_keys, n"
        ),
        None,
    )
    .await;
    for limit in ["0", "201", "10000", "-1", "1e3", "x", ""] {
        let reply = api.get(&format!("{keys}?limit={limit}"), &alice).await;
        assert_eq!(reply.problem(400), "invalid", "{limit}");
    }
    let mut seen = std::collections::BTreeSet::new();
    let (mut cursor, mut pages) = (String::new(), 0);
    loop {
        let page = api.get(&format!("{keys}?limit=200{cursor}"), &alice).await.expect(200);
        assert!(page.to_string().len() < 400_000);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 200);
        seen.extend(items.iter().map(|key| key["id"].as_str().unwrap().to_owned()));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (10_000, 50));
    // The guide's paths have no pages, and an end.
    assert_eq!(api.get("/api-keys", &alice).await.expect(200).as_array().unwrap().len(), 1000);
}

#[tokio::test]
async fn whoever_makes_keys_in_a_hurry_has_to_wait() {
    let api = Api::start_with(|options| options.requests_per_minute = 5.try_into().unwrap()).await;
    let (alice, bob) = (api.token("alice", &[]), api.token("bob", &[]));
    let made = async |token: &str| api.call("POST", "/api-keys", token, json!({"name": "x"})).await;
    for _ in 0..5 {
        made(&alice).await.expect(201);
    }
    for _ in 0..20 {
        let reply = made(&alice).await;
        let wait: u64 = reply.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert_eq!(reply.problem(429), "rate_limited");
    }
    made(&bob).await.expect(201);
    assert_eq!(rows(&api.store, "SELECT COUNT(*) FROM api_keys").await, 6);
}
