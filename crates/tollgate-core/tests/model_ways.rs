//! Ways around a model policy: a model that is named where nobody looks, with a decoy where everybody looks.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/ask.rs"]
mod ask;

use ask::{Ask, JSON, verdict};
use serde_json::json;

/// What passes is the decoy.
const DECOY: &[u8] = br#"{"model":"gpt-4o","messages":[]}"#;

/// Paths of real APIs at which a body's `model` is not what decides, or nobody knows whether it is.
const ELSEWHERE: &[&str] = &[
    // Vertex: the endpoint serves what was deployed to it.
    "/v1/projects/p/locations/us/endpoints/123:rawPredict",
    "/v1/projects/p/locations/us/endpoints/123:streamRawPredict",
    "/v1/projects/p/locations/us/endpoints/123:predict",
    "/v1/projects/p/locations/us/endpoints/123:generateContent",
    "/v1beta1/projects/p/locations/us/endpoints/123:serverStreamingPredict",
    "/v1/projects/p/locations/us/endpoints/123/chat/completions",
    "/v1/projects/p/locations/us/endpoints/123/invoke/v1/chat/completions",
    "/v1/projects/p/locations/us/models/123:predict",
    "/v1/projects/p/locations/us/reasoningEngines/1:query",
    "/v1/projects/p/locations/us/batchPredictionJobs",
    "/v1/projects/p/locations/us/cachedContents",
    "/v1/projects/p/locations/us:retrieveContexts",
    "/vertex/v1/projects/p/locations/us/endpoints/123:rawPredict",
    // Gemini.
    "/v1beta/tunedModels/x:generateContent",
    "/v1beta/tunedModels/x:streamGenerateContent",
    "/v1beta/cachedContents",
    "/v1beta/dynamic/x:generateContent",
    "/v1beta/models/x:batchGenerateContent",
    "/v1beta/corpora/x:query",
    // Bedrock.
    "/async-invoke",
    "/model-invocation-job",
    "/model-customization-jobs",
    "/model/x/else",
    "/model/x/invoke/else",
    "/model/gpt-4o",
    "/bedrock/model/x/invoke-async",
    "/agents/A/agentAliases/B/sessions/C/text",
    "/flows/F/aliases/A",
    "/retrieveAndGenerate",
    "/prompts/P/versions/1/invoke",
    // SageMaker, watsonx, Replicate, Workers AI, DeepInfra, Mistral's agents.
    "/endpoints/m/invocations",
    "/endpoints/m/invocations-response-stream",
    "/endpoints/m/async-invocations",
    "/ml/v1/text/generation?version=1",
    "/ml/v1/text/chat?version=1",
    "/ml/v1/deployments/d/text/chat",
    "/v1/predictions",
    "/v1/models/o/m/predictions",
    "/v1/deployments/o/m/predictions",
    "/client/v4/accounts/a/ai/run/@cf/meta/llama-3",
    "/ai/run/@cf/meta/llama-3",
    "/v1/inference/o/m",
    "/v1/agents/completions",
    "/v1/conversations/c",
    // Azure, OpenAI's assistants, and servers that have the model in the path or in the address.
    "/openai/deployments",
    "/deployments/d/chat/completions",
    "/openai/deployments/d/models/m:generateContent",
    "/v1/engines/e/else",
    "/v1/deployments/d/v1/chat/completions",
    "/v2/endpoint/openai/v1/chat/completions",
    "/serving-endpoints/e/invocations",
    "/models/o/m/v1/chat/completions",
    "/models/o/m/chat/completions",
    "/tenant/deployments/v2/llms/m/v1/chat/completions",
    "/v2/users/u/apps/a/models/m/outputs",
    "/v2/nvcf/pexec/functions/f",
    "/studio/v1/j2-ultra/complete",
    "/v1/gpu/m/chatbot",
    "/einstein/platform/v1/models/m/chat-generations",
    "/api/v2/cortex/inference:complete",
    "/openai/images/generations:submit",
    "/v1/text-to-speech/voice",
    "/20231130/actions/chat",
    // Servers of one model.
    "/",
    "/generate",
    "/generate_stream",
    "/invocations",
    "/embed",
    "/rerank",
    "/predict",
    "/v1/generate",
    // Done later, or over a connection.
    "/v1/batches",
    "/v1/messages/batches",
    "/v1/evals",
    "/v1/evals/e/runs",
    "/v1/fine_tuning/jobs",
    "/v1/realtime/client_secrets",
    "/v1/realtime/calls",
    "/v1/realtime/sessions",
    // Nobody knows.
    "/v1/x",
    "/v1/chat/completions/x",
    "/v1/chat/completions:stream",
    "/v1/responses/r/else",
    "/x:chat",
    "/v1/foo/name/chat/completions",
    "/foo/name/chat/completions",
    "/v1/models/a/models/gpt-4o:generateContent",
    "/v1beta/models/gpt-4o",
    "/v1beta/models/gpt-4o%3AgenerateContent",
    "/v2/repository/models/gpt-4o/load",
];

#[test]
fn v7_a_decoy_in_the_body_opens_no_endpoint_that_may_not_read_it() {
    for path in ELSEWHERE {
        for method in ["POST", "PUT", "PATCH", "QUERY", "PROPFIND", "post"] {
            let request = Ask { method, path, body: DECOY, ..Ask::default() };
            assert_eq!(verdict(request), "model_undecidable", "{method} {path}");
            assert!(verdict(Ask { key: "\"all\"", ..request }).starts_with("ok"), "{method} {path}");
        }
        // Nor does a query, with or without a body that is seen.
        let mark = if path.contains('?') { '&' } else { '?' };
        let asked = format!("{path}{mark}model=gpt-4o");
        let unseen = [("content-length", "50"), JSON[0]];
        for (body, lines) in [(DECOY, &JSON[..]), (b"", &unseen[..]), (b"", &[][..])] {
            assert_eq!(
                verdict(Ask { path: &asked, body, lines, ..Ask::default() }),
                "model_undecidable",
                "{asked}"
            );
        }
        assert_eq!(verdict(Ask { path, lines: &[], ..Ask::default() }), "model_undecidable", "{path}");
    }
    // A body behind a method that only looks is no way round either.
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        for path in ["/v1/x", "/model/x/invoke", "/api/delete", "/v1/files/f"] {
            let got = verdict(Ask { method, path, body: DECOY, ..Ask::default() });
            assert_eq!(got, "model_undecidable", "{method} {path}");
        }
    }
    assert_eq!(
        verdict(Ask { method: "GET", path: "/model/x/invoke", lines: &[], ..Ask::default() }),
        "model_undecidable"
    );
}

#[test]
fn v7_known_endpoints_read_the_body() {
    for path in [
        "/v1/chat/completions",
        "/chat/completions",
        "/openai/v1/chat/completions",
        "/v1/openai/chat/completions",
        "/v1beta/openai/chat/completions",
        "/mount/v1/chat/completions",
        "/my/mount/openai/chat/completions",
        "/inference/chat/completions",
        "/narrow/chat/completions",
        "/api/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/responses/compact",
        "/v1/responses/input_tokens",
        "/v1/messages",
        "/anthropic/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/moderations",
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/audio/speech",
        "/v1/videos",
        "/v2/chat",
        "/v2/embed",
        "/v2/rerank",
        "/v1/rerank",
        "/v1/fim/completions",
        "/v1/ocr",
        "/api/chat",
        "/api/generate",
        "/api/embed",
        "/models/chat/completions",
        "/models/embeddings",
        "/v1/projects/p/locations/l/endpoints/openapi/chat/completions",
        "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict",
        "/v1/threads/runs",
        "/v1/threads/t/runs",
        "/v1/assistants",
        "/tgi/generate",
        "/tgi/whatever",
        "/tgi/v1/endpoints/1:rawPredict",
        "/tgi",
    ] {
        let ask = Ask { path, body: DECOY, ..Ask::default() };
        assert_eq!(verdict(ask), "ok gpt-4o", "{path}");
        assert_eq!(verdict(Ask { body: br#"{"model":"secret"}"#, ..ask }), "model_not_allowed", "{path}");
        assert_eq!(verdict(Ask { path: &format!("{path}/"), ..ask }), "ok gpt-4o", "{path}/");
    }
    // What the operator says of a route's bodies moves no batch, no connection and no model in the path into them.
    for path in
        ["/tgi/v1/batches", "/tgi/v1/evals", "/tgi/async-invoke", "/tgi/v1beta/models/o3:generateContent"]
    {
        assert_eq!(verdict(Ask { path, body: DECOY, ..Ask::default() }), "model_undecidable", "{path}");
    }
}

#[test]
fn v7_paths_that_name_the_model() {
    let arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3";
    let deep = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a/b";
    let encode = |text: &str| text.replace(':', "%3A").replace('/', "%2F");
    for (name, operation) in
        [(arn, "converse"), (arn, "invoke"), (deep, "converse-stream"), (arn, "count-tokens")]
    {
        let key = json!([name]).to_string();
        for written in [name.to_owned(), encode(name), name.replace('/', "%2f"), name.replace(':', "%3a")] {
            let path = format!("/model/{written}/{operation}");
            let request = Ask { path: &path, key: &key, body: b"{}", ..Ask::default() };
            assert_eq!(verdict(request), format!("ok {name}"), "{path}");
            assert_eq!(verdict(Ask { key: "[\"arn:*\"]", ..request }), format!("ok {name}"), "{path}");
            assert_eq!(verdict(Ask { key: "[\"other\"]", ..request }), "model_not_allowed", "{path}");
            assert_eq!(verdict(Ask { body: DECOY, ..request }), "model_undecidable", "{path}");
        }
    }
    for (path, expected) in [
        ("/v1beta/models/gpt-4o:generateContent", "ok gpt-4o"),
        ("/v1beta/models/gpt-4o:countTokens", "ok gpt-4o"),
        ("/models/gpt-4o:generateContent", "ok gpt-4o"),
        ("/gemini/v1beta/models/gpt-4o:embedContent", "ok gpt-4o"),
        ("/v1/projects/p/locations/l/publishers/google/models/gpt-4o:generateContent", "ok gpt-4o"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/gpt-4o:streamRawPredict", "ok gpt-4o"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/o3:rawPredict", "model_not_allowed"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/gpt-4o:countTokens", "ok gpt-4o"),
        ("/v1/publishers/google/models/gpt-4o:generateContent", "ok gpt-4o"),
        ("/bedrock/model/gpt-4o/converse", "ok gpt-4o"),
        ("/model/gpt-4o/invoke/x/invoke", "model_undecidable"),
        ("/model/gpt-4o/x/converse", "model_not_allowed"),
        ("/model/gpt-4o/model/o3/converse", "model_not_allowed"),
        ("/v1/endpoints/1/model/gpt-4o/converse", "model_undecidable"),
        ("/openai/deployments/gpt-4o/chat/completions?api-version=1", "ok gpt-4o"),
        ("/openai/deployments/gpt-4o/audio/transcriptions", "ok gpt-4o"),
        ("/openai/deployments/gpt-4o/whatever", "model_undecidable"),
        ("/openai/deployments/o3/chat/completions", "model_not_allowed"),
        ("/v1/engines/gpt-4o/completions", "ok gpt-4o"),
        ("/v2/models/gpt-4o/infer", "ok gpt-4o"),
        ("/v2/models/gpt-4o/versions/1/generate", "ok gpt-4o"),
    ] {
        let request = Ask { path, lines: &[], ..Ask::default() };
        assert_eq!(verdict(request), expected, "{path}");
    }
}

/// What the published sources and documentation of LiteLLM, Bifrost, OpenRouter and older APIs read beside `model`.
#[test]
fn v7_members_that_name_further_models() {
    for member in [
        // LiteLLM's proxy: replaces the router's lists, or the whole router.
        "fallbacks",
        "context_window_fallbacks",
        "content_policy_fallbacks",
        "default_fallbacks",
        "mock_testing_fallbacks",
        "mock_testing_context_fallbacks",
        "mock_testing_content_policy_fallbacks",
        "router_settings_override",
        "user_config",
        "model_list",
        "model_group",
        "specific_deployment",
        // Bifrost and OpenRouter.
        "models",
        "Fallbacks",
        "preset",
        // OpenAI's older API, Azure, Bedrock, watsonx, Mistral, Yandex.
        "engine",
        "deployment",
        "deployment_id",
        "modelId",
        "model_id",
        "modelUri",
        "agent_id",
        "agent",
        // The same to some reader.
        "fallbac\u{212a}s",
        "FALLBAC\u{212a}\u{17f}",
        "context_window_fallbac\u{212a}s",
        "model\u{17f}",
        "mode\u{200b}ls_fallbacks",
        "MODELS",
        "ModelID",
        "model-id",
        "user_con\u{fb01}g",
        "model_li\u{fb06}",
        "agent_\u{131}d",
        "agent_\u{130}D",
        "fallbacks\u{0}x",
        "x\u{0}fallbacks",
        "models\u{0}",
    ] {
        for first in [true, false] {
            let member = serde_json::to_string(member).unwrap();
            for value in ["[\"secret\"]", "\"secret\"", "null", "true"] {
                let body = if first {
                    format!("{{{member}:{value},\"model\":\"gpt-4o\"}}")
                } else {
                    format!("{{\"model\":\"gpt-4o\",{member}:{value}}}")
                };
                let request = Ask { body: body.as_bytes(), ..Ask::default() };
                assert_eq!(verdict(request), "model_undecidable", "{body}");
            }
            // The same as a part of a form.
            let part = |name: &str, value: &str| {
                format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            };
            let name: String = serde_json::from_str(&member).unwrap();
            if name.contains('\u{0}') {
                continue;
            }
            let (model, other) = (part("model", "gpt-4o"), part(&name, "secret"));
            let body =
                if first { format!("{other}{model}--b--\r\n") } else { format!("{model}{other}--b--\r\n") };
            let form = [("content-type", "multipart/form-data; boundary=b")];
            let path = "/v1/audio/transcriptions";
            let request = Ask { path, lines: &form, body: body.as_bytes(), ..Ask::default() };
            assert_eq!(verdict(request), "model_undecidable", "{body}");
        }
    }
    for member in
        ["messages", "model_settings", "fallback", "fallbacks_used", "enginex", "\u{fb01}le", "provider"]
    {
        let body = format!("{{\"model\":\"gpt-4o\",\"{member}\":[]}}");
        assert_eq!(verdict(Ask { body: body.as_bytes(), ..Ask::default() }), "ok gpt-4o", "{member}");
    }
    for name in ["Model", "MODEL", "mode\u{0}", "model\u{0}", "mo_del", "model-"] {
        let body = json!({"model": "gpt-4o", name: "secret"}).to_string();
        let expected = if name == "mode\u{0}" { "ok gpt-4o" } else { "model_undecidable" };
        assert_eq!(verdict(Ask { body: body.as_bytes(), ..Ask::default() }), expected, "{name:?}");
    }
}

#[test]
fn v7_names_that_leave_a_pattern() {
    for name in [
        "gpt-4o/../secret",
        "gpt-4o/./x",
        "../gpt-4o",
        "gpt-4o/..",
        "..",
        ".",
        "gpt-4o?x=",
        "gpt-4o#",
        "gpt-4o%2fsecret",
        "gpt-4o\\secret",
        "gpt-4o;x",
        "gpt-4o&model=secret",
    ] {
        let body = json!({"model": name}).to_string();
        let key = "[\"*\"]";
        let request = Ask { body: body.as_bytes(), key, ..Ask::default() };
        assert_eq!(verdict(request), "model_undecidable", "{name}");
        let escaped: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/v1/realtime?model={escaped}");
        let request = Ask { method: "GET", path: &path, lines: &[], key, ..Ask::default() };
        assert_eq!(verdict(request), "model_undecidable", "{path}");
    }
    for name in ["gpt-4o..x", "a/b.c", "llama3:8b", "@cf/meta/llama", "models/x", "m+1", "a..", "...", "x=1"]
    {
        let body = json!({"model": name}).to_string();
        let request = Ask { body: body.as_bytes(), key: "[\"*\"]", ..Ask::default() };
        assert_eq!(verdict(request), format!("ok {name}"), "{name}");
    }
    for path in [
        "/v1beta/models/a%3Fb:generateContent",
        "/model/a%23b/converse",
        "/openai/deployments/a%26b/embeddings",
    ] {
        let request = Ask { path, key: "[\"*\"]", lines: &[], ..Ask::default() };
        assert_eq!(verdict(request), "model_undecidable", "{path}");
    }
}

#[test]
fn v7_requests_that_use_no_model_or_the_documented_one() {
    let none = br#"{"input":"x"}"#;
    for path in [
        "/v1/responses/r/cancel",
        "/v1/batches/b/cancel",
        "/v1/messages/batches/b/cancel",
        "/v1/threads",
        "/v1/threads/t/messages",
        "/v1/threads/t/runs/r/cancel",
        "/v1/threads/t/runs/r/submit_tool_outputs",
        "/v1/fine_tuning/jobs/j/cancel",
        "/v1/uploads/u/cancel",
        "/v1/vector_stores/v/file_batches/b/cancel",
        "/v1/moderations",
        "/v1/conversations",
    ] {
        assert_eq!(verdict(Ask { path, body: none, ..Ask::default() }), "ok -", "{path}");
    }
    for path in ["/v1/responses/r/cancel", "/v1/batches/b/cancel", "/v1/threads"] {
        assert_eq!(verdict(Ask { path, lines: &[], ..Ask::default() }), "ok -", "{path}");
    }
    // The model that is used when none is named is judged like one that is.
    for path in ["/v1/images/generations", "/v1/images/edits", "/v1/images/variations"] {
        assert_eq!(verdict(Ask { path, body: none, ..Ask::default() }), "model_not_allowed", "{path}");
        let key = "[\"dall-e-2\"]";
        assert_eq!(verdict(Ask { path, body: none, key, ..Ask::default() }), "ok dall-e-2", "{path}");
        assert_eq!(verdict(Ask { path, lines: &[], key, ..Ask::default() }), "model_undecidable", "{path}");
    }
    for path in [
        "/v1/messages/count_tokens",
        "/v1/responses/input_tokens",
        "/v1/tokenize",
        "/v1/chat/completions",
        "/v1/threads/t/runs",
    ] {
        assert_eq!(verdict(Ask { path, body: none, ..Ask::default() }), "model_undecidable", "{path}");
    }
}

#[test]
fn v7_a_connection_that_names_no_model_is_not_opened() {
    let lines = [("upgrade", "websocket")];
    for (path, expected) in [
        ("/v1/audio/stream", "model_undecidable"),
        ("/v1/models", "model_undecidable"),
        ("/v1/responses", "model_undecidable"),
        ("/v1/realtime?model=gpt-4o", "ok gpt-4o"),
        ("/v1/realtime?model=gpt-4o&deployment=secret", "model_undecidable"),
        ("/v1/realtime?model=secret", "model_not_allowed"),
        ("/v1/realtime", "model_undecidable"),
    ] {
        let request = Ask { method: "GET", path, lines: &lines, ..Ask::default() };
        assert_eq!(verdict(request), expected, "{path}");
    }
    let none = [("upgrade", "")];
    assert_eq!(verdict(Ask { method: "GET", path: "/v1/models", lines: &none, ..Ask::default() }), "ok -");
}
