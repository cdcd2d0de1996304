//! Shows that the rig itself works: every real program starts, does its part, and ends. The product is not involved, so a
//! failure here is the rig's or the machine's.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::harness::caddy::Caddy;
use crate::harness::client::{self, Raw};
use crate::harness::envoy::{self, Door, Envoy, Gate};
use crate::harness::issuer::{Document, Issuer};
use crate::harness::keycloak::Keycloak;
use crate::harness::need;
use crate::harness::nginx::Nginx;
use crate::harness::server::Server;
use crate::harness::upstream::Upstream;

/// A check service as simple as can be: `Bearer good` passes as alice, everything else is refused with 403. What it was
/// told of the request comes back in `x-told`.
async fn stand_in() -> Server {
    async fn check(request: Request) -> Response {
        let told = format!("{} {}", request.method(), request.uri());
        let header =
            |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
        let forwarded =
            ["x-original-method", "x-original-uri", "x-forwarded-method", "x-forwarded-uri"].map(header);
        let told = format!("{told} {}", forwarded.join(" "));
        if header("authorization") == "Bearer good" {
            ([("x-tollgate-subject", "alice"), ("x-tollgate-groups", told.as_str())], "").into_response()
        } else {
            (StatusCode::FORBIDDEN, [("x-told", told)], "Forbidden").into_response()
        }
    }
    Server::start(Router::new().fallback(check)).await
}

/// Allowed, denied and spoofed through a proxy that asks the stand-in; what the check service was told, in `told`.
async fn gatekeeping(port: u16, upstream: &Upstream, told: &str) {
    let denied = Raw::get("/v1/models?a=b").send(port).await.unwrap();
    assert_eq!(denied.status, 403, "{}", denied.text());
    assert!(upstream.seen().is_empty(), "a denied request reached the backend");

    let spoof = Raw::new("POST", "/v1/chat?a=b")
        .header("authorization", "Bearer good")
        .header("x-tollgate-subject", "mallory")
        .header("x-tollgate-groups", "admins")
        .body("question");
    let allowed = spoof.send(port).await.unwrap();
    assert_eq!(allowed.status, 200, "{}", allowed.text());
    let seen = upstream.seen().remove(0);
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/v1/chat?a=b"));
    assert_eq!(seen.body, b"question");
    assert_eq!(seen.values("x-tollgate-subject"), ["alice"]);
    assert_eq!(seen.values("x-tollgate-groups"), [told]);
}

#[tokio::test]
async fn envoy_old_and_new_proxy_to_the_upstream() {
    for binary in envoy::BINARIES {
        let Some(binary) = need(binary) else { return };
        let upstream = Upstream::start().await;
        let envoy = Envoy::start(&binary, upstream.port(), None).await;

        let said =
            Raw::new("POST", "/echo?q=1").header("x-odd", b"caf\xe9").body("hello").send(envoy.port).await;
        assert_eq!(said.unwrap().json()["body"], "hello");
        let seen = upstream.seen().remove(0);
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/echo?q=1"));
        assert!(seen.headers.contains(&("x-odd".to_owned(), b"caf\xe9".to_vec())), "{:?}", seen.headers);

        let start = Instant::now();
        let stream =
            Raw::new("POST", "/stream?chunks=3&delay_ms=30").body("go").send(envoy.port).await.unwrap();
        assert_eq!(stream.text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
        assert!(start.elapsed() >= Duration::from_millis(90));
        assert_eq!(envoy.stat("http.gateway.downstream_rq_2xx").await, 2);
    }
}

#[tokio::test]
async fn envoy_asks_an_http_door() {
    for binary in envoy::BINARIES {
        let Some(binary) = need(binary) else { return };
        let (upstream, check) = (Upstream::start().await, stand_in().await);
        let gate = Gate::new(Door::Http { port: check.port(), path_prefix: "/envoy".to_owned() });
        let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;
        gatekeeping(envoy.port, &upstream, "POST /envoy/v1/chat?a=b - - - -").await;
        assert_eq!(envoy.stat("http.gateway.ext_authz.denied").await, 1);
    }
}

#[tokio::test]
async fn envoy_with_a_dead_grpc_door_follows_its_failure_mode() {
    for binary in envoy::BINARIES {
        let Some(binary) = need(binary) else { return };
        let upstream = Upstream::start().await;
        for (failure_mode_allow, expected) in [(false, 403), (true, 200)] {
            let mut gate = Gate::new(Door::Grpc { port: crate::harness::free_port() });
            gate.failure_mode_allow = failure_mode_allow;
            gate.encode_raw_headers = true;
            gate.with_request_body = Some((1024, true));
            let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;
            assert_eq!(Raw::get("/").send(envoy.port).await.unwrap().status, expected);
            assert_eq!(envoy.stat("http.gateway.ext_authz.error").await, 1);
        }
    }
}

#[tokio::test]
async fn nginx_asks_and_copies_identity() {
    let Some(binary) = need("TOLLGATE_TEST_NGINX") else { return };
    let (upstream, check) = (Upstream::start().await, stand_in().await);
    let nginx = Nginx::start(&binary, check.port(), upstream.port()).await;
    gatekeeping(nginx.port, &upstream, "GET /nginx POST /v1/chat?a=b - -").await;
}

#[tokio::test]
async fn caddy_asks_and_copies_identity() {
    let Some(binary) = need("TOLLGATE_TEST_CADDY") else { return };
    let (upstream, check) = (Upstream::start().await, stand_in().await);
    let caddy = Caddy::start(&binary, check.port(), upstream.port()).await;
    gatekeeping(caddy.port, &upstream, "GET /forward-auth?a=b - - POST /v1/chat?a=b").await;
}

#[tokio::test]
async fn a_dropped_process_is_gone() {
    let Some(binary) = need("TOLLGATE_TEST_ENVOY_NEW") else { return };
    let upstream = Upstream::start().await;
    let mut envoy = Envoy::start(&binary, upstream.port(), None).await;
    let port = envoy.port;
    envoy.process.signal("TERM");
    assert!(envoy.process.ended(Duration::from_secs(10)).await.is_some());
    let envoy = Envoy::start(&binary, upstream.port(), None).await;
    let admin = envoy.admin;
    drop(envoy);
    for port in [port, admin] {
        assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
    }
}

#[tokio::test]
async fn issuer_does_as_it_is_told() {
    let mut issuer = Issuer::start(&[json!({"kid": "one"})]).await;
    let get = async |path: &str| client::http().get(format!("{}{path}", issuer.url())).send().await.unwrap();
    let discovery: serde_json::Value = get("/.well-known/openid-configuration").await.json().await.unwrap();
    assert_eq!(discovery["issuer"], issuer.url());
    assert_eq!(discovery["jwks_uri"], issuer.jwks_url());
    assert_eq!(get("/jwks").await.text().await.unwrap(), r#"{"keys":[{"kid":"one"}]}"#);

    issuer.set_keys(&[]);
    assert_eq!(get("/jwks").await.text().await.unwrap(), r#"{"keys":[]}"#);
    let late = Duration::from_millis(150);
    issuer.set_jwks(Document::status(500).after(late).with_header("retry-after", "1"));
    let start = Instant::now();
    let refused = get("/jwks").await;
    assert!(start.elapsed() >= late);
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (500, &"1".parse().unwrap()));
    assert_eq!((issuer.discovery_requests(), issuer.jwks_requests()), (1, 3));

    issuer.stop();
    // The port closes when the server's task has been dropped, which is a turn of the runtime away.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(client::http().get(issuer.jwks_url()).send().await.is_err());
    issuer.resume().await;
    assert_eq!(client::http().get(issuer.jwks_url()).send().await.unwrap().status(), 500);
}

#[tokio::test]
async fn keycloak_grants_rotates_and_withdraws() {
    let Some(keycloak) = Keycloak::shared().await else { return };
    let realm = "smoke";
    keycloak.create_realm(realm).await;
    keycloak.set_access_token_lifespan(realm, 77).await;
    keycloak.create_client(realm, "cli", Some("ai-gateway")).await;
    keycloak.create_user(realm, "alice", "wonderland").await;

    let refused = keycloak.grant(realm, "cli", "alice", "wrong").await;
    assert_eq!(refused["error"], "invalid_grant");
    let (header, claims) = parts(&keycloak.token(realm, "cli", "alice", "wonderland").await);
    assert_eq!(claims["iss"], keycloak.issuer(realm));
    assert_eq!(claims["aud"].as_array().map_or(&claims["aud"], |all| &all[0]), "ai-gateway");
    assert_eq!(claims["preferred_username"], "alice");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 77);
    let first = header["kid"].as_str().unwrap().to_owned();

    let second = keycloak.rotate_key(realm, 200).await;
    let published = keycloak.signing_kids(realm).await;
    assert!(published.contains(&first) && published.contains(&second), "{published:?}");
    let (header, _) = parts(&keycloak.token(realm, "cli", "alice", "wonderland").await);
    assert_eq!(header["kid"], second.as_str());

    keycloak.disable_key(realm, &first).await;
    assert_eq!(keycloak.signing_kids(realm).await, [second]);

    for lightweight in [true, false] {
        keycloak.set_lightweight(realm, "cli", lightweight).await;
        let (_, claims) = parts(&keycloak.token(realm, "cli", "alice", "wonderland").await);
        assert_eq!(claims.get("sub").is_none(), lightweight, "{claims}");
    }
}

/// Header and claims of a token, unverified.
fn parts(token: &str) -> (serde_json::Value, serde_json::Value) {
    use base64::Engine as _;
    let mut parts = token.split('.').map(|part| {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice(&bytes).unwrap_or_default()
    });
    (parts.next().unwrap(), parts.next().unwrap())
}
