//! Model policies behind a real Envoy, the oldest and the newest: a restricted caller gets the models of the route and no
//! other, however the request names one.

use serde_json::json;

use crate::harness::client::{Answer, Raw};
use crate::harness::envoy::{self, Door, Envoy, Gate};
use crate::harness::need;
use crate::harness::nginx::Nginx;
use crate::harness::upstream::Upstream;
use crate::stand::Stand;

const WHOLE: Option<(u32, bool)> = Some((65536, false));
const PARTS: Option<(u32, bool)> = Some((1024, true));

/// Every caller of the stand is restricted by the route; `/all` is not.
async fn stand() -> Stand {
    Stand::with(&json!({
        "server": {"drain_delay_secs": 0, "check": {"envoy_prefix": "/envoy"}},
        "models": {"aliases": {"fast": "gpt-4o-mini"}},
        "routes": [
            {"name": "all", "paths": [{"prefix": "/all"}], "access": "authenticated"},
            {
                "name": "stream", "hosts": ["ai.test"], "paths": [{"prefix": "/stream"}], "access": "authenticated",
                "models": ["gpt-4o"], "model_from": "body",
            },
            {"name": "tools", "paths": [{"prefix": "/mcp"}], "access": "authenticated", "uses_models": false},
            {
                "name": "some", "hosts": ["ai.test"], "paths": [{"prefix": "/"}], "access": "authenticated",
                "models": ["gpt-4o", "gpt-4o-mini", "whisper-*"],
                "model_list": ["gpt-4o", "o3", "fast", "whisper-1", "claude-opus"],
            },
        ],
    }))
    .await
}

/// Doors that hand over bodies.
fn gates(stand: &Stand, with_request_body: Option<(u32, bool)>) -> Vec<(&'static str, Gate)> {
    let grpc = || Gate::new(Door::Grpc { port: stand.tollgate.ports.grpc });
    let http = Gate::new(Door::Http { port: stand.tollgate.ports.check, path_prefix: "/envoy".into() });
    let raw = Gate { encode_raw_headers: true, with_request_body, ..grpc() };
    vec![
        ("grpc", Gate { with_request_body, ..grpc() }),
        ("grpc raw", raw),
        ("http", Gate { with_request_body, ..http }),
    ]
}

/// `200`, or the denial's code, or the status of whoever else refused.
fn outcome(answer: &Answer) -> String {
    let denial = answer.values("x-tollgate-denial").into_iter().next();
    let code = serde_json::from_slice::<serde_json::Value>(&answer.body).ok();
    let code = code.and_then(|body| body["error"]["code"].as_str().map(str::to_owned));
    match answer.status {
        403 => denial.or(code).unwrap_or_else(|| "403".into()),
        status => status.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_caller_gets_these_models_however_they_are_named() {
    let mut stand = stand().await;
    let bearer = stand.bearer();
    let part = |name: &str, more: &str| {
        format!(
            "--b0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n\
             ID3\u{1}\r\n--b0\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{name}\r\n{more}--b0--\r\n"
        )
    };
    let second = "--b0\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n";
    let (chat, json, form) = ("/v1/chat/completions", "application/json", "multipart/form-data; boundary=b0");
    let text = |text: &str| text.as_bytes().to_vec();
    type Line = (&'static str, &'static str, &'static [(&'static str, &'static str)], Vec<u8>, &'static str);
    let table: Vec<Line> = vec![
        (chat, json, &[], text(r#"{"model":"gpt-4o","stream":true,"messages":[]}"#), "200"),
        (chat, json, &[], text(r#"{"messages":[{"content":"\u00fc \"model\""}],"model":"fast"}"#), "200"),
        (chat, "application/json; charset=utf-8", &[], text(r#"{"model":"gpt-4o"}"#), "200"),
        (chat, json, &[], text(r#"{"model":"o3"}"#), "model_not_allowed"),
        (chat, json, &[], text(r#"{"model":"GPT-4O"}"#), "model_not_allowed"),
        (chat, json, &[("x-ai-eg-model", "gpt-4o")], text(r#"{"model":"o3"}"#), "model_not_allowed"),
        (chat, json, &[], text(r#"{"model":"o3","model":"gpt-4o"}"#), "model_undecidable"),
        (chat, json, &[], text(r#"{"model":"gpt-4o","model":"o3"}"#), "model_undecidable"),
        (chat, json, &[], text(r#"{"model":"gpt-4o","MODEL":"o3"}"#), "model_undecidable"),
        (chat, json, &[], text(r#"{"messages":[]}"#), "model_undecidable"),
        (chat, json, &[], text(r#"{"model":"gpt-4o""#), "model_undecidable"),
        (chat, json, &[], b"{\"model\":\"gpt-4o\",\"x\":\"\xff\"}".to_vec(), "model_undecidable"),
        (chat, json, &[("content-encoding", "gzip")], b"\x1f\x8b\x08\x00\x00".to_vec(), "model_undecidable"),
        (chat, json, &[("content-encoding", "gzip")], text(r#"{"model":"gpt-4o"}"#), "model_undecidable"),
        (chat, "text/plain", &[], text(r#"{"model":"gpt-4o"}"#), "model_undecidable"),
        (chat, "application/x-www-form-urlencoded", &[], text("model=gpt-4o"), "model_undecidable"),
        (chat, json, &[("x-envoy-auth-partial-body", "true")], text(r#"{"model":"o3"}"#), "model_"),
        ("/v1/audio/transcriptions", form, &[], text(&part("whisper-1", "")), "200"),
        ("/v1/audio/transcriptions", form, &[], text(&part("tts-1", "")), "model_not_allowed"),
        ("/v1/audio/transcriptions", form, &[], text(&part("tts-1", second)), "model_undecidable"),
        (
            "/v1/audio/transcriptions",
            form,
            &[],
            text(&part("whisper-1", "").replace("\r\n", "\n")),
            "model_undecidable",
        ),
        ("/v1beta/models/gpt-4o:generateContent", json, &[], text(r#"{"contents":[]}"#), "200"),
        ("/v1beta/models/o3:generateContent", json, &[], text(r#"{"contents":[]}"#), "403"),
        ("/v1beta/models/o3:generateContent", json, &[], text(r#"{"model":"gpt-4o"}"#), "403"),
        ("/model/gpt-4o/converse-stream", json, &[], text("{}"), "200"),
        ("/model/o3/converse-stream", json, &[], text("{}"), "403"),
        (
            "/openai/deployments/gpt-4o/chat/completions?api-version=1",
            json,
            &[],
            text(r#"{"model":"gpt-4o"}"#),
            "200",
        ),
        (
            "/openai/Deployments/o3/chat/completions",
            json,
            &[],
            text(r#"{"model":"gpt-4o"}"#),
            "model_undecidable",
        ),
        ("/v1/chat/completions?model=o3", json, &[], text(r#"{"model":"gpt-4o"}"#), "model_undecidable"),
        ("/v1/batches", json, &[], text(r#"{"model":"gpt-4o"}"#), "model_undecidable"),
        ("/mcp", json, &[], text(r#"{"jsonrpc":"2.0","method":"tools/list","id":1}"#), "200"),
        ("/all/v1/chat/completions", "text/plain", &[], text("anything"), "200"),
    ];
    for binary in envoy::BINARIES {
        let Some(binary) = need(binary) else { return };
        for (name, gate) in gates(&stand, WHOLE) {
            let upstream = Upstream::start().await;
            let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;
            for (path, content_type, lines, body, expected) in &table {
                let before = upstream.seen().len();
                let mut request = Raw::new("POST", path).header("authorization", &bearer).body(body);
                request = request.header("content-type", content_type);
                for (name, value) in *lines {
                    request = request.header(name, value);
                }
                let answer = request.send(envoy.port).await.unwrap();
                let what = || format!("{name}: {path} {}", String::from_utf8_lossy(body));
                let got = outcome(&answer);
                let fits = match *expected {
                    "403" => answer.status == 403,
                    "model_" => got.starts_with("model_"),
                    expected => got == expected,
                };
                assert!(fits, "{}: expected {expected}, got {got}: {}", what(), answer.text());
                let seen = upstream.seen();
                assert_eq!(seen.len() - before, usize::from(answer.status == 200), "{}", what());
                if answer.status == 200 {
                    assert_eq!(&seen[before].body, body, "{}", what());
                }
            }
        }
    }
    // Lines are written by a thread of their own; at its end the process has written all.
    stand.tollgate.terminate().await;
    let log = stand.tollgate.log();
    assert!(log.contains(r#""model":"gpt-4o-mini""#) && log.contains(r#""model":"o3""#), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_arrive_whole_are_not_guessed_at() {
    let stand = stand().await;
    let bearer = stand.bearer();
    let post = |body: &[u8], path: &str, port: u16| {
        let request = Raw::new("POST", path).header("authorization", &bearer);
        let bytes = request.header("content-type", "application/json").body(body).bytes();
        async move { outcome(&crate::harness::client::exchange(port, &bytes).await.unwrap()) }
    };
    let small = br#"{"model":"gpt-4o"}"#.to_vec();
    // What is decisive lies beyond the cut, or seems not to.
    let mut padded = small.clone();
    padded.extend(vec![b' '; 2000]);
    padded.extend(br#"{"model":"o3"}"#);
    let large = json!({"model": "gpt-4o", "prompt": "x".repeat(70_000)}).to_string().into_bytes();
    let gemini = "/v1beta/models/gpt-4o:generateContent";
    for binary in envoy::BINARIES {
        let Some(binary) = need(binary) else { return };
        for (name, gate) in gates(&stand, PARTS) {
            let upstream = Upstream::start().await;
            let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;
            assert_eq!(post(&small, "/v1/responses", envoy.port).await, "200", "{name}");
            assert_eq!(post(&padded, "/v1/responses", envoy.port).await, "model_undecidable", "{name}");
            assert_eq!(post(&large, "/v1/responses", envoy.port).await, "model_undecidable", "{name}");
            assert_eq!(post(&large, "/all/v1/responses", envoy.port).await, "200", "{name}");
            assert_eq!(upstream.seen().len(), 2, "{name}");
        }
        for (name, gate) in gates(&stand, WHOLE) {
            let upstream = Upstream::start().await;
            let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;
            assert_eq!(post(&large, "/v1/responses", envoy.port).await, "413", "{name}: Envoy asks nobody");
            let chunked = Raw::new("POST", "/v1/responses")
                .header("authorization", &bearer)
                .header("content-type", "application/json")
                .header("transfer-encoding", "chunked")
                .body("b\r\n{\"model\":\"g\r\n7\r\npt-4o\"}\r\n0\r\n\r\n");
            assert_eq!(chunked.send(envoy.port).await.unwrap().status, 200, "{name}");
            assert_eq!(upstream.seen().pop().unwrap().body, small, "{name}");
            let stream = Raw::new("POST", "/stream?chunks=3&delay_ms=20")
                .header("authorization", &bearer)
                .header("content-type", "application/json")
                .body(&small);
            let answer = stream.send(envoy.port).await.unwrap();
            assert_eq!(answer.text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n", "{name}");
        }
        for (name, gate) in gates(&stand, None) {
            let upstream = Upstream::start().await;
            let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;
            assert_eq!(post(&small, "/v1/responses", envoy.port).await, "model_undecidable", "{name}");
            assert_eq!(
                post(&small, "/v1/responses?model=gpt-4o", envoy.port).await,
                "model_undecidable",
                "{name}"
            );
            assert_eq!(post(&small, gemini, envoy.port).await, "200", "{name}: the path is enough");
            let reading = Raw::get("/v1/files").header("authorization", &bearer).send(envoy.port).await;
            assert_eq!(reading.unwrap().status, 200, "{name}: nothing is asked of a model");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_models_is_the_callers_own() {
    let stand = stand().await;
    let bearer = stand.bearer();
    for binary in envoy::BINARIES {
        let Some(binary) = need(binary) else { return };
        for (name, gate) in gates(&stand, None) {
            let upstream = Upstream::start().await;
            let envoy = Envoy::start(&binary, upstream.port(), Some(&gate)).await;
            let refused = Raw::get("/v1/models").send(envoy.port).await.unwrap();
            assert_eq!(refused.status, 401, "{name}: a list is for callers who prove who they are");
            let list = Raw::get("/v1/models?limit=1")
                .header("authorization", &bearer)
                .send(envoy.port)
                .await
                .unwrap();
            assert_eq!(list.status, 200, "{name}: {}", list.text());
            if name == "http" {
                assert_eq!(upstream.seen().len(), 1, "over HTTP a 200 means: pass it on");
                continue;
            }
            let ids: Vec<_> =
                list.json()["data"].as_array().unwrap().iter().map(|m| m["id"].clone()).collect();
            assert_eq!(ids, ["gpt-4o", "fast", "whisper-1"], "{name}");
            assert_eq!(list.values("content-type"), ["application/json"], "{name}");
            assert_eq!(list.values("x-tollgate-check-id").len(), 1, "{name}");
            assert!(upstream.seen().is_empty(), "{name}: the backend need not know");
            assert_eq!(
                envoy.stat("http.gateway.ext_authz.denied").await,
                2,
                "{name}: Envoy calls both denied"
            );
            let head = Raw::new("HEAD", "/v1/models")
                .header("authorization", &bearer)
                .send(envoy.port)
                .await
                .unwrap();
            assert_eq!((head.status, head.text().as_str()), (200, ""), "{name}");
            let one =
                Raw::get("/v1/models/o3").header("authorization", &bearer).send(envoy.port).await.unwrap();
            assert_eq!(outcome(&one), "model_not_allowed", "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_hands_over_no_body_so_only_a_path_can_name_a_model() {
    let Some(binary) = need("TOLLGATE_TEST_NGINX") else { return };
    let (mut stand, upstream) = (stand().await, Upstream::start().await);
    let bearer = stand.bearer();
    let nginx = Nginx::start(&binary, stand.tollgate.ports.check, upstream.port()).await;
    for (path, expected) in [
        ("/v1/chat/completions", 403),
        ("/v1beta/models/gpt-4o:generateContent", 200),
        ("/v1beta/models/o3:generateContent", 403),
        ("/all/v1/chat/completions", 200),
    ] {
        let request = Raw::new("POST", path).header("authorization", &bearer);
        let request = request.header("content-type", "application/json").body(r#"{"model":"gpt-4o"}"#);
        assert_eq!(request.send(nginx.port).await.unwrap().status, expected, "{path}");
    }
    let listen = || Raw::get("/v1/audio/stream").header("authorization", &bearer);
    let upgrade = listen().header("connection", "upgrade").header("upgrade", "websocket");
    assert_eq!(listen().send(nginx.port).await.unwrap().status, 200);
    assert_eq!(upgrade.send(nginx.port).await.unwrap().status, 403, "v7: a connection names no model");
    // nginx answers with its own page; the log knows why.
    stand.tollgate.terminate().await;
    let log = stand.tollgate.log();
    let refused = |code: &str| log.lines().filter(|line| line.contains(code)).count();
    assert_eq!((refused("model_undecidable"), refused("model_not_allowed")), (2, 1), "{log}");
}
