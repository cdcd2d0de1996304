//! The list of models that is answered here instead of by a backend, in the forms that SDKs read.

use serde_json::{Value, json};

use super::policy::{ModelList, ModelListError};
use super::rules::check_name;
use crate::dialect::Dialect;
use crate::target::Target;

/// The models behind a route, as its callers know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCatalogue(ModelList);

impl ModelCatalogue {
    /// A catalogue of these names; aliases may be among them.
    ///
    /// # Errors
    /// [`ModelListError`]; a pattern is no name.
    pub fn new(names: Vec<String>) -> Result<Self, ModelListError> {
        if let Some(wrong) = names.iter().find(|name| name.contains('*') || check_name(name).is_err()) {
            return Err(ModelListError::Pattern(wrong.chars().take(64).collect()));
        }
        ModelList::new(names).map(Self)
    }

    /// The names, in the operator's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.patterns().iter().map(String::as_str)
    }

    /// Whether the request asks for the list of models, as `GET /v1/models` does.
    pub fn is_asked_for(target: &Target<'_>) -> bool {
        matches!(target.method, "GET" | "HEAD")
            && (target.path == "/models" || target.path.ends_with("/models"))
    }
}

/// The list in the form of the API that asks: Google's has its own; OpenAI's and Anthropic's are at the same path, so each
/// entry carries the members of both.
pub fn listing<'n>(dialect: Dialect, names: impl Iterator<Item = &'n str>) -> String {
    if dialect == Dialect::Google {
        let models: Vec<Value> =
            names.map(|name| json!({"name": format!("models/{name}"), "displayName": name})).collect();
        return json!({"models": models}).to_string();
    }
    let names: Vec<&str> = names.collect();
    // Nobody here knows when a model was made. Both APIs take the epoch for "unknown".
    let entry = |name: &&str| {
        json!({
            "id": name, "object": "model", "created": 0, "owned_by": "tollgate",
            "type": "model", "display_name": name, "created_at": "1970-01-01T00:00:00Z",
        })
    };
    json!({
        "object": "list",
        "data": names.iter().map(entry).collect::<Vec<_>>(),
        "has_more": false,
        "first_id": names.first(),
        "last_id": names.last(),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn each_sdk_finds_its_members() {
        let list: Value = serde_json::from_str(&listing(Dialect::OpenAi, ["a", "b"].into_iter())).unwrap();
        assert_eq!((&list["object"], &list["data"][1]["id"]), (&json!("list"), &json!("b")));
        assert_eq!((&list["has_more"], &list["last_id"]), (&json!(false), &json!("b")));
        let none: Value = serde_json::from_str(&listing(Dialect::Anthropic, [].into_iter())).unwrap();
        assert_eq!((&none["data"], &none["first_id"]), (&json!([]), &Value::Null));
        let google: Value = serde_json::from_str(&listing(Dialect::Google, ["a"].into_iter())).unwrap();
        assert_eq!(google["models"][0]["name"], "models/a");
    }

    #[test]
    fn a_catalogue_holds_names() {
        for bad in [vec![], vec!["a*"], vec![""], vec!["a b"], vec!["a", "a"]] {
            assert!(ModelCatalogue::new(bad.iter().map(ToString::to_string).collect()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_asks_for_the_list() {
        for (method, path, expected) in [
            ("GET", "/v1/models", true),
            ("GET", "/v1/models/", true),
            ("HEAD", "/models", true),
            ("GET", "/v1/models/x", false),
            ("POST", "/v1/models", false),
            ("GET", "/v1/mymodels", false),
        ] {
            assert_eq!(
                ModelCatalogue::is_asked_for(&Target::parse(method, "h", path).unwrap()),
                expected,
                "{path}"
            );
        }
    }
}
