//! Organizations, projects and members over the API: what is taken, what is refused and how it says so, and what others
//! see of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::rig::{ADMINS, Api, Reply};

/// A person's token, id, and own project.
struct Somebody {
    token: String,
    id: String,
    project: String,
    organization: String,
}

async fn somebody(api: &Api, name: &str) -> Somebody {
    let token = api.token(name, &[]);
    let id = text(&api.get("/me", &token).await.expect(200)["id"]);
    let project = api.get("/projects", &token).await.expect(200)["items"][0].clone();
    Somebody { id, project: text(&project["id"]), organization: text(&project["organization_id"]), token }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Makes somebody a member of somebody's project, as only an administrator of the platform can.
async fn put_member(api: &Api, of: &Somebody, who: &Somebody, role: &str) -> Reply {
    let path = format!("/projects/{}/members/{}", of.project, who.id);
    api.call("PUT", &path, &api.token("root", &[ADMINS]), json!({"role": role})).await
}

#[tokio::test]
async fn one_sees_ones_own_projects_and_what_one_is_to_them() {
    let api = Api::start().await;
    let (alice, bob) = (somebody(&api, "alice").await, somebody(&api, "bob").await);
    let own = api.get("/me", &bob.token).await.expect(200)["projects"].clone();
    assert_eq!(own, api.get("/projects", &bob.token).await.expect(200), "the first page of the list");
    assert_eq!((&own["items"][0]["id"], &own["items"][0]["role"]), (&json!(bob.project), &json!("owner")));
    assert_eq!(own["items"].as_array().unwrap().len(), 1, "nobody else's: {own}");
    put_member(&api, &alice, &bob, "developer").await.expect(200);
    let both = api.get("/me", &bob.token).await.expect(200)["projects"]["items"].clone();
    let seen = both.as_array().unwrap().iter().find(|one| one["id"] == alice.project.as_str());
    assert_eq!(seen.unwrap()["role"], "developer", "{both}");
}

#[tokio::test]
async fn a_project_is_made_once_seen_changed_and_ended() {
    let api = Api::start().await;
    let alice = somebody(&api, "alice").await;
    let wish =
        json!({"organization_id": alice.organization, "name": "tools", "models": ["gpt-4o", "claude-*"]});
    let key = [("idempotency-key", "one")];
    let made = api.call_with(("POST", "/projects"), &alice.token, &key, &wish).await;
    let location = made.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(made.headers["etag"], "\"1\"");
    let made = made.expect(201);
    assert_eq!((&made["role"], &made["state"]), (&"owner".into(), &"active".into()));
    assert_eq!(made["created_at"], "2027-01-15T08:00:00.000Z");
    let again = api.call_with(("POST", "/projects"), &alice.token, &key, &wish).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.expect(201)["id"], made["id"], "sent twice, made once");
    let other = json!({"organization_id": alice.organization, "name": "more"});
    let mismatch = api.call_with(("POST", "/projects"), &alice.token, &key, &other).await;
    assert_eq!(mismatch.problem(422), "idempotency_mismatch");

    let path = location.strip_prefix("/api/v1").unwrap();
    assert_eq!(api.get(path, &alice.token).await.expect(200), made);
    let change = json!({"models": "none"});
    let changed = api.call_with(("PATCH", path), &alice.token, &[("if-match", "\"1\"")], &change).await;
    assert_eq!(changed.headers["etag"], "\"2\"");
    assert_eq!(changed.expect(200)["models"], "none");
    let stale = api.call_with(("PATCH", path), &alice.token, &[("if-match", "\"1\"")], &change).await;
    assert_eq!(stale.problem(412), "precondition_failed");
    let stale = api.call_with(("DELETE", path), &alice.token, &[("if-match", "\"1\"")], &Value::Null).await;
    assert_eq!(stale.problem(412), "precondition_failed");
    let suspended = api.call("POST", &format!("{path}/suspend"), &alice.token, Value::Null).await.expect(200);
    assert_eq!(suspended["state"], "suspended");
    api.call("DELETE", path, &alice.token, Value::Null).await.expect(204);
    assert_eq!(api.get(path, &alice.token).await.problem(404), "not_found");
    assert_eq!(api.get("/projects", &alice.token).await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let api = Api::start().await;
    let alice = somebody(&api, "alice").await;
    let project = format!("/projects/{}", alice.project);
    let path = "/projects";
    let organization = &alice.organization;
    for (method, path, body, pointer) in [
        // No mass assignment.
        ("PATCH", project.as_str(), json!({"name": "x", "role": "owner"}), "/role"),
        ("PATCH", &project, json!({"organization_id": organization}), "/organization_id"),
        ("PATCH", &project, json!({"state": "active"}), "/state"),
        ("PATCH", &project, json!({"name": null}), "/name"),
        ("PATCH", &project, json!({"name": " "}), "/name"),
        ("PATCH", &project, json!({"name": "a\u{0}b"}), "/name"),
        ("PATCH", &project, json!({"models": null}), "/models"),
        ("PATCH", &project, json!({"models": []}), "/models"),
        ("POST", path, json!({"organization_id": organization, "name": "x", "id": "prj_1"}), "/id"),
        ("POST", path, json!({"organization_id": "org_1", "name": "x"}), "/organization_id"),
        ("POST", path, json!({"organization_id": 7, "name": "x"}), "/organization_id"),
    ] {
        let reply = api.call(method, path, &alice.token, body.clone()).await;
        assert_eq!(reply.body["errors"][0]["pointer"], pointer, "{body}: {}", reply.body);
        assert_eq!(reply.problem(400), "invalid", "{body}");
    }
    let twice = r#"{"name": "a", "name": "b"}"#;
    let request = http::Request::patch(format!("/api/v1{project}"))
        .header("authorization", format!("Bearer {}", alice.token))
        .header("content-type", "application/json")
        .body(twice.into());
    assert_eq!(api.send(request.unwrap()).await.problem(400), "invalid", "a member twice");
    let member = format!("{project}/members/{}", alice.id);
    for body in [
        json!({"role": "root"}),
        json!({"role": "Owner"}),
        json!({}),
        json!({"role": "owner", "is_admin": true}),
    ] {
        assert_eq!(
            api.call("PUT", &member, &alice.token, body.clone()).await.problem(400),
            "invalid",
            "{body}"
        );
    }
    for query in ["limit=0", "limit=x", "cursor=%25", "all=maybe", "sort=name", "organization=org_x"] {
        assert_eq!(
            api.get(&format!("/projects?{query}"), &alice.token).await.problem(400),
            "invalid",
            "{query}"
        );
    }
    // Ids that are none are unknown, whatever they are made of.
    for id in ["x", "prj_", "%00", "..%2f..", "%F0%9F%92%A9", "prj_01j00000000000000000000000'--"] {
        for path in [
            format!("/projects/{id}"),
            format!("{project}/members/{id}"),
            format!("{project}/service-accounts/{id}"),
        ] {
            let method = if path.contains("members") { "DELETE" } else { "GET" };
            assert_eq!(
                api.call(method, &path, &alice.token, Value::Null).await.problem(404),
                "not_found",
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn the_last_owner_and_administrator_stay() {
    let api = Api::start().await;
    let (alice, bob) = (somebody(&api, "alice").await, somebody(&api, "bob").await);
    let own = format!("/projects/{}/members/{}", alice.project, alice.id);
    let root = api.token("root", &[ADMINS]);
    let left = api.call("DELETE", &own, &root, Value::Null).await;
    assert!(left.body["detail"].as_str().unwrap().contains("somebody else an owner first"), "{}", left.body);
    assert_eq!(left.problem(400), "invalid");
    assert_eq!(put_member(&api, &alice, &alice, "viewer").await.problem(400), "invalid");
    put_member(&api, &alice, &bob, "owner").await.expect(200);
    api.call("DELETE", &own, &alice.token, Value::Null).await.expect(204);
    let organization = format!("/organizations/{}/members/{}", alice.organization, alice.id);
    assert_eq!(api.call("DELETE", &organization, &alice.token, Value::Null).await.problem(409), "conflict");

    let acme =
        text(&api.call("POST", "/organizations", &root, json!({"name": "acme"})).await.expect(201)["id"]);
    let root_id = text(&api.get("/me", &root).await.expect(200)["id"]);
    let path = format!("/organizations/{acme}/members/{root_id}");
    assert_eq!(api.call("PUT", &path, &root, json!({"role": "member"})).await.problem(400), "invalid");
    api.call("DELETE", &path, &root, Value::Null).await.expect(204);
    let left = api.get(&format!("/organizations/{acme}"), &root).await.expect(200);
    assert_eq!(left["state"], "suspended", "everybody may leave, and nobody is left");
    let denied = api.call("POST", "/organizations", &alice.token, json!({"name": "mine"})).await;
    assert_eq!(denied.problem(403), "forbidden");
}

#[tokio::test]
async fn a_leavers_keys_are_revoked_or_handed_over() {
    let api = Api::start().await;
    let alice = somebody(&api, "alice").await;
    let (bob, carol) = (somebody(&api, "bob").await, somebody(&api, "carol").await);
    let keys = format!("/projects/{}/keys", alice.project);
    for person in [&bob, &carol] {
        put_member(&api, &alice, person, "developer").await.expect(200);
    }
    let first = text(&api.call("POST", &keys, &bob.token, json!({"name": "laptop"})).await.expect(201)["id"]);
    let path = format!("/projects/{}/members/{}", alice.project, bob.id);
    for query in ["keys=hand_over", "keys=keep", "to=x", "keys=revoke&to=per_1", "keys=hand_over&to=per_1"] {
        let reply = api.call("DELETE", &format!("{path}?{query}"), &alice.token, Value::Null).await;
        assert_eq!(reply.problem(400), "invalid", "{query}");
    }
    let heir = format!("{path}?keys=hand_over&to={}", carol.id);
    api.call("DELETE", &heir, &alice.token, Value::Null).await.expect(204);
    let key = api.get(&format!("{keys}/{first}"), &alice.token).await.expect(200);
    assert_eq!((&key["owner"]["id"], &key["state"]), (&carol.id.clone().into(), &"disabled".into()));
    assert_eq!(key["disabled_because"], "handed_over");
    assert_eq!(
        api.get(&keys, &bob.token).await.problem(404),
        "not_found",
        "the leaver sees nothing any more"
    );
    let path = format!("/projects/{}/members/{}", alice.project, carol.id);
    api.call("DELETE", &path, &carol.token, Value::Null).await.expect(204);
    let key = api.get(&format!("{keys}/{first}"), &alice.token).await.expect(200);
    assert_eq!((&key["state"], &key["revoked"]["by"]), (&"revoked".into(), &carol.id.into()));
}

#[tokio::test]
async fn an_invitation_is_shown_once_and_works_once() {
    let api = Api::start().await;
    let alice = somebody(&api, "alice").await;
    let (bob, carol) = (somebody(&api, "bob").await, somebody(&api, "carol").await);
    let path = format!("/projects/{}/invitations", alice.project);
    let wish = json!({"role": "developer", "email": "bob@example.com"});
    let once = [("idempotency-key", "guest")];
    let made = api.call_with(("POST", &path), &alice.token, &once, &wish).await.expect(201);
    let token = text(&made["token"]);
    let again = api.call_with(("POST", &path), &alice.token, &once, &wish).await.expect(201);
    assert_eq!((&again["token"], &again["token_shown"]), (&Value::Null, &true.into()));
    let listed = api.get(&path, &alice.token).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert!(!listed.to_string().contains(&token));

    let accept =
        async |who: &str| api.call("POST", "/invitations/accept", who, json!({"token": token})).await;
    let refused = accept(&carol.token).await;
    let unknown = api.call("POST", "/invitations/accept", &carol.token, json!({"token": "tgi_x"})).await;
    assert_eq!(refused.body, unknown.body, "somebody else's and none are the same");
    assert_eq!(refused.problem(404), "not_found");
    let unverified = api.token_with("bob", &json!({"email_verified": false}));
    assert_eq!(accept(&unverified).await.problem(404), "not_found");
    let accepted = accept(&bob.token).await.expect(200);
    assert_eq!(
        (&accepted["project_id"], &accepted["member"]["role"]),
        (&alice.project.clone().into(), &"developer".into())
    );
    assert_eq!(accept(&bob.token).await.problem(404), "not_found", "used");
    assert_eq!(api.get(&path, &alice.token).await.expect(200)["items"], json!([]));

    let short = json!({"role": "viewer", "expires_in_days": 1});
    let made = api.call("POST", &path, &alice.token, short).await.expect(201);
    api.pass(Duration::from_secs(86_400));
    let late = json!({"token": made["token"]});
    let carol = api.token("carol", &[]);
    assert_eq!(api.call("POST", "/invitations/accept", &carol, late).await.problem(404), "not_found");
    for bad in
        [json!({"role": "viewer", "expires_in_days": 31}), json!({"role": "viewer", "email": "x"}), json!({})]
    {
        assert_eq!(api.call("POST", &path, &api.token("alice", &[]), bad).await.problem(400), "invalid");
    }
}

#[tokio::test]
async fn groups_of_a_token_give_and_take_memberships() {
    let api = Api::start().await;
    let root = api.token("root", &[ADMINS]);
    let acme =
        text(&api.call("POST", "/organizations", &root, json!({"name": "acme"})).await.expect(201)["id"]);
    let wish = json!({"organization_id": acme, "name": "tools"});
    let project = text(&api.call("POST", "/projects", &root, wish).await.expect(201)["id"]);
    let alice = Somebody { token: root, id: String::new(), project, organization: acme };
    let path = format!("/organizations/{}/group-mappings", alice.organization);
    let wish = json!({"issuer": "one", "group": "devs", "role": "developer", "project_id": alice.project});
    let made = api.call("POST", &path, &alice.token, wish.clone()).await.expect(201);
    assert_eq!(api.call("POST", &path, &alice.token, wish).await.problem(409), "conflict");
    for (field, value) in [("issuer", "nobody"), ("role", "admin"), ("role", "boss"), ("project_id", "prj_x")]
    {
        let mut wish = json!({"issuer": "one", "group": "g", "role": "viewer", "project_id": alice.project});
        wish[field] = value.into();
        let reply = api.call("POST", &path, &alice.token, wish).await;
        assert_eq!(reply.body["errors"][0]["pointer"], format!("/{field}"), "{}", reply.body);
        assert_eq!(reply.problem(400), "invalid");
    }
    let project = format!("/projects/{}", alice.project);
    let member = api.token("bob", &["devs"]);
    assert_eq!(api.get(&project, &member).await.expect(200)["role"], "developer");
    let silent = api.token_with("bob", &json!({"preferred_username": "bobby"}));
    api.get(&project, &silent).await.expect(200);
    let gone = api.token("bob", &["other"]);
    assert_eq!(api.get(&project, &gone).await.problem(404), "not_found");
    // What a token told is taken for granted for a second.
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    api.get(&project, &member).await.expect(200);
    let mapping = format!("{path}/{}", text(&made["id"]));
    api.call("DELETE", &mapping, &alice.token, Value::Null).await.expect(204);
    assert_eq!(api.get(&project, &member).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_suspended_person_is_refused_and_told_so() {
    let api = Api::start().await;
    let alice = somebody(&api, "alice").await;
    let root = api.token("root", &[ADMINS]);
    let path = format!("/people/{}", alice.id);
    assert_eq!(api.get(&path, &root).await.expect(200)["subject"], "alice");
    let own = text(&api.get("/me", &root).await.expect(200)["id"]);
    let oneself = api.call("POST", &format!("/people/{own}/suspend"), &root, Value::Null).await;
    assert_eq!(oneself.problem(409), "conflict", "nobody would be left to resume them");
    let suspended = api.call("POST", &format!("{path}/suspend"), &root, Value::Null).await.expect(200);
    assert_eq!(suspended["state"], "suspended");
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(api.get("/projects", &alice.token).await.problem(403), "forbidden");
    api.call("POST", &format!("{path}/resume"), &root, Value::Null).await.expect(200);
    api.get("/projects", &alice.token).await.expect(200);
}

#[tokio::test]
async fn token_rules_take_what_goes_with_their_kind() {
    let api = Api::start().await;
    let root = api.token("root", &[ADMINS]);
    let make = async |rule: Value| api.call("POST", "/token-rules", &root, rule).await;
    let rule = |kind: &str| json!({"issuer": "one", "kind": kind, "reason": "laptop lost"});
    let with = |kind: &str, field: &str, value: &str| {
        let mut rule = rule(kind);
        rule[field] = value.into();
        rule
    };
    let made = make(with("subject", "value", "alice")).await.expect(201);
    assert_eq!(made["issued_before"], "2027-01-15T08:00:00.000Z", "now, unless said");
    let all = make(with("issued_before", "issued_before", "2027-01-01T00:00:00Z")).await.expect(201);
    assert_eq!((&all["value"], &all["expires_at"]), (&Value::Null, &Value::Null));
    for bad in [
        rule("jti"),
        with("issued_before", "value", "alice"),
        with("jti", "issued_before", "2027-01-01T00:00:00Z"),
        with("subject", "value", ""),
        with("other", "value", "x"),
        json!({"issuer": "nobody", "kind": "jti", "value": "x", "reason": "y"}),
        json!({"issuer": "one", "kind": "jti", "value": "x"}),
    ] {
        assert_eq!(make(bad.clone()).await.problem(400), "invalid", "{bad}");
    }
    let listed = api.get("/token-rules", &root).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let path = format!("/token-rules/{}", text(&made["id"]));
    api.call("DELETE", &path, &root, Value::Null).await.expect(204);
    assert_eq!(api.call("DELETE", &path, &root, Value::Null).await.problem(404), "not_found");
}

#[tokio::test]
async fn the_audit_log_is_read_in_pages_and_exported_as_lines() {
    let api = Api::start().await;
    let alice = somebody(&api, "alice").await;
    let project = format!("/projects/{}", alice.project);
    for n in 0..3 {
        let headers = [("user-agent", "curl/8"), ("x-request-id", "r-7")];
        let body = json!({"name": format!("n{n}")});
        api.call_with(("PATCH", &project), &alice.token, &headers, &body).await.expect(200);
    }
    let path = format!("{project}/audit");
    let (mut query, mut seen) = (String::from("limit=2"), Vec::new());
    loop {
        let page = api.get(&format!("{path}?{query}"), &alice.token).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|entry| entry["action"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=2&cursor={next}");
    }
    let updates = json!(["project.update", "project.update", "project.update"]);
    assert_eq!(Value::from(seen[..3].to_vec()), updates, "newest first");
    assert_eq!(seen[3..], ["project.member.add", "project.create"]);

    let lines = api.get(&format!("{path}?format=ndjson"), &alice.token).await;
    assert_eq!(lines.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> =
        lines.body.as_str().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["action"]), (5, &"project.create".into()), "oldest first");
    assert_eq!(lines[4]["after"]["name"], "n2");
    assert_eq!((&lines[4]["user_agent"], &lines[4]["request_id"]), (&"curl/8".into(), &"r-7".into()));
    let mixed = api.get(&format!("{path}?format=ndjson&limit=1"), &alice.token).await;
    assert_eq!(mixed.problem(400), "invalid");
    let whole = api.get("/audit?format=ndjson", &api.token("root", &[ADMINS])).await;
    assert!(whole.body.as_str().unwrap().lines().count() > 10);
    assert_eq!(api.get("/audit", &alice.token).await.problem(403), "forbidden");
}

#[tokio::test]
async fn a_store_that_goes_away_is_503_everywhere_and_nothing_is_half_done() {
    let api = Api::start().await;
    let alice = somebody(&api, "alice").await;
    api.store.close().await;
    for (method, path, body) in [
        ("GET", "/projects".to_owned(), Value::Null),
        ("GET", format!("/projects/{}", alice.project), Value::Null),
        ("PATCH", format!("/projects/{}", alice.project), json!({"name": "x"})),
        ("POST", "/projects".to_owned(), json!({"organization_id": alice.organization, "name": "x"})),
        ("GET", format!("/organizations/{}/audit", alice.organization), Value::Null),
    ] {
        let reply = api.call(method, &path, &alice.token, body).await;
        assert_eq!(reply.problem(503), "unavailable", "{method} {path}");
    }
}
