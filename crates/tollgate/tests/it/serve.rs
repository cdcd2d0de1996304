//! The life of the binary: configuration, reload, health, metrics, and what the log says and never says.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::grpc::Checker;
use crate::harness::process::Process;
use crate::harness::tollgate::run;
use crate::harness::{client, scratch};
use crate::stand::{Stand, settings};

async fn get(port: u16, path: &str) -> (u16, String) {
    let answer = client::http().get(format!("http://127.0.0.1:{port}{path}")).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn eventually(what: &str, done: impl AsyncFn() -> bool) {
    let end = Instant::now() + Duration::from_secs(15);
    while !done().await {
        assert!(Instant::now() < end, "{what} did not happen within fifteen seconds");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn an_unusable_configuration_says_what_to_do_and_exits_78() {
    let dir = scratch("config");
    let file = dir.path().join("tollgate.yaml");
    let path = file.to_str().unwrap();
    for (text, expected) in [
        ("routs: []", "routes"),
        ("server: {grpc: {listen: nowhere}}", "server.grpc.listen"),
        ("issuers: [{name: a, issuer: 'https://a'}]", "audiences"),
        ("issuers: [{name: a, issuer: 'http://a', audiences: any}]", "allow_http"),
        ("issuers: [{name: a, issuer: 'https://a', audiences: any, algorithms: [none]}]", "algorithms"),
        ("a: [", "line"),
    ] {
        std::fs::write(&file, text).unwrap();
        for command in [["serve", "--config", path].as_slice(), &["config", "check", "--config", path]] {
            let output = run(command);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(78), "{text}: {said}");
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
    let output = run(&["serve", "--config", "/nonexistent/tollgate.yaml"]);
    assert_eq!(output.status.code(), Some(78));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_its_setting() {
    let stand = Stand::start().await;
    let dir = scratch("taken");
    let file = dir.path().join("tollgate.yaml");
    let taken = stand.tollgate.ports.grpc;
    let free = crate::harness::free_port;
    let text = json!({"server": {
        "grpc": {"listen": format!("127.0.0.1:{taken}")}, "http": {"listen": format!("127.0.0.1:{}", free())},
        "check": {"listen": format!("127.0.0.1:{}", free())}, "metrics": {"listen": format!("127.0.0.1:{}", free())},
    }});
    std::fs::write(&file, text.to_string()).unwrap();
    let output = run(&["serve", "--config", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("server.grpc.listen") && said.contains("taken"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_metrics_and_nothing_else() {
    let stand = Stand::start().await;
    let ports = stand.tollgate.ports;
    assert_eq!(get(ports.http, "/health").await.0, 200);
    let (status, report) = get(ports.http, "/health/ready").await;
    assert_eq!(
        (status, report.as_str()),
        (200, r#"{"status":"ready"}"#),
        "anybody may ask: no names, no numbers"
    );
    let (status, details) = get(ports.metrics, "/health/ready").await;
    assert!(
        status == 200 && details.contains("issuer test") && details.contains("1 signing keys"),
        "{details}"
    );
    assert_eq!(get(ports.http, "/metrics").await.0, 404, "metrics are not for people's port");
    assert_eq!(get(ports.metrics, "/health").await.0, 404);
    let checker = Checker::connect(ports.grpc).await;
    assert!(checker.bearer(&stand.token()).await.permitted());
    assert!(!checker.bearer("x").await.permitted());
    let (_, metrics) = get(ports.metrics, "/metrics").await;
    for line in [
        "tollgate_checks_total{door=\"envoy_grpc\",verdict=\"allow\",code=\"\"} 1",
        "tollgate_checks_total{door=\"envoy_grpc\",verdict=\"deny\",code=\"credential_malformed\"} 1",
        "tollgate_view_keys{issuer=\"test\"} 1",
        "tollgate_token_cache_misses_total 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let health = run(&["healthcheck", "--address", &format!("127.0.0.1:{}", ports.http)]);
    assert_eq!(health.status.code(), Some(0));
    // Where the configuration says, and so in detail.
    let detailed = run(&["healthcheck", "--config", stand.tollgate.config().to_str().unwrap()]);
    assert!(detailed.status.success());
    assert!(String::from_utf8_lossy(&detailed.stdout).contains("issuer test"), "{detailed:?}");
    let nobody = run(&["healthcheck", "--address", &format!("127.0.0.1:{}", crate::harness::free_port())]);
    assert_eq!(nobody.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_taken_over_and_a_bad_one_is_not() {
    let mut stand = Stand::start().await;
    let checker = Checker::connect(stand.tollgate.ports.grpc).await;
    let token = stand.token();
    let open = async |path: &str| checker.check("GET", "ai.test", path, &[]).await.permitted();
    assert!(checker.bearer(&token).await.permitted() && !open("/new").await);

    let route = json!([{"name": "new", "paths": [{"prefix": "/new"}], "access": "public"}]);
    stand.tollgate.rewrite(&settings(&stand.issuer, &json!({"routes": route})));
    eventually("the new route", async || open("/new").await).await;
    assert!(!checker.bearer(&token).await.permitted(), "the old routes are gone");

    stand.tollgate.rewrite(&json!({"rotues": []}));
    let tollgate = &stand.tollgate;
    eventually("the complaint", async || tollgate.log().contains("the old one stays in force")).await;
    assert!(open("/new").await, "the old configuration stays");

    stand.tollgate.rewrite(&settings(&stand.issuer, &json!({})));
    stand.tollgate.signal("HUP");
    eventually("the first configuration again", async || checker.bearer(&token).await.permitted()).await;
    let (_, metrics) = get(stand.tollgate.ports.metrics, "/metrics").await;
    assert!(metrics.contains("tollgate_config_reloads_total{outcome=\"error\"} 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_a_decision_the_guides_three_and_no_secret() {
    let stand = Stand::with(&json!({"logging": {"level": "trace", "format": "json"}})).await;
    let checker = Checker::connect(stand.tollgate.ports.grpc).await;
    let token = stand.token();
    let permit = checker.bearer(&token).await;
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    assert!(!checker.bearer(&forged).await.permitted());
    let query = format!("/v1/x?api_key=tgk_{}", "S3cr3t".repeat(10));
    checker.check("GET", "ai.test", &query, &[("x-api-key", "sk-plain-secret")]).await;
    let id = permit.headers["x-tollgate-check-id"].clone();
    let tollgate = &stand.tollgate;
    eventually("the lines", async || {
        tollgate.log().contains("ALLOWED for user: testuser")
            && tollgate.log().matches("check denied").count() == 2
    })
    .await;
    let log = stand.tollgate.log();
    let line = log
        .lines()
        .find(|line| line.contains(&id) && line.contains("check permitted"))
        .expect("the decision line");
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    for (field, expected) in [
        ("verdict", "allow"),
        ("door", "envoy_grpc"),
        ("caller.subject", "user-1"),
        ("caller.user", "testuser"),
        ("route", "all"),
        ("method", "GET"),
        ("path", "/v1/models"),
        ("host", "ai.test"),
    ] {
        assert_eq!(line[field], expected, "{field} in {line}");
    }
    for text in ["Received auth request from", "Validating JWT token against JWKS endpoint"] {
        assert!(log.contains(text), "{text}");
    }
    let signature = token.rsplit('.').next().unwrap();
    for secret in [signature, "S3cr3tS3cr3t", "sk-plain-secret", token.split('.').nth(1).unwrap()] {
        assert!(!log.contains(secret), "a secret stands in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_shed_as_a_denial() {
    let stand = Stand::with(&json!({"checks": {"max_concurrent": 1, "deadline_ms": 1000}})).await;
    let slow = crate::harness::issuer::Document::json(&json!({"keys": []})).after(Duration::from_secs(5));
    stand.issuer.set_jwks(slow);
    let checker = Checker::connect(stand.tollgate.ports.grpc).await;
    let unknown = stand.key.sign(&json!({"alg": "RS256", "kid": "k9"}), &crate::stand::claims(&stand.issuer));
    let waiting = tokio::spawn({
        let checker = checker.clone();
        async move { checker.bearer(&unknown).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let shed = checker.bearer(&stand.token()).await;
    assert_eq!((shed.denial().as_deref(), shed.status), (Some("overloaded"), 503), "{shed:?}");
    assert_eq!(waiting.await.unwrap().denial().as_deref(), Some("deadline"));
    assert!(checker.bearer(&stand.token()).await.permitted());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_good_keys_survive_a_restart_without_the_issuer() {
    let dir = scratch("store");
    let url = format!("sqlite://{}", dir.path().join("tollgate.db").display());
    let mut stand = Stand::with(&json!({"database": {"url": url}})).await;
    let token = stand.token();
    let checker = Checker::connect(stand.tollgate.ports.grpc).await;
    assert!(checker.bearer(&token).await.permitted());
    stand.issuer.stop();
    stand.tollgate.restart().await;
    let checker = Checker::connect(stand.tollgate.ports.grpc).await;
    eventually("service from the store", async || checker.bearer(&token).await.permitted()).await;
    let (status, report) = get(stand.tollgate.ports.metrics, "/health/ready").await;
    assert!(status == 200 && report.contains("degraded"), "{report}");
}

#[test]
fn one_decision_is_explained_offline() {
    let dir = scratch("explain");
    let key = tollgate_core::testing::TestKey::generate(tollgate_core::jwt::Algorithm::ES256, "k1");
    let (config, jwks) = (dir.path().join("c.yaml"), dir.path().join("jwks.json"));
    std::fs::write(&jwks, key.key_set()).unwrap();
    let text = json!({
        "issuers": [{"name": "a", "issuer": "https://a.test", "audiences": ["api"]}],
        "routes": [{"name": "all", "paths": [{"prefix": "/"}], "access": {"groups_any": ["dev"]}}],
    });
    std::fs::write(&config, text.to_string()).unwrap();
    let claims =
        json!({"iss": "https://a.test", "aud": "api", "sub": "s", "exp": 2_000_000_000, "groups": ["dev"]});
    let request = dir.path().join("request.txt");
    let token = key.sign_claims(&claims);
    std::fs::write(
        &request,
        format!("GET /v1/x HTTP/1.1\r\nHost: ai.test\r\nAuthorization: Bearer {token}\r\n\r\n"),
    )
    .unwrap();
    let given = format!("a={}", jwks.display());
    let explain = |at: &str| {
        let (config, request) = (config.to_str().unwrap(), request.to_str().unwrap());
        run(&[
            "check",
            "--config",
            config,
            "--request",
            request,
            "--jwks",
            &given,
            "--at",
            at,
            "--output",
            "json",
        ])
    };
    let permitted = explain("1900000000");
    let told: serde_json::Value = serde_json::from_slice(&permitted.stdout).unwrap();
    assert_eq!((permitted.status.code(), told["verdict"].as_str()), (Some(0), Some("permit")), "{told:#}");
    let denied = explain("2000000100");
    let told: serde_json::Value = serde_json::from_slice(&denied.stdout).unwrap();
    assert_eq!((denied.status.code(), told["code"].as_str()), (Some(1), Some("token_expired")), "{told:#}");
    assert!(!String::from_utf8_lossy(&denied.stdout).contains(token.rsplit('.').next().unwrap()));
}

#[test]
fn completions_and_help_are_there() {
    for arguments in [
        ["completions", "bash"].as_slice(),
        &["--help"],
        &["serve", "--help"],
        &["dev", "--help"],
        &["check", "--help"],
    ] {
        assert!(run(arguments).status.success(), "{arguments:?}");
    }
    assert_eq!(run(&["nonsense"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_configuration_is_understood() {
    let stand = Stand::start().await;
    let port = crate::harness::free_port;
    let guide = json!({
        "server": {
            "rest": format!("127.0.0.1:{}", port()), "grpc": format!("127.0.0.1:{}", port()),
            "check": {"listen": format!("127.0.0.1:{}", port())}, "metrics": {"listen": format!("127.0.0.1:{}", port())},
        },
        "logging": {"level": "info"},
        "oauth2": {"jwks_url": stand.issuer.jwks_url(), "issuer": stand.issuer.url()},
        "checks": {"unauthenticated_status": 403},
        "routes": [{"name": "ai", "hosts": ["ai.local.dev"], "paths": [{"prefix": "/"}], "access": "authenticated"}],
    });
    let dir = scratch("guide");
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, guide.to_string()).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate"));
    // As the guide's Deployment names it.
    command.arg("serve").env("CONFIG_PATH", &file);
    let mut process = Process::start("tollgate", &mut command, &dir.path().join("log"));
    let http = guide["server"]["rest"].as_str().unwrap();
    process.ready(&format!("http://{http}/health/ready"), Duration::from_secs(20)).await;
    let grpc = guide["server"]["grpc"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    let checker = Checker::connect(grpc).await;
    let nobody = checker.check("GET", "ai.local.dev", "/", &[]).await;
    assert_eq!((nobody.status, nobody.body.as_str()), (403, "Forbidden"));
    assert_eq!(nobody.headers["www-authenticate"], "Bearer realm=\"tollgate\"");
    let bearer = stand.bearer();
    assert!(checker.check("GET", "ai.local.dev", "/", &[("authorization", &bearer)]).await.permitted());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_peoples_port_has_the_api() {
    let stand = Stand::start().await;
    let ports = stand.tollgate.ports;
    for path in ["/api/v1/people", "/api/v1/me", "/api/v1/audit", "/api/v1/openapi.json", "/docs", "/login"] {
        let (status, _) = get(ports.metrics, path).await;
        assert_eq!(status, 404, "metrics {path}");
        // To the doors a path is data: what it answers is a verdict on a request for that path.
        let (status, body) = get(ports.check, path).await;
        assert!(status == 401 || status == 403, "check {path}: {status} {body}");
        assert!(!body.contains("\"items\"") && !body.contains("openapi"), "check {path}: {body}");
    }
    assert_eq!(get(ports.http, "/api/v1/people").await.0, 401);
}
