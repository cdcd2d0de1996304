//! Tenants do not see each other: whatever an endpoint is asked about somebody else's thing, the answer is word for word
//! the one about a thing that does not exist.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tollgate_core::apikey::KeyId;
use tollgate_core::ids::{IdKind, time_ordered};
use tollgate_core::time::Timestamp;

use super::world::{NAMED, PERSONAL_KEY, TO_ORGANIZATION, World, id, on_both};
use super::{operations, parameters, samples};
use crate::portal::tests::rig::{Api, Reply};

/// A well-formed id that nothing has.
fn unknown(parameter: &str) -> String {
    let kind = match parameter {
        "organization_id" => IdKind::Organization,
        "project_id" => IdKind::Project,
        "person_id" => IdKind::Person,
        "service_account_id" => IdKind::ServiceAccount,
        "invitation_id" | TO_ORGANIZATION | NAMED => IdKind::Invitation,
        "mapping_id" => IdKind::GroupMapping,
        "rule_id" => IdKind::TokenRule,
        "session_id" => IdKind::Session,
        "key_id" | PERSONAL_KEY => {
            return KeyId::from_bits(time_ordered(Timestamp::from_millis(9), [9; 10])).as_str().to_owned();
        }
        other => panic!("there is no unknown id for the parameter {other} in access/isolation.rs"),
    };
    kind.make(Timestamp::from_millis(9), [9; 10])
}

/// What a stranger has of their own.
async fn own(api: &Api) -> BTreeMap<String, String> {
    let token = api.token("stranger", &[]);
    let project = api.get("/projects", &token).await.expect(200)["items"][0].clone();
    let organization = project["organization_id"].as_str().unwrap().to_owned();
    [("project_id".to_owned(), id(&project)), ("organization_id".to_owned(), organization)].into()
}

fn same(foreign: &Reply, unknown: &Reply, what: &str) {
    assert_eq!(foreign.status, unknown.status, "{what}: {} {}", foreign.body, unknown.body);
    assert_eq!(foreign.body, unknown.body, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_ids_are_unknown_ids() {
    on_both(unknown_to_strangers).await;
}

async fn unknown_to_strangers(world: World) {
    let awake = world.copy().await;
    let api = &awake.api;
    let own = own(api).await;
    let token = api.token("stranger", &[]);
    let mut tried = 0;
    for (method, template) in operations() {
        let names = parameters(&template);
        if names.is_empty() {
            continue;
        }
        let body = samples::body(&world, &method, &template).unwrap_or(Value::Null);
        // All ids foreign; then a foreign thing below a parent of one's own.
        let mut variants = vec![names.len()];
        if names.len() > 1 && own.contains_key(names[0]) {
            variants.push(1);
        }
        for foreign_tail in variants {
            let keep = names.len() - foreign_tail;
            let fill = |pick: &dyn Fn(&str) -> Option<String>| {
                samples::path(&template, |name| {
                    let kept = names[..keep].contains(&name);
                    if kept { own.get(name).cloned() } else { pick(name) }
                })
                .unwrap()
            };
            let foreign = fill(&|name| world.ids.get(name).cloned());
            let missing = fill(&|name| Some(unknown(name)));
            let what = format!("{method} {foreign}");
            // Who is not a member is invited, whether or not there is such a person. A personal organization has no others.
            let adds_somebody = method == "PUT" && template.ends_with("/members/{person_id}") && keep > 0;
            let foreign = api.call(&method, &foreign, &token, body.clone()).await;
            let missing = api.call(&method, &missing, &token, body.clone()).await;
            same(&foreign, &missing, &what);
            let platform_only = ["/people/", "/token-rules/"].iter().any(|room| template.starts_with(room));
            let hidden = if adds_somebody { 409 } else { 404 };
            assert_eq!(foreign.status, if platform_only { 403 } else { hidden }, "{what}: {}", foreign.body);
            tried += 1;
        }
    }
    assert!(tried > 50, "{tried}");
    awake.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_in_bodies_queries_and_cursors_are_no_way_in() {
    on_both(no_way_in).await;
}

async fn no_way_in(world: World) {
    let awake = world.copy().await;
    let api = &awake.api;
    let own = own(api).await;
    let token = api.token("stranger", &[]);
    let (project, organization) = (&own["project_id"], &own["organization_id"]);
    // Bodies.
    for (path, field, parameter) in [
        ("/projects".to_owned(), "organization_id", "organization_id"),
        (format!("/organizations/{organization}/group-mappings"), "project_id", "project_id"),
        (format!("/projects/{project}/keys"), "service_account_id", "service_account_id"),
    ] {
        let ask = async |id: &str| {
            let mut body = match field {
                "project_id" => json!({"issuer": "one", "group": "g", "role": "viewer"}),
                _ => json!({"name": "x"}),
            };
            body[field] = id.into();
            api.call("POST", &path, &token, body).await
        };
        let foreign = ask(&world.ids[parameter]).await;
        same(&foreign, &ask(&unknown(parameter)).await, &path);
        assert!(foreign.status.is_client_error(), "{path}");
    }
    // Queries.
    let list = async |query: &str| api.get(&format!("/projects?{query}"), &token).await.expect(200);
    let foreign = list(&format!("organization={}", world.ids["organization_id"])).await;
    assert_eq!(foreign, json!({"items": [], "next": null}));
    for owner in [&world.ids["person_id"], &world.ids["service_account_id"]] {
        let path = format!("/projects/{project}/keys?owner={owner}");
        assert_eq!(api.get(&path, &token).await.expect(200)["items"], json!([]));
    }
    for path in ["/projects?all=true", "/organizations?all=true", "/audit", "/people", "/token-rules"] {
        assert_eq!(api.get(path, &token).await.problem(403), "forbidden", "{path}");
    }
    // A cursor of somebody else's list moves in one's own list only.
    let admin = api.token("admin", &[]);
    let theirs = format!("/projects/{}/members?limit=1", world.ids["project_id"]);
    let cursor = api.get(&theirs, &admin).await.expect(200)["next"].as_str().unwrap().to_owned();
    let mine = api.get(&format!("/projects/{project}/members?cursor={cursor}"), &token).await.expect(200);
    for member in mine["items"].as_array().unwrap() {
        assert_eq!(member["name"], "stranger");
    }
    // Looking up a pasted secret finds what one may see.
    let secret = json!({"secret": world.secrets["key"]});
    let foreign = api.call("POST", "/keys/lookup", &token, secret).await;
    assert_eq!(foreign.problem(404), "not_found");
    awake.end().await;
}
