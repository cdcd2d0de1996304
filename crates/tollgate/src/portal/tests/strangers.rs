//! Bodies of strangers: who must prove who they are is refused before a body is waited for, and nobody is waited for without
//! end.

use std::time::Duration;

use axum::body::Body;
use futures_util::stream;
use http::Request;
use serde_json::Value;

use super::access::{operations, parameters};
use super::rig::Api;
use crate::listener::{Budget, Room};

/// A body that never comes.
fn never() -> Body {
    Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>())
}

#[tokio::test]
async fn v2_no_route_waits_for_the_body_of_somebody_unknown() {
    // Longer than any test may run: an answer that waits for the body does not come.
    let api = Api::start_with(|options| options.body_timeout = Duration::from_secs(100_000)).await;
    let mut asked = 0;
    for (method, template) in operations() {
        if ["GET", "HEAD"].contains(&method.as_str()) {
            continue;
        }
        let mut path = format!("/api/v1{template}");
        for name in parameters(&template) {
            path = path.replace(&format!("{{{name}}}"), "x");
        }
        let request = Request::builder().method(method.as_str()).uri(&path);
        let request = request.header("content-type", "application/json").body(never()).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(30), api.send(request)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{method} {path} waits for a body"));
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.body);
        asked += 1;
    }
    assert!(asked > 40, "{asked}");
    for path in ["/idp/v1/resolve-context", "/logout"] {
        let request = Request::post(path).header("content-type", "application/json").body(never()).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(30), api.send(request)).await.unwrap();
        assert!([401, 503].contains(&answer.status.as_u16()), "{path}: {}", answer.status);
    }
}

#[tokio::test]
async fn v2_a_body_that_does_not_come_is_408() {
    let api = Api::start_with(|options| options.body_timeout = Duration::from_millis(50)).await;
    let token = api.token("alice", &[]);
    let call = |path: &str| {
        let request = Request::post(path).header("authorization", format!("Bearer {token}"));
        request.header("content-type", "application/json").body(never()).unwrap()
    };
    assert_eq!(api.send(call("/api/v1/projects")).await.problem(408), "timeout");
    let form =
        Request::post("/oauth2/introspect").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(api.send(form.body(never()).unwrap()).await.problem(408), "timeout");
}

#[tokio::test]
async fn v2_without_room_the_answer_is_503() {
    let api = Api::start().await;
    let token = api.token("alice", &[]);
    for room in [Room::Full, Room::Held(Budget::new(3).open().into())] {
        let request = Request::post("/api/v1/projects").header("authorization", format!("Bearer {token}"));
        let request = request.header("content-type", "application/json").extension(room);
        let answer = api.send(request.body(Body::from(Value::Null.to_string())).unwrap()).await;
        assert!(answer.headers.contains_key("retry-after"));
        assert_eq!(answer.problem(503), "unavailable");
    }
}
