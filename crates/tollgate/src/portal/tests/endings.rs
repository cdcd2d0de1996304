//! What ends, ends whole: nothing of it is left to whoever comes after, and who has left is out at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::introspection::introspect;
use super::rig::{ADMINS, Api};

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}")).to_owned()
}

/// A person's token, id and first project.
async fn somebody(api: &Api, name: &str) -> (String, String, Value) {
    let token = api.token(name, &[]);
    let id = text(&api.get("/me", &token).await.expect(200), "id");
    let project = api.get("/projects", &token).await.expect(200)["items"][0].clone();
    (token, id, project)
}

/// Until checks say so of this key.
async fn becomes(api: &Api, secret: &str, active: bool) {
    let begun = Instant::now();
    while introspect(api, secret, "").await["active"] != active {
        assert!(begun.elapsed() < Duration::from_secs(20), "not yet {active}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_removed_member_is_out_at_once_and_so_are_their_keys() {
    let api = Api::watching().await;
    let (alice, _, project) = somebody(&api, "alice").await;
    let (bob, bob_id, _) = somebody(&api, "bob").await;
    let project = format!("/projects/{}", text(&project, "id"));
    let member = format!("{project}/members/{bob_id}");
    let root = api.token("root", &[ADMINS]);
    api.call("PUT", &member, &root, json!({"role": "developer"})).await.expect(200);
    let made = async |token: &str, name: &str| {
        api.call("POST", &format!("{project}/keys"), token, json!({"name": name})).await.expect(201)
    };
    let (theirs, mine) = (made(&bob, "bob's").await, made(&alice, "alice's").await);
    becomes(&api, &text(&theirs, "secret"), true).await;
    api.call("DELETE", &member, &alice, Value::Null).await.expect(204);
    // The very next call of the same token, and checks within the view's bound.
    for path in [project.clone(), format!("{project}/keys"), format!("{project}/members")] {
        assert_eq!(api.get(&path, &bob).await.problem(404), "not_found", "{path}");
    }
    becomes(&api, &text(&theirs, "secret"), false).await;
    let key = api.get(&format!("{project}/keys/{}", text(&theirs, "id")), &alice).await.expect(200);
    assert_eq!(key["state"], "revoked", "the stated rule: they end, unless somebody takes them over");
    assert_eq!(introspect(&api, &text(&mine, "secret"), "").await["active"], true);
}

#[tokio::test]
async fn a_project_of_the_same_name_inherits_nothing() {
    let api = Api::watching().await;
    let (alice, _, own) = somebody(&api, "alice").await;
    let (bob, bob_id, _) = somebody(&api, "bob").await;
    let wish = json!({"organization_id": own["organization_id"], "name": "tools", "models": ["gpt-*"]});
    let first = api.call("POST", "/projects", &alice, wish.clone()).await.expect(201);
    let path = format!("/projects/{}", text(&first, "id"));
    let root = api.token("root", &[ADMINS]);
    api.call("PUT", &format!("{path}/members/{bob_id}"), &root, json!({"role": "manager"})).await.expect(200);
    api.call("POST", &format!("{path}/service-accounts"), &bob, json!({"name": "ci"})).await.expect(201);
    let invited =
        api.call("POST", &format!("{path}/invitations"), &bob, json!({"role": "viewer"})).await.expect(201);
    let key = api.call("POST", &format!("{path}/keys"), &bob, json!({"name": "k"})).await.expect(201);
    becomes(&api, &text(&key, "secret"), true).await;
    api.call("DELETE", &path, &alice, Value::Null).await.expect(204);

    let again = json!({"organization_id": own["organization_id"], "name": "tools"});
    let second = api.call("POST", "/projects", &alice, again).await.expect(201);
    assert_ne!(second["id"], first["id"]);
    assert_eq!(second["models"], "all");
    let path = format!("/projects/{}", text(&second, "id"));
    for list in ["keys", "service-accounts", "invitations"] {
        assert_eq!(
            api.get(&format!("{path}/{list}"), &alice).await.expect(200)["items"],
            json!([]),
            "{list}"
        );
    }
    let members = api.get(&format!("{path}/members"), &alice).await.expect(200);
    assert_eq!(members["items"].as_array().unwrap().len(), 1);
    let log = api.get(&format!("{path}/audit"), &alice).await.expect(200);
    assert!(log["items"].as_array().unwrap().iter().all(|entry| entry["project_id"] == second["id"]));
    assert_eq!(api.get(&path, &bob).await.problem(404), "not_found");
    becomes(&api, &text(&key, "secret"), false).await;
    let accept = json!({"token": invited["token"]});
    assert_eq!(api.call("POST", "/invitations/accept", &bob, accept).await.problem(404), "not_found");
}
