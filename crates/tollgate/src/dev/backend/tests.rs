//! The backend as SDKs meet it: shapes, streams, counts and refusals over its router.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tollgate_core::time::Timestamp;
use tower::ServiceExt;

use super::*;

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_767_225_600)
    }
}

fn backend() -> Router {
    router(BackendOptions {
        chunk_delay: Duration::ZERO,
        max_body_bytes: 4096,
        ..BackendOptions::new(Arc::new(FixedClock))
    })
}

async fn send(request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let (parts, body) = backend().oneshot(request).await.unwrap().into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn post(path: &str, body: &Value) -> (StatusCode, Value) {
    let (status, _, text) = send(Request::post(path).body(Body::from(body.to_string())).unwrap()).await;
    (status, serde_json::from_str(&text).unwrap())
}

/// The events of a stream: name and data, `[DONE]` as a string.
async fn stream(path: &str, body: &Value) -> Vec<(Option<String>, Value)> {
    let (status, headers, text) = send(Request::post(path).body(Body::from(body.to_string())).unwrap()).await;
    assert_eq!(status, 200, "{text}");
    assert!(headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/event-stream"));
    let event = |frame: &str| {
        let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let data = field("data: ").unwrap();
        (field("event: "), serde_json::from_str(&data).unwrap_or(Value::String(data)))
    };
    text.trim_end().split("\n\n").map(event).collect()
}

fn chat(stream: bool) -> Value {
    let messages = json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hello there, gate!" }]);
    json!({ "model": "tollgate-demo", "messages": messages, "stream": stream })
}

fn joined(events: &[(Option<String>, Value)], pointer: &str) -> String {
    events.iter().filter_map(|(_, data)| data.pointer(pointer)?.as_str()).collect()
}

#[tokio::test]
async fn a_chat_is_answered_whole_with_its_usage() {
    let (status, answer) = post("/v1/chat/completions", &chat(false)).await;
    assert_eq!(status, 200);
    assert_eq!(answer["object"], "chat.completion");
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(text, "Hello stranger, this is tollgate-demo. You said: Hello there, gate!");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let usage = &answer["usage"];
    // "Be brief." is 3 tokens, "Hello there, gate!" 5, and each message costs 4.
    assert_eq!(usage["prompt_tokens"], 3 + 5 + 2 * 4);
    assert_eq!(usage["completion_tokens"], tokens::count(text));
    assert_eq!(usage["total_tokens"], 16 + tokens::count(text));
    assert_eq!(
        post("/v1/chat/completions", &chat(false)).await.1,
        answer,
        "the same question, the same answer"
    );
}

#[tokio::test]
async fn a_streamed_chat_gives_the_same_text_and_counts() {
    let whole = post("/v1/chat/completions", &chat(false)).await.1;
    let mut request = chat(true);
    request["stream_options"] = json!({ "include_usage": true });
    let events = stream("/v1/chat/completions", &request).await;
    assert_eq!(
        joined(&events, "/choices/0/delta/content"),
        whole["choices"][0]["message"]["content"].as_str().unwrap()
    );
    assert_eq!(events.last().unwrap().1, "[DONE]");
    let chunks = &events[..events.len() - 1];
    let (last, before) = chunks.split_last().unwrap();
    assert_eq!(last.1["choices"], json!([]));
    assert_eq!(last.1["usage"], whole["usage"]);
    assert!(before.iter().all(|(_, chunk)| chunk["usage"].is_null() && chunk.get("usage").is_some()));
    assert_eq!(before.last().unwrap().1["choices"][0]["finish_reason"], "stop");
    assert_eq!(before[0].1["choices"][0]["delta"]["role"], "assistant");
    let plain = stream("/v1/chat/completions", &chat(true)).await;
    assert!(plain.iter().all(|(_, chunk)| chunk.get("usage").is_none()), "usage only when asked for");
}

#[tokio::test]
async fn a_token_limit_cuts_the_answer_and_says_so() {
    let mut request = chat(false);
    request["max_tokens"] = json!(3);
    let answer = post("/v1/chat/completions", &request).await.1;
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["usage"]["completion_tokens"], 3);
    assert_eq!(answer["choices"][0]["message"]["content"], "Hello stranger");
}

#[tokio::test]
async fn parts_of_content_count_like_one_text() {
    let mut request = chat(false);
    let parts = json!([
        { "type": "text", "text": "Hello there, gate!" },
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,AA" } },
    ]);
    request["messages"][1]["content"] = parts;
    let answer = post("/v1/chat/completions", &request).await.1;
    assert_eq!(answer["usage"]["prompt_tokens"], 16 + 85);
}

#[tokio::test]
async fn responses_stream_their_events_in_order_with_the_usage_of_the_whole_answer() {
    let request = json!({ "model": "tollgate-demo-mini", "input": "Hi", "instructions": "Be kind." });
    let whole = post("/v1/responses", &request).await.1;
    assert_eq!((&whole["status"], &whole["object"]), (&json!("completed"), &json!("response")));
    let text = whole["output"][0]["content"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!(whole["usage"]["input_tokens"], 1 + 4 + 3 + 4);
    assert_eq!(whole["usage"]["output_tokens"], tokens::count(&text));
    let mut streamed = request.clone();
    streamed["stream"] = json!(true);
    let events = stream("/v1/responses", &streamed).await;
    let mut kinds: Vec<&str> = events.iter().map(|(name, _)| name.as_deref().unwrap()).collect();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    for (number, (name, data)) in events.iter().enumerate() {
        assert_eq!(
            (data["sequence_number"].as_u64(), data["type"].as_str()),
            (Some(number as u64), name.as_deref())
        );
    }
    assert_eq!(joined(&events, "/delta"), text);
    assert_eq!(events.last().unwrap().1["response"]["usage"], whole["usage"]);
    let items = json!({ "model": "tollgate-demo-mini", "instructions": "Be kind.",
        "input": [{ "role": "user", "content": [{ "type": "input_text", "text": "Hi" }] }] });
    assert_eq!(post("/v1/responses", &items).await.1["output"][0]["content"], whole["output"][0]["content"]);
}

#[tokio::test]
async fn a_cut_response_is_incomplete() {
    let request = json!({ "model": "tollgate-demo", "input": "Hi", "max_output_tokens": 2, "stream": true });
    let events = stream("/v1/responses", &request).await;
    let (name, last) = events.last().unwrap();
    assert_eq!(name.as_deref(), Some("response.incomplete"));
    assert_eq!(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(last["response"]["usage"]["output_tokens"], 2);
}

#[tokio::test]
async fn messages_stream_anthropics_events_with_the_same_counts() {
    let request = json!({ "model": "tollgate-demo", "max_tokens": 500, "system": "Be kind.",
        "messages": [{ "role": "user", "content": "Hi" }] });
    let whole = post("/v1/messages", &request).await.1;
    assert_eq!((&whole["type"], &whole["stop_reason"]), (&json!("message"), &json!("end_turn")));
    assert_eq!(whole["usage"]["input_tokens"], 1 + 4 + 3 + 4);
    let text = whole["content"][0]["text"].as_str().unwrap();
    assert_eq!(whole["usage"]["output_tokens"], tokens::count(text));
    let mut streamed = request.clone();
    streamed["stream"] = json!(true);
    let events = stream("/v1/messages", &streamed).await;
    let mut kinds: Vec<&str> = events.iter().map(|(name, _)| name.as_deref().unwrap()).collect();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    assert_eq!(joined(&events, "/delta/text"), text);
    assert_eq!(events[0].1["message"]["usage"]["input_tokens"], whole["usage"]["input_tokens"]);
    assert_eq!(events[events.len() - 2].1["usage"]["output_tokens"], whole["usage"]["output_tokens"]);
}

#[tokio::test]
async fn embeddings_are_unit_vectors_that_know_likeness_in_both_encodings() {
    let ask = |format: &str| {
        json!({ "model": "tollgate-embed", "encoding_format": format, "dimensions": 64,
            "input": ["the quick brown fox", "the quick red fox", "unrelated words entirely"] })
    };
    let floats = post("/v1/embeddings", &ask("float")).await.1;
    let vector = |index: usize| -> Vec<f32> {
        serde_json::from_value(floats["data"][index]["embedding"].clone()).unwrap()
    };
    let dot = |a: usize, b: usize| vector(a).iter().zip(vector(b)).map(|(x, y)| x * y).sum::<f32>();
    assert_eq!(vector(0).len(), 64);
    assert!((dot(0, 0) - 1.0).abs() < 1e-5);
    assert!(dot(0, 1) > dot(0, 2), "{} {}", dot(0, 1), dot(0, 2));
    // Four tokens, four tokens, and "unrela|ted words entire|ly".
    assert_eq!(floats["usage"], json!({ "prompt_tokens": 13, "total_tokens": 13 }));
    let packed = post("/v1/embeddings", &ask("base64")).await.1;
    let bytes = STANDARD.decode(packed["data"][1]["embedding"].as_str().unwrap()).unwrap();
    let unpacked: Vec<f32> =
        bytes.chunks_exact(4).map(|it| f32::from_le_bytes(it.try_into().unwrap())).collect();
    assert_eq!(unpacked, vector(1));
    for bad in [json!(""), json!([]), json!(["ok", ""])] {
        let request = json!({ "model": "tollgate-embed", "input": bad });
        assert_eq!(post("/v1/embeddings", &request).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn models_are_listed_for_both_sdks() {
    let (_, _, text) = send(Request::get("/v1/models").body(Body::empty()).unwrap()).await;
    let list: Value = serde_json::from_str(&text).unwrap();
    let ids: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["tollgate-demo", "tollgate-demo-mini", "tollgate-embed"]);
    assert_eq!(list["data"][0]["object"], "model");
    assert_eq!(list["last_id"], "tollgate-embed");
    assert_eq!(send(Request::get("/v1/models/tollgate-demo").body(Body::empty()).unwrap()).await.0, 200);
    assert_eq!(send(Request::get("/v1/models/nope").body(Body::empty()).unwrap()).await.0, 404);
}

#[tokio::test]
async fn refusals_have_the_shape_of_each_dialect() {
    let no_model = json!({ "messages": [{ "role": "user", "content": "x" }] });
    for (path, body, status, code) in [
        ("/v1/chat/completions", json!({ "model": "gpt", "messages": [] }), 404, json!("model_not_found")),
        ("/v1/chat/completions", no_model.clone(), 400, json!("missing_required_parameter")),
        (
            "/v1/chat/completions",
            json!({ "model": "tollgate-demo" }),
            400,
            json!("missing_required_parameter"),
        ),
        ("/v1/chat/completions", json!({ "model": 1 }), 400, json!(null)),
        (
            "/v1/chat/completions",
            json!({ "model": "tollgate-embed", "messages": [] }),
            404,
            json!("model_not_found"),
        ),
        ("/v1/responses", json!({ "model": "gpt", "input": "x" }), 404, json!("model_not_found")),
        ("/v1/embeddings", json!({ "model": "tollgate-demo", "input": "x" }), 404, json!("model_not_found")),
        ("/v1/chat/completions", json!({ "pad": "x".repeat(5000) }), 413, json!("request_too_large")),
        ("/v1/nothing", json!({}), 404, json!("unknown_url")),
    ] {
        let (found, answer) = post(path, &body).await;
        assert_eq!((found.as_u16(), &answer["error"]["code"]), (status, &code), "{path} {body}");
        assert_eq!(answer["error"]["type"], "invalid_request_error");
    }
    for (body, status, kind) in [
        (json!({ "model": "claude", "max_tokens": 1, "messages": [] }), 404, "not_found_error"),
        (no_model, 400, "invalid_request_error"),
        (
            json!({ "model": "tollgate-demo", "messages": [{ "role": "user", "content": "x" }] }),
            400,
            "invalid_request_error",
        ),
        (json!({ "pad": "x".repeat(5000) }), 413, "request_too_large"),
    ] {
        let (found, answer) = post("/v1/messages", &body).await;
        assert_eq!(
            (found.as_u16(), answer["error"]["type"].as_str(), &answer["type"]),
            (status, Some(kind), &json!("error"))
        );
    }
    for path in ["/v1/chat/completions", "/v1/messages", "/v1/embeddings", "/v1/responses"] {
        let broken = Request::post(path).body(Body::from("{\"model\": ")).unwrap();
        let (status, _, text) = send(broken).await;
        assert_eq!(status, 400, "{path}");
        assert!(text.contains("could not parse the JSON"), "{text}");
        let (status, headers, text) = send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!((status.as_u16(), headers[header::ALLOW].to_str().unwrap()), (405, "POST"));
        assert!(serde_json::from_str::<Value>(&text).unwrap()["error"]["message"].is_string());
    }
}

#[tokio::test]
async fn the_answer_names_the_caller_that_the_gateway_names() {
    let ask = |question: &str| {
        let body = json!({ "model": "tollgate-demo", "messages": [{ "role": "user", "content": question }] });
        Request::post("/v1/chat/completions")
            .header("x-tollgate-subject", "0198-77")
            .header("x-tollgate-user", "alice")
            .body(Body::from(body.to_string()))
            .unwrap()
    };
    assert!(send(ask("Hi")).await.2.contains("Hello alice, this is tollgate-demo."));
    assert!(
        send(ask("Who am I?")).await.2.contains("The gateway says you are: subject=0198-77, user=alice.")
    );
}

#[tokio::test]
async fn the_echo_shows_everything_but_credentials() {
    for (method, path) in
        [(Method::DELETE, "/echo/a/b?x=1&api_key=s3cret"), (Method::POST, "/v1/messages?x=1&api_key=s3cret")]
    {
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header("authorization", "Bearer s3cret")
            .header("x-api-key", "s3cret")
            .header("cookie", "session=s3cret")
            .header("x-demo-echo", "1")
            .header("x-twice", "one")
            .header("x-twice", "two")
            .body(Body::from("12345"))
            .unwrap();
        let (status, _, text) = send(request).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status.as_u16(), answer["method"].as_str()), (200, Some(method.as_str())));
        assert_eq!(answer["path"], path.split('?').next().unwrap());
        assert_eq!(answer["query"], "x=1&api_key=<present>");
        assert_eq!(answer["headers"]["authorization"], json!(["<present>"]));
        assert_eq!(answer["headers"]["x-twice"], json!(["one", "two"]));
        assert_eq!(answer["body_bytes"], 5);
        assert!(!text.contains("s3cret"), "{text}");
        assert!(answer["headers"].get("api-key").is_none(), "what was not sent is not there");
    }
}

#[tokio::test]
async fn the_home_page_answers() {
    let (status, headers, text) = send(Request::get("/").body(Body::empty()).unwrap()).await;
    assert_eq!(
        (status.as_u16(), headers[header::CONTENT_TYPE].to_str().unwrap()),
        (200, "text/html; charset=utf-8")
    );
    assert!(text.starts_with("<!doctype html>"));
}
