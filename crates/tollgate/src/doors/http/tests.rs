//! The HTTP doors as a proxy meets them: a whole router over a whole gate.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;

use http::{HeaderMap, Method, Version};
use proptest::prelude::*;
use tollgate_core::identity::IdentityHeaders;
use tower::ServiceExt as _;

use http_body_util::BodyExt as _;

use super::*;
use crate::doors::fixture::{Broken, gate, gate_with};

fn options() -> HttpDoorOptions {
    HttpDoorOptions {
        trusted_peers: vec!["10.0.0.0/8".parse().unwrap()],
        unavailable_status: StatusCode::FORBIDDEN,
        envoy_prefix: None,
        client: ClientSource::Peer,
        body_timeout: Duration::from_secs(1),
    }
}

struct Ask<'a> {
    peer: &'a str,
    method: &'a str,
    uri: &'a str,
    lines: &'a [(&'a str, &'a str)],
    body: Body,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            peer: "10.1.2.3:4",
            method: "GET",
            uri: "/",
            lines: &[("host", "ai.example")],
            body: Body::empty(),
        }
    }
}

async fn ask(router: &Router, ask: Ask<'_>) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder().method(ask.method).uri(ask.uri);
    for (name, value) in ask.lines {
        request = request.header(*name, *value);
    }
    let mut request = request.body(ask.body).unwrap();
    request.extensions_mut().insert(PeerAddr(ask.peer.parse::<SocketAddr>().unwrap()));
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

const NGINX_PUBLIC: [(&str, &str); 4] = [
    ("host", "tollgate:3002"),
    ("x-original-method", "POST"),
    ("x-original-uri", "/public/x?y"),
    ("x-original-host", "ai.example"),
];
const FORWARDED_PUBLIC: [(&str, &str); 4] = [
    ("host", "tollgate:3002"),
    ("x-forwarded-method", "POST"),
    ("x-forwarded-uri", "/public/x?y"),
    ("x-forwarded-host", "ai.example"),
];

#[tokio::test]
async fn every_door_gives_the_same_verdict() {
    let router = router(gate(100), options());
    for (path, host, expected) in [
        ("/public", "ai.example", 200),
        ("/public/x?token=y", "AI.example:443", 200),
        ("/publications", "ai.example", 401),
        ("/v1/models", "ai.example", 401),
        ("/public", "other.example", 403),
        ("/public/../v1", "ai.example", 400),
        ("/public/%2e%2e/v1", "ai.example", 400),
        ("/public%2f..%2fv1", "ai.example", 400),
        ("//public", "ai.example", 400),
        ("/health", "ai.example", 401),
        ("/metrics", "ai.example", 401),
    ] {
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PROPFIND"] {
            let host = [("host", host)];
            let envoy = ask(&router, Ask { method, uri: path, lines: &host, ..Ask::default() }).await.0;
            assert_eq!(envoy.as_u16(), expected, "Envoy {method} {path}");
            let lines = [
                ("host", "tollgate"),
                ("x-original-method", method),
                ("x-original-uri", path),
                ("x-original-host", host[0].1),
            ];
            let nginx = ask(&router, Ask { uri: "/nginx", lines: &lines, ..Ask::default() }).await.0;
            // nginx knows no 400.
            assert_eq!(nginx.as_u16(), if expected == 400 { 403 } else { expected }, "nginx {method} {path}");
            let lines = [
                ("host", "tollgate"),
                ("x-forwarded-method", method),
                ("x-forwarded-uri", path),
                ("x-forwarded-host", host[0].1),
            ];
            let forward = ask(&router, Ask { uri: "/forward-auth", lines: &lines, ..Ask::default() }).await.0;
            assert_eq!(forward.as_u16(), expected, "forward auth {method} {path}");
        }
    }
}

#[tokio::test]
async fn strangers_cannot_speak_for_others() {
    let router = router(gate(100), options());
    for (uri, lines, expected) in [("/nginx", &NGINX_PUBLIC, 403), ("/forward-auth", &FORWARDED_PUBLIC, 400)]
    {
        let trusted = ask(&router, Ask { uri, lines, ..Ask::default() }).await.0;
        assert_eq!(trusted, StatusCode::OK);
        // The same network, as an IPv4-mapped IPv6 address.
        let mapped = ask(&router, Ask { uri, lines, peer: "[::ffff:10.1.2.3]:4", ..Ask::default() }).await.0;
        assert_eq!(mapped, StatusCode::OK);
        for peer in ["192.0.2.1:4", "[2001:db8::1]:4", "127.0.0.1:4"] {
            let (status, _, body) = ask(&router, Ask { uri, lines, peer, ..Ask::default() }).await;
            assert_eq!(status.as_u16(), expected, "{uri} from {peer}");
            assert!(!body.contains("trusted_peers"), "the reason is for the log: {body}");
        }
    }
    // Through Envoy's door such headers are the client's, and mean nothing.
    let mut lines = vec![("host", "ai.example")];
    lines.extend(NGINX_PUBLIC.iter().chain(&FORWARDED_PUBLIC).filter(|(name, _)| *name != "host"));
    lines.extend([
        ("x-http-method-override", "GET"),
        ("x-envoy-original-path", "/public"),
        ("forwarded", "host=o"),
    ]);
    let (status, ..) = ask(&router, Ask { uri: "/v1/models", lines: &lines, ..Ask::default() }).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_identity_header_is_set_or_cleared() {
    let router = router(gate(100), options());
    let identity = IdentityHeaders::default();
    let names: Vec<_> = identity.headers().map(|(name, _)| name.to_owned()).collect();

    let (status, headers, body) = ask(&router, Ask { uri: "/public", ..Ask::default() }).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, ""));
    let removed: Vec<_> = headers["x-envoy-auth-headers-to-remove"].to_str().unwrap().split(", ").collect();
    for name in &names {
        assert!(headers.contains_key(name) ^ removed.contains(&name.as_str()), "{name}: {headers:?}");
    }
    for credential in ["authorization", "x-api-key", "api-key", "x-goog-api-key"] {
        assert!(removed.contains(&credential), "{credential} reaches the backend");
    }

    let ask_forward = Ask { uri: "/forward-auth", lines: &FORWARDED_PUBLIC, ..Ask::default() };
    let (_, headers, _) = ask(&router, ask_forward).await;
    for name in names.iter().map(String::as_str).chain(["authorization", "x-api-key"]) {
        let has_value = name == identity.check_id_header();
        assert_eq!(headers[name].is_empty(), !has_value, "{name}");
    }

    // What nginx is not told is an empty variable there.
    let (_, headers, _) = ask(&router, Ask { uri: "/nginx", lines: &NGINX_PUBLIC, ..Ask::default() }).await;
    assert!(headers.values().all(|value| !value.is_empty()), "{headers:?}");
    assert!(headers.contains_key(identity.check_id_header()));
}

#[tokio::test]
async fn a_denial_says_its_code_and_nothing_internal() {
    let router = router(gate(100), options());
    let asks = [
        ("/v1/models", [("host", "ai.example"); 4]),
        (
            "/nginx",
            NGINX_PUBLIC.map(|(name, value)| (name, if value == "/public/x?y" { "/v1" } else { value })),
        ),
        (
            "/forward-auth",
            FORWARDED_PUBLIC.map(|(name, value)| (name, if value == "/public/x?y" { "/v1" } else { value })),
        ),
    ];
    for (uri, lines) in &asks {
        let lines = if *uri == "/v1/models" { &lines[..1] } else { lines };
        let (status, headers, body) = ask(&router, Ask { uri, lines, ..Ask::default() }).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{uri}");
        assert_eq!(headers["x-tollgate-denial"], "credential_missing");
        assert!(headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{uri}");
        assert!(!body.is_empty());
        let known = [
            "x-tollgate-denial",
            "x-tollgate-check-id",
            "www-authenticate",
            "content-type",
            "content-length",
            "cache-control",
            "x-content-type-options",
        ];
        assert!(headers.keys().all(|name| known.contains(&name.as_str())), "{headers:?}");
    }
}

#[tokio::test]
async fn an_undecided_check_is_no_failure_that_envoy_may_overlook() {
    let full = gate(0);
    let (status, headers, _) = ask(&router(Arc::clone(&full), options()), Ask::default()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(headers["x-tollgate-denial"], "overloaded");
    assert_eq!(headers["retry-after"], "1");
    let unavailable_status = StatusCode::SERVICE_UNAVAILABLE;
    let honest = router(full, HttpDoorOptions { unavailable_status, ..options() });
    assert_eq!(ask(&honest, Ask::default()).await.0, StatusCode::SERVICE_UNAVAILABLE);
    let nginx = Ask { uri: "/nginx", lines: &NGINX_PUBLIC, ..Ask::default() };
    assert_eq!(ask(&honest, nginx).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_panic_is_a_denial() {
    let broken = router(gate_with(100, Arc::new(Broken)), options());
    for (uri, lines) in
        [("/public", &NGINX_PUBLIC), ("/nginx", &NGINX_PUBLIC), ("/forward-auth", &FORWARDED_PUBLIC)]
    {
        let (status, headers, body) = ask(&broken, Ask { uri, lines, ..Ask::default() }).await;
        assert_eq!((status, body.as_str()), (StatusCode::FORBIDDEN, ""), "{uri}");
        assert_eq!(headers["x-tollgate-denial"], "unavailable");
    }
}

#[tokio::test]
async fn bodies_are_bounded_in_size_and_time() {
    let router = router(gate(100), options());
    let public = |body| Ask { method: "POST", uri: "/public", body, ..Ask::default() };
    assert_eq!(ask(&router, public(Body::from(vec![0; MAX_BODY_BYTES]))).await.0, StatusCode::OK);
    let (status, headers, _) = ask(&router, public(Body::from(vec![0; MAX_BODY_BYTES + 1]))).await;
    assert_eq!(
        (status, &headers["x-tollgate-denial"]),
        (StatusCode::BAD_REQUEST, &"request_malformed".parse().unwrap())
    );
    let broken = Body::from_stream(futures_util::stream::iter([Err::<bytes::Bytes, _>(
        std::io::Error::other("gone"),
    )]));
    assert_eq!(ask(&router, public(broken)).await.0, StatusCode::BAD_REQUEST);
    let never = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let (status, headers, _) = ask(&router, public(never)).await;
    assert_eq!(
        (status, &headers["x-tollgate-denial"]),
        (StatusCode::FORBIDDEN, &"deadline".parse().unwrap())
    );
}

#[tokio::test]
async fn a_prefix_closes_envoys_door_to_all_else() {
    let with_prefix = HttpDoorOptions { envoy_prefix: Some("/envoy".into()), ..options() };
    let router = router(gate(100), with_prefix);
    for (uri, expected) in [
        ("/envoy/public", 200),
        ("/envoy/v1", 401),
        ("/envoy/nginx", 401),
        ("/envoy/forward-auth/x", 401),
        ("/public", 400),
        ("/envoy", 400),
        ("/envoypublic", 400),
        ("/envoy//public", 400),
    ] {
        assert_eq!(ask(&router, Ask { uri, ..Ask::default() }).await.0.as_u16(), expected, "{uri}");
    }
}

#[tokio::test]
async fn http2_names_the_host_in_its_own_way() {
    let router = router(gate(100), options());
    let mut request = Request::builder().uri("http://ai.example/public").version(Version::HTTP_2);
    request = request.method(Method::POST);
    let request = request.body(Body::empty()).unwrap();
    assert_eq!(router.clone().oneshot(request).await.unwrap().status(), StatusCode::OK);
    let mut two = Request::builder().uri("http://ai.example/public").version(Version::HTTP_2);
    two = two.header("host", "other.example");
    let two = two.body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(two).await.unwrap().status(), StatusCode::BAD_REQUEST);
}

proptest! {
    /// Whatever a client sends outside the one public path, and whoever it is: an answer, and never a permit.
    #[test]
    fn nothing_else_is_ever_permitted(
        door in prop::sample::select(vec!["", "/nginx", "/forward-auth", "/nginx/x", "/envoy"]),
        path in "/[a-oq-z0-9/%.;?=_-]{0,16}",
        method in "[A-Z]{1,8}",
        host in prop_oneof![Just("ai.example".to_owned()), Just("other.example".to_owned()), "[a-z0-9.:-]{0,12}"],
        stranger: bool,
        lines in prop::collection::vec((
            prop::sample::select(vec![
                "host", "x-original-uri", "x-original-method", "x-original-host", "x-forwarded-uri",
                "x-forwarded-method", "x-forwarded-host", "x-forwarded-for", "x-real-ip", "authorization", "traceparent",
            ]),
            prop_oneof![
                prop::sample::select(vec!["ai.example", "GET", "DELETE", "/v1/x", "Bearer a.b.c", "10.0.0.1"])
                    .prop_map(|value| value.as_bytes().to_vec()),
                prop::collection::vec(0x20_u8..=0xff, 0..20),
            ],
        ), 0..9),
    ) {
        let mut request = Request::builder().method(method.as_str()).uri(format!("{door}{path}")).header("host", host);
        for (name, value) in &lines {
            if let Ok(value) = http::HeaderValue::from_bytes(value) {
                request = request.header(*name, value);
            }
        }
        // What cannot even be a request does not reach the doors.
        if let Ok(mut request) = request.body(Body::empty()) {
            let peer = if stranger { "192.0.2.1:4" } else { "10.0.0.1:4" };
            request.extensions_mut().insert(PeerAddr(peer.parse().unwrap()));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let status = runtime.block_on(async { router(gate(100), options()).oneshot(request).await.unwrap().status() });
            prop_assert!((400..500).contains(&status.as_u16()), "{}", status);
        }
    }
}
