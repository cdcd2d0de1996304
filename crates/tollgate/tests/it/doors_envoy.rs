//! Both doors behind a real Envoy, the oldest and the newest: who passes, what the backend sees, and what never does.

use serde_json::json;

use crate::harness::client::Raw;
use crate::harness::envoy::{self, Door, Envoy, Gate};
use crate::harness::upstream::Upstream;
use crate::harness::{IDENTITY_HEADERS, need};
use crate::stand::Stand;

/// Every kind of door that Envoy has, with and without bodies and raw headers.
fn gates(stand: &Stand) -> Vec<(&'static str, Gate)> {
    let grpc = || Gate::new(Door::Grpc { port: stand.tollgate.ports.grpc });
    let http = || Gate::new(Door::Http { port: stand.tollgate.ports.check, path_prefix: "/envoy".into() });
    let raw = Gate { encode_raw_headers: true, ..grpc() };
    let body = Gate { with_request_body: Some((8192, true)), ..grpc() };
    let http_body = Gate { with_request_body: Some((8192, false)), ..http() };
    vec![("grpc", grpc()), ("grpc raw", raw), ("grpc body", body), ("http", http()), ("http body", http_body)]
}

async fn stand() -> Stand {
    Stand::with(&json!({"server": {"drain_delay_secs": 0, "check": {"envoy_prefix": "/envoy"}}})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_passes_and_what_the_backend_sees() {
    let stand = stand().await;
    let bearer = stand.bearer();
    for binary in envoy::BINARIES {
        let Some(binary) = need(binary) else { return };
        for (name, gate) in gates(&stand) {
            let upstream = Upstream::start().await;
            let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;

            let denied = Raw::get("/v1/models").send(envoy.port).await.unwrap();
            assert_eq!(denied.status, 401, "{name}: {}", denied.text());
            assert_eq!(denied.values("www-authenticate"), ["Bearer realm=\"tollgate\""], "{name}");
            assert_eq!(denied.json()["error"]["code"], "credential_missing", "{name}");
            assert_eq!(denied.values("x-tollgate-check-id").len(), 1, "{name}");
            assert!(upstream.seen().is_empty(), "{name}: a denied request reached the backend");

            let spoof = Raw::new("POST", "/v1/chat/completions?stream=1")
                .header("authorization", &bearer)
                .header("x-tollgate-subject", "mallory")
                .header("X-Tollgate-User", "root")
                .header("x-tollgate-key-id", "stolen")
                .header("x-tollgate-project", "rich")
                .header("x-tollgate-groups", "admin")
                .header("x-tollgate-groups", "owner")
                .body("{\"model\":\"m\"}");
            let allowed = spoof.send(envoy.port).await.unwrap();
            assert_eq!(allowed.status, 200, "{name}: {}", allowed.text());
            let seen = upstream.seen().remove(0);
            assert_eq!(
                (seen.method.as_str(), seen.target.as_str()),
                ("POST", "/v1/chat/completions?stream=1")
            );
            assert_eq!(seen.body, b"{\"model\":\"m\"}", "{name}");
            assert_eq!(seen.values("x-tollgate-subject"), ["user-1"], "{name}");
            assert_eq!(seen.values("x-tollgate-user"), ["testuser"], "{name}");
            assert_eq!(seen.values("x-tollgate-groups"), ["dev"], "{name}");
            for gone in ["authorization", "x-api-key", "x-tollgate-key-id", "x-tollgate-project"] {
                assert_eq!(seen.values(gone), [""; 0], "{name}: {gone} reached the backend");
            }

            let public =
                Raw::get("/public/x").header("authorization", &bearer).header("x-tollgate-user", "root");
            assert_eq!(public.send(envoy.port).await.unwrap().status, 200, "{name}");
            let seen = upstream.seen().pop().unwrap();
            for header in IDENTITY_HEADERS.iter().filter(|header| **header != "x-tollgate-check-id") {
                assert_eq!(seen.values(header), [""; 0], "{name}: {header} on a public route");
            }
            assert_eq!(seen.values("authorization"), [""; 0], "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguity_and_odd_bytes_are_denied() {
    let stand = stand().await;
    let good = stand.bearer();
    let bad = "Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.YQ";
    let joined = format!("{good},{bad}");
    let spaced = format!("{good} {good}");
    let odd = [good.as_bytes(), b"\xff"].concat();
    let huge = format!("Bearer {}", "a".repeat(40_000));
    let long = "v".repeat(40_000);
    for binary in envoy::BINARIES {
        let Some(binary) = need(binary) else { return };
        for (name, gate) in gates(&stand) {
            let upstream = Upstream::start().await;
            let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;
            let two = |first: &str, second: &str| {
                let first = first.to_owned();
                let second = second.to_owned();
                async move {
                    let request =
                        Raw::get("/v1/x").header("authorization", &first).header("authorization", &second);
                    request.send(envoy.port).await.unwrap().status
                }
            };
            for (first, second) in
                [(good.as_str(), bad), (bad, good.as_str()), (good.as_str(), good.as_str())]
            {
                assert_eq!(two(first, second).await, 401, "{name}: two lines");
            }
            for value in [joined.as_bytes(), spaced.as_bytes(), &odd, bad.as_bytes(), huge.as_bytes()] {
                let answer = Raw::get("/v1/x").header("authorization", value).send(envoy.port).await.unwrap();
                assert!([400, 401].contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
            }
            let both = Raw::get("/v1/x").header("authorization", &good).header("x-api-key", "something-else");
            assert_eq!(both.send(envoy.port).await.unwrap().status, 401, "{name}: two credentials");
            assert!(upstream.seen().is_empty(), "{name}: {:?}", upstream.seen());

            let large = Raw::get("/v1/x").header("authorization", &good).header("x-large", &long);
            assert_eq!(
                large.send(envoy.port).await.unwrap().status,
                200,
                "{name}: large headers are decided, not failed"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_hosts_and_methods() {
    let stand = stand().await;
    let bearer = stand.bearer();
    for binary in envoy::BINARIES {
        let Some(binary) = need(binary) else { return };
        for (name, gate) in gates(&stand) {
            let upstream = Upstream::start().await;
            let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;
            let status = |method: &'static str, target: &'static str, host: &'static str| {
                let request = Raw::new(method, target).header("authorization", &bearer).header("host", host);
                let bytes = request.bytes();
                async move { crate::harness::client::exchange(envoy.port, &bytes).await.map_or(0, |a| a.status) }
            };
            for (method, target, host, expected) in [
                ("GET", "/v1/models", "ai.test", 200),
                ("GET", "/v1/models", "AI.Test:8443", 200),
                ("DELETE", "/api/v1/anything/at/all", "ai.test", 200),
                ("OPTIONS", "/v1/x", "ai.test", 200),
                ("PROPFIND", "/v1/x", "ai.test", 200),
                ("GET", "/v1/models", "elsewhere.test", 403),
                ("GET", "/admin", "ai.test", 403),
                ("GET", "/admin/", "ai.test", 403),
                ("GET", "/%61dmin", "ai.test", 403),
                ("GET", "/v1/../admin", "ai.test", 400),
                ("GET", "/v1/%2e%2e/admin", "ai.test", 400),
                ("GET", "//admin", "ai.test", 400),
                ("GET", "/v1%2f..%2fadmin", "ai.test", 400),
                ("GET", "/admin;x=1", "ai.test", 400),
                ("GET", "/v1/%zz", "ai.test", 400),
            ] {
                assert_eq!(status(method, target, host).await, expected, "{name}: {method} {host} {target}");
            }
            let passed: Vec<_> = upstream.seen().iter().map(|seen| seen.target.clone()).collect();
            assert!(passed.iter().all(|target| !target.contains("admin")), "{name}: {passed:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_not_held_up() {
    let stand = stand().await;
    let bearer = stand.bearer();
    for binary in envoy::BINARIES {
        let Some(binary) = need(binary) else { return };
        for (name, gate) in gates(&stand) {
            let upstream = Upstream::start().await;
            let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;
            let stream =
                Raw::new("POST", "/stream?chunks=3&delay_ms=20").header("authorization", &bearer).body("go");
            let answer = stream.send(envoy.port).await.unwrap();
            assert_eq!(answer.text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n", "{name}");
            let chunked = Raw::new("POST", "/v1/upload")
                .header("authorization", &bearer)
                .header("transfer-encoding", "chunked")
                .body("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
            assert_eq!(chunked.send(envoy.port).await.unwrap().status, 200, "{name}");
            assert_eq!(upstream.seen().pop().unwrap().body, b"hello world", "{name}");
        }
        let gate = Gate {
            with_request_body: Some((1024, false)),
            ..Gate::new(Door::Grpc { port: stand.tollgate.ports.grpc })
        };
        let upstream = Upstream::start().await;
        let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;
        let large = vec![b'x'; 4096];
        let answer =
            Raw::new("POST", "/v1/x").header("authorization", &bearer).body(&large).send(envoy.port).await;
        assert_eq!(answer.unwrap().status, 413, "Envoy refuses what it may not forward whole");
        assert!(upstream.seen().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envoys_route_names_a_policy_and_logs_see_the_identity() {
    use tollgate::dev::envoy::{Backend, BootstrapOptions, Door as DevDoor, Gateway, bootstrap};
    let stand = stand().await;
    let Some(binary) = need("TOLLGATE_TEST_ENVOY_NEW") else { return };
    let upstream = Upstream::start().await;
    let (port, admin) = (crate::harness::free_port(), crate::harness::free_port());
    let loopback = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let dir = crate::harness::scratch("access");
    let log = dir.path().join("access.log");
    let door = DevDoor::grpc(loopback(stand.tollgate.ports.grpc));
    let mut gateway = Gateway::new(loopback(port), door, Backend::plain("127.0.0.1", upstream.port()));
    gateway.context_extensions.insert("tollgate.policy".into(), "free".into());
    let named = crate::harness::free_port();
    let plain = Gateway {
        listen: loopback(named),
        context_extensions: std::collections::BTreeMap::new(),
        ..gateway.clone()
    };
    let mut options = BootstrapOptions::new(loopback(admin), vec![gateway, plain]);
    options.access_log = Some(log.clone());
    let mut envoy = Envoy::start_with(&binary, port, admin, &bootstrap(&options)).await;
    assert_eq!(Raw::get("/v1/x").send(port).await.unwrap().status, 200, "the policy 'free' asks for nothing");
    assert_eq!(Raw::get("/v1/x").send(named).await.unwrap().status, 401, "no policy is named here");
    let passed = Raw::get("/v1/x").header("authorization", &stand.bearer()).send(named).await.unwrap();
    assert_eq!(passed.status, 200);
    envoy.process.signal("TERM");
    assert!(envoy.process.ended(std::time::Duration::from_secs(10)).await.is_some());
    let lines = std::fs::read_to_string(&log).unwrap();
    assert!(lines.contains("user-1") && lines.contains("credential_missing"), "{lines}");
}
