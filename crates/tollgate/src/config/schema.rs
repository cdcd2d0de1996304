//! The JSON schema of the configuration, and questions about it.

use schemars::generate::SchemaSettings;
use serde_json::{Value as Json, json};

use super::settings::Settings;

/// The JSON schema (draft 2020-12), derived from [`Settings`]. `docs/reference/config.schema.json` is a copy.
pub fn schema() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Settings>().to_value();
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".into(), json!("Tollgate configuration"));
    }
    describe_choices(&mut schema);
    schema
}

/// A mapping of which exactly one key is given is an enum in Rust, and its variants' descriptions stand on the branches;
/// gives them to the keys too.
fn describe_choices(schema: &mut Json) {
    if let Json::Object(map) = schema {
        let description = map.get("description").cloned();
        let only = map.get_mut("properties").and_then(Json::as_object_mut).filter(|p| p.len() == 1);
        if let (Some(description), Some(only)) = (description, only) {
            for key in only.values_mut().filter_map(Json::as_object_mut) {
                key.entry("description").or_insert_with(|| description.clone());
            }
        }
    }
    match schema {
        Json::Object(map) => map.values_mut().for_each(describe_choices),
        Json::Array(list) => list.iter_mut().for_each(describe_choices),
        _ => {}
    }
}

/// The schemas that a value may follow: the branches of a union, or the schema itself.
pub(super) fn branches(schema: &Json) -> Vec<&Json> {
    match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Json::as_array) {
        Some(list) => list.iter().flat_map(branches).collect(),
        None => vec![schema],
    }
}

/// The JSON types that a schema accepts.
pub(super) fn types(schema: &Json) -> Vec<&str> {
    let mut all: Vec<&str> = Vec::new();
    for branch in branches(schema) {
        match branch.get("type") {
            Some(Json::String(one)) => all.push(one),
            Some(Json::Array(list)) => all.extend(list.iter().filter_map(Json::as_str)),
            _ => {}
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The schema of the key that `steps` leads to.
pub(super) fn find<'s>(schema: &'s Json, steps: &[String]) -> Option<&'s Json> {
    let Some((first, rest)) = steps.split_first() else { return Some(schema) };
    branches(schema).into_iter().find_map(|branch| {
        let known = branch.get("properties").and_then(|p| p.get(first));
        let any = branch.get("additionalProperties").filter(|s| s.is_object());
        find(known.or(any)?, rest)
    })
}

/// The keys of a mapping, with their schemas.
pub(super) fn properties(schema: &Json) -> Vec<(&str, &Json)> {
    let all = branches(schema).into_iter().filter_map(|b| b.get("properties").and_then(Json::as_object));
    all.flatten().map(|(name, schema)| (name.as_str(), schema)).collect()
}

/// Whether a value is a secret.
pub(super) fn is_secret(schema: &Json) -> bool {
    branches(schema).iter().any(|b| b.get("writeOnly") == Some(&Json::Bool(true)))
}

/// Every key that is a mapping's own, as dotted paths; entries of lists are `name[].key`.
pub(super) fn keys(schema: &Json) -> Vec<(String, &Json)> {
    fn walk<'s>(schema: &'s Json, at: &str, all: &mut Vec<(String, &'s Json)>) {
        for (name, inner) in properties(schema) {
            let path = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
            all.push((path.clone(), inner));
            walk(inner, &path, all);
        }
        for items in branches(schema).into_iter().filter_map(|b| b.get("items")) {
            walk(items, &format!("{at}[]"), all);
        }
    }
    let mut all = Vec::new();
    walk(schema, "", &mut all);
    all
}
