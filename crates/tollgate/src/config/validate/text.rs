//! Text in a configuration: the forms that it must have, and the words to say what is wrong with it.

use serde_json::Value as Json;

use crate::config::tree::{Node, Value};

/// The header name in lower case.
///
/// # Errors
/// It is not one.
pub(in crate::config) fn header_name(text: &str) -> Result<String, String> {
    http::HeaderName::from_bytes(text.as_bytes())
        .map(|name| name.as_str().to_owned())
        .map_err(|_| "not a header name".to_owned())
}

pub(super) fn url(text: &str) -> Result<(), String> {
    let wrong = || "write an absolute URL, such as https://issuer.example.com".to_owned();
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must not carry a user name or password".into());
    }
    Ok(())
}

/// What a schema wants, in a few words.
pub(super) fn describe(schema: &Json) -> String {
    let words = allowed_words(schema);
    if !words.is_empty() {
        return words.iter().map(|w| format!("'{w}'")).collect::<Vec<_>>().join(" or ");
    }
    let name = |t: &str| match t {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        "array" => "a list",
        "object" => "a mapping",
        _ => "",
    };
    match schema.get("type") {
        Some(Json::String(one)) => name(one).to_owned(),
        Some(Json::Array(list)) => {
            let names = list.iter().filter_map(Json::as_str).map(name).filter(|n| !n.is_empty());
            names.collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    }
}

/// What a value is, in a few words that do not quote it.
pub(super) const fn found(node: &Node) -> &'static str {
    match &node.value {
        Value::Null => "nothing (remove the key, or give it a value)",
        Value::Bool(_) => "true or false (quote it if it is text)",
        Value::Number(_) => "a number (quote it if it is text)",
        Value::String(_) => "text",
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    }
}

pub(super) fn allowed_words(schema: &Json) -> Vec<&str> {
    let one = schema.get("const").and_then(Json::as_str);
    let many = schema.get("enum").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    one.into_iter().chain(many).collect()
}

pub(super) fn unknown_word(word: &str, words: &[&str]) -> String {
    let guess = nearest(word, words).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
    let shown: String = word.chars().take(40).collect();
    format!("'{shown}' is not known here; {guess}write one of {}", words.join(", "))
}

/// The name that `key` was probably meant to be.
pub(super) fn nearest<'n>(key: &str, names: &[&'n str]) -> Option<&'n str> {
    let key = key.to_lowercase().replace('-', "_");
    let limit = (key.chars().count() / 3).max(1);
    names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&key, &name.to_lowercase()), *name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

pub(super) fn whole(number: &Json) -> String {
    match number.as_f64() {
        Some(value) if value.fract() == 0.0 => format!("{value:.0}"),
        _ => number.to_string(),
    }
}
