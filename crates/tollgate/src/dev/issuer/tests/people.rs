//! Userinfo, logout, and users made by an administrator.

use super::*;

#[tokio::test]
async fn userinfo_answers_for_a_live_access_token_only() {
    let world = World::new();
    let ask = |token: &str| {
        Request::get(USERINFO)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap()
    };
    let token = world.access_token("alice", "alice").await;
    let answer = world.send(ask(&token)).await.json();
    assert_eq!(
        (&answer["preferred_username"], &answer["groups"]),
        (&json!("alice"), &json!(["engineering"]))
    );
    let id_token =
        world.redeem(&world.code().await, ("", "")).await.json()["id_token"].as_str().unwrap().to_owned();
    let mut parts: Vec<&str> = token.split('.').collect();
    let forged = URL_SAFE_NO_PAD.encode(json!({ "typ": "Bearer", "exp": i64::MAX }).to_string());
    parts[1] = &forged;
    for bad in [id_token.as_str(), &parts.join("."), "", "a.b.c"] {
        let refused = world.send(ask(bad)).await;
        assert_eq!(refused.error(), (401, "invalid_token".to_owned()));
        assert!(refused.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer "));
    }
    assert_eq!(world.get(USERINFO).await.status, 401);
    world.later(3600);
    assert_eq!(world.send(ask(&token)).await.status, 401, "expired");
}

#[tokio::test]
async fn logout_returns_only_where_a_client_may() {
    let world = World::new();
    let path = "/realms/master/protocol/openid-connect/logout";
    assert_eq!(world.get(path).await.status, 200);
    let back = |uri: &str| {
        format!(
            "{path}?{}",
            encode(&[("client_id", "tollgate-dev"), ("post_logout_redirect_uri", uri), ("state", "s")])
        )
    };
    let answer = world.get(&back("http://localhost:3000/")).await;
    assert_eq!((answer.status.as_u16(), answer.location().as_str()), (303, "http://localhost:3000/?state=s"));
    assert_eq!(world.get(&back("https://evil.example/")).await.status, 400);
}

#[tokio::test]
async fn the_guides_step_6_works_as_printed() {
    let world = World::new();
    let admin = world.access_token("admin", "admin").await;
    let user = json!({
        "username": "testuser",
        "enabled": true,
        "credentials": [{ "type": "password", "value": "testpass123", "temporary": false }],
    });
    let created = world.create_user(&admin, &user).await;
    assert_eq!((created.status.as_u16(), created.text.as_str()), (201, ""));
    let token = world.access_token("testuser", "testpass123").await;
    let claims = world.verified(&token, "account").unwrap();
    assert_eq!(claims["preferred_username"], "testuser");
    assert!(created.location().path().ends_with(claims["sub"].as_str().unwrap()));
    let again = world.create_user(&admin, &user).await;
    assert_eq!(again.status, 409);
    assert_eq!(again.json()["errorMessage"], "User exists with same username");
}

#[tokio::test]
async fn users_are_created_by_admins_only() {
    let world = World::new();
    let user = json!({ "username": "mallory", "enabled": true });
    let alice = world.access_token("alice", "alice").await;
    assert_eq!(world.create_user(&alice, &user).await.status, 403);
    assert_eq!(world.create_user("junk", &user).await.status, 401);
    let admin = world.access_token("admin", "admin").await;
    assert_eq!(world.create_user(&admin, &json!({ "name": "x" })).await.status, 400);
    assert_eq!(world.create_user(&admin, &json!({ "username": " " })).await.status, 400);
    let disabled = json!({ "username": "off", "credentials": [{ "type": "password", "value": "x" }] });
    assert_eq!(world.create_user(&admin, &disabled).await.status, 201);
    assert_eq!(world.password("off", "x").await.error(), (400, "invalid_grant".to_owned()));
    assert_eq!(world.create_user(&admin, &user).await.status, 201);
    assert_eq!(world.password("mallory", "").await.status, 400, "no password, no login");
    world.later(3600);
    assert_eq!(world.create_user(&admin, &json!({ "username": "late" })).await.status, 401);
}
