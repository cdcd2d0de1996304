//! The model that a path names, for the APIs that put it there: Gemini and Vertex, Bedrock, Azure deployments, OpenAI's
//! `/v1/models/{id}`, and servers that speak the KServe protocol.
//!
//! They are found below any prefix, and words are compared without case, because some of these backends do so too: a
//! path must not name a model for the backend and none for us.

use std::borrow::Cow;

use super::request::Undecidable;

/// What the last segments after `/models/{model}` may be, when the method is not one that only looks.
const SERVING: [&str; 3] = ["infer", "generate", "generate_stream"];
/// Bedrock's operations on a model.
const BEDROCK: [&str; 6] = [
    "invoke",
    "invoke-with-response-stream",
    "invoke-with-bidirectional-stream",
    "converse",
    "converse-stream",
    "count-tokens",
];
/// Azure's endpoints below a bare `/models`, where the body names the model.
const BELOW_MODELS: [&str; 3] = ["chat/completions", "embeddings", "images/embeddings"];

/// Whether requests of this method use no model unless something in them names one.
pub fn only_looks(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "DELETE")
}

/// The model that `path`, in canonical form, names.
///
/// # Errors
/// [`Undecidable`] when it names one in a way that is not known, two, or belongs to an API whose requests name their
/// models where nobody looks: in a connection, in a file, or deeper in the body.
pub fn model<'a>(method: &str, path: &'a str) -> Result<Option<Cow<'a, str>>, Undecidable> {
    let looks = only_looks(method);
    if names_models_elsewhere(looks, path) {
        return Err(Undecidable::Elsewhere);
    }
    let found = [azure(path), engine(path), bedrock(path), listed(looks, path)?];
    let mut found = found.into_iter().flatten();
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(name), None) => Ok(Some(decode(name))),
        (Some(_), Some(_)) => Err(Undecidable::Path),
    }
}

/// Whether a realtime connection is asked for, whose model stands in the query.
pub fn is_realtime(path: &str) -> bool {
    last(path).eq_ignore_ascii_case("realtime")
}

/// Batches and evaluations, connections that are not OpenAI's realtime, and tokens for such connections.
fn names_models_elsewhere(looks: bool, path: &str) -> bool {
    let last = last(path);
    let is = |word: &str| last.eq_ignore_ascii_case(word);
    if looks {
        // OpenAI has no list of responses: a GET there opens a connection. Gemini's connections are below /ws.
        return is("responses") || after(path, "ws").is_some();
    }
    let nested = is("batches") || after(path, "evals").is_some() || is("evals");
    nested || after(path, "realtime").is_some()
}

fn azure(path: &str) -> Option<&str> {
    let (before, rest) = after(path, "deployments")?;
    last(before).eq_ignore_ascii_case("openai").then(|| first(rest))
}

/// OpenAI's oldest form, `/v1/engines/{id}/completions`.
fn engine(path: &str) -> Option<&str> {
    after(path, "engines").map(|(_, rest)| first(rest))
}

fn bedrock(path: &str) -> Option<&str> {
    let (_, rest) = after(path, "model")?;
    let (model, operation) = rest.split_once('/')?;
    BEDROCK.iter().any(|known| operation.eq_ignore_ascii_case(known)).then_some(model)
}

/// What stands after `models`: `{model}:{action}`, `{model}/infer`, or a model that is only looked at.
fn listed(looks: bool, path: &str) -> Result<Option<&str>, Undecidable> {
    let Some((_, rest)) = after(path, "models") else { return Ok(None) };
    if after(rest, "models").is_some() || first(rest).eq_ignore_ascii_case("models") {
        return Err(Undecidable::Path);
    }
    if looks {
        // Names may have slashes, as on Hugging Face.
        return Ok(Some(rest));
    }
    let word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    match rest.split_once('/') {
        None => match rest.rsplit_once(':') {
            Some((model, action)) if word(action) => Ok(Some(model)),
            _ => Err(Undecidable::Path),
        },
        Some((model, operation)) => {
            let operation = operation.to_ascii_lowercase();
            let unversioned = match operation.strip_prefix("versions/").and_then(|rest| rest.split_once('/'))
            {
                Some((_, operation)) => operation,
                None => &operation,
            };
            if SERVING.contains(&unversioned) {
                Ok(Some(model))
            } else if BELOW_MODELS.contains(&rest.to_ascii_lowercase().as_str()) {
                Ok(None)
            } else {
                Err(Undecidable::Path)
            }
        }
    }
}

/// What stands before and after the first segment that is `word`; `None` when nothing stands after it.
fn after<'a>(path: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let mut at = 0;
    for segment in path.split('/') {
        let end = at + segment.len();
        if segment.eq_ignore_ascii_case(word) {
            let rest = path.get(end + 1..).filter(|rest| !rest.is_empty())?;
            return Some((path.get(..at)?.trim_end_matches('/'), rest));
        }
        at = end + 1;
    }
    None
}

fn first(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// The canonical path keeps the escapes of reserved characters (`%3A`), each of them valid.
fn decode(name: &str) -> Cow<'_, str> {
    super::query::percent_decoded(name, false).unwrap_or(Cow::Borrowed(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_a_model_in_the_path() {
        use Undecidable::{Elsewhere, Path};
        type Line<'a> = (&'a str, &'a str, Result<Option<&'a str>, Undecidable>);
        let table: &[Line<'_>] = &[
            ("POST", "/v1/chat/completions", Ok(None)),
            ("POST", "/", Ok(None)),
            ("GET", "/v1/models", Ok(None)),
            ("GET", "/v1/models/gpt-4o", Ok(Some("gpt-4o"))),
            ("GET", "/v1/models/llama3:8b", Ok(Some("llama3:8b"))),
            ("GET", "/v1/models/org/name", Ok(Some("org/name"))),
            ("DELETE", "/v1/models/ft%3Ax", Ok(Some("ft:x"))),
            ("POST", "/v1beta/models/gemini-2.0-flash:generateContent", Ok(Some("gemini-2.0-flash"))),
            ("POST", "/v1beta/MODELS/gemini-2.0-flash:streamGenerateContent", Ok(Some("gemini-2.0-flash"))),
            ("POST", "/v1beta/models/gemini-2.0-flash%3AgenerateContent", Err(Path)),
            ("POST", "/v1beta/models/gemini:generateContent/x", Err(Path)),
            ("POST", "/v1beta/models/gemini", Err(Path)),
            ("POST", "/v1beta/models/llama3:8b", Err(Path)),
            ("POST", "/v1/models/a/models/b:generateContent", Err(Path)),
            ("POST", "/v1/models/models/b:generateContent", Err(Path)),
            (
                "POST",
                "/v1/projects/p/locations/l/publishers/anthropic/models/claude@1:streamRawPredict",
                Ok(Some("claude@1")),
            ),
            ("POST", "/v1beta/openai/chat/completions", Ok(None)),
            ("POST", "/model/anthropic.claude-v2%3A0/invoke", Ok(Some("anthropic.claude-v2:0"))),
            ("POST", "/bedrock/model/x/converse-stream", Ok(Some("x"))),
            ("POST", "/model/x/Converse", Ok(Some("x"))),
            ("POST", "/model/x/else", Ok(None)),
            ("POST", "/openai/deployments/my-gpt/chat/completions", Ok(Some("my-gpt"))),
            ("POST", "/openai/Deployments/my-gpt/chat/completions", Ok(Some("my-gpt"))),
            ("POST", "/openai/v1/chat/completions", Ok(None)),
            ("POST", "/deployments/x/y", Ok(None)),
            ("POST", "/openai/deployments/a/models/b:generateContent", Err(Path)),
            ("POST", "/v1/engines/davinci/completions", Ok(Some("davinci"))),
            ("POST", "/v2/models/m/infer", Ok(Some("m"))),
            ("POST", "/v2/models/m/versions/3/generate", Ok(Some("m"))),
            ("POST", "/v2/repository/models/m/load", Err(Path)),
            ("POST", "/models/chat/completions", Ok(None)),
            ("POST", "/v1/batches", Err(Elsewhere)),
            ("POST", "/v1/messages/batches", Err(Elsewhere)),
            ("GET", "/v1/batches", Ok(None)),
            ("POST", "/v1/evals", Err(Elsewhere)),
            ("POST", "/v1/evals/x/runs", Err(Elsewhere)),
            ("POST", "/v1/realtime/client_secrets", Err(Elsewhere)),
            ("GET", "/v1/realtime", Ok(None)),
            ("GET", "/v1/responses", Err(Elsewhere)),
            ("GET", "/v1/responses/resp_1", Ok(None)),
            ("GET", "/ws/google.ai.Service.BidiGenerateContent", Err(Elsewhere)),
        ];
        for (method, path, expected) in table {
            let found = model(method, path);
            assert_eq!(
                found.as_ref().map(Option::as_deref).map_err(|why| *why),
                *expected,
                "{method} {path}"
            );
        }
    }
}
