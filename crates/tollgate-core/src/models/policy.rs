//! Which models a caller may use: typed, so that no missing value and no empty list can mean "everything".

use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::{SerializeSeq as _, Serializer};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The models that something may use. As JSON: `"all"`, `"none"`, or a non-empty array of names and patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelPolicy {
    /// Every model.
    All,
    /// No model.
    None,
    /// These.
    List(ModelList),
}

/// A non-empty list of model names, in which `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct ModelList(Vec<String>);

/// Patterns in one list at most.
pub const MAX_PATTERNS: usize = 256;
/// Bytes of one pattern at most.
pub const MAX_PATTERN_BYTES: usize = 256;

/// Why a list of models was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ModelListError {
    /// An empty list could be read as "all" or as "none".
    #[error("a list of models must not be empty; write \"all\" or \"none\"")]
    Empty,
    /// More than [`MAX_PATTERNS`].
    #[error("a list of models has at most {MAX_PATTERNS} entries")]
    TooMany,
    /// Empty, too long, or with characters that no model name has.
    #[error(
        "'{0}' is not a model name or pattern: 1 to {MAX_PATTERN_BYTES} printable ASCII characters, no comma, '*' for any"
    )]
    Pattern(String),
    /// The same entry twice.
    #[error("'{0}' stands in the list twice")]
    Twice(String),
}

impl ModelList {
    /// A list of these names and patterns.
    ///
    /// # Errors
    /// [`ModelListError`].
    pub fn new(patterns: Vec<String>) -> Result<Self, ModelListError> {
        if patterns.is_empty() {
            return Err(ModelListError::Empty);
        }
        if patterns.len() > MAX_PATTERNS {
            return Err(ModelListError::TooMany);
        }
        for (at, pattern) in patterns.iter().enumerate() {
            let fits = (1..=MAX_PATTERN_BYTES).contains(&pattern.len());
            if !fits || !pattern.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
                return Err(ModelListError::Pattern(pattern.chars().take(64).collect()));
            }
            if patterns[..at].contains(pattern) {
                return Err(ModelListError::Twice(pattern.clone()));
            }
        }
        Ok(Self(patterns))
    }

    /// The entries as they were written.
    pub fn patterns(&self) -> &[String] {
        &self.0
    }

    /// Whether this model is in the list. Names are compared exactly, case included.
    pub fn allows(&self, model: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, model))
    }

    /// Whether every name that an entry of `other` matches, one entry of these matches too.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|narrow| self.0.iter().any(|wide| covers(wide, narrow)))
    }
}

impl TryFrom<Vec<String>> for ModelList {
    type Error = ModelListError;

    fn try_from(patterns: Vec<String>) -> Result<Self, ModelListError> {
        Self::new(patterns)
    }
}

impl From<ModelList> for Vec<String> {
    fn from(list: ModelList) -> Self {
        list.0
    }
}

impl ModelPolicy {
    /// Whether this model may be used. Names are compared exactly, case included.
    pub fn allows(&self, model: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::List(list) => list.allows(model),
        }
    }
}

/// Whether everything that `narrow` matches, `wide` matches too. A star of `narrow` can only be matched by a star of
/// `wide`, which then matches whatever stands there.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    matches(wide, narrow)
}

/// `*` stands for any characters. Each part between stars is taken at its first place, which leaves the most room for the
/// others; the standard library finds it in linear time, so no pattern of one caller can be slow for another.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    let Some(between) = rest.strip_suffix(last) else { return false };
    rest = between;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    true
}

impl Serialize for ModelPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::None => serializer.serialize_str("none"),
            Self::List(list) => {
                let mut seq = serializer.serialize_seq(Some(list.0.len()))?;
                for pattern in &list.0 {
                    seq.serialize_element(pattern)?;
                }
                seq.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for ModelPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = ModelPolicy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\", \"none\", or a non-empty list of model names")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ModelPolicy, E> {
                match text {
                    "all" => Ok(ModelPolicy::All),
                    "none" => Ok(ModelPolicy::None),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ModelPolicy, A::Error> {
                let mut patterns = Vec::new();
                while let Some(pattern) = seq.next_element::<String>()? {
                    if patterns.len() > MAX_PATTERNS {
                        break;
                    }
                    patterns.push(pattern);
                }
                ModelList::new(patterns).map(ModelPolicy::List).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Form)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn policy(json: &str) -> Result<ModelPolicy, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn what_is_allowed() {
        let table = [
            ("\"all\"", "anything", true),
            ("\"none\"", "anything", false),
            ("[\"gpt-4o\"]", "gpt-4o", true),
            ("[\"gpt-4o\"]", "gpt-4o-mini", false),
            ("[\"gpt-4o\"]", "GPT-4o", false),
            ("[\"gpt-4o*\"]", "gpt-4o-mini", true),
            ("[\"*-mini\"]", "gpt-4o-mini", true),
            ("[\"a*b*c\"]", "axxbyyc", true),
            ("[\"a*b*c\"]", "axxbyy", false),
            ("[\"x\", \"*\"]", "", true),
            ("[\"*a\"]", "aaa", true),
        ];
        for (json, model, expected) in table {
            assert_eq!(policy(json).unwrap().allows(model), expected, "{json} {model}");
        }
    }

    #[test]
    fn only_the_three_forms_are_read_and_they_come_back() {
        for good in ["\"all\"", "\"none\"", "[\"a\",\"b-*\"]"] {
            assert_eq!(serde_json::to_string(&policy(good).unwrap()).unwrap(), good);
        }
        for bad in [
            "null",
            "[]",
            "{}",
            "\"\"",
            "\"All\"",
            "true",
            "[\"\"]",
            "[\"a\",\"a\"]",
            "[1]",
            "[\"a b\"]",
            "[null]",
        ] {
            assert!(policy(bad).is_err(), "{bad}");
        }
    }
}
