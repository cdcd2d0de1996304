//! A tree against the schema: every unknown key, missing key, wrong type and value out of range, all at once.

mod text;

use std::collections::BTreeSet;

use serde_json::{Number, Value as Json};

pub(super) use self::text::header_name;
use self::text::{allowed_words, describe, found, nearest, unknown_word, url, whole};
use super::problem::Problem;
use super::schema::{branches, is_secret, keys, properties};
use super::settings::{ClientAddress, Listen, Network};
use super::tree::{Node, Value};

/// Checks `root`.
pub(super) fn validate(root: &Node, schema: &Json) -> Vec<Problem> {
    let all_keys = keys(schema).into_iter().map(|(path, _)| path).collect();
    let mut validator = Validator { all_keys, problems: Vec::new() };
    validator.walk(root, schema, "");
    validator.problems
}

struct Validator {
    /// Every known key as a dotted path, for "did you mean".
    all_keys: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Validator {
    fn report(&mut self, node: &Node, path: &str, text: &str) {
        self.problems.push(Problem::new(path, text).at(&node.origin));
    }

    /// Checks a value, and adds the schema's hint to what is wrong with it or with an entry of it.
    fn walk(&mut self, node: &Node, schema: &Json, path: &str) {
        let before = self.problems.len();
        let all = branches(schema);
        let fitting: Vec<&Json> = all.iter().copied().filter(|b| fits_type(node, b)).collect();
        match fitting.as_slice() {
            [] => {
                let expected = all.iter().map(|b| describe(b)).collect::<BTreeSet<_>>();
                let expected =
                    expected.into_iter().filter(|e| !e.is_empty()).collect::<Vec<_>>().join(" or ");
                self.report(node, path, &format!("expected {expected}, found {}", found(node)));
            }
            [one] => self.content(node, one, path),
            several => self.union(node, several, schema, path),
        }
        if let Some(hint) = schema.get("x-hint").and_then(Json::as_str) {
            let own = |p: &&mut Problem| {
                p.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || !rest.contains('.'))
            };
            for problem in self.problems.iter_mut().skip(before).filter(own) {
                problem.text = format!("{}; {hint}", problem.text);
            }
        }
    }

    fn union(&mut self, node: &Node, several: &[&Json], schema: &Json, path: &str) {
        let before = self.problems.len();
        for branch in several {
            self.content(node, branch, path);
            if self.problems.len() == before {
                return;
            }
            self.problems.truncate(before);
        }
        let words: Vec<&str> = several.iter().flat_map(|b| allowed_words(b)).collect();
        if let (Value::String(word), false) = (&node.value, words.is_empty()) {
            let text = unknown_word(word, &words);
            return self.report(node, path, &text);
        }
        let choices: Vec<&str> = properties(schema).into_iter().map(|(name, _)| name).collect();
        let given: Vec<&str> =
            node.entries().unwrap_or_default().iter().map(|(name, _)| name.as_str()).collect();
        match given.as_slice() {
            [one] if choices.contains(one) => {
                if let Some(branch) =
                    several.iter().find(|b| properties(b).iter().any(|(name, _)| name == one))
                {
                    self.content(node, branch, path);
                }
            }
            _ => {
                let text = format!("expected exactly one of {}", choices.join(", "));
                self.report(node, path, &text);
            }
        }
    }

    /// Checks a value whose type is right.
    fn content(&mut self, node: &Node, schema: &Json, path: &str) {
        match &node.value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => self.number(node, number, schema, path),
            Value::String(text) => self.string(node, text, schema, path),
            Value::List(items) => {
                if let Some(min) =
                    schema.get("minItems").and_then(Json::as_u64).filter(|m| *m > items.len() as u64)
                {
                    self.report(node, path, &format!("the list needs at least {min} entry"));
                }
                for (at, item) in items.iter().enumerate() {
                    if let Some(inner) = schema.get("items") {
                        self.walk(item, inner, &format!("{path}[{at}]"));
                    }
                }
            }
            Value::Map(entries) => self.mapping(node, entries, schema, path),
        }
    }

    fn mapping(&mut self, node: &Node, entries: &[(String, Node)], schema: &Json, path: &str) {
        let known = schema.get("properties").and_then(Json::as_object);
        let any = schema.get("additionalProperties");
        // A key that is only misspelt is not missing as well.
        let mut meant: Vec<&str> = Vec::new();
        for (key, inner) in entries {
            let inner_path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match (known.and_then(|k| k.get(key)), any) {
                (Some(inner_schema), _) => self.walk(inner, inner_schema, &inner_path),
                (None, Some(inner_schema)) if inner_schema.is_object() => {
                    self.walk(inner, inner_schema, &inner_path);
                }
                (None, Some(Json::Bool(false))) => {
                    let siblings: Vec<&str> =
                        known.into_iter().flat_map(|k| k.keys()).map(String::as_str).collect();
                    let text = format!("unknown key; {}", self.suggestion(key, path, &siblings));
                    self.problems.push(Problem::new(inner_path, text).at(&inner.origin));
                    meant.extend(nearest(key, &siblings));
                }
                (None, _) => {}
            }
        }
        for required in schema.get("required").and_then(Json::as_array).into_iter().flatten() {
            let Some(name) =
                required.as_str().filter(|name| node.get(name).is_none() && !meant.contains(name))
            else {
                continue;
            };
            let inner_path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let hint = known.and_then(|k| k.get(name)?.get("x-hint")).and_then(Json::as_str);
            let text = hint.map_or_else(|| "missing".to_owned(), |hint| format!("missing; {hint}"));
            self.report(node, &inner_path, &text);
        }
    }

    fn suggestion(&self, key: &str, path: &str, siblings: &[&str]) -> String {
        let full = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        if let Some(near) = nearest(key, siblings) {
            return format!("did you mean '{}'?", full(near));
        }
        let leaf = |known: &&String| known.rsplit('.').next() == Some(key);
        if let Some(elsewhere) = self.all_keys.iter().find(leaf) {
            return format!("did you mean '{elsewhere}'?");
        }
        format!("known here: {}", siblings.join(", "))
    }

    fn number(&mut self, node: &Node, number: &Number, schema: &Json, path: &str) {
        let value = number.as_f64().unwrap_or(f64::NAN);
        let bound = |name| schema.get(name).and_then(Json::as_f64);
        let shown = |name: &str| schema.get(name).map(whole).unwrap_or_default();
        let (min, max) = (bound("minimum"), bound("maximum"));
        if min.is_some_and(|min| value < min) || max.is_some_and(|max| value > max) {
            let range = match (min, max) {
                (Some(_), Some(_)) => format!("{} to {}", shown("minimum"), shown("maximum")),
                (Some(_), None) => format!("{} or more", shown("minimum")),
                _ => format!("at most {}", shown("maximum")),
            };
            self.report(node, path, &format!("{number} is out of range; write {range}"));
        } else if let Some(allowed) = schema.get("enum").and_then(Json::as_array)
            && !allowed.iter().any(|a| a.as_f64() == Some(value))
        {
            let allowed: Vec<String> = allowed.iter().map(whole).collect();
            self.report(node, path, &format!("{number} is not known here; write {}", allowed.join(" or ")));
        }
    }

    fn string(&mut self, node: &Node, text: &str, schema: &Json, path: &str) {
        let words = allowed_words(schema);
        if !words.is_empty() && !words.contains(&text) {
            return self.report(node, path, &unknown_word(text, &words));
        }
        let length = text.chars().count() as u64;
        if schema.get("minLength").and_then(Json::as_u64).is_some_and(|min| length < min) {
            self.report(node, path, "must not be empty");
        }
        if let Some(max) = schema.get("maxLength").and_then(Json::as_u64).filter(|max| length > *max) {
            self.report(node, path, &format!("has {length} characters; at most {max} are allowed"));
        }
        let wrong = match schema.get("format").and_then(Json::as_str) {
            Some("socket-address") => text.parse::<Listen>().err(),
            Some("client-address") => text.parse::<ClientAddress>().err(),
            Some("network") => text.parse::<Network>().err(),
            Some("header-name") => header_name(text).err(),
            Some("url") => url(text).err(),
            _ => None,
        };
        if let Some(wrong) = wrong {
            let shown =
                if is_secret(schema) || text.contains('@') { String::new() } else { format!("'{text}': ") };
            self.report(node, path, &format!("{shown}{wrong}"));
        }
    }
}

fn fits_type(node: &Node, schema: &Json) -> bool {
    let fits = |name: &str| match (&node.value, name) {
        (Value::Null, "null")
        | (Value::Bool(_), "boolean")
        | (Value::Number(_), "number")
        | (Value::String(_), "string")
        | (Value::List(_), "array")
        | (Value::Map(_), "object") => true,
        (Value::Number(number), "integer") => number.is_u64() || number.is_i64(),
        _ => false,
    };
    match schema.get("type") {
        Some(Json::String(one)) => fits(one),
        Some(Json::Array(list)) => list.iter().filter_map(Json::as_str).any(fits),
        _ => true,
    }
}
