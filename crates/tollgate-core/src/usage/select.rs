//! Which reader is for which answer: from the request's method and path and the response's headers. What is not known
//! is said to be unknown, with the reason; nothing is guessed from a body.

use thiserror::Error;

use super::capture::{Doc, Paths};
use super::progress::Progress;
use super::{anthropic, bedrock, gemini, openai, others};

/// An API whose usage is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// OpenAI chat and completions, Azure, vLLM and other imitations.
    Chat,
    /// OpenAI embeddings and what else counts input alone.
    Embeddings,
    /// OpenAI Responses.
    Responses,
    /// OpenAI images.
    Images,
    /// OpenAI transcription and translation of audio.
    Transcription,
    /// OpenAI speech, as events.
    Speech,
    /// Anthropic messages, Vertex' `rawPredict` included.
    Anthropic,
    /// Gemini and Vertex.
    Gemini,
    /// Bedrock Converse.
    BedrockConverse,
    /// Bedrock InvokeModel.
    BedrockInvoke,
    /// Cohere, and rerankings of anybody.
    Cohere,
    /// Ollama's own API.
    Ollama,
}

/// How documents stand in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// The body is one document.
    Json,
    /// A document a line.
    JsonLines,
    /// Server-sent events.
    Events,
    /// AWS binary event stream.
    EventStream,
}

/// Why an answer's usage cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unknown {
    /// The path is none of an API that is understood.
    #[error("the path belongs to no API whose usage is understood")]
    Path,
    /// Only requests that ask for work have usage.
    #[error("requests with this method, or for this operation, use no tokens")]
    Free,
    /// `content-encoding`.
    #[error("the body is compressed ({0}); remove accept-encoding at the gateway")]
    Encoded(String),
    /// No or another `content-type`.
    #[error("the content-type '{0}' carries no usage")]
    ContentType(String),
}

/// The reader for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Selected {
    /// The API.
    pub format: Format,
    /// The body.
    pub framing: Framing,
}

/// What is known when the response's headers are there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// The request's method.
    pub method: &'a str,
    /// The request's path without its query.
    pub path: &'a str,
    /// The response's `content-type`.
    pub content_type: Option<&'a str>,
    /// The response's `content-encoding`.
    pub content_encoding: Option<&'a str>,
}

impl Selected {
    /// The reader for an answer.
    ///
    /// # Errors
    /// [`Unknown`] says why there is none.
    pub fn of(answer: &Answer<'_>) -> Result<Self, Unknown> {
        if !answer.method.eq_ignore_ascii_case("POST") {
            return Err(Unknown::Free);
        }
        let format = Format::of_path(answer.path)?;
        let encoding = answer.content_encoding.unwrap_or_default().trim();
        if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
            return Err(Unknown::Encoded(short(encoding)));
        }
        let given = answer.content_type.unwrap_or_default();
        let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let framing = match essence.as_str() {
            "text/event-stream" => Framing::Events,
            "application/vnd.amazon.eventstream" => Framing::EventStream,
            "application/x-ndjson"
            | "application/jsonl"
            | "application/stream+json"
            | "application/json-lines" => Framing::JsonLines,
            "application/json" => Framing::Json,
            other if other.starts_with("application/") && other.ends_with("+json") => Framing::Json,
            _ => return Err(Unknown::ContentType(short(given))),
        };
        Ok(Self { format, framing })
    }
}

/// Headers are echoed into logs: a bounded part of them.
fn short(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(64).collect()
}

impl Format {
    /// The API of a request's path, below any prefix, without regard to case.
    ///
    /// # Errors
    /// [`Unknown::Path`] or [`Unknown::Free`].
    pub fn of_path(path: &str) -> Result<Self, Unknown> {
        let path = path.trim_end_matches('/').to_ascii_lowercase();
        let mut segments = path.rsplit('/');
        let last = segments.next().unwrap_or_default();
        let before = segments.next().unwrap_or_default();
        // The colon before a Gemini action may be escaped.
        let action = last.rsplit_once(':').or_else(|| last.rsplit_once("%3a")).map(|(_, action)| action);
        if let Some(action) = action {
            match action {
                "generatecontent" | "streamgeneratecontent" | "embedcontent" | "batchembedcontents" => {
                    return Ok(Self::Gemini);
                }
                "rawpredict" | "streamrawpredict" => return Ok(Self::Anthropic),
                "counttokens" => return Err(Unknown::Free),
                _ => {}
            }
        }
        match (before, last) {
            ("chat", "completions") | (_, "completions") => Ok(Self::Chat),
            (_, "embeddings") => Ok(Self::Embeddings),
            (_, "responses") => Ok(Self::Responses),
            ("images", "generations" | "edits" | "variations") => Ok(Self::Images),
            ("audio", "transcriptions" | "translations") => Ok(Self::Transcription),
            ("audio", "speech") => Ok(Self::Speech),
            (_, "messages") => Ok(Self::Anthropic),
            ("messages", "count_tokens")
            | (_, "count-tokens" | "input_tokens" | "tokenize" | "detokenize") => Err(Unknown::Free),
            (_, "converse" | "converse-stream") if path.contains("/model/") => Ok(Self::BedrockConverse),
            (_, "invoke" | "invoke-with-response-stream") if path.contains("/model/") => {
                Ok(Self::BedrockInvoke)
            }
            ("api", "chat" | "generate" | "embed") => Ok(Self::Ollama),
            ("v1" | "v2", "chat" | "embed" | "classify") | (_, "rerank") => Ok(Self::Cohere),
            (_, "score" | "pooling") => Ok(Self::Embeddings),
            _ => Err(Unknown::Path),
        }
    }

    /// Where things stand in its documents.
    pub(super) fn paths(self) -> &'static Paths {
        match self {
            Self::Chat | Self::Embeddings => &openai::CHAT,
            Self::Responses => &openai::RESPONSES,
            Self::Images => &openai::IMAGES,
            Self::Transcription => &openai::TRANSCRIPTION,
            Self::Speech => &openai::SPEECH,
            Self::Anthropic => &anthropic::MESSAGES,
            Self::Gemini => &gemini::GENERATE,
            Self::BedrockConverse => &bedrock::CONVERSE,
            Self::BedrockInvoke => &bedrock::INVOKE,
            Self::Cohere => &others::COHERE,
            Self::Ollama => &others::OLLAMA,
        }
    }

    /// Takes the usage of one document.
    pub(super) fn absorb(self, doc: &Doc, progress: &mut Progress) {
        progress.flags = progress.flags.union(doc.flags);
        progress.text += doc.text;
        match self {
            Self::Chat | Self::Embeddings => openai::chat(doc, progress),
            Self::Responses => openai::responses(doc, progress),
            Self::Images => openai::images(doc, progress),
            Self::Transcription => openai::transcription(doc, progress),
            Self::Speech => openai::speech(doc, progress),
            Self::Anthropic => anthropic::messages(doc, progress),
            Self::Gemini => gemini::generate(doc, progress),
            Self::BedrockConverse => bedrock::converse(doc, progress),
            Self::BedrockInvoke => bedrock::invoke(doc, progress),
            Self::Cohere => others::cohere(doc, progress),
            Self::Ollama => others::ollama(doc, progress),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_their_api() {
        use Format::*;
        let table: &[(&str, Result<Format, Unknown>)] = &[
            ("/v1/chat/completions", Ok(Chat)),
            ("/v1/chat/completions/", Ok(Chat)),
            ("/V1/Chat/Completions", Ok(Chat)),
            ("/v1/completions", Ok(Chat)),
            ("/openai/deployments/my-gpt/chat/completions", Ok(Chat)),
            ("/openai/deployments/my-gpt/embeddings", Ok(Embeddings)),
            ("/team/v1/embeddings", Ok(Embeddings)),
            ("/v1/score", Ok(Embeddings)),
            ("/v1/responses", Ok(Responses)),
            ("/v1/responses/input_tokens", Err(Unknown::Free)),
            ("/v1/images/generations", Ok(Images)),
            ("/v1/images/edits", Ok(Images)),
            ("/v1/audio/transcriptions", Ok(Transcription)),
            ("/v1/audio/translations", Ok(Transcription)),
            ("/v1/audio/speech", Ok(Speech)),
            ("/v1/messages", Ok(Anthropic)),
            ("/anthropic/v1/messages", Ok(Anthropic)),
            ("/v1/messages/count_tokens", Err(Unknown::Free)),
            ("/v1beta/models/gemini-2.5-pro:generateContent", Ok(Gemini)),
            ("/v1beta/models/gemini-2.5-pro:streamGenerateContent", Ok(Gemini)),
            ("/v1beta/models/gemini-2.5-pro%3AstreamGenerateContent", Ok(Gemini)),
            ("/v1beta/models/gemini-2.5-pro:countTokens", Err(Unknown::Free)),
            (
                "/v1/projects/p/locations/l/publishers/anthropic/models/claude@1:streamRawPredict",
                Ok(Anthropic),
            ),
            ("/model/anthropic.claude-v2%3A0/invoke", Ok(BedrockInvoke)),
            ("/bedrock/model/x/invoke-with-response-stream", Ok(BedrockInvoke)),
            ("/model/x/converse", Ok(BedrockConverse)),
            ("/model/x/converse-stream", Ok(BedrockConverse)),
            ("/model/x/count-tokens", Err(Unknown::Free)),
            ("/v2/rerank", Ok(Cohere)),
            ("/v2/chat", Ok(Cohere)),
            ("/v2/embed", Ok(Cohere)),
            ("/api/chat", Ok(Ollama)),
            ("/api/generate", Ok(Ollama)),
            ("/v1/files", Err(Unknown::Path)),
            ("/v1/chat/completionsx", Err(Unknown::Path)),
            ("/converse", Err(Unknown::Path)),
            ("/", Err(Unknown::Path)),
            ("", Err(Unknown::Path)),
        ];
        for (path, expected) in table {
            assert_eq!(Format::of_path(path), *expected, "{path}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let chat = Answer {
            method: "POST",
            path: "/v1/chat/completions",
            content_type: Some("application/json"),
            content_encoding: None,
        };
        let of = |answer: Answer<'_>| Selected::of(&answer).map(|selected| selected.framing);
        let typed = |content_type| of(Answer { content_type, ..chat });
        let encoded = |encoding| of(Answer { content_encoding: Some(encoding), ..chat });
        assert_eq!(of(chat), Ok(Framing::Json));
        assert_eq!(typed(Some("application/json; charset=utf-8")), Ok(Framing::Json));
        assert_eq!(typed(Some("application/problem+json")), Ok(Framing::Json));
        assert_eq!(typed(Some("Text/Event-Stream;charset=utf-8")), Ok(Framing::Events));
        assert_eq!(typed(Some("application/vnd.amazon.eventstream")), Ok(Framing::EventStream));
        assert_eq!(typed(Some("application/x-ndjson")), Ok(Framing::JsonLines));
        assert_eq!(typed(Some("text/html")), Err(Unknown::ContentType("text/html".to_owned())));
        assert_eq!(typed(Some("audio/mpeg")), Err(Unknown::ContentType("audio/mpeg".to_owned())));
        assert_eq!(typed(None), Err(Unknown::ContentType(String::new())));
        for encoding in ["gzip", "br", "zstd", "deflate, gzip"] {
            assert_eq!(encoded(encoding), Err(Unknown::Encoded(encoding.to_owned())));
        }
        assert_eq!(encoded("identity"), Ok(Framing::Json));
        assert_eq!(of(Answer { method: "GET", ..chat }), Err(Unknown::Free));
        let long = format!("x/{}\u{7}", "y".repeat(900));
        assert!(matches!(typed(Some(&long)), Err(Unknown::ContentType(text)) if text.len() == 64));
    }
}
