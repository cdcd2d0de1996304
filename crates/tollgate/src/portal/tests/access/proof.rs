//! Which endpoints ask for a recent proof of who is there: every write does that gives or widens a right or shows a secret,
//! and every other one says here why it does not.

use std::time::Duration;

use serde_json::Value;

use super::matrix::committed;
use super::samples;
use super::world::{Awake, World};
use crate::portal::tests::rig::Reply;

/// What the column says: always, when the change widens something, or never.
pub const ASKED: &str = "asked";
const WIDER: &str = "wider";
const NEVER: &str = "-";

/// Writes that never ask, each with the reason.
const UNASKED: [(&str, &str, &str); 22] = [
    ("DELETE", "/api-keys/{key_id}", "ends a key"),
    ("POST", "/invitations/accept", "gives what the maker of the invitation has proved to give"),
    ("POST", "/keys/lookup", "reads"),
    (
        "POST",
        "/me/invitations/{invitation_id}/accept",
        "gives what the maker of the invitation has proved to give",
    ),
    ("POST", "/me/invitations/{invitation_id}/decline", "ends an invitation"),
    ("DELETE", "/me/sessions/{session_id}", "ends a session"),
    ("PATCH", "/organizations/{organization_id}", "changes a name"),
    ("DELETE", "/organizations/{organization_id}", "ends what is in it"),
    ("DELETE", "/organizations/{organization_id}/group-mappings/{mapping_id}", "takes roles"),
    ("DELETE", "/organizations/{organization_id}/invitations/{invitation_id}", "takes an invitation back"),
    ("POST", "/organizations/{organization_id}/suspend", "switches off"),
    ("POST", "/people/{person_id}/suspend", "switches off"),
    ("DELETE", "/projects/{project_id}", "ends what is in it"),
    ("DELETE", "/projects/{project_id}/invitations/{invitation_id}", "takes an invitation back"),
    ("POST", "/projects/{project_id}/keys/revoke", "ends keys"),
    ("POST", "/projects/{project_id}/keys/{key_id}/disable", "switches off"),
    ("POST", "/projects/{project_id}/keys/{key_id}/revoke", "ends a key"),
    ("PATCH", "/projects/{project_id}/service-accounts/{service_account_id}", "changes a name"),
    ("DELETE", "/projects/{project_id}/service-accounts/{service_account_id}", "ends its keys"),
    ("POST", "/projects/{project_id}/service-accounts/{service_account_id}/suspend", "switches off"),
    ("POST", "/projects/{project_id}/suspend", "switches off"),
    ("POST", "/secret-scanning/alerts", "ends keys, and is signed by no person"),
];

/// The column of an operation: tried with a token that does not say when its person proved who they are, where the
/// deployment asks for that. `role` is one that may do it.
pub async fn column(world: &World, (method, template): (&str, &str), role: Option<&str>) -> &'static str {
    let Some(role) = role.filter(|_| method != "GET") else { return NEVER };
    let body = samples::body(world, method, template).unwrap();
    if asks(world, (method, template), role, ("", &body)).await {
        return ASKED;
    }
    let Some((query, body)) = samples::wider(world, method, template) else { return NEVER };
    let asked = asks(world, (method, template), role, (&query, &body)).await;
    assert!(asked, "{method} {template}{query} widens something and asks for no recent proof: {body}");
    let awake = world.copy().await;
    let reply = call(world, &awake, (method, template), role, (&query, &body)).await;
    assert!(reply.status.is_success(), "{method} {template} is a bad sample of widening: {}", reply.body);
    awake.end().await;
    WIDER
}

async fn asks(world: &World, operation: (&str, &str), role: &str, wish: (&str, &Value)) -> bool {
    let hour = Duration::from_secs(3600);
    let awake = world.copy_with(|options| options.token_reauthenticate_after = Some(hour)).await;
    let before = awake.written().await;
    let reply = call(world, &awake, operation, role, wish).await;
    let asked = reply.body["code"] == "reauthentication_required";
    if asked {
        assert_eq!(reply.status, 401, "{operation:?}");
        assert_eq!(awake.written().await, before, "{operation:?} wrote before it asked");
    } else {
        assert!(reply.status.is_success(), "{operation:?} as {role}: {}", reply.body);
    }
    awake.end().await;
    asked
}

async fn call(
    world: &World,
    awake: &Awake<'_>,
    (method, template): (&str, &str),
    role: &str,
    (query, body): (&str, &Value),
) -> Reply {
    let path = samples::path(template, |name| world.ids.get(name).cloned()).unwrap();
    let credential = world.credential(&awake.api, role);
    awake.api.call(method, &format!("{path}{query}"), &credential, body.clone()).await
}

#[test]
fn v5_every_write_asks_for_a_recent_proof_or_says_why_not() {
    let table = std::fs::read_to_string(committed()).unwrap();
    let mut unasked = Vec::new();
    for row in table.lines().skip_while(|line| !line.contains("anonymous  stranger")).skip(1) {
        let words: Vec<&str> = row.split_whitespace().collect();
        let (method, template, proof) = (words[0], words[1], words[words.len() - 1]);
        match (method, proof) {
            ("GET", NEVER) | (_, ASKED | WIDER) => {}
            (_, NEVER) => unasked.push((method.to_owned(), template.to_owned())),
            other => panic!("{other:?} in {row}"),
        }
    }
    for (method, template) in &unasked {
        let said = UNASKED.iter().find(|(m, t, _)| m == method && t == template);
        assert!(
            said.is_some_and(|(_, _, why)| !why.is_empty()),
            "{method} {template} asks for no recent proof"
        );
    }
    for (method, template, _) in UNASKED {
        let real = unasked.contains(&(method.to_owned(), template.to_owned()));
        assert!(real, "{method} {template} asks, or does not exist: take it from the list");
    }
    assert!(unasked.len() > 10, "{unasked:?}");
}
