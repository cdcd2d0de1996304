//! Server-sent events, one frame at a time with a pause before each.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::header;
use serde_json::Value;

/// One event.
pub(super) enum Event {
    /// `data:` only, as OpenAI's chat completions send it.
    Data(Value),
    /// `event:` named by the `type` member, then `data:`, as the Responses and Messages APIs send it.
    Typed(Value),
    /// The end mark of OpenAI's chat completions.
    Done,
}

impl Event {
    fn frame(&self) -> Bytes {
        let text = match self {
            Self::Data(value) => format!("data: {value}\n\n"),
            Self::Typed(value) => {
                format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or("message"))
            }
            Self::Done => "data: [DONE]\n\n".to_owned(),
        };
        Bytes::from(text)
    }
}

/// The events as a response whose frames leave one by one.
pub(super) fn respond(events: Vec<Event>, delay: Duration) -> Response {
    let frames = stream::iter(events).then(move |event| async move {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        Ok::<_, Infallible>(event.frame())
    });
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(frames)).into_response()
}
