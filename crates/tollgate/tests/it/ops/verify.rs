//! `tollgate verify` through real Envoys: a guarded one passes every case, and each way of being unguarded fails the right ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tollgate::clock::SystemClock;
use tollgate::dev::issuer::{DevIssuer, DevIssuerOptions, SystemEntropy};

use super::{Tokens, sample_backend, tool};
use crate::harness::envoy::{self, Door, Envoy, Gate};
use crate::harness::server::Server;
use crate::harness::tollgate::{Tollgate, run};
use crate::harness::upstream::Upstream;
use crate::harness::{free_port, need};
use crate::stand::Stand;

/// Runs it on a gateway with the stand's tokens; exit code, and outcome by case.
fn verify(port: u16, tokens: &Tokens, more: &[&str]) -> (i32, BTreeMap<String, String>, Value) {
    let url = format!("http://127.0.0.1:{port}");
    let (valid, expired) = (tokens.path("valid"), tokens.path("expired"));
    let arguments = [
        &[
            "verify",
            "--gateway",
            &url,
            "--host",
            "ai.test",
            "--token-file",
            valid.to_str().unwrap(),
            "--expired-token-file",
            expired.to_str().unwrap(),
        ],
        more,
    ]
    .concat();
    let (code, report) = tool(&arguments);
    let cases = report["cases"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    let outcome = |case: &Value| {
        (case["id"].as_str().unwrap().to_owned(), case["outcome"].as_str().unwrap().to_owned())
    };
    (code, cases.iter().map(outcome).collect(), report)
}

fn with_outcome<'a>(outcomes: &'a BTreeMap<String, String>, wanted: &str) -> Vec<&'a str> {
    outcomes.iter().filter(|(_, outcome)| *outcome == wanted).map(|(id, _)| id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_gateway_passes_every_case() {
    let stand =
        Stand::with(&json!({"server": {"drain_delay_secs": 0, "check": {"envoy_prefix": "/envoy"}}})).await;
    let tokens = Tokens::of(&stand);
    for binary in envoy::BINARIES {
        let Some(binary) = need(binary) else { return };
        for door in [
            Door::Grpc { port: stand.tollgate.ports.grpc },
            Door::Http { port: stand.tollgate.ports.check, path_prefix: "/envoy".into() },
        ] {
            let backend = sample_backend().await;
            let envoy = Envoy::start(&binary, backend.port(), Some(&Gate::new(door.clone()))).await;
            let (code, outcomes, report) = verify(envoy.port, &tokens, &[]);
            assert_eq!(with_outcome(&outcomes, "pass").len(), outcomes.len(), "{door:?}: {report:#}");
            assert_eq!((code, report["passed"].as_u64()), (0, Some(21)), "{door:?}");
            assert_eq!(report["backend"], "sample backend");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_does_not_ask_fails_what_must_be_refused() {
    let Some(binary) = need("TOLLGATE_TEST_ENVOY_NEW") else { return };
    let stand = Stand::start().await;
    let tokens = Tokens::of(&stand);
    let backend = sample_backend().await;
    let open = Envoy::start(&binary, backend.port(), None).await;
    // A door where nobody answers, at a gateway that lets everything through when that happens.
    let mut gate = Gate::new(Door::Grpc { port: free_port() });
    gate.failure_mode_allow = true;
    let fails_open = Envoy::start(&binary, backend.port(), Some(&gate)).await;
    for gateway in [&open, &fails_open] {
        let (code, outcomes, report) = verify(gateway.port, &tokens, &[]);
        assert_eq!(code, 1);
        assert_eq!(with_outcome(&outcomes, "pass"), ["post-json", "post-streaming", "test-2"], "{report:#}");
        assert_eq!(with_outcome(&outcomes, "fail").len(), 18, "{report:#}");
        for case in report["cases"].as_array().unwrap() {
            let failed = case["outcome"] == "fail";
            assert_eq!(case["next"].is_string(), failed, "a failed case says what to do next: {case}");
        }
    }
    let path = tokens.path("valid");
    let url = format!("http://127.0.0.1:{}", open.port);
    let text = run(&["verify", "--gateway", &url, "--token-file", path.to_str().unwrap()]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("FAILED   test-1") && text.contains("tollgate doctor"), "{text}");
    assert!(!text.contains(&stand.token()), "the token is not printed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_door_is_named_as_such() {
    let Some(binary) = need("TOLLGATE_TEST_ENVOY_NEW") else { return };
    let stand = Stand::start().await;
    let tokens = Tokens::of(&stand);
    let backend = sample_backend().await;
    let gate = Gate::new(Door::Grpc { port: free_port() });
    let envoy = Envoy::start(&binary, backend.port(), Some(&gate)).await;
    let (code, outcomes, report) = verify(envoy.port, &tokens, &[]);
    assert_eq!((code, outcomes["test-2"].as_str()), (1, "fail"), "{report:#}");
    assert!(report["cases"][1]["next"].as_str().unwrap().contains("got no verdict"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_another_backend_some_things_cannot_be_seen() {
    let Some(binary) = need("TOLLGATE_TEST_ENVOY_NEW") else { return };
    let stand = Stand::start().await;
    let tokens = Tokens::of(&stand);
    let upstream = Upstream::start().await;
    let gate = Gate::new(Door::Grpc { port: stand.tollgate.ports.grpc });
    let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;
    let (code, outcomes, report) = verify(envoy.port, &tokens, &[]);
    assert_eq!(code, 0, "{report:#}");
    let unseen = ["credential-stripped", "post-streaming", "spoofed-identity"];
    assert_eq!(with_outcome(&outcomes, "not_observable"), unseen, "{report:#}");
    assert_eq!(report["backend"], "unknown");
    // Its own stream is one that can be watched.
    let stream = ["--only", "post-streaming", "--chat-path", "/stream?chunks=4&delay_ms=20"];
    let (code, outcomes, report) = verify(envoy.port, &tokens, &stream);
    assert_eq!((code, outcomes["post-streaming"].as_str()), (0, "pass"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_refusals_can_be_pinned() {
    let Some(binary) = need("TOLLGATE_TEST_ENVOY_NEW") else { return };
    for (configured, pinned, expected) in [(403, "403", 0), (401, "403", 1), (401, "401", 0)] {
        let stand = Stand::with(&json!({"checks": {"unauthenticated_status": configured}})).await;
        let tokens = Tokens::of(&stand);
        let backend = sample_backend().await;
        let gate = Gate::new(Door::Grpc { port: stand.tollgate.ports.grpc });
        let envoy = Envoy::start(&binary, backend.port(), Some(&gate)).await;
        let (code, _, report) = verify(envoy.port, &tokens, &["--expect-status", pinned]);
        assert_eq!(code, expected, "{configured} pinned to {pinned}: {report:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_come_from_a_token_endpoint_as_in_the_guide() {
    let Some(binary) = need("TOLLGATE_TEST_ENVOY_NEW") else { return };
    let port = free_port();
    let url = format!("http://localhost:{port}/realms/master");
    let options = DevIssuerOptions { issuer_url: url.clone(), ..DevIssuerOptions::default() };
    let make = move || DevIssuer::new(options, Arc::new(SystemClock), Arc::new(SystemEntropy));
    let issuer = tokio::task::spawn_blocking(make).await.unwrap().unwrap();
    let token_url = issuer.token_url();
    let _issuer = Server::start_on(port, issuer.router()).await;
    let settings = json!({
        "issuers": [{"name": "dev", "issuer": url, "audiences": "any", "payload_types": ["Bearer"], "allow_http": true}],
        "routes": [{"name": "all", "paths": [{"prefix": "/"}], "access": "authenticated"}],
        "server": {"drain_delay_secs": 0},
    });
    let tollgate = Tollgate::start(&settings).await;
    let backend = sample_backend().await;
    let gate = Gate::new(Door::Grpc { port: tollgate.ports.grpc });
    let envoy = Envoy::start(&binary, backend.port(), Some(&gate)).await;
    let gateway = format!("http://127.0.0.1:{}", envoy.port);
    let common =
        ["verify", "--gateway", gateway.as_str(), "--token-url", token_url.as_str(), "--username", "alice"];

    let (code, report) = tool(&[common.as_slice(), &["--password", "alice"]].concat());
    assert_eq!((code, &report["passed"], &report["skipped"]), (0, &json!(20), &json!(1)), "{report:#}");
    let (code, said) = tool(&[common.as_slice(), &["--password", "wrong"]].concat());
    assert_eq!(code, 1, "{said:#}");
    let said = said["stderr"].as_str().unwrap();
    assert!(
        said.contains("invalid_grant") && said.contains("--password") && !said.contains("wrong"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_tried_says_why() {
    let gateway = "http://127.0.0.1:1";
    for (arguments, expected) in [
        (["--gateway", gateway].as_slice(), "--token-url"),
        (&["--gateway", "nonsense", "--token", "x"], "write http://HOST:PORT"),
        (&["--gateway", gateway, "--token", "x", "--only", "nonsense"], "there is no case 'nonsense'"),
        (&["--gateway", gateway, "--token-file", "/nonexistent"], "/nonexistent"),
        (&["--gateway", gateway, "--token-url", "http://127.0.0.1:1/token"], "does not answer"),
    ] {
        let output = run(&[&["verify"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let output = run(&["verify", "--gateway", gateway, "--token", "x", "--only", "test-1"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("nobody answers there"), "{said}");
}
