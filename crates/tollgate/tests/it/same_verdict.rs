//! One request, one verdict: whatever is asked, the gRPC door and the HTTP door of one process agree.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::harness::client::{self, Answer};
use crate::harness::grpc::{Checker, Outcome};
use crate::stand::{Stand, now};

/// What the HTTP door says of a request, sent as Envoy would send it.
async fn ask_http(
    port: u16,
    method: &str,
    path: &str,
    host: &str,
    headers: &[(&str, &str)],
) -> Option<Answer> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    client::exchange(port, &bytes).await
}

fn denial_code(answer: &Answer) -> Option<String> {
    answer.values("x-tollgate-denial").pop()
}

/// The HTTP door cannot say 503 to Envoy, so an undecided check is 403 there.
fn agree(grpc: &Outcome, http: &Answer) -> bool {
    let status = i32::from(http.status);
    let same_status = status == grpc.status || (grpc.status == 503 && status == 403);
    let same_code = grpc.denial().is_none() || grpc.denial() == denial_code(http);
    same_status && same_code && grpc.permitted() == (status == 200)
}

#[test]
fn the_doors_agree() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stand, checker) = runtime.block_on(async {
        let stand =
            Stand::with(&json!({"server": {"drain_delay_secs": 0, "check": {"envoy_prefix": "/e"}}})).await;
        let checker = Checker::connect(stand.tollgate.ports.grpc).await;
        (stand, checker)
    });
    let tokens = [
        stand.token(),
        stand.token_with(&json!({"exp": now() - 100})),
        stand.token_with(&json!({"aud": "other"})),
        stand.token_with(&json!({"iss": "http://elsewhere.test"})),
        stand.token_with(&json!({"groups": ["admin"]})),
        "not-a-token".to_owned(),
        "tgk_0000".to_owned(),
        String::new(),
    ];
    let credential = prop_oneof![Just(None), (0..tokens.len()).prop_map(Some),];
    let strategy = (
        "GET|POST|DELETE|OPTIONS|PATCH",
        "/(v1|admin|public|v1/messages|nothing)?(/[a-z]{1,4}|/%61|/\\.\\.|//|/%2f|;x|/%zz|\\?a=b&key=tgk_x)?",
        "ai\\.test|AI\\.TEST|ai\\.test:80|other\\.test|ai\\.test\\.",
        credential.clone(),
        credential,
        any::<bool>(),
    );
    let mut runner = TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
    runner
        .run(&strategy, |(method, path, host, bearer, key, basic)| {
            let path = if path.is_empty() { "/".to_owned() } else { path };
            let bearer = bearer.map(|n| format!("{} {}", if basic { "Basic" } else { "Bearer" }, tokens[n]));
            let key = key.map(|n| tokens[n].clone());
            let mut headers = Vec::new();
            headers.extend(bearer.as_deref().map(|value| ("authorization", value.trim_end())));
            headers.extend(key.as_deref().map(|value| ("x-api-key", value)));
            let (grpc, http) = runtime.block_on(async {
                let grpc = checker.check(&method, &host, &path, &headers).await;
                let prefixed = format!("/e{path}");
                (grpc, ask_http(stand.tollgate.ports.check, &method, &prefixed, &host, &headers).await)
            });
            let http = http.expect("the HTTP door answers");
            prop_assert!(
                agree(&grpc, &http),
                "{} {} {} {:?}\n{:?}\n{} {}",
                method,
                host,
                path,
                headers,
                grpc,
                http.status,
                http.text()
            );
            Ok(())
        })
        .unwrap();
}
