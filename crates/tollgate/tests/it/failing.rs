//! What happens when something is away, slow or hostile: an outage never reads as a bad credential, and nothing that a
//! caller sends opens a gateway that fails open.

use std::time::{Duration, Instant};

use serde_json::json;
use tollgate_core::jwt::Algorithm;
use tollgate_core::testing::TestKey;

use crate::harness::client::Raw;
use crate::harness::envoy::{Door, Envoy, Gate};
use crate::harness::grpc::Checker;
use crate::harness::issuer::{Document, Issuer};
use crate::harness::need;
use crate::harness::tollgate::Tollgate;
use crate::harness::upstream::Upstream;
use crate::stand::{self, Stand, claims};

/// Waits until `done`, for at most ten seconds.
async fn eventually<F: Future<Output = bool>>(what: &str, done: impl Fn() -> F) {
    let end = Instant::now() + Duration::from_secs(10);
    while !done().await {
        assert!(Instant::now() < end, "{what} did not happen within ten seconds");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_issuer_at_start_is_503_until_it_comes_up() {
    let key = TestKey::generate(Algorithm::ES256, "k1");
    let mut issuer = Issuer::start(&[key.jwk()]).await;
    issuer.stop();
    let tollgate = Tollgate::spawn(&stand::settings(&issuer, &json!({})));
    let token = key.sign_claims(&claims(&issuer));
    let url = format!("http://127.0.0.1:{}/health/ready", tollgate.ports.metrics);
    let client = crate::harness::client::http();
    eventually("listening", || async { client.get(&url).send().await.is_ok() }).await;
    let report = client.get(&url).send().await.unwrap();
    assert_eq!(report.status(), 503);
    assert!(report.text().await.unwrap().contains("issuer test"), "readiness says what is not ready");
    let outside = format!("http://127.0.0.1:{}/health/ready", tollgate.ports.http);
    let short = client.get(&outside).send().await.unwrap();
    assert_eq!(
        (short.status().as_u16(), short.text().await.unwrap().as_str()),
        (503, r#"{"status":"not_ready"}"#)
    );

    let checker = Checker::connect(tollgate.ports.grpc).await;
    eventually("a first attempt", || async {
        checker.bearer(&token).await.denial().as_deref() == Some("unavailable")
    })
    .await;
    let refused = checker.bearer(&token).await;
    assert_eq!((refused.code, refused.status), (14, 503), "{refused:?}");
    assert!(refused.headers.contains_key("retry-after"));
    let request = Raw::get("/v1/models");
    let bearer = format!("Bearer {token}");
    let http = request.header("authorization", &bearer).send(tollgate.ports.check).await.unwrap();
    assert_eq!(http.status, 403, "Envoy would take 503 from an HTTP service for a failure");
    assert_eq!(http.values("x-tollgate-denial"), ["unavailable"]);
    let nobody = checker.check("GET", "ai.test", "/v1/x", &[]).await;
    assert_eq!(nobody.denial().as_deref(), Some("credential_missing"), "what needs no key is still decided");

    issuer.resume().await;
    eventually("recovery", || async { checker.bearer(&token).await.permitted() }).await;
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_without_a_restart_and_floods_cost_one_fetch() {
    let stand = Stand::start().await;
    let checker = Checker::connect(stand.tollgate.ports.grpc).await;
    assert!(checker.bearer(&stand.token()).await.permitted());

    let fresh = TestKey::generate(Algorithm::ES256, "k2");
    let rotated = fresh.sign_claims(&claims(&stand.issuer));
    assert!(!checker.bearer(&rotated).await.permitted(), "not published yet");
    stand.issuer.set_keys(&[fresh.jwk(), stand.key.jwk()]);
    eventually("the new key", || async { checker.bearer(&rotated).await.permitted() }).await;
    assert!(checker.bearer(&stand.token()).await.permitted(), "the old key is still published");

    let (before, began) = (stand.issuer.jwks_requests(), Instant::now());
    for n in 0..300 {
        let stranger = json!({"alg": "ES256", "kid": format!("unknown-{n}"), "typ": "JWT"});
        let token = fresh.sign(&stranger, &claims(&stand.issuer));
        assert!(!checker.bearer(&token).await.permitted());
    }
    // One fetch a cool-down (one second here), and the scheduled ones (every four to five).
    let allowed = 2 + usize::try_from(began.elapsed().as_secs()).unwrap() * 2;
    let fetched = stand.issuer.jwks_requests() - before;
    assert!(fetched <= allowed, "{fetched} fetches in {:?}", began.elapsed());

    stand.issuer.set_keys(&[fresh.jwk()]);
    eventually("the old key's end", || async { !checker.bearer(&stand.token()).await.permitted() }).await;
    assert_eq!(checker.bearer(&stand.token()).await.denial().as_deref(), Some("token_invalid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_issuer_costs_the_deadline_and_no_more() {
    let stand = Stand::start().await;
    let checker = Checker::connect(stand.tollgate.ports.grpc).await;
    let good = stand.token();
    assert!(checker.bearer(&good).await.permitted());
    let slow = Document::json(&json!({"keys": [stand.key.jwk()]})).after(Duration::from_secs(30));
    stand.issuer.set_jwks(slow);
    let unknown = stand.key.sign(&json!({"alg": "RS256", "kid": "k9", "typ": "JWT"}), &claims(&stand.issuer));
    let begin = Instant::now();
    let late = checker.bearer(&unknown).await;
    assert!(begin.elapsed() < Duration::from_secs(2), "the check waited {:?}", begin.elapsed());
    assert_eq!(late.denial().as_deref(), Some("deadline"), "{late:?}");
    assert!(checker.bearer(&good).await.permitted(), "known keys go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_key_set_keeps_the_last_good_one() {
    let stand = Stand::start().await;
    let checker = Checker::connect(stand.tollgate.ports.grpc).await;
    assert!(checker.bearer(&stand.token()).await.permitted());
    let documents = [
        Document::status(500),
        Document::json(&json!({"keys": []})),
        Document::json(&json!("nonsense")),
        Document::status(302).with_header("location", "http://127.0.0.1:1/"),
        Document { status: 200, headers: vec![], body: vec![b' '; 2 << 20], delay: Duration::ZERO },
    ];
    for document in documents {
        let shown = format!(
            "{} {}",
            document.status,
            String::from_utf8_lossy(&document.body[..document.body.len().min(20)])
        );
        let before = stand.issuer.jwks_requests();
        stand.issuer.set_jwks(document);
        eventually("a refresh", || async { stand.issuer.jwks_requests() > before }).await;
        assert!(checker.bearer(&stand.token_with(&json!({"jti": shown}))).await.permitted(), "{shown}");
    }
    let log = stand.tollgate.log();
    assert!(log.contains("signing keys cannot be refreshed"), "{log}");
}

/// Inputs that were ways in elsewhere.
fn hostile(stand: &Stand) -> Vec<(String, Vec<u8>)> {
    let good = stand.bearer();
    let mut inputs: Vec<(String, Vec<u8>)> = Vec::new();
    let mut line = |name: &str, value: &[u8]| inputs.push((name.to_owned(), value.to_vec()));
    for (name, value) in [
        ("empty", b"".as_slice()),
        ("bearer only", b"Bearer"),
        ("spaces", b"Bearer    "),
        ("tab", b"Bearer\tx.y.z"),
        ("not utf-8", b"Bearer \xff\xfe\xfd"),
        ("latin", b"Bearer caf\xe9"),
        ("basic", b"Basic dXNlcjpwYXNz"),
        ("negotiate", b"Negotiate YII="),
        ("dots", b"Bearer .."),
        ("many dots", b"Bearer ........................"),
        ("none", b"Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0."),
        ("json", b"Bearer {\"payload\":\"x\"}"),
        ("sql", b"Bearer ' OR '1'='1"),
        ("key sql", b"Bearer tgk_' OR '1'='1"),
        ("key short", b"Bearer tgk_"),
        ("format", b"Bearer %s%n%x"),
        ("template", b"Bearer {{7*7}}"),
        ("jndi", b"Bearer ${jndi:ldap://x}"),
        ("comma", b"Bearer a.b.c,Bearer d.e.f"),
        ("quoted", b"Bearer \"a.b.c\""),
    ] {
        line(name, value);
    }
    for size in [1_000, 10_000, 30_000, 50_000] {
        line(&format!("{size} letters"), format!("Bearer {}", "a".repeat(size)).as_bytes());
        line(
            &format!("{size} in a token"),
            format!("Bearer {}.{}.c", "e".repeat(size / 2), "e".repeat(size / 2)).as_bytes(),
        );
    }
    for more in [
        json!({"exp": 1}),
        json!({"exp": "x"}),
        json!({"iss": "http://127.0.0.1:1/unreachable"}),
        json!({"iss": ["x"]}),
        json!({"aud": "x"}),
        json!({"sub": ""}),
        json!({"typ": "ID"}),
        json!({"nbf": 9_999_999_999_i64}),
        json!({"x": vec!["y"; 3000]}),
    ] {
        line(
            &format!("claims {}", more.to_string().chars().take(40).collect::<String>()),
            format!("Bearer {}", stand.token_with(&more)).as_bytes(),
        );
    }
    for at in [10, 100, good.len() / 2, good.len() - 2] {
        let mut flipped = good.clone().into_bytes();
        flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
        line(&format!("flipped {at}"), &flipped);
    }
    for kid in ["../../etc/passwd", "unknown", "http://127.0.0.1:1/", "k1 "] {
        let header = json!({"alg": "RS256", "kid": kid, "typ": "JWT"});
        line(kid, format!("Bearer {}", stand.key.sign(&header, &claims(&stand.issuer))).as_bytes());
    }
    inputs
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_input_never_opens_a_gateway_that_fails_open() {
    let Some(binary) = need("TOLLGATE_TEST_ENVOY_NEW") else { return };
    let stand =
        Stand::with(&json!({"server": {"drain_delay_secs": 0, "check": {"envoy_prefix": "/e"}}})).await;
    let inputs = hostile(&stand);
    assert!(inputs.len() >= 40);
    // The issuer is slow too, so that unknown keys run into the deadline.
    stand.issuer.set_jwks(Document::json(&json!({"keys": [stand.key.jwk()]})).after(Duration::from_secs(30)));
    for failure_mode_allow in [true, false] {
        for door in [
            Door::Grpc { port: stand.tollgate.ports.grpc },
            Door::Http { port: stand.tollgate.ports.check, path_prefix: "/e".into() },
        ] {
            let upstream = Upstream::start().await;
            let gate = Gate { failure_mode_allow, ..Gate::new(door) };
            let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;
            for (name, value) in &inputs {
                let answer = Raw::get("/v1/x").header("authorization", value).send(envoy.port).await.unwrap();
                assert!(answer.status >= 400, "{name}: {}", answer.status);
            }
            for target in ["/v1/../admin", "//", "/%zz", "/v1;x", "/a%00b", "/v1/%ff"] {
                let bearer = stand.bearer();
                let answer =
                    Raw::get(target).header("authorization", &bearer).send(envoy.port).await.unwrap();
                assert!(answer.status >= 400, "{target}: {}", answer.status);
            }
            assert!(
                upstream.seen().is_empty(),
                "{failure_mode_allow} {:?}: {:?}",
                gate.door,
                upstream.seen()
            );
            assert_eq!(envoy.stat("http.gateway.ext_authz.error").await, 0, "every input got an answer");
            assert_eq!(envoy.stat("http.gateway.ext_authz.failure_mode_allowed").await, 0);
            let good = stand.bearer();
            let answer = Raw::get("/v1/x").header("authorization", &good).send(envoy.port).await.unwrap();
            assert_eq!(answer.status, 200, "good callers are served all along");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_restarted_under_traffic() {
    let Some(binary) = need("TOLLGATE_TEST_ENVOY_NEW") else { return };
    let mut stand = Stand::start().await;
    let upstream = Upstream::start().await;
    let envoy = Envoy::start(
        &binary,
        upstream.port(),
        Some(&Gate::new(Door::Grpc { port: stand.tollgate.ports.grpc })),
    )
    .await;
    let bearer = stand.bearer();
    let status = || async {
        Raw::get("/v1/x")
            .header("authorization", &bearer)
            .send(envoy.port)
            .await
            .map_or(0, |answer| answer.status)
    };
    assert_eq!(status().await, 200);
    stand.tollgate.kill();
    let passed = upstream.seen().len();
    for _ in 0..20 {
        assert!(status().await >= 400, "a dead Tollgate lets nobody through");
    }
    assert_eq!(upstream.seen().len(), passed);
    stand.tollgate.restart().await;
    eventually("service", || async { status().await == 200 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_traffic_fails_no_check() {
    let mut stand = Stand::with(&json!({"server": {"drain_delay_secs": 1, "shutdown_grace_secs": 5}})).await;
    let checker = Checker::connect(stand.tollgate.ports.grpc).await;
    let token = stand.token();
    let ready = format!("http://127.0.0.1:{}/health/ready", stand.tollgate.ports.http);
    stand.tollgate.signal("TERM");
    let end = Instant::now() + Duration::from_millis(700);
    let mut not_ready = false;
    while Instant::now() < end {
        assert!(checker.bearer(&token).await.permitted(), "checks go on until gateways have noticed");
        let answer = crate::harness::client::http().get(&ready).send().await.unwrap();
        not_ready |= answer.status() == 503;
    }
    assert!(not_ready, "readiness turns at once");
    let begin = Instant::now();
    assert!(stand.tollgate.terminate().await.success());
    assert!(begin.elapsed() < Duration::from_secs(10));
}
