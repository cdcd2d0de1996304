//! Strangers who send half of something, many times, at each port of the real program: it lives on, answers its liveness
//! probe and its gateways, and holds no more memory than a fraction of the deployment's 256 MiB.

mod h2;
mod odd;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::client::{Raw, http};
use crate::harness::grpc::Checker;
use crate::harness::scratch;
use crate::harness::tollgate::Tollgate;
use h2::{Unfinished, post};

/// What the program may hold resident, in MiB.
const MOST_MIB: u64 = 200;

async fn start(settings: &Value) -> (Tollgate, TempDir) {
    let mut whole = json!({
        "routes": [{"name": "all", "paths": [{"prefix": "/"}], "access": "public"}],
        "introspection": {"clients": [{"id": "other", "secret": "a-secret-of-the-other-service"}]},
        "logging": {"decisions": false},
    });
    for (name, value) in settings.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let dir = scratch("floods");
    whole["database"] = json!({"url": format!("sqlite://{}", dir.path().join("tollgate.db").display())});
    (Tollgate::start(&whole).await, dir)
}

/// Looks at the program for a while: alive, answering its probe and both kinds of gateways, within its memory.
async fn lives_on(tollgate: &Tollgate, time: Duration) {
    let began = Instant::now();
    let checker = Checker::connect(tollgate.ports.grpc).await;
    let mut most = 0;
    while began.elapsed() < time {
        assert!(checker.check("GET", "ai.test", "/v1/models", &[]).await.permitted());
        assert_eq!(Raw::get("/v1/models").send(tollgate.ports.check).await.unwrap().status, 200);
        assert_eq!(Raw::get("/health").send(tollgate.ports.http).await.unwrap().status, 200);
        most = most.max(resident_mib(tollgate.id()));
        assert!(most < MOST_MIB, "{most} MiB are resident");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn resident_mib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Every path that takes a body by POST: those of the API's document, and those beside it.
async fn post_routes(tollgate: &Tollgate) -> Vec<String> {
    let document = format!("http://127.0.0.1:{}/api/v1/openapi.json", tollgate.ports.http);
    let document: Value = http().get(document).send().await.unwrap().json().await.unwrap();
    let paths = document["paths"].as_object().unwrap();
    let posts = paths.iter().filter(|(_, item)| item.get("post").is_some());
    let mut routes: Vec<String> = posts.map(|(path, _)| path.replace(['{', '}'], "x")).collect();
    assert!(routes.len() > 15, "{routes:?}");
    for beside in [
        "/logout",
        "/logout/backchannel",
        "/oauth2/introspect",
        "/v1/authorino/validate/introspect",
        "/idp/v1/resolve-context",
    ] {
        routes.push(beside.to_owned());
    }
    routes
}

#[tokio::test(flavor = "multi_thread")]
async fn v2_http2_bodies_that_stop_on_every_post_route() {
    let (tollgate, _dir) = start(&json!({})).await;
    let routes = post_routes(&tollgate).await;
    let mut open: Vec<Unfinished> = Vec::new();
    for connection in 0..60_usize {
        let path = |stream: usize| routes[(connection * 64 + stream) % routes.len()].as_str();
        let requests = (0..64).map(|stream| post(path(stream), "application/x-www-form-urlencoded"));
        open.push(Unfinished::send(tollgate.ports.http, requests.collect(), 62_000).await);
    }
    lives_on(&tollgate, Duration::from_secs(4)).await;
    drop(open);
}

#[tokio::test(flavor = "multi_thread")]
async fn v2_messages_that_stop_at_the_grpc_port() {
    let (tollgate, _dir) = start(&json!({})).await;
    let path = "/envoy.service.auth.v3.Authorization/Check";
    let mut open: Vec<Unfinished> = Vec::new();
    for _ in 0..10 {
        let requests = (0..100).map(|_| post(path, "application/grpc")).collect();
        open.push(Unfinished::send(tollgate.ports.grpc, requests, 3_900_000).await);
    }
    lives_on(&tollgate, Duration::from_secs(4)).await;
    drop(open);
}

#[tokio::test(flavor = "multi_thread")]
async fn v2_http1_bodies_and_heads_that_stop() {
    let (tollgate, _dir) = start(&json!({"server": {"limits": {"body_timeout_ms": 700}}})).await;
    let mut bodies = Vec::new();
    // Who must prove who they are is refused before a body is waited for, all others after the time for a body.
    for path in post_routes(&tollgate).await {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, tollgate.ports.http)).await.unwrap();
        let form = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 60000";
        let head = format!("POST {path} HTTP/1.1\r\nhost: h\r\n{form}\r\n\r\nx");
        stream.write_all(head.as_bytes()).await.unwrap();
        bodies.push((path, stream));
    }
    for (path, mut stream) in bodies {
        let mut first = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut first)).await;
        read.unwrap_or_else(|_| panic!("{path} waits for ever")).unwrap();
        assert!(first.starts_with(b"HTTP/1.1 "), "{path}");
    }
    let mut heads = Vec::new();
    for port in [tollgate.ports.http, tollgate.ports.check, tollgate.ports.grpc] {
        for _ in 0..100 {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            let head = format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}", "x".repeat(60_000));
            // It may be refused before it is sent.
            let _refused = stream.write_all(head.as_bytes()).await;
            heads.push(stream);
        }
    }
    lives_on(&tollgate, Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v2_probes_are_answered_when_every_connection_is_taken() {
    let limits = json!({"limits": {"max_connections": 20}});
    for server in [limits, json!({"http": {"max_connections_per_address": 20}})] {
        let (tollgate, _dir) = start(&json!({"server": server})).await;
        let port = tollgate.ports.http;
        let mut open = Vec::new();
        for _ in 0..200 {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            let _refused = stream.write_all(b"POST /logout HTTP/1.1\r\n").await;
            open.push(stream);
        }
        for _ in 0..50 {
            for path in ["/health", "/health/ready"] {
                assert_eq!(Raw::get(path).send(port).await.unwrap().status, 200, "{path}");
            }
        }
        assert_eq!(Raw::get("/docs").send(port).await.unwrap().status, 503);
        drop(open);
    }
}
