//! What is committed beside the code says what the code says. `UPDATE_REFERENCE=1 cargo test -p tollgate reference`
//! writes the derived parts anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value as Json;

use super::*;
use crate::config::schema::{branches, is_secret, keys, types};
use crate::config::tree::{Node, Origin, Value};
use crate::config::{DEFAULT_FILE, schema};

const BEGIN: &str = "<!-- derived from the schema: begin -->\n";
const END: &str = "<!-- derived from the schema: end -->\n";

fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name)
}

#[expect(clippy::disallowed_methods, reason = "how the reference is asked to be rewritten")]
fn compare(name: &str, derived: &str) {
    let path = document(name);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, derived).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == derived,
        "{name} is out of date; run UPDATE_REFERENCE=1 cargo test -p tollgate reference"
    );
}

#[test]
fn the_committed_schema_is_the_derived_one() {
    compare("config.schema.json", &format!("{:#}\n", schema()));
}

#[test]
fn the_manual_s_table_is_the_derived_one() {
    let text = std::fs::read_to_string(document("configuration.md")).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    compare("configuration.md", &format!("{before}{BEGIN}{}{END}{after}", table()));
}

fn table() -> String {
    let schema = schema();
    let mut out = String::from("| key | type | default | what it is |\n|---|---|---|---|\n");
    let required: BTreeSet<String> = required_keys(&schema, "");
    for (path, key) in keys(&schema) {
        let section = branches(key).iter().any(|b| b.get("properties").is_some()) && types(key) == ["object"];
        if section {
            continue;
        }
        let default = key.get("default").map(|d| format!("`{d}`")).unwrap_or_default();
        let default = if required.contains(&path) { "required".into() } else { default };
        let about = key.get("description").and_then(Json::as_str).unwrap_or_default();
        let about = about.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        let default = if default.len() > 60 { "see the defaults file".into() } else { default };
        let _ = writeln!(out, "| `{path}` | {} | {default} | {about} |", kind(key));
    }
    out
}

fn required_keys(schema: &Json, path: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for branch in branches(schema) {
        for (name, inner) in branch.get("properties").and_then(Json::as_object).into_iter().flatten() {
            let inner_path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            all.extend(required_keys(inner, &inner_path));
            let list = branch.get("required").and_then(Json::as_array);
            let one_of_several =
                branches(schema).len() > 1 && branches(schema).iter().all(|b| b.get("properties").is_some());
            if list.is_some_and(|r| r.contains(&Json::from(name.as_str()))) && !one_of_several {
                all.insert(inner_path);
            }
        }
        if let Some(items) = branch.get("items") {
            all.extend(required_keys(items, &format!("{path}[]")));
        }
    }
    all
}

fn kind(key: &Json) -> String {
    let mut words: Vec<String> = Vec::new();
    for branch in branches(key) {
        let allowed = branch.get("enum").and_then(Json::as_array).cloned().unwrap_or_default();
        let allowed: Vec<Json> = branch.get("const").cloned().into_iter().chain(allowed).collect();
        words.extend(allowed.iter().filter(|w| !w.is_null()).map(|w| format!("`{w}`")));
        if allowed.is_empty() {
            words.extend(types(branch).into_iter().filter(|t| *t != "null").map(str::to_owned));
        }
    }
    let mut text = words.join(" or ").replace("\"", "");
    let bound = |name| key.get(name).and_then(Json::as_f64);
    if let (Some(min), Some(max)) = (bound("minimum"), bound("maximum")) {
        let _ = write!(text, " {min} to {max}");
    }
    if is_secret(key) {
        text.push_str(", secret");
    }
    text
}

/// The defaults file with its examples switched on.
fn with_examples() -> String {
    let mut text = String::new();
    for line in DEFAULT_FILE.lines() {
        let stripped = line.trim_start();
        let indent = &line[..line.len() - stripped.len()];
        let placeholder = [
            "tls: null",
            "issuers: []",
            "oauth2: null",
            "routes: []",
            "public_url: null",
            "login: null",
            "clients: []",
            "directories: []",
            "keys: []",
            "cli: null",
        ]
        .contains(&stripped);
        match stripped.strip_prefix("#| ") {
            Some(example) => writeln!(text, "{indent}{example}").unwrap(),
            None if placeholder => {}
            None => writeln!(text, "{line}").unwrap(),
        }
    }
    text
}

#[test]
fn every_key_stands_in_the_defaults_file() {
    fn walk(node: &Node, path: &str, all: &mut BTreeSet<String>) {
        match &node.value {
            Value::Map(entries) => {
                for (key, inner) in entries {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(inner, &path, all);
                    all.insert(path);
                }
            }
            Value::List(items) => items.iter().for_each(|item| walk(item, &format!("{path}[]"), all)),
            _ => {}
        }
    }
    // Some that cannot be switched on together with the others are commented out in the examples.
    let mut text = with_examples();
    for key in ["ca_file", "jwks_file", "client_secret_file", "secret_file"] {
        text = text.replace(&format!("# {key}"), key);
    }
    let mut written = BTreeSet::new();
    walk(&Node::from_yaml(&text, &|_| Origin::Default).unwrap(), "", &mut written);
    let schema = schema();
    let missing: Vec<String> = keys(&schema)
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| !written.contains(path) && !path.starts_with("server.check.tls"))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_key_is_described() {
    let schema = schema();
    for (path, key) in keys(&schema) {
        assert!(key.get("description").is_some(), "{path}");
    }
}

#[test]
fn the_examples_of_the_defaults_file_load() {
    let (cert, key) = certificate();
    let scratch = Scratch::new();
    let mut text = with_examples();
    for (name, content) in [("tls.crt", &cert), ("tls.key", &key), ("ca.crt", &cert)] {
        let path = scratch.write(name, content);
        text = text.replace(&format!("/etc/tollgate/tls/{name}"), path.to_str().unwrap());
    }
    // A login needs a database.
    let text = text.replace("  url: null", "  url: sqlite://state.db");
    let loaded = load_text(&text).map_err(|e| e.to_string()).unwrap();
    assert_eq!(loaded.compiled.policy.issuers().len(), 3);
    assert_eq!(loaded.compiled.policy.routes().len(), 2);
}

#[test]
fn the_examples_of_the_manual_load() {
    let text = std::fs::read_to_string(document("configuration.md")).unwrap();
    let mut examples = 0;
    for block in text.split("```yaml\n").skip(1) {
        let example = block.split("```").next().unwrap();
        load_text(example).map_err(|e| format!("{e}\n{example}")).unwrap();
        examples += 1;
    }
    assert!(examples >= 3, "{examples}");
}
