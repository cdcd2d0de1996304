//! The configuration in force, as text, with secrets masked.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::Loaded;
use super::schema::{branches, find, is_secret};
use super::secret::{MASK, mask_url};
use super::tree::{Node, Value};

/// How the configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowFormat {
    /// As a configuration file.
    Yaml,
    /// As JSON.
    Json,
}

/// Writes the configuration in force; its secrets are masked already. With `origin`, each value says which layer set it: in YAML as a comment, in JSON
/// as a flat object of `{value, origin}` by key.
pub fn show(loaded: &Loaded, format: ShowFormat, origin: bool) -> String {
    let node = &loaded.origins.0;
    match format {
        ShowFormat::Yaml => {
            let mut out = String::new();
            yaml(node, 0, origin, &mut out);
            out
        }
        ShowFormat::Json => {
            let value = if origin { flat(node) } else { node.to_json() };
            format!("{value:#}\n")
        }
    }
}

/// Masks the secrets in a tree.
pub(super) fn mask(node: &mut Node, key: &str, schema: &Json) {
    match &mut node.value {
        Value::String(text) if is_secret(schema) => {
            *text = if key == "url" { mask_url(text) } else { MASK.into() };
        }
        Value::Map(entries) => {
            for (name, inner) in entries {
                if let Some(inner_schema) = find(schema, std::slice::from_ref(name)) {
                    mask(inner, name, inner_schema);
                }
            }
        }
        Value::List(items) => {
            let of_items = branches(schema).into_iter().find_map(|b| b.get("items"));
            for (item, schema) in items.iter_mut().zip(of_items.into_iter().cycle()) {
                mask(item, key, schema);
            }
        }
        _ => {}
    }
}

/// Writes the entries of a mapping, or the items of a list, one a line.
fn yaml(node: &Node, depth: usize, origin: bool, out: &mut String) {
    let indent = "  ".repeat(depth);
    match &node.value {
        Value::Map(entries) => {
            for (key, inner) in entries {
                let _ = write!(out, "{indent}{}:", scalar_text(key));
                value_after_marker(inner, depth, origin, out);
            }
        }
        Value::List(items) => {
            for item in items {
                let _ = write!(out, "{indent}-");
                value_after_marker(item, depth, origin, out);
            }
        }
        _ => {}
    }
}

/// Writes what follows `key:` or `-`.
fn value_after_marker(node: &Node, depth: usize, origin: bool, out: &mut String) {
    let leaf = match &node.value {
        Value::Map(entries) if !entries.is_empty() => None,
        Value::List(items) if !items.is_empty() => None,
        Value::Map(_) => Some("{}".to_owned()),
        Value::List(_) => Some("[]".to_owned()),
        Value::Null => Some("null".to_owned()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(n) => Some(n.to_string()),
        Value::String(text) => Some(scalar_text(text)),
    };
    match leaf {
        Some(leaf) if origin => {
            let _ = writeln!(out, " {leaf}  # {}", node.origin);
        }
        Some(leaf) => {
            let _ = writeln!(out, " {leaf}");
        }
        None => {
            out.push('\n');
            yaml(node, depth + 1, origin, out);
        }
    }
}

/// Text as YAML: plain where that is safe, else in the double quotes that JSON and YAML share.
fn scalar_text(text: &str) -> String {
    let plain_start = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'/');
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/'));
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    if plain_start && plain && !word { text.to_owned() } else { Json::from(text).to_string() }
}

fn flat(node: &Node) -> Json {
    fn walk(node: &Node, path: &str, all: &mut Map<String, Json>) {
        match &node.value {
            Value::Map(entries) if !entries.is_empty() => {
                for (key, inner) in entries {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(inner, &path, all);
                }
            }
            Value::List(items) if !items.is_empty() => {
                for (at, item) in items.iter().enumerate() {
                    walk(item, &format!("{path}[{at}]"), all);
                }
            }
            _ => {
                let entry = json!({"value": node.to_json(), "origin": node.origin.to_string()});
                all.insert(path.to_owned(), entry);
            }
        }
    }
    let mut all = Map::new();
    walk(node, "", &mut all);
    Json::Object(all)
}
