//! Nobody becomes a member unasked, and nothing of somebody is shown before they have accepted.

use serde_json::{Value, json};
use tollgate_core::ids::IdKind;
use tollgate_core::time::Timestamp;

use super::rig::{ADMINS, Api};

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A token, and the person's id, project and organization.
async fn somebody(api: &Api, name: &str) -> (String, String, String, String) {
    let token = api.token(name, &[]);
    let me = api.get("/me", &token).await.expect(200);
    let project = me["projects"]["items"][0].clone();
    (token, text(&me["id"]), text(&project["id"]), text(&project["organization_id"]))
}

/// An organization with a project, of `founder`.
async fn acme(api: &Api, founder: &str) -> (String, String) {
    let root = api.token("root", &[ADMINS]);
    let id =
        text(&api.call("POST", "/organizations", &root, json!({"name": "acme"})).await.expect(201)["id"]);
    let path = format!("/organizations/{id}/members/{founder}");
    api.call("PUT", &path, &root, json!({"role": "admin"})).await.expect(200);
    let wish = json!({"organization_id": id, "name": "p"});
    let project = text(&api.call("POST", "/projects", &root, wish).await.expect(201)["id"]);
    (id, project)
}

#[tokio::test]
async fn v1_who_is_no_member_is_invited_and_stays_unknown_until_they_accept() {
    let api = Api::start().await;
    let (alice, alice_id, own, home) = somebody(&api, "alice").await;
    let (bob, bob_id, ..) = somebody(&api, "bob").await;
    let (organization, project) = acme(&api, &alice_id).await;
    let nobody = IdKind::Person.make(Timestamp::from_millis(9), [9; 10]);
    for (place, role) in [
        (format!("/projects/{own}"), "viewer"),
        (format!("/organizations/{organization}"), "member"),
        (format!("/projects/{project}"), "viewer"),
    ] {
        let put = async |id: &str| {
            api.call("PUT", &format!("{place}/members/{id}"), &alice, json!({"role": role})).await
        };
        let (known, unknown) = (put(&bob_id).await, put(&nobody).await);
        assert_eq!(known.body, unknown.body, "whether or not there is such a person");
        assert!(known.body["detail"].as_str().unwrap().contains("send an invitation"), "{}", known.body);
        assert_eq!(known.problem(409), "conflict");
        let path = format!("{place}/invitations");
        let made = api.call("POST", &path, &alice, json!({"role": role, "person_id": nobody})).await;
        made.expect(201);
        let made =
            api.call("POST", &path, &alice, json!({"role": role, "person_id": bob_id})).await.expect(201);
        let listed = api.get(&path, &alice).await.expect(200);
        assert!(!format!("{made}{listed}").contains("bob"), "no name and no address: {listed}");
        assert!(!api.get(&format!("{place}/members"), &alice).await.expect(200).to_string().contains("bob"));
        let waiting = api.get("/me/invitations", &bob).await.expect(200)["items"].clone();
        assert_eq!((waiting.as_array().unwrap().len(), &waiting[0]["id"]), (1, &made["id"]), "{waiting}");
        assert_eq!((&waiting[0]["invited_by"], &waiting[0]["role"]), (&json!("alice"), &json!(role)));
        // Declining tells whoever invited that it is over, and not more.
        let one = format!("/me/invitations/{}", text(&made["id"]));
        for by in [&alice, &api.token("carol", &[])] {
            for way in ["accept", "decline"] {
                let tried = api.call("POST", &format!("{one}/{way}"), by, Value::Null).await;
                assert_eq!(tried.problem(404), "not_found");
            }
        }
        api.call("POST", &format!("{one}/decline"), &bob, Value::Null).await.expect(204);
        assert_eq!(api.get("/me/invitations", &bob).await.expect(200)["items"], json!([]));
        let audit = api.get(&format!("{place}/audit"), &alice).await.expect(200).to_string();
        assert!(!audit.contains("\"bob\"") && !audit.contains("bob@"), "{audit}");
        // By address; then they are known.
        let wish = json!({"role": role, "email": "bob@example.com"});
        let made = api.call("POST", &path, &alice, wish).await.expect(201);
        assert_eq!(made["issuer"], "one");
        let one = format!("/me/invitations/{}", text(&made["id"]));
        let accepted = api.call("POST", &format!("{one}/accept"), &bob, Value::Null).await.expect(200);
        assert_eq!((&accepted["member"]["name"], &accepted["member"]["role"]), (&json!("bob"), &json!(role)));
        assert_eq!(accepted["project_id"].is_null(), role == "member");
        api.get(&place, &bob).await.expect(200);
    }
    // An id is no token.
    let path = format!("/projects/{project}/invitations");
    let open = api.call("POST", &path, &alice, json!({"role": "viewer"})).await.expect(201);
    let carol = api.token("carol", &[]);
    for (path, body) in [
        (format!("/me/invitations/{}/accept", text(&open["id"])), Value::Null),
        ("/invitations/accept".to_owned(), json!({"token": open["id"]})),
    ] {
        assert_eq!(api.call("POST", &path, &carol, body).await.problem(404), "not_found");
    }
    api.call("POST", "/invitations/accept", &carol, json!({"token": open["token"]})).await.expect(200);
    // Personal organizations have their person alone.
    let path = format!("/organizations/{home}/invitations");
    assert_eq!(api.call("POST", &path, &alice, json!({"role": "member"})).await.problem(409), "conflict");
}

#[tokio::test]
async fn v1_an_administrator_of_the_platform_adds_members_and_the_log_shows_it() {
    let api = Api::start().await;
    let (_, bob_id, ..) = somebody(&api, "bob").await;
    let (alice, alice_id, ..) = somebody(&api, "alice").await;
    let (_, project) = acme(&api, &alice_id).await;
    let (boss, path) = (api.token("boss", &[ADMINS]), format!("/projects/{project}"));
    let member = format!("{path}/members/{bob_id}");
    api.call("PUT", &member, &boss, json!({"role": "developer"})).await.expect(200);
    let audit = api.get(&format!("{path}/audit"), &alice).await.expect(200);
    let added = &audit["items"][0];
    assert_eq!(
        (&added["action"], &added["after"]["by_platform_right"]),
        (&json!("project.member.add"), &json!(true))
    );
}

#[tokio::test]
async fn v4_the_platforms_right_alone_gives_nothing() {
    let api = Api::start().await;
    let (alice, alice_id, ..) = somebody(&api, "alice").await;
    let (organization, project) = acme(&api, &alice_id).await;
    let boss = api.token("boss", &[ADMINS]);
    let boss_id = text(&api.get("/me", &boss).await.expect(200)["id"]);
    let (below, above) = (format!("/projects/{project}"), format!("/organizations/{organization}"));
    let account = json!({"name": "ci"});
    let account = api.call("POST", &format!("{below}/service-accounts"), &alice, account).await.expect(201);
    let of_account = json!({"name": "k", "service_account_id": account["id"]});
    let key = api.call("POST", &format!("{below}/keys"), &alice, of_account.clone()).await.expect(201);
    let mapping = json!({"issuer": "one", "group": "g", "role": "viewer", "project_id": project});
    let tries = [
        (format!("{below}/keys"), json!({"name": "k"})),
        (format!("{below}/keys"), of_account),
        (format!("{below}/keys/{}/rotate", text(&key["id"])), json!({"overlap": "now"})),
        (format!("{below}/invitations"), json!({"role": "viewer"})),
        (format!("{above}/invitations"), json!({"role": "member"})),
        (format!("{above}/group-mappings"), mapping),
        (format!("{above}/group-mappings"), json!({"group": "h", "role": "admin"})),
    ];
    for (path, body) in &tries {
        let refused = api.call("POST", path, &boss, body.clone()).await;
        assert!(refused.body["detail"].as_str().unwrap().contains("as a member"), "{path}: {}", refused.body);
        assert_eq!(refused.problem(403), "forbidden", "{path}");
    }
    for (place, role) in [(&below, "owner"), (&above, "admin")] {
        let member = format!("{place}/members/{boss_id}");
        api.call("PUT", &member, &boss, json!({"role": role})).await.expect(200);
    }
    for (path, body) in &tries {
        let done = api.call("POST", path, &boss, body.clone()).await;
        assert!(done.status.is_success(), "{path}: {}", done.body);
    }
    // The right goes, and what was made as a member stays theirs as a member; the mapping gives no more than others' may.
    let plain = api.token("boss", &["other"]);
    assert_eq!(api.get("/me", &plain).await.expect(200)["platform_admin"], false);
    let mappings = api.get(&format!("{above}/group-mappings"), &alice).await.expect(200);
    let admin = mappings["items"].as_array().unwrap().iter().find(|one| one["role"] == "admin").unwrap();
    assert_eq!((&admin["gives"], &admin["created_by"]), (&json!("member"), &json!(boss_id)));
}

#[tokio::test]
async fn v4_a_suspended_makers_invitation_is_none() {
    let api = Api::start().await;
    let (insider, insider_id, project, _) = somebody(&api, "insider").await;
    let wish = json!({"role": "owner", "expires_in_days": 30});
    let made =
        api.call("POST", &format!("/projects/{project}/invitations"), &insider, wish).await.expect(201);
    let root = api.token("root", &[ADMINS]);
    let suspend = format!("/people/{insider_id}/suspend");
    api.call("POST", &suspend, &root, Value::Null).await.expect(200);
    let accomplice = api.token("accomplice", &[]);
    let accept = json!({"token": made["token"]});
    let refused = api.call("POST", "/invitations/accept", &accomplice, accept).await;
    assert_eq!(refused.problem(404), "not_found");
}

#[tokio::test]
async fn v3_a_request_names_an_issuer_that_there_is() {
    let api = Api::start().await;
    let (alice, alice_id, ..) = somebody(&api, "alice").await;
    let (organization, project) = acme(&api, &alice_id).await;
    let (invitations, mappings) =
        (format!("/projects/{project}/invitations"), format!("/organizations/{organization}/group-mappings"));
    for (path, body) in [
        (&invitations, json!({"role": "viewer", "email": "a@b.c", "issuer": "nobody"})),
        (&invitations, json!({"role": "viewer", "issuer": "one"})),
        (&mappings, json!({"role": "member", "group": "g", "issuer": "nobody"})),
    ] {
        let refused = api.call("POST", path, &alice, body).await;
        assert_eq!(refused.body["errors"][0]["pointer"], "/issuer", "{}", refused.body);
        assert_eq!(refused.problem(400), "invalid");
    }
    // With one issuer a bare name is enough.
    let made = api.call("POST", &mappings, &alice, json!({"role": "member", "group": "g"})).await.expect(201);
    assert_eq!(made["issuer"], "one");
}
