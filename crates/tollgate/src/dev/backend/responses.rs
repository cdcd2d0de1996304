//! `POST /v1/responses`, whole or streamed.

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
use super::prompt::{Content, Message, Prompt, limit};
use super::sse::{self, Event};

#[derive(Deserialize)]
struct ResponseRequest {
    model: Option<String>,
    input: Option<Input>,
    instructions: Option<String>,
    #[serde(default)]
    stream: Option<bool>,
    max_output_tokens: Option<Value>,
    previous_response_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Items(Vec<Message>),
}

/// Answers one request.
pub(super) async fn create(
    State(backend): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, OpenAiError> {
    let request: ResponseRequest = backend.read_json(body).await?;
    let model = backend.chat_model(&request.model.ok_or_else(|| ApiError::missing("model"))?)?;
    if request.previous_response_id.is_some() {
        let text = "This backend keeps no responses; send the whole conversation as 'input'.";
        return Err(ApiError::invalid(Some("previous_response_id"), text).into());
    }
    let messages = match request.input.ok_or_else(|| ApiError::missing("input"))? {
        Input::Text(text) => {
            vec![Message { role: Some("user".to_owned()), content: Some(Content::Text(text)) }]
        }
        Input::Items(items) => items,
    };
    let cap = limit(request.max_output_tokens.as_ref()).map_err(|()| {
        ApiError::invalid(Some("max_output_tokens"), "'max_output_tokens' must be a positive whole number.")
    })?;
    let instructions = request.instructions.clone().map(Content::Text);
    let prompt = Prompt::new(&messages, instructions.as_ref());
    let reply = Reply {
        id: backend.next_id("resp_"),
        item_id: backend.next_id("msg_"),
        created: backend.now().as_secs(),
        answer: Answer::new(&model, &prompt, &Identity::of(&headers), cap),
        model,
        instructions: request.instructions,
        max_output_tokens: cap,
    };
    Ok(if request.stream == Some(true) {
        sse::respond(reply.events(), backend.options.chunk_delay)
    } else {
        Json(reply.finished()).into_response()
    })
}

struct Reply {
    id: String,
    item_id: String,
    created: i64,
    model: String,
    answer: Answer,
    instructions: Option<String>,
    max_output_tokens: Option<usize>,
}

impl Reply {
    fn final_status(&self) -> &'static str {
        if self.answer.cut { "incomplete" } else { "completed" }
    }

    fn response(&self, status: &str, output: &Value, usage: &Value) -> Value {
        let cut = status == "incomplete";
        json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": null,
            "incomplete_details": cut.then(|| json!({ "reason": "max_output_tokens" })),
            "instructions": self.instructions,
            "max_output_tokens": self.max_output_tokens,
            "model": self.model,
            "output": output,
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "reasoning": { "effort": null, "summary": null },
            "store": false,
            "temperature": 1.0,
            "text": { "format": { "type": "text" } },
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": usage,
            "user": null,
            "metadata": {},
        })
    }

    fn part(text: &str) -> Value {
        json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
    }

    fn item(&self, status: &str, content: &Value) -> Value {
        json!({ "type": "message", "id": self.item_id, "status": status, "role": "assistant", "content": content })
    }

    fn finished(&self) -> Value {
        let status = self.final_status();
        let item = self.item(status, &json!([Self::part(&self.answer.text())]));
        let usage = json!({
            "input_tokens": self.answer.prompt_tokens,
            "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": self.answer.tokens(),
            "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": self.answer.prompt_tokens + self.answer.tokens(),
        });
        self.response(status, &json!([item]), &usage)
    }

    fn events(&self) -> Vec<Event> {
        let text = self.answer.text();
        let status = self.final_status();
        let at = |mut event: Value| {
            event["item_id"] = json!(self.item_id);
            event["output_index"] = json!(0);
            event["content_index"] = json!(0);
            event
        };
        let open = || self.response("in_progress", &json!([]), &Value::Null);
        let mut events = vec![
            json!({ "type": "response.created", "response": open() }),
            json!({ "type": "response.in_progress", "response": open() }),
            json!({ "type": "response.output_item.added", "output_index": 0, "item": self.item("in_progress", &json!([])) }),
            at(json!({ "type": "response.content_part.added", "part": Self::part("") })),
        ];
        for piece in &self.answer.pieces {
            events.push(at(json!({ "type": "response.output_text.delta", "delta": piece, "logprobs": [] })));
        }
        events.push(at(json!({ "type": "response.output_text.done", "text": text, "logprobs": [] })));
        events.push(at(json!({ "type": "response.content_part.done", "part": Self::part(&text) })));
        let item = self.item(status, &json!([Self::part(&text)]));
        events.push(json!({ "type": "response.output_item.done", "output_index": 0, "item": item }));
        events.push(json!({ "type": format!("response.{status}"), "response": self.finished() }));
        for (number, event) in events.iter_mut().enumerate() {
            event["sequence_number"] = json!(number);
        }
        events.into_iter().map(Event::Typed).collect()
    }
}
