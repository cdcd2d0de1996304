//! What the audit log keeps of a key: what people decided about it, and nothing that happens by itself.

use serde_json::{Value, json};
use tollgate_core::caller::KeyState;

use super::{ApiKey, ShownState};
use crate::store::{AuditEntry, Author, rfc3339};

/// As `before` and `after` of an entry show it.
fn audited(key: &ApiKey) -> Value {
    json!({
        "name": key.name,
        "owner": key.owner.id(),
        "state": match key.state {
            KeyState::Live => ShownState::Live.as_str(),
            KeyState::Disabled => ShownState::Disabled.as_str(),
            KeyState::Revoked => ShownState::Revoked.as_str(),
        },
        "disabled_because": key.disabled_because(),
        "expires_at": key.expires_at.map(rfc3339),
        "models": key.limits.models,
        "routes": key.limits.routes,
        "addresses": key.limits.addresses,
        "bounds": key.bounds,
        "tags": key.tags,
        "metadata": key.metadata,
        "secret_made_at": rfc3339(key.secret_made_at()),
        "previous_secret_until": key.previous.map(|previous| rfc3339(previous.until)),
    })
}

/// The entry of a change to a key.
pub(super) fn entry(
    author: &Author,
    action: &'static str,
    before: Option<&ApiKey>,
    after: &ApiKey,
) -> AuditEntry {
    let entry = author
        .entry(action, "key", after.id.as_str())
        .in_project(&after.organization_id, &after.project_id)
        .after(&audited(after));
    match before {
        Some(before) => entry.before(&audited(before)),
        None => entry,
    }
}
