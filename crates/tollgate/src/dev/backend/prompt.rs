//! Content as SDKs send it: one string, or a list of parts of which some hold text.

use serde::Deserialize;
use serde_json::Value;

use super::tokens;

/// What a part that is not text (an image, a file) counts for, in tokens.
const OTHER_PART_TOKENS: usize = 85;
/// What a message costs beside its content: role and separators.
const PER_MESSAGE: usize = 4;

/// The content of one message.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

/// One part; `text` is there for `text`, `input_text` and `output_text`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Part {
    text: Option<String>,
}

/// One message of a conversation, in any of the three APIs. Members that change nothing here are ignored.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Message {
    pub role: Option<String>,
    pub content: Option<Content>,
}

impl Content {
    /// The texts, one line each.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => {
                parts.iter().filter_map(|part| part.text.as_deref()).collect::<Vec<_>>().join("\n")
            }
        }
    }

    /// Tokens of all parts.
    pub(super) fn tokens(&self) -> usize {
        match self {
            Self::Text(text) => tokens::count(text),
            Self::Parts(parts) => {
                parts.iter().map(|part| part.text.as_deref().map_or(OTHER_PART_TOKENS, tokens::count)).sum()
            }
        }
    }
}

/// What the model is asked, reduced to what an answer needs.
pub(super) struct Prompt {
    /// Text of the last message of the user.
    pub question: String,
    /// Tokens of all messages.
    pub tokens: usize,
}

impl Prompt {
    /// From a conversation and texts beside it (a system prompt, instructions).
    pub(super) fn new(messages: &[Message], beside: Option<&Content>) -> Self {
        let content = |message: &Message| message.content.as_ref().map_or(0, Content::tokens) + PER_MESSAGE;
        let last = messages.iter().rev().find(|message| message.role.as_deref() == Some("user"));
        Self {
            question: last
                .and_then(|message| message.content.as_ref())
                .map(Content::text)
                .unwrap_or_default(),
            tokens: messages.iter().map(content).sum::<usize>()
                + beside.map_or(0, |content| content.tokens() + PER_MESSAGE),
        }
    }
}

/// A token limit as clients send it: a positive whole number. `null` and absent mean none.
pub(super) fn limit(value: Option<&Value>) -> Result<Option<usize>, ()> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) if number > 0 => Ok(Some(usize::try_from(number).unwrap_or(usize::MAX))),
            _ => Err(()),
        },
    }
}
