//! `tollgate bench`: what it sends, what it counts, and what it refuses to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use serde_json::{Value, json};

use super::{Tokens, sample_backend, tool};
use crate::harness::envoy::{Door, Envoy, Gate};
use crate::harness::server::Server;
use crate::harness::tollgate::run;
use crate::harness::{need, scratch};
use crate::stand::Stand;

fn bench(port: u16, token: &str, more: &[&str]) -> (i32, Value) {
    let url = format!("http://127.0.0.1:{port}");
    tool(&[&["bench", "--gateway", &url, "--host", "ai.test", "--token-file", token], more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_loops_through_a_guarded_gateway() {
    let Some(binary) = need("TOLLGATE_TEST_ENVOY_NEW") else { return };
    let stand = Stand::start().await;
    let tokens = Tokens::of(&stand);
    let valid = tokens.path("valid");
    let valid = valid.to_str().unwrap();
    let backend = sample_backend().await;
    let gate = Gate::new(Door::Grpc { port: stand.tollgate.ports.grpc });
    let envoy = Envoy::start(&binary, backend.port(), Some(&gate)).await;

    let dir = scratch("bench");
    let file = dir.path().join("run.json");
    // The guide's Step 8: hey -n 100 -c 10.
    let (code, report) =
        bench(envoy.port, valid, &["-n", "100", "-c", "10", "--record", file.to_str().unwrap()]);
    assert_eq!((code, &report["statuses"]), (0, &json!({"200": 100})), "{report:#}");
    assert_eq!(report["load"], json!({"loop": "closed", "concurrency": 10}));
    for name in ["min", "p50", "p90", "p99", "p99.9", "max", "mean"] {
        assert!(report["latency_ms"][name].as_f64().unwrap() > 0.0, "{name} in {report:#}");
    }
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0);
    assert_eq!(envoy.stat("http.gateway.ext_authz.ok").await, 100, "each request was checked");
    let recorded: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(recorded, report);

    let (code, report) = bench(envoy.port, valid, &["--rate", "50", "--duration", "2"]);
    assert_eq!((code, &report["statuses"]), (0, &json!({"200": 100})), "{report:#}");
    let elapsed = report["elapsed_secs"].as_f64().unwrap();
    assert!((1.9..4.0).contains(&elapsed), "{elapsed}");

    // Refusals are unexpected, unless they are what is measured.
    std::fs::write(tokens.path("garbage"), "garbage").unwrap();
    let garbage = tokens.path("garbage");
    let garbage = garbage.to_str().unwrap();
    let (code, report) = bench(envoy.port, garbage, &["-n", "20"]);
    assert_eq!((code, &report["statuses"], &report["unexpected"]), (1, &json!({"401": 20}), &json!(20)));
    let (code, report) = bench(envoy.port, garbage, &["-n", "20", "--expect-status", "401"]);
    assert_eq!((code, &report["unexpected"]), (0, &json!(0)));

    // A body makes it a POST.
    let body = dir.path().join("chat.json");
    let chat = json!({"model": "tollgate-demo", "messages": [{"role": "user", "content": "hello"}]});
    std::fs::write(&body, chat.to_string()).unwrap();
    let post = ["-n", "10", "--path", "/v1/chat/completions", "--body", body.to_str().unwrap()];
    let (code, report) = bench(envoy.port, valid, &post);
    assert_eq!((code, &report["method"], &report["statuses"]), (0, &json!("POST"), &json!({"200": 10})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_is_seen_by_every_request_that_it_delays() {
    let stand = Stand::start().await;
    let tokens = Tokens::of(&stand);
    let valid = tokens.path("valid");
    let count = Arc::new(AtomicU32::new(0));
    // The first request of each run is answered after half a second, the others at once.
    let gateway = Server::start(Router::new().fallback(move || {
        let first = count.fetch_add(1, Ordering::SeqCst).is_multiple_of(50);
        async move {
            if first {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            "ok"
        }
    }))
    .await;
    let latency = |report: &Value, name: &str| report["latency_ms"][name].as_f64().unwrap();
    let (_, closed) = bench(gateway.port(), valid.to_str().unwrap(), &["-n", "50", "-c", "1"]);
    assert!(latency(&closed, "p50") < 100.0 && latency(&closed, "max") >= 500.0, "{closed:#}");
    let open = ["-n", "50", "-c", "1", "--rate", "100"];
    let (_, open) = bench(gateway.port(), valid.to_str().unwrap(), &open);
    assert!(latency(&open, "p50") > 150.0, "half of the schedule was held up: {open:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_goes_away_is_counted_not_an_error() {
    let stand = Stand::start().await;
    let tokens = Tokens::of(&stand);
    let (code, report) =
        bench(crate::harness::free_port(), tokens.path("valid").to_str().unwrap(), &["-n", "5"]);
    assert_eq!((code, &report["failures"]), (1, &json!({"no connection": 5})), "{report:#}");
    assert_eq!(report["latency_ms"], json!({}));
}

#[test]
fn what_it_refuses_to_do() {
    for (arguments, expected) in [
        (["--gateway", "http://127.0.0.1:1", "--token", "x"].as_slice(), "would have no end"),
        (&["--gateway", "http://192.0.2.1", "--token", "x", "-n", "1"], "--yes-not-loopback"),
        (&["--gateway", "http://127.0.0.1:1", "--token", "x", "-n", "0"], "-n must be"),
        (&["--gateway", "http://127.0.0.1:1", "--token", "x", "-n", "1", "--rate=-1"], "--rate"),
        (&["--gateway", "http://127.0.0.1:1", "-n", "1"], "no token"),
    ] {
        let output = run(&[&["bench"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(expected), "{arguments:?}: {said}");
    }
}
