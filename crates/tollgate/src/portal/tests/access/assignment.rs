//! Nobody makes themselves more than they are by saying more than was asked: a body with a member that its endpoint does
//! not describe is refused whole, whoever sends it.

use serde_json::{Value, json};

use super::world::World;
use super::{operations, samples};
use crate::portal::openapi;

/// What somebody would set if they could, with a value of its type.
fn coveted() -> Vec<(&'static str, Value)> {
    vec![
        ("role", json!("owner")),
        ("is_admin", json!(true)),
        ("platform_admin", json!(true)),
        ("groups", json!(["platform-admins"])),
        ("project_id", json!("prj_01j00000000000000000000000")),
        ("organization_id", json!("org_01j00000000000000000000000")),
        ("person_id", json!("per_01j00000000000000000000000")),
        ("owner", json!("per_01j00000000000000000000000")),
        ("owner_id", json!("per_01j00000000000000000000000")),
        ("created_by", json!("operator")),
        ("id", json!("x")),
        ("key_id", json!("0000000000000000000000")),
        ("digest", json!("00")),
        ("budget", json!(1_000_000)),
        ("state", json!("active")),
        ("held_by", Value::Null),
        ("leaked", Value::Null),
        ("revoked", Value::Null),
        ("version", json!(1)),
        ("created_at", json!("2030-01-01T00:00:00Z")),
        ("personal", json!(true)),
        ("__proto__", json!({})),
    ]
}

#[tokio::test]
async fn no_body_takes_a_member_that_it_does_not_describe() {
    let world = World::make().await;
    let awake = world.copy().await;
    let (api, before) = (&awake.api, awake.written().await);
    let root = world.credential(api, "platform");
    let document = serde_json::to_value(openapi()).unwrap();
    let (mut bodies, mut tried) = (0, 0);
    for (method, template) in operations() {
        let body = samples::body(&world, &method, &template).unwrap();
        let content =
            &document["paths"][format!("/api/v1{template}")][method.to_lowercase()]["requestBody"]["content"];
        let Some(schema) = content["application/json"]["schema"]["$ref"].as_str() else { continue };
        let described = document.pointer(schema.trim_start_matches('#')).unwrap();
        let described =
            described["properties"].as_object().unwrap_or_else(|| panic!("{schema} has no members"));
        let path = samples::path(&template, |name| world.ids.get(name).cloned()).unwrap();
        bodies += 1;
        for (member, value) in coveted() {
            if described.contains_key(member) {
                continue;
            }
            let mut more = body.clone();
            more[member] = value;
            let reply = api.call(&method, &path, &root, more).await;
            let what = format!("{method} {path} with {member}: {}", reply.body);
            assert_eq!(reply.body["errors"][0]["pointer"], format!("/{member}"), "{what}");
            assert_eq!(reply.problem(400), "invalid", "{what}");
            tried += 1;
        }
    }
    assert!(bodies > 15 && tried > 300, "{bodies} bodies, {tried} tries");
    assert_eq!(awake.written().await, before, "nothing of it was done");
}
