//! A body that each endpoint accepts, so that what is refused is refused for want of a right.

use serde_json::{Value, json};

use super::world::{NAMED, PERSONAL_KEY, TO_ORGANIZATION, World};

/// The body of an operation; `None` when there is no sample of it.
pub fn body(world: &World, method: &str, template: &str) -> Option<Value> {
    let organization = &world.ids["organization_id"];
    let found = match (method, template) {
        ("GET" | "DELETE", _) => Value::Null,
        (
            "POST",
            "/organizations/{organization_id}/suspend"
            | "/organizations/{organization_id}/resume"
            | "/projects/{project_id}/suspend"
            | "/projects/{project_id}/resume"
            | "/projects/{project_id}/service-accounts/{service_account_id}/suspend"
            | "/projects/{project_id}/service-accounts/{service_account_id}/resume"
            | "/projects/{project_id}/keys/{key_id}/revoke"
            | "/projects/{project_id}/keys/{key_id}/disable"
            | "/projects/{project_id}/keys/{key_id}/enable"
            | "/people/{person_id}/suspend"
            | "/people/{person_id}/resume"
            | "/me/invitations/{invitation_id}/accept"
            | "/me/invitations/{invitation_id}/decline",
        ) => Value::Null,
        ("POST", "/organizations") => json!({"name": "new"}),
        ("POST", "/projects") => json!({"organization_id": organization, "name": "new"}),
        ("POST", "/organizations/{organization_id}/group-mappings") => {
            json!({"issuer": "one", "group": "new", "role": "member"})
        }
        ("POST", "/projects/{project_id}/invitations") => json!({"role": "viewer"}),
        ("POST", "/organizations/{organization_id}/invitations") => json!({"role": "member"}),
        ("POST", "/invitations/accept") => json!({"token": world.secrets["invitation"]}),
        ("POST", "/projects/{project_id}/service-accounts") => json!({"name": "new"}),
        ("POST", "/projects/{project_id}/keys") => json!({"name": "new"}),
        ("POST", "/projects/{project_id}/keys/{key_id}/rotate") => json!({"overlap": "now"}),
        ("POST", "/projects/{project_id}/keys/revoke") => json!({"all": true, "dry_run": true}),
        ("POST", "/keys/lookup") => json!({"secret": world.secrets["key"]}),
        // Not signed, so that it is refused whoever sends it.
        ("POST", "/secret-scanning/alerts") => json!([{"token": world.secrets["key"], "type": "tollgate"}]),
        ("POST", "/api-keys") => json!({"name": "new"}),
        ("PUT", "/api-keys/{key_id}") => json!({"name": "other"}),
        ("POST", "/token-rules") => {
            json!({"issuer": "one", "kind": "sid", "value": "s", "reason": "lost"})
        }
        ("PATCH", "/organizations/{organization_id}" | "/projects/{project_id}") => json!({"name": "other"}),
        ("PATCH", "/projects/{project_id}/service-accounts/{service_account_id}") => json!({"name": "other"}),
        ("PATCH", "/projects/{project_id}/keys/{key_id}") => json!({"name": "other"}),
        ("PUT", "/organizations/{organization_id}/members/{person_id}") => json!({"role": "member"}),
        ("PUT", "/projects/{project_id}/members/{person_id}") => json!({"role": "developer"}),
        _ => return None,
    };
    Some(found)
}

/// A query and a body by which an operation gives more than there was; `None` when it cannot, or always does.
pub fn wider(world: &World, method: &str, template: &str) -> Option<(String, Value)> {
    let found = match (method, template) {
        ("PUT", "/api-keys/{key_id}") => (String::new(), json!({"expires_at": "never"})),
        ("PATCH", "/projects/{project_id}" | "/projects/{project_id}/keys/{key_id}") => {
            (String::new(), json!({"models": "all"}))
        }
        (
            "DELETE",
            "/projects/{project_id}/members/{person_id}"
            | "/organizations/{organization_id}/members/{person_id}",
        ) => (format!("?keys=hand_over&to={}", world.ids["heir"]), Value::Null),
        _ => return None,
    };
    Some(found)
}

/// The path with these ids; `None` when one of its parameters has none.
pub fn path(template: &str, id: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut path = template.to_owned();
    for name in super::parameters(template) {
        let named = match (template.split('/').nth(1), name) {
            (Some("api-keys"), _) => PERSONAL_KEY,
            (Some("organizations"), "invitation_id") => TO_ORGANIZATION,
            (Some("me"), "invitation_id") => NAMED,
            _ => name,
        };
        path = path.replace(&format!("{{{name}}}"), &id(named)?);
    }
    Some(path)
}
