//! The answer of the sample model: short, the same every time, and showing what the gateway passed on.

use super::identity::Identity;
use super::prompt::Prompt;
use super::tokens;

/// Characters of the question that the answer repeats.
const QUOTED: usize = 400;

/// An answer with its count.
pub(super) struct Answer {
    /// The tokens in order; joined they are the text.
    pub pieces: Vec<String>,
    /// Whether the caller's limit cut it short.
    pub cut: bool,
    /// Tokens of the question.
    pub prompt_tokens: usize,
}

impl Answer {
    /// Answers `prompt` within `limit` tokens.
    pub(super) fn new(model: &str, prompt: &Prompt, identity: &Identity, limit: Option<usize>) -> Self {
        let text = compose(model, prompt, identity);
        let all = tokens::split(&text);
        let limit = limit.unwrap_or(usize::MAX);
        Self {
            cut: all.len() > limit,
            pieces: all.into_iter().take(limit).map(str::to_owned).collect(),
            prompt_tokens: prompt.tokens,
        }
    }

    /// The whole text.
    pub(super) fn text(&self) -> String {
        self.pieces.concat()
    }

    /// Tokens of the answer.
    pub(super) fn tokens(&self) -> usize {
        self.pieces.len()
    }
}

fn compose(model: &str, prompt: &Prompt, identity: &Identity) -> String {
    let question = prompt.question.trim();
    if question.to_lowercase().contains("who am i") {
        return identity.summary().map_or_else(
            || "The gateway sent no identity headers.".to_owned(),
            |summary| format!("The gateway says you are: {summary}."),
        );
    }
    let name = identity.greeting_name().unwrap_or("stranger");
    let mut quoted: String = question.chars().take(QUOTED).collect();
    if question.chars().count() > QUOTED {
        quoted.push('…');
    }
    if quoted.is_empty() {
        return format!("Hello {name}, this is {model}. You sent no text.");
    }
    format!("Hello {name}, this is {model}. You said: {quoted}")
}
