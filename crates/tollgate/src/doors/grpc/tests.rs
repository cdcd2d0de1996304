//! The gRPC door as Envoy meets it: every call succeeds, and nothing but a permit has code 0.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use proptest::prelude::*;
use tollgate_core::identity::IdentityHeaders;
use tollgate_envoy::auth::v3::attribute_context::{HttpRequest, Request as AttributeRequest};
use tollgate_envoy::auth::v3::check_response::HttpResponse;
use tollgate_envoy::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use tollgate_envoy::core::v3::header_value_option::HeaderAppendAction;
use tollgate_envoy::core::v3::{HeaderMap, HeaderValue};

use super::*;
use crate::doors::fixture::{Broken, gate, gate_with, gate_with_catalogue};

fn http(path: &str, lines: &[(&str, &str)]) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        host: "ai.example".into(),
        path: path.into(),
        headers: lines.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        ..HttpRequest::default()
    }
}

async fn check(gate: Arc<Gate>, http: Option<HttpRequest>) -> CheckResponse {
    let request = AttributeRequest { time: None, http };
    let attributes = AttributeContext { request: Some(request), ..AttributeContext::default() };
    let door = GrpcDoor { gate, client: ClientSource::Peer };
    door.check(Request::new(CheckRequest { attributes: Some(attributes) })).await.unwrap().into_inner()
}

fn summary(answer: &CheckResponse) -> (i32, i32) {
    let status = match answer.http_response.as_ref().unwrap() {
        HttpResponse::OkResponse(_) => 200,
        HttpResponse::DeniedResponse(denied) => denied.status.unwrap().code,
        HttpResponse::ErrorResponse(_) => 0,
    };
    (answer.status.as_ref().unwrap().code, status)
}

#[tokio::test]
async fn a_message_that_describes_no_request_is_denied() {
    let door = GrpcDoor { gate: gate(10), client: ClientSource::Peer };
    for attributes in [None, Some(AttributeContext::default())] {
        let answer = door.check(Request::new(CheckRequest { attributes })).await.unwrap().into_inner();
        assert_eq!(summary(&answer), (3, 400));
    }
    assert_eq!(summary(&check(gate(10), None).await), (3, 400));
    assert_eq!(summary(&check(gate(10), Some(HttpRequest::default())).await), (3, 400));
}

#[tokio::test]
async fn a_panic_and_an_overload_are_denials() {
    let broken = gate_with(10, Arc::new(Broken));
    assert_eq!(summary(&check(broken, Some(http("/public", &[]))).await), (14, 503));
    assert_eq!(summary(&check(gate(0), Some(http("/public", &[]))).await), (14, 503));
    assert_eq!(summary(&check(gate(1), Some(http("/public", &[]))).await), (0, 200));
}

/// Envoy takes the first for a permit whatever its body says, and the second for one that it must not forward.
#[tokio::test]
async fn an_answer_in_the_backends_stead_is_no_permit_to_envoy() {
    for (path, expected) in [("/public/v1/models", (10, 200)), ("/public/v1/models/x", (0, 200))] {
        let answer = check(gate_with_catalogue(), Some(http(path, &[]))).await;
        assert_eq!(summary(&answer), expected, "{path}");
        if let Some(HttpResponse::DeniedResponse(answered)) = &answer.http_response {
            let list: serde_json::Value = serde_json::from_str(&answered.body).unwrap();
            assert_eq!(list["data"][0]["id"], "m");
        }
    }
}

#[tokio::test]
async fn raw_headers_count_like_the_others() {
    let line = |key: &str, raw: &[u8]| HeaderValue {
        key: key.into(),
        raw_value: raw.to_vec(),
        ..HeaderValue::default()
    };
    for (lines, expected) in [
        (vec![], "credential_missing"),
        (vec![line("authorization", b"Bearer x\xff")], "credential_malformed"),
        (
            vec![line("authorization", b"Bearer a.b.c"), line("Authorization", b"Bearer a.b.c")],
            "credential_ambiguous",
        ),
        (vec![line(":path", b"/public")], "credential_missing"),
    ] {
        let request = HttpRequest { header_map: Some(HeaderMap { headers: lines }), ..http("/v1/x", &[]) };
        let answer = check(gate(10), Some(request)).await;
        let Some(HttpResponse::DeniedResponse(denied)) = answer.http_response else {
            unreachable!("{answer:?}")
        };
        assert!(denied.body.contains(expected), "{expected}: {}", denied.body);
    }
}

proptest! {
    #[test]
    fn code_0_is_a_permit_and_every_header_overwrites(
        method in "[A-Z]{0,4}|\\PC{0,4}",
        host in "ai\\.example|AI\\.Example:1|\\PC{0,6}",
        path in "/public[a-z/.%;]{0,6}|/[a-z/.%]{0,6}|\\PC{0,8}",
        headers in proptest::collection::hash_map("authorization|x-api-key|[a-zA-Z-]{1,8}", "Bearer a\\.b\\.c|\\PC{0,12}", 0..4),
        extension in proptest::option::of("\\PC{0,4}"),
    ) {
        let http = HttpRequest { method, host, path, headers, ..HttpRequest::default() };
        let context_extensions: HashMap<_, _> = extension.map(|name| (POLICY_EXTENSION.to_owned(), name)).into_iter().collect();
        let request = AttributeRequest { time: None, http: Some(http) };
        let attributes = AttributeContext { request: Some(request), context_extensions, ..AttributeContext::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let answer = runtime.block_on(async {
            let door = GrpcDoor { gate: gate(10), client: ClientSource::Peer };
            door.check(Request::new(CheckRequest { attributes: Some(attributes) })).await.unwrap().into_inner()
        });
        let code = answer.status.unwrap().code;
        let clean = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b));
        let options = match answer.http_response.unwrap() {
            HttpResponse::OkResponse(ok) => {
                prop_assert_eq!(code, 0);
                for (name, _) in IdentityHeaders::default().headers() {
                    let set = ok.headers.iter().any(|o| o.header.as_ref().unwrap().key == name);
                    prop_assert!(set != ok.headers_to_remove.iter().any(|gone| gone == name), "{}", name);
                }
                ok.headers
            }
            HttpResponse::DeniedResponse(denied) => {
                prop_assert!(code != 0 && denied.status.unwrap().code >= 400);
                denied.headers
            }
            HttpResponse::ErrorResponse(_) => return Err(TestCaseError::fail("obeys failure_mode_allow")),
        };
        for option in options {
            let header = option.header.unwrap();
            prop_assert!(clean(&header.value) && !header.value.is_empty(), "{}: {:?}", header.key, header.value);
            prop_assert_eq!(option.append, Some(false));
            prop_assert_eq!(option.append_action, i32::from(HeaderAppendAction::OverwriteIfExistsOrAdd));
        }
    }
}

/// Calls the port's router with this body of one message.
async fn call(path: &str, room: Option<Room>, body: Body) -> (String, bytes::Bytes) {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    let (router, _) = router(gate(10), ClientSource::Peer, Duration::from_millis(50));
    let mut request =
        http::Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
    if let Some(room) = room {
        request = request.extension(room);
    }
    let response = router.oneshot(request.body(body).unwrap()).await.unwrap();
    let at_once = response.headers().get("grpc-status").cloned();
    let whole = response.into_body().collect().await.unwrap();
    let status = at_once.or_else(|| whole.trailers().and_then(|all| all.get("grpc-status").cloned()));
    (status.unwrap().to_str().unwrap().to_owned(), whole.to_bytes())
}

#[tokio::test]
async fn v2_a_message_that_does_not_come_is_denied_within_a_successful_call() {
    use prost::Message as _;
    let never = || Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let too_large = || Body::from(vec![0; MAX_MESSAGE_BYTES + 6]);
    for (body, room, expected) in [
        (never(), None, (14, 503)),
        (too_large(), None, (3, 400)),
        (Body::empty(), Some(Room::Full), (14, 503)),
    ] {
        let (status, bytes) = call(CHECK_PATH, room, body).await;
        assert_eq!(status, "0");
        let answer = CheckResponse::decode(&bytes[PREFIX_BYTES..]).unwrap();
        assert_eq!(summary(&answer), expected);
    }
    // What is no check has no such answer.
    let health = "/grpc.health.v1.Health/Check";
    assert_eq!(call(health, None, never()).await.0, "4");
    assert_eq!(call(health, None, Body::from(vec![0; 5000])).await.0, "8");
    assert_eq!(call(health, None, Body::from(vec![0; 5])).await.0, "0");
}

#[tokio::test]
async fn v2_compressed_messages_are_not_unpacked() {
    let compressed = Body::from([1, 0, 0, 0, 1, 0].as_slice());
    assert_ne!(call(CHECK_PATH, None, compressed).await.0, "0");
}
