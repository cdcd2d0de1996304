//! The environment as a layer: `TOLLGATE__SERVER__GRPC__LISTEN=0.0.0.0:3001` sets `server.grpc.listen`.

use std::sync::Arc;

use serde_json::Value as Json;

use super::problem::Problem;
use super::schema;
use super::tree::{Node, Origin, Value};

/// What the names of the variables start with.
pub const PREFIX: &str = "TOLLGATE__";

/// Reads the variables that belong to Tollgate; others are left alone.
pub(super) fn read(variables: &[(String, String)], schema: &Json, problems: &mut Vec<Problem>) -> Node {
    let mut root = Node::empty(Origin::Default);
    let mut settings: Vec<(Vec<String>, &str, &str)> = Vec::new();
    for (name, value) in variables {
        if name == "RUST_LOG" && !value.trim().is_empty() {
            settings.push((vec!["logging".into(), "level".into()], name, value));
        } else if let Some(path) = name.strip_prefix(PREFIX) {
            let steps: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
            if value.contains(char::REPLACEMENT_CHARACTER) {
                problems.push(at(name, &steps.join("."), "the value is not UTF-8 text"));
            } else if steps.iter().any(String::is_empty) {
                problems.push(at(name, "", "the name has an empty part; write TOLLGATE__SECTION__KEY"));
            } else {
                settings.push((steps, name, value));
            }
        }
    }
    // Sections before the keys in them, and our own names last, so that they win over RUST_LOG.
    settings.sort_by_key(|(steps, name, _)| (steps.len(), name.starts_with(PREFIX), (*name).to_owned()));
    for pair in settings.windows(2) {
        if let [(first, one, _), (second, two, _)] = pair
            && first == second
            && one.starts_with(PREFIX)
        {
            problems.push(at(two, &first.join("."), &format!("{one} sets the same key; give one of them")));
        }
    }
    for (steps, name, value) in settings {
        let path = steps.join(".");
        let origin = Origin::Environment(Arc::from(name));
        match parse(value, schema::find(schema, &steps), &origin) {
            Ok(node) => {
                let nested = steps.iter().rev().fold(node, |inner, step| Node {
                    value: Value::Map(vec![(step.clone(), inner)]),
                    origin: origin.clone(),
                });
                root.overlay(nested);
            }
            Err(text) => problems.push(at(name, &path, &text)),
        }
    }
    root
}

/// Text for a key that wants text is taken as it stands, so that a password needs no quotes; everything else is YAML.
fn parse(text: &str, schema: Option<&Json>, origin: &Origin) -> Result<Node, String> {
    let wants = schema.map(schema::types).unwrap_or_default();
    let nothing = matches!(text.trim(), "" | "~" | "null");
    if wants.contains(&"null") && nothing {
        return Ok(Node { value: Value::Null, origin: origin.clone() });
    }
    if !wants.is_empty() && wants.iter().all(|t| matches!(*t, "string" | "null")) {
        return Ok(Node { value: Value::String(text.to_owned()), origin: origin.clone() });
    }
    Node::from_yaml(text, &|_| origin.clone()).map_err(|e| format!("the value is not YAML: {}", e.text))
}

fn at(name: &str, path: &str, text: &str) -> Problem {
    Problem::new(path, text).at(&Origin::Environment(Arc::from(name)))
}
