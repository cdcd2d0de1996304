//! nginx `auth_request` and Caddy `forward_auth`, the real programs.

use serde_json::json;

use crate::harness::caddy::Caddy;
use crate::harness::client::Raw;
use crate::harness::grpc::Checker;
use crate::harness::need;
use crate::harness::nginx::Nginx;
use crate::harness::upstream::Upstream;
use crate::stand::Stand;

/// The same expectations of every proxy.
async fn gatekeeping(port: u16, upstream: &Upstream, stand: &Stand) {
    let bearer = stand.bearer();
    let denied = Raw::get("/v1/models?a=b").header("host", "ai.test").send(port).await.unwrap();
    assert_eq!(denied.status, 401, "{}", denied.text());
    let forbidden = Raw::get("/admin").header("authorization", &bearer).send(port).await.unwrap();
    assert_eq!(forbidden.status, 403, "{}", forbidden.text());
    // A client that names another request does not get that one's verdict.
    let lies = Raw::get("/admin/keys")
        .header("x-original-uri", "/public/x")
        .header("x-original-method", "GET")
        .header("x-forwarded-uri", "/public/x")
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-host", "ai.test");
    let answer = lies.send(port).await.unwrap();
    assert!([401, 403].contains(&answer.status), "{}", answer.status);
    assert!(upstream.seen().is_empty(), "{:?}", upstream.seen());

    let spoof = Raw::new("POST", "/v1/chat?a=b")
        .header("authorization", &bearer)
        .header("x-tollgate-subject", "mallory")
        .header("x-tollgate-key-id", "stolen")
        .header("x-tollgate-organization", "rich")
        .body("question");
    let allowed = spoof.send(port).await.unwrap();
    assert_eq!(allowed.status, 200, "{}", allowed.text());
    let seen = upstream.seen().remove(0);
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/v1/chat?a=b"));
    assert_eq!(seen.body, b"question");
    assert_eq!(seen.values("x-tollgate-subject"), ["user-1"]);
    assert_eq!(seen.values("x-tollgate-groups"), ["dev"]);
    for gone in ["x-tollgate-key-id", "x-tollgate-organization", "authorization"] {
        // Caddy copies a header that is not there as an empty one; the client's own never survives.
        assert!(seen.values(gone).iter().all(String::is_empty), "{gone}: {:?}", seen.values(gone));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx() {
    let Some(binary) = need("TOLLGATE_TEST_NGINX") else { return };
    let (stand, upstream) = (Stand::start().await, Upstream::start().await);
    let nginx = Nginx::start(&binary, stand.tollgate.ports.check, upstream.port()).await;
    gatekeeping(nginx.port, &upstream, &stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy() {
    let Some(binary) = need("TOLLGATE_TEST_CADDY") else { return };
    let (stand, upstream) = (Stand::start().await, Upstream::start().await);
    let caddy = Caddy::start(&binary, stand.tollgate.ports.check, upstream.port()).await;
    gatekeeping(caddy.port, &upstream, &stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_cannot_speak_for_others() {
    let stand = Stand::with(
        &json!({"server": {"drain_delay_secs": 0, "check": {"trusted_peers": ["192.0.2.0/24"]}}}),
    )
    .await;
    let bearer = stand.bearer();
    for (prefix, names) in [("/nginx", "x-original"), ("/forward-auth", "x-forwarded")] {
        let (method, uri, host) =
            (format!("{names}-method"), format!("{names}-uri"), format!("{names}-host"));
        let request = Raw::get(prefix)
            .header("authorization", &bearer)
            .header(&method, "GET")
            .header(&uri, "/public/x")
            .header(&host, "ai.test");
        let answer = request.send(stand.tollgate.ports.check).await.unwrap();
        assert!(answer.status >= 400, "{prefix}: {}", answer.status);
    }
    // The gRPC door does not care who is trusted there.
    let checker = Checker::connect(stand.tollgate.ports.grpc).await;
    assert!(checker.bearer(&stand.token()).await.permitted());
}
