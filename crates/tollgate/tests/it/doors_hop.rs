//! `Connection` nominations and other spellings: a client cannot take the identity headers off its own request, or add to them,
//! at any proxy that the manual configures.

use std::path::Path;

use crate::client_address::Bound;
use crate::harness::caddy::Caddy;
use crate::harness::client::Raw;
use crate::harness::envoy::{BINARIES, Envoy};
use crate::harness::nginx::Nginx;
use crate::harness::upstream::{Seen, Upstream};
use crate::harness::{IDENTITY_HEADERS, need};
use tollgate::dev::envoy::Door;

/// What the backend saw of a request with these headers; `None` when the proxy itself refused it as a bad one (400).
async fn seen_of(port: u16, upstream: &Upstream, headers: &[(&str, &str)]) -> Option<Seen> {
    let mut request = Raw::get("/v1/x");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let before = upstream.seen().len();
    let answer = request.send(port).await.unwrap();
    if answer.status == 400 {
        assert_eq!(upstream.seen().len(), before, "{headers:?}");
        return None;
    }
    assert_eq!(answer.status, 200, "{headers:?}: {}", answer.text());
    Some(upstream.seen().remove(before))
}

async fn passed(port: u16, upstream: &Upstream, headers: &[(&str, &str)]) -> Seen {
    seen_of(port, upstream, headers).await.unwrap_or_else(|| panic!("{headers:?} was refused"))
}

fn facts(seen: &Seen) -> Vec<(String, Vec<String>)> {
    let told = IDENTITY_HEADERS.iter().filter(|name| **name != "x-tollgate-check-id");
    told.map(|name| ((*name).to_owned(), seen.values(name))).collect()
}

/// Each identity header nominated alone and all at once, in every case, by the owner of a token and by a key.
async fn nominations(port: u16, upstream: &Upstream, bound: &Bound, proxy: &str) {
    let bearer = bound.stand.bearer();
    for credential in [("authorization", bearer.as_str()), ("x-api-key", bound.text(2))] {
        let plain = passed(port, upstream, &[credential, ("connection", "close")]).await;
        let (expected, check_id) = (facts(&plain), plain.values("x-tollgate-check-id"));
        let told = expected.iter().filter(|(_, values)| values.iter().any(|value| !value.is_empty())).count();
        assert!(told >= 4 && check_id.len() == 1, "{proxy}: {expected:?}");
        let all = IDENTITY_HEADERS.join(", ");
        let upper = all.to_uppercase();
        let single = IDENTITY_HEADERS.iter().map(|name| format!("close, {name}"));
        let several = [
            format!("close, {all}"),
            format!("{upper}, close"),
            format!("close, te, {all}"),
            format!("close,,{all},"),
        ];
        for nominated in single {
            let seen = passed(port, upstream, &[credential, ("connection", &nominated)]).await;
            assert_eq!(facts(&seen), expected, "{proxy}: Connection: {nominated}");
        }
        // Envoy refuses requests that nominate more than ten.
        for nominated in several {
            let headers = [credential, ("connection", nominated.as_str())];
            let Some(seen) = seen_of(port, upstream, &headers).await else { continue };
            assert_eq!(facts(&seen), expected, "{proxy}: Connection: {nominated}");
            assert_eq!(seen.values("x-tollgate-check-id").len(), 1, "{proxy}: {nominated}");
        }
        // Two lines of it, and one that also asks for an upgrade.
        let two = [credential, ("connection", "close"), ("connection", all.as_str())];
        if let Some(seen) = seen_of(port, upstream, &two).await {
            assert_eq!(facts(&seen), expected, "{proxy}: two lines");
        }
    }
}

/// A client's own identity in another spelling.
async fn spellings(port: u16, upstream: &Upstream, bound: &Bound, proxy: &str) {
    let bearer = bound.stand.bearer();
    for name in [
        "X.Tollgate.User",
        "x.tollgate.project",
        "X-Tollgate.Project",
        "X.Tollgate-Key-Id",
        "x-tollgate-key.id",
        "X.TOLLGATE.ORGANIZATION",
    ] {
        let mut request = Raw::get("/v1/x").header("authorization", &bearer);
        request = request.header(name, "forged");
        let before = upstream.seen().len();
        let answer = request.send(port).await.unwrap();
        // Refusing is as good; Envoy and nginx may.
        if answer.status == 200 {
            let seen = &upstream.seen()[before];
            assert!(seen.headers.iter().all(|(_, value)| value != b"forged"), "{proxy} {name}: {seen:?}");
        } else {
            assert_eq!((answer.status, upstream.seen().len()), (400, before), "{proxy} {name}");
        }
    }
}

async fn behind_envoy(variable: &str) {
    let Some(binary) = need(variable) else { return };
    let bound = Bound::start("peer").await;
    let ports = bound.stand.tollgate.ports;
    let at = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    for door in [Door::grpc(at(ports.grpc)), Door::http(at(ports.check), "/envoy")] {
        for strip in [true, false] {
            let upstream = Upstream::start().await;
            let envoy = envoy(&binary, door.clone(), upstream.port(), strip).await;
            nominations(envoy.port, &upstream, &bound, variable).await;
            // Without the names taken off early, an HTTP check does not see headers of the client's own invention.
            let seen = strip || matches!(door, Door::Grpc { .. });
            if seen {
                spellings(envoy.port, &upstream, &bound, variable).await;
            }
        }
    }
}

async fn envoy(binary: &Path, door: Door, upstream: u16, strip: bool) -> Envoy {
    use tollgate::dev::envoy::{Backend, BootstrapOptions, Gateway, bootstrap};
    let (port, admin) = (crate::harness::free_port(), crate::harness::free_port());
    let at = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut gateway = Gateway::new(at(port), door, Backend::plain("127.0.0.1", upstream));
    gateway.strip_identity_headers = strip;
    let options = BootstrapOptions::new(at(admin), vec![gateway]);
    Envoy::start_with(binary, port, admin, &bootstrap(&options)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn v8_no_identity_header_can_be_nominated_at_the_oldest_envoy() {
    behind_envoy(BINARIES[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v8_no_identity_header_can_be_nominated_at_the_newest_envoy() {
    behind_envoy(BINARIES[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v8_no_identity_header_can_be_nominated_at_nginx() {
    let Some(binary) = need("TOLLGATE_TEST_NGINX") else { return };
    let (bound, upstream) = (Bound::start("peer").await, Upstream::start().await);
    let nginx = Nginx::start(&binary, bound.stand.tollgate.ports.check, upstream.port()).await;
    nominations(nginx.port, &upstream, &bound, "nginx").await;
    spellings(nginx.port, &upstream, &bound, "nginx").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v8_no_identity_header_can_be_nominated_at_caddy() {
    let Some(binary) = need("TOLLGATE_TEST_CADDY") else { return };
    let (bound, upstream) = (Bound::start("peer").await, Upstream::start().await);
    let caddy = Caddy::start(&binary, bound.stand.tollgate.ports.check, upstream.port()).await;
    nominations(caddy.port, &upstream, &bound, "Caddy").await;
    spellings(caddy.port, &upstream, &bound, "Caddy").await;
}

/// An upgrade is told to the check, reaches the backend as one, and nominates nothing else.
async fn upgrades(port: u16, check: &Upstream, upstream: &Upstream, proxy: &str) {
    let nominating = "Upgrade, X-Tollgate-Subject, X-Tollgate-User";
    let headers = [("upgrade", "websocket"), ("connection", nominating)];
    let mut request = Raw::get("/v1/realtime");
    for (name, value) in &headers {
        request = request.header(*name, *value);
    }
    let asked = check.seen().len();
    assert_eq!(request.send(port).await.unwrap().status, 200, "{proxy}");
    assert_eq!(check.seen()[asked].values("upgrade"), ["websocket"], "{proxy}: the check is not told");
    let seen = upstream.seen().pop().unwrap();
    assert_eq!(seen.values("upgrade"), ["websocket"], "{proxy}");
    assert_eq!(seen.values("connection").concat().to_lowercase(), "upgrade", "{proxy}");
    let plain = Raw::get("/v1/x");
    assert_eq!(plain.send(port).await.unwrap().status, 200, "{proxy}");
    assert_eq!(check.seen().pop().unwrap().values("upgrade").concat(), "", "{proxy}");
    assert_eq!(upstream.seen().pop().unwrap().values("upgrade"), [""; 0], "{proxy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn v8_nginx_and_caddy_tell_of_upgrades() {
    let (Some(nginx), Some(caddy)) = (need("TOLLGATE_TEST_NGINX"), need("TOLLGATE_TEST_CADDY")) else {
        return;
    };
    // Something that permits everything and remembers what it was asked.
    let (check, upstream) = (Upstream::start().await, Upstream::start().await);
    let nginx = Nginx::start(&nginx, check.port(), upstream.port()).await;
    upgrades(nginx.port, &check, &upstream, "nginx").await;
    let caddy = Caddy::start(&caddy, check.port(), upstream.port()).await;
    upgrades(caddy.port, &check, &upstream, "Caddy").await;
}
