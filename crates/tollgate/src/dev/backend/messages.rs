//! Anthropic's `POST /v1/messages`, whole or streamed.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::answer::Answer;
use super::error::{AnthropicError, ApiError};
use super::identity::Identity;
use super::prompt::{Content, Message, Prompt, limit};
use super::sse::{self, Event};

#[derive(Deserialize)]
struct MessagesRequest {
    model: Option<String>,
    messages: Option<Vec<Message>>,
    system: Option<Content>,
    max_tokens: Option<Value>,
    #[serde(default)]
    stream: Option<bool>,
}

/// Answers one message.
pub(super) async fn create(
    State(backend): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, AnthropicError> {
    let request: MessagesRequest = backend.read_json(body).await?;
    let model = backend.chat_model(&request.model.ok_or_else(|| ApiError::missing("model"))?)?;
    let messages = request.messages.ok_or_else(|| ApiError::missing("messages"))?;
    if messages.is_empty() {
        return Err(ApiError::invalid(Some("messages"), "messages: at least one message is required").into());
    }
    let known_role = |message: &Message| matches!(message.role.as_deref(), Some("user" | "assistant"));
    if !messages.iter().all(known_role) {
        let text = "messages: each message needs the role 'user' or 'assistant'";
        return Err(ApiError::invalid(Some("messages"), text).into());
    }
    let cap = limit(request.max_tokens.as_ref())
        .map_err(|()| ApiError::invalid(Some("max_tokens"), "max_tokens: must be a positive whole number"))?
        .ok_or_else(|| ApiError::missing("max_tokens"))?;
    let prompt = Prompt::new(&messages, request.system.as_ref());
    let answer = Answer::new(&model, &prompt, &Identity::of(&headers), Some(cap));
    let reply = Reply { id: backend.next_id("msg_"), model, answer };
    Ok(if request.stream == Some(true) {
        sse::respond(reply.events(), backend.options.chunk_delay)
    } else {
        Json(reply.whole()).into_response()
    })
}

struct Reply {
    id: String,
    model: String,
    answer: Answer,
}

impl Reply {
    fn stop_reason(&self) -> &'static str {
        if self.answer.cut { "max_tokens" } else { "end_turn" }
    }

    fn message(&self, content: &Value, stop_reason: Option<&str>, output_tokens: usize) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": null,
            "usage": {
                "input_tokens": self.answer.prompt_tokens,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": output_tokens,
            },
        })
    }

    fn whole(&self) -> Value {
        let content = json!([{ "type": "text", "text": self.answer.text() }]);
        self.message(&content, Some(self.stop_reason()), self.answer.tokens())
    }

    fn events(&self) -> Vec<Event> {
        let mut events = vec![
            json!({ "type": "message_start", "message": self.message(&json!([]), None, 0) }),
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
            json!({ "type": "ping" }),
        ];
        for piece in &self.answer.pieces {
            let delta = json!({ "type": "text_delta", "text": piece });
            events.push(json!({ "type": "content_block_delta", "index": 0, "delta": delta }));
        }
        events.push(json!({ "type": "content_block_stop", "index": 0 }));
        // The count here is of the whole answer, not of what came since the last event.
        events.push(json!({
            "type": "message_delta",
            "delta": { "stop_reason": self.stop_reason(), "stop_sequence": null },
            "usage": { "output_tokens": self.answer.tokens() },
        }));
        events.push(json!({ "type": "message_stop" }));
        events.into_iter().map(Event::Typed).collect()
    }
}
