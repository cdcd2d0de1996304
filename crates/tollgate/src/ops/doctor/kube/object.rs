//! A Kubernetes object as the API gives it, read by path: fields that are not there read as nothing.

use serde_json::Value;

/// One object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Object<'a>(pub &'a Value);

/// One entry of a status.
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a>(Object<'a>);

impl<'a> Object<'a> {
    /// The text at a JSON pointer.
    pub fn text(self, pointer: &str) -> Option<&'a str> {
        self.0.pointer(pointer)?.as_str()
    }

    /// The whole number at a JSON pointer.
    pub fn number(self, pointer: &str) -> Option<i64> {
        self.0.pointer(pointer)?.as_i64()
    }

    /// Whether `true` stands at a JSON pointer.
    pub fn is_true(self, pointer: &str) -> bool {
        self.0.pointer(pointer).and_then(Value::as_bool) == Some(true)
    }

    /// Whether anything stands at a JSON pointer.
    pub fn has(self, pointer: &str) -> bool {
        self.0.pointer(pointer).is_some_and(|value| !value.is_null())
    }

    /// The list at a JSON pointer; empty when there is none.
    pub fn list(self, pointer: &str) -> impl Iterator<Item = Object<'a>> {
        self.0.pointer(pointer).and_then(Value::as_array).into_iter().flatten().map(Object)
    }

    /// The texts of the list at a JSON pointer.
    pub fn texts(self, pointer: &str) -> impl Iterator<Item = &'a str> {
        self.list(pointer).filter_map(|item| item.0.as_str())
    }

    /// `metadata.name`.
    pub fn name(self) -> &'a str {
        self.text("/metadata/name").unwrap_or_default()
    }

    /// `metadata.namespace`; empty for what has none.
    pub fn namespace(self) -> &'a str {
        self.text("/metadata/namespace").unwrap_or_default()
    }

    /// A label's value.
    pub fn label(self, name: &str) -> Option<&'a str> {
        self.0.pointer("/metadata/labels")?.get(name)?.as_str()
    }

    /// `Kind namespace/name`, as a person would look for it.
    pub fn place(self) -> String {
        let kind = self.text("/kind").unwrap_or("object");
        match self.namespace() {
            "" => format!("{kind} {}", self.name()),
            namespace => format!("{kind} {namespace}/{}", self.name()),
        }
    }

    /// The condition of this type in the list at a JSON pointer.
    pub fn condition(self, pointer: &str, kind: &str) -> Option<Condition<'a>> {
        self.list(pointer).find(|condition| condition.text("/type") == Some(kind)).map(Condition)
    }
}

impl<'a> Condition<'a> {
    /// Whether its status is `True`.
    pub fn holds(self) -> bool {
        self.0.text("/status") == Some("True")
    }

    /// Its reason.
    pub fn reason(self) -> &'a str {
        self.0.text("/reason").unwrap_or_default()
    }

    /// Reason and message, for a sentence.
    pub fn why(self) -> String {
        match (self.reason(), self.0.text("/message").unwrap_or_default()) {
            (reason, "") => reason.to_owned(),
            (reason, message) => format!("{reason}: {}", message.trim_end_matches('.')),
        }
    }

    /// Whether it was judged from an older edit of the object.
    pub fn is_stale(self, object: Object<'_>) -> bool {
        let seen = self.0.number("/observedGeneration");
        seen.zip(object.number("/metadata/generation")).is_some_and(|(seen, current)| seen < current)
    }
}
