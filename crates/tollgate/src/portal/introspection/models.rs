//! What a project and a key allow together, in the words that older policy services read: a mode, and a list of names.

use serde::Serialize;
use tollgate_core::models::{ModelList, ModelPolicy};

/// Models that may be used.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Allowed {
    /// `allow_all`, `allowlist` or `deny_all`.
    model_policy: &'static str,
    /// Names and patterns; present with `allowlist` alone, and then never empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_models: Vec<String>,
}

impl Allowed {
    /// What both allow. Of two lists, an entry counts when the other list covers it as it stands: where two patterns merely
    /// overlap, nothing of the overlap is said to be allowed.
    pub fn both(project: &ModelPolicy, key: &ModelPolicy) -> Self {
        match (project, key) {
            (ModelPolicy::None, _) | (_, ModelPolicy::None) => Self::list(Vec::new()),
            (ModelPolicy::All, ModelPolicy::All) => {
                Self { model_policy: "allow_all", allowed_models: Vec::new() }
            }
            (ModelPolicy::All, ModelPolicy::List(list)) | (ModelPolicy::List(list), ModelPolicy::All) => {
                Self::list(list.patterns().to_vec())
            }
            (ModelPolicy::List(project), ModelPolicy::List(key)) => {
                let mut common = covered(key, project);
                for entry in covered(project, key) {
                    if !common.contains(&entry) {
                        common.push(entry);
                    }
                }
                Self::list(common)
            }
        }
    }

    /// What one allows.
    pub fn one(policy: &ModelPolicy) -> Self {
        Self::both(policy, &ModelPolicy::All)
    }

    fn list(allowed_models: Vec<String>) -> Self {
        let model_policy = if allowed_models.is_empty() { "deny_all" } else { "allowlist" };
        Self { model_policy, allowed_models }
    }
}

/// The entries of one list that the other covers. A pattern that matches another pattern's text matches all that the other
/// one matches: its star took the other's star.
fn covered(entries: &ModelList, by: &ModelList) -> Vec<String> {
    let by = ModelPolicy::List(by.clone());
    entries.patterns().iter().filter(|entry| by.allows(entry)).cloned().collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_both_allow() {
        let policy = |json: &Value| serde_json::from_value::<ModelPolicy>(json.clone()).unwrap();
        let table = [
            (json!("all"), json!("all"), json!({"model_policy": "allow_all"})),
            (json!("all"), json!("none"), json!({"model_policy": "deny_all"})),
            (json!("none"), json!(["a"]), json!({"model_policy": "deny_all"})),
            (json!("all"), json!(["a"]), json!({"model_policy": "allowlist", "allowed_models": ["a"]})),
            (json!(["a"]), json!("all"), json!({"model_policy": "allowlist", "allowed_models": ["a"]})),
            (
                json!(["a", "b"]),
                json!(["b", "c"]),
                json!({"model_policy": "allowlist", "allowed_models": ["b"]}),
            ),
            (
                json!(["gpt-*"]),
                json!(["gpt-4o", "o1"]),
                json!({"model_policy": "allowlist", "allowed_models": ["gpt-4o"]}),
            ),
            (
                json!(["gpt-4*"]),
                json!(["gpt-*"]),
                json!({"model_policy": "allowlist", "allowed_models": ["gpt-4*"]}),
            ),
            (json!(["a"]), json!(["b"]), json!({"model_policy": "deny_all"})),
            (json!(["a*"]), json!(["*b"]), json!({"model_policy": "deny_all"})),
        ];
        for (project, key, expected) in table {
            let allowed = Allowed::both(&policy(&project), &policy(&key));
            assert_eq!(serde_json::to_value(&allowed).unwrap(), expected, "{project} {key}");
            let Value::Array(names) = &serde_json::to_value(&allowed).unwrap()["allowed_models"] else {
                continue;
            };
            for name in names {
                let name = name.as_str().unwrap().replace('*', "x");
                assert!(policy(&project).allows(&name) && policy(&key).allows(&name), "{name}");
            }
        }
    }
}
