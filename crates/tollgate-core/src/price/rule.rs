//! Which names of models or providers a rule means. Names are compared without case, as providers themselves do.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// The largest compiled pattern, in bytes.
const MAX_PATTERN: usize = 256 << 10;

/// A rule over names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// This name.
    Equals(String),
    /// One of these names.
    OneOf(Vec<String>),
    /// Names that begin so.
    StartsWith(String),
    /// Names that end so.
    EndsWith(String),
    /// Names that contain this.
    Contains(String),
    /// Names that this pattern finds, with case.
    Pattern(Pattern),
    /// Names that one of the rules means.
    Any(Vec<Self>),
    /// Names that all of the rules mean.
    All(Vec<Self>),
    /// Names that the rule does not mean.
    Not(Box<Self>),
}

/// A compiled pattern.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = regex::Error;
    fn try_from(text: String) -> Result<Self, regex::Error> {
        Ok(Self(RegexBuilder::new(&text).size_limit(MAX_PATTERN).build()?))
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.as_str().to_owned()
    }
}

/// A name, and the same in lower case.
#[derive(Clone, Debug)]
pub(super) struct Name {
    raw: String,
    lower: String,
}

impl Name {
    pub(super) fn new(raw: &str) -> Self {
        Self { raw: raw.to_owned(), lower: raw.to_lowercase() }
    }

    pub(super) fn lower(&self) -> &str {
        &self.lower
    }
}

impl Rule {
    pub(super) fn means(&self, name: &Name) -> bool {
        let lower = name.lower.as_str();
        match self {
            Self::Equals(text) => same(lower, text),
            Self::OneOf(texts) => texts.iter().any(|text| same(lower, text)),
            Self::StartsWith(text) => lower.starts_with(&text.to_lowercase()),
            Self::EndsWith(text) => lower.ends_with(&text.to_lowercase()),
            Self::Contains(text) => lower.contains(&text.to_lowercase()),
            Self::Pattern(pattern) => pattern.0.is_match(&name.raw),
            Self::Any(rules) => rules.iter().any(|rule| rule.means(name)),
            Self::All(rules) => rules.iter().all(|rule| rule.means(name)),
            Self::Not(rule) => !rule.means(name),
        }
    }

    /// The exact names that the rule means, in lower case, when it means no others.
    pub(super) fn names(&self) -> Option<Vec<String>> {
        match self {
            Self::Equals(text) => Some(vec![text.to_lowercase()]),
            Self::OneOf(texts) => Some(texts.iter().map(|text| text.to_lowercase()).collect()),
            _ => None,
        }
    }
}

fn same(lower: &str, text: &str) -> bool {
    lower == text.to_lowercase()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn rules_mean_names() {
        let table = [
            (r#"{"equals": "GPT-4o"}"#, "gpt-4O", true),
            (r#"{"equals": "gpt-4o"}"#, "gpt-4o-mini", false),
            (r#"{"one_of": ["a", "B"]}"#, "b", true),
            (r#"{"one_of": []}"#, "b", false),
            (r#"{"starts_with": "claude-"}"#, "Claude-3", true),
            (r#"{"ends_with": ":free"}"#, "x:free", true),
            (r#"{"contains": "bedrock"}"#, "aws-bedrock-eu", true),
            (r#"{"pattern": "^o[134]"}"#, "o3-mini", true),
            (r#"{"pattern": "^o[134]"}"#, "O3-mini", false),
            (r#"{"all": [{"starts_with": "a"}, {"not": {"contains": "tts"}}]}"#, "abc", true),
            (r#"{"all": [{"starts_with": "a"}, {"not": {"contains": "tts"}}]}"#, "a-tts", false),
            (r#"{"any": [{"equals": "a"}, {"equals": "b"}]}"#, "b", true),
        ];
        for (json, name, means) in table {
            let rule: Rule = serde_json::from_str(json).unwrap();
            assert_eq!(rule.means(&Name::new(name)), means, "{json} {name}");
        }
        for json in [r#"{"pattern": "("}"#, r#"{"pattern": "(?!x)"}"#, r#"{"is": "x"}"#, r#""x""#, "{}"] {
            assert!(serde_json::from_str::<Rule>(json).is_err(), "{json}");
        }
    }
}
