//! Other methods than GET, bodies, and streams: what an AI client really sends.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{BackendKind, Judged, Outcome, Stage, advice, all};
use crate::ops::wire::Request;

/// From the first piece of a stream to the last; a gateway that buffers sends them together.
const SPREAD: Duration = Duration::from_millis(5);

fn chat(stage: &Stage, stream: bool) -> Request {
    let question = json!({"role": "user", "content": "Say in a few words what an API gateway is for."});
    let body: Value = json!({"model": stage.options.model, "stream": stream, "messages": [question]});
    Request::new(Method::POST, stage.options.chat_path.clone()).json(&body)
}

pub(super) async fn post_json(stage: &Stage) -> Judged {
    let judged = stage.passed(stage.send(stage.with_token(chat(stage, false))).await);
    unless_absent(stage, judged)
}

pub(super) async fn post_refused(stage: &Stage) -> Judged {
    stage.refused(stage.send(chat(stage, false)).await)
}

pub(super) async fn streaming(stage: &Stage) -> Judged {
    let answer = match stage.send(stage.with_token(chat(stage, true))).await {
        Ok(answer) => answer,
        Err(error) => return advice::unanswered(&error),
    };
    let kind = answer.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_stream = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
    let pieces = answer.pieces.clone();
    let judged = stage.passed(Ok(answer));
    if judged.outcome != Outcome::Pass {
        return unless_absent(stage, judged);
    }
    if !is_stream {
        return Judged::not_observable(
            "the answer is not text/event-stream",
            "name a path and model that stream with --chat-path and --model",
        );
    }
    let (Some((first, _)), Some((last, _))) = (pieces.first(), pieces.last()) else {
        return Judged::fail(
            "an empty stream",
            "the backend closed the stream before it sent anything; its log says why",
        );
    };
    let spread = last.saturating_sub(*first);
    let got = format!(
        "{} pieces, the first after {} ms, the last {} ms later",
        pieces.len(),
        first.as_millis(),
        spread.as_millis()
    );
    if pieces.len() > 1 && spread >= SPREAD {
        Judged::pass(got)
    } else {
        Judged::fail(
            got,
            "something on the way collects the answer before it passes it on: nginx needs proxy_buffering off, and no \
             filter may read response bodies whole",
        )
    }
}

pub(super) async fn methods(stage: &Stage) -> Judged {
    let mut judged = Vec::new();
    for method in [Method::HEAD, Method::OPTIONS, Method::PUT, Method::PATCH, Method::DELETE] {
        let request = Request::new(method.clone(), stage.options.path.clone());
        judged.push((method.to_string(), stage.refused(stage.send(request).await)));
    }
    all(judged)
}

/// Behind an unknown backend, "no such path" tells nothing of the gateway.
fn unless_absent(stage: &Stage, judged: Judged) -> Judged {
    let absent = judged.outcome == Outcome::Fail && matches!(judged.got.as_str(), "404" | "405");
    if absent && stage.backend == BackendKind::Unknown {
        return Judged { outcome: Outcome::NotObservable, ..judged };
    }
    judged
}
