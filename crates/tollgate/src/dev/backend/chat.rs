//! `POST /v1/chat/completions`, whole or streamed.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::answer::Answer;
use super::error::{ApiError, OpenAiError};
use super::identity::Identity;
use super::prompt::{Message, Prompt, limit};
use super::sse::{self, Event};

#[derive(Deserialize)]
struct ChatRequest {
    model: Option<String>,
    messages: Option<Vec<Message>>,
    #[serde(default)]
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<Value>,
    max_completion_tokens: Option<Value>,
    n: Option<u64>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// Answers one chat.
pub(super) async fn create(
    State(backend): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, OpenAiError> {
    let request: ChatRequest = backend.read_json(body).await?;
    let model = backend.chat_model(&request.model.ok_or_else(|| ApiError::missing("model"))?)?;
    let messages = request.messages.ok_or_else(|| ApiError::missing("messages"))?;
    if messages.is_empty() {
        return Err(ApiError::invalid(Some("messages"), "'messages' must hold at least one message.").into());
    }
    if messages.iter().any(|message| message.role.is_none()) {
        return Err(ApiError::missing("messages.role").into());
    }
    if request.n.is_some_and(|n| n != 1) {
        return Err(ApiError::invalid(Some("n"), "This model gives one choice per request.").into());
    }
    let cap = request.max_completion_tokens.as_ref().or(request.max_tokens.as_ref());
    let cap = limit(cap).map_err(|()| {
        ApiError::invalid(Some("max_completion_tokens"), "The token limit must be a positive whole number.")
    })?;
    let answer = Answer::new(&model, &Prompt::new(&messages, None), &Identity::of(&headers), cap);
    let reply = Reply { id: backend.next_id("chatcmpl-"), created: backend.now().as_secs(), model, answer };
    Ok(if request.stream == Some(true) {
        let with_usage = request.stream_options.is_some_and(|options| options.include_usage);
        sse::respond(reply.events(with_usage), backend.options.chunk_delay)
    } else {
        Json(reply.whole()).into_response()
    })
}

struct Reply {
    id: String,
    created: i64,
    model: String,
    answer: Answer,
}

impl Reply {
    fn finish_reason(&self) -> &'static str {
        if self.answer.cut { "length" } else { "stop" }
    }

    fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.answer.prompt_tokens,
            "completion_tokens": self.answer.tokens(),
            "total_tokens": self.answer.prompt_tokens + self.answer.tokens(),
            "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
            "completion_tokens_details": { "reasoning_tokens": 0, "audio_tokens": 0 },
        })
    }

    fn whole(&self) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": self.answer.text(), "refusal": null },
                "logprobs": null,
                "finish_reason": self.finish_reason(),
            }],
            "usage": self.usage(),
        })
    }

    fn events(&self, with_usage: bool) -> Vec<Event> {
        let chunk = |choices: Value, usage: Option<Value>| {
            let mut chunk = json!({
                "id": self.id,
                "object": "chat.completion.chunk",
                "created": self.created,
                "model": self.model,
                "choices": choices,
            });
            // With `include_usage` every chunk carries the member, and only the last one a value.
            if with_usage {
                chunk["usage"] = usage.unwrap_or(Value::Null);
            }
            Event::Data(chunk)
        };
        let choice = |delta: Value, finish: Option<&str>| json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]);
        let mut events = vec![chunk(choice(json!({ "role": "assistant", "content": "" }), None), None)];
        for piece in &self.answer.pieces {
            events.push(chunk(choice(json!({ "content": piece }), None), None));
        }
        events.push(chunk(choice(json!({}), Some(self.finish_reason())), None));
        if with_usage {
            events.push(chunk(json!([]), Some(self.usage())));
        }
        events.push(Event::Done);
        events
    }
}
