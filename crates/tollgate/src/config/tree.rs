//! A configuration before it has types: values that remember where they were set, read from YAML under bounds, and
//! laid over each other.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::{Spanned, budget};

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in.
    Default,
    /// The file, with the line counted from 1; 0 when unknown.
    File {
        /// The file as it was named.
        path: Arc<Path>,
        /// The line.
        line: u64,
    },
    /// An environment variable.
    Environment(Arc<str>),
}

impl Origin {
    /// The layer's rank: a higher one wins.
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Environment(_) => 2,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => write!(f, "file {}", path.display()),
            Self::File { path, line } => write!(f, "file {}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
        }
    }
}

/// A value and where it was set.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was set; of a mapping, where it was set first.
    pub origin: Origin,
}

/// A value of YAML's core types.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A finite number.
    Number(Number),
    /// Text.
    String(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the text; no key is twice in it.
    Map(Vec<(String, Node)>),
}

/// YAML text that is not a value: the line if it is known, and a sentence that quotes no values.
#[derive(Debug, PartialEq, Eq)]
pub struct YamlError {
    /// The line counted from 1; 0 when unknown.
    pub line: u64,
    /// What is wrong.
    pub text: String,
}

impl Node {
    /// An empty mapping.
    pub const fn empty(origin: Origin) -> Self {
        Self { value: Value::Map(Vec::new()), origin }
    }

    /// The entries, if this is a mapping.
    pub fn entries(&self) -> Option<&[(String, Self)]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()?.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The entries to change, if this is a mapping.
    pub fn entries_mut(&mut self) -> Option<&mut Vec<(String, Self)>> {
        match &mut self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key to change, if this is a mapping that has it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.entries_mut()?.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// Takes a key out, if this is a mapping that has it.
    pub fn take(&mut self, key: &str) -> Option<Self> {
        let entries = self.entries_mut()?;
        let at = entries.iter().position(|(name, _)| name == key)?;
        Some(entries.remove(at).1)
    }

    /// The node that a path such as `routes[2].paths` names, or the nearest one around it.
    pub fn nearest(&self, path: &str) -> &Self {
        let mut node = self;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            let next = match (&node.value, step.strip_suffix(']')) {
                (Value::List(items), Some(at)) => at.parse().ok().and_then(|at: usize| items.get(at)),
                _ => node.get(step),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    /// Lays `upper` over this value: mappings key by key, everything else as a whole. Nothing over a compiled-in section
    /// (`server:` with all its lines commented out) changes nothing.
    pub fn overlay(&mut self, upper: Self) {
        match (&mut self.value, upper.value) {
            (Value::Map(entries), Value::Map(over)) => {
                for (key, node) in over {
                    match entries.iter_mut().find(|(name, _)| *name == key) {
                        Some((_, below)) => below.overlay(node),
                        None => entries.push((key, node)),
                    }
                }
            }
            (Value::Map(_), Value::Null) if self.origin == Origin::Default => {}
            (below, value) => {
                *below = value;
                self.origin = upper.origin;
            }
        }
    }

    /// The same data as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Number(n) => n.clone().into(),
            Value::String(s) => s.clone().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries.iter().map(|(key, node)| (key.clone(), node.to_json())).collect(),
        }
    }

    /// Reads one YAML document. `origin` says where a line stands.
    ///
    /// # Errors
    /// Not YAML, a key twice, or more nesting, aliases or values than any configuration has.
    pub fn from_yaml(text: &str, origin: &dyn Fn(u64) -> Origin) -> Result<Self, YamlError> {
        let bounds = budget::Budget::default();
        let mut options = serde_saphyr::options! {
            strict_booleans: true,
            with_snippet: false,
            reject_unsupported_tags: true,
        };
        options.alias_limits.max_total_replayed_events = 20_000;
        options.budget = Some({
            let mut budget = bounds;
            budget.max_depth = 32;
            budget.max_nodes = 100_000;
            budget.max_events = 200_000;
            budget.max_aliases = 1000;
            budget.max_documents = 1;
            budget
        });
        match serde_saphyr::from_str_with_options::<Option<Spanned<Loose>>>(text, options) {
            Ok(Some(read)) => Ok(read.value.into_node(read.referenced.line(), origin)),
            Ok(None) => Ok(Self { value: Value::Null, origin: origin(1) }),
            Err(error) => Err(YamlError {
                line: error.location().map_or(0, |at| at.line()),
                text: error.without_snippet().to_string().split_whitespace().collect::<Vec<_>>().join(" "),
            }),
        }
    }
}

/// What the YAML reader hands over.
enum Loose {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl Loose {
    fn into_node(self, line: u64, origin: &dyn Fn(u64) -> Origin) -> Node {
        let value = match self {
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(b),
            Self::Number(n) => Value::Number(n),
            Self::String(s) => Value::String(s),
            Self::List(items) => Value::List(
                items.into_iter().map(|item| item.value.into_node(item.referenced.line(), origin)).collect(),
            ),
            Self::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, item)| (key.value, item.value.into_node(key.referenced.line(), origin)))
                    .collect(),
            ),
        };
        Node { value, origin: origin(line) }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Null)
    }

    fn visit_none<E>(self) -> Result<Loose, E> {
        Ok(Loose::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Loose, D::Error> {
        Loose::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Loose, E> {
        Ok(Loose::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Loose, E> {
        Ok(Loose::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Loose, E> {
        Ok(Loose::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Loose, E> {
        Number::from_f64(value).map(Loose::Number).ok_or_else(|| E::custom("the number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Loose, E> {
        Ok(Loose::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Loose, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Loose::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Loose, A::Error> {
        let mut map: Vec<(Spanned<String>, Spanned<Loose>)> = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Loose::Map(map))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn read(text: &str) -> Result<Node, YamlError> {
        Node::from_yaml(text, &|line| Origin::File { path: Path::new("f").into(), line })
    }

    #[test]
    fn values_and_lines() {
        let node = read("a: 1\nb:\n  c: [x, true, 2.5, ~]\n  'd e': |\n    text\n").unwrap();
        assert_eq!(
            node.to_json(),
            serde_json::json!({"a": 1, "b": {"c": ["x", true, 2.5, null], "d e": "text\n"}})
        );
        let line = |path: &str| node.nearest(path).origin.to_string();
        assert_eq!(line("a"), "file f:1");
        assert_eq!(line("b"), "file f:2");
        assert_eq!(line("b.c[1]"), "file f:3");
        assert_eq!(line("b.d e"), "file f:4");
        assert_eq!(line("b.missing.deep"), "file f:2");
    }

    #[test]
    fn nothing_at_all() {
        for text in ["", "\n", "# only a comment\n", "---\n", "~"] {
            assert_eq!(read(text).unwrap().value, Value::Null, "{text:?}");
        }
    }

    #[test]
    fn words_are_not_booleans() {
        assert_eq!(
            read("a: yes\nb: off\nc: 'true'").unwrap().to_json(),
            serde_json::json!({"a": "yes", "b": "off", "c": "true"})
        );
    }

    #[test]
    fn hostile_text_is_refused() {
        let deep = "[".repeat(5000);
        let nested = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        let block: String = (0..60).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for n in 1..12 {
            let of = n - 1;
            bomb.push_str(&format!(
                "a{n}: &a{n} [*a{of},*a{of},*a{of},*a{of},*a{of},*a{of},*a{of},*a{of}]\n"
            ));
        }
        let table = [
            deep.as_str(),
            &nested,
            &block,
            &bomb,
            "a: 1\na: 2\n",
            "a: {b: 1, b: 2}\n",
            "a: *unknown\n",
            "a: &a [*a]\n",
            "a: [1, 2\n",
            "a: 'x\n",
            "a:\n\tb: 1\n",
            "a: 1\n---\nb: 2\n",
            "a: !secret x\n",
            "a: .inf\n",
            "? {a: 1}\n: 2\n",
            "a: b: c\n",
        ];
        for text in table {
            assert!(read(text).is_err(), "{}", text.chars().take(60).collect::<String>());
        }
        assert_eq!(read("a: 1\nb: 1\na: 2\n").unwrap_err().line, 3);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_answered(text in "[-a-c:{}\\[\\],'\"#&*!|>?%@ \n\t0-9.~]{0,60}") {
            if let Ok(node) = read(&text) {
                let _ = node.to_json();
            }
        }
    }

    #[test]
    fn overlay_is_deep_for_mappings_and_whole_for_lists() {
        let mut below = read("a: {b: 1, c: [1, 2]}\nd: 1\n").unwrap();
        below.overlay(read("a: {c: [3], e: 5}\n").unwrap());
        assert_eq!(below.to_json(), serde_json::json!({"a": {"b": 1, "c": [3], "e": 5}, "d": 1}));
    }
}
