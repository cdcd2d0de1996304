//! The device grant and refresh tokens.

use super::*;

const BEGIN: &str = "/realms/master/protocol/openid-connect/auth/device";
const PAGE: &str = "/realms/master/device";

async fn begin(world: &World) -> (String, String) {
    let begun =
        world.form(BEGIN, &[("client_id", "tollgate-cli"), ("scope", "openid offline_access")]).await.json();
    assert_eq!(begun["interval"], 1);
    let code = begun["user_code"].as_str().unwrap().to_owned();
    assert!(begun["verification_uri_complete"].as_str().unwrap().ends_with(&code));
    (begun["device_code"].as_str().unwrap().to_owned(), code)
}

async fn ask(world: &World, device_code: &str) -> Answer {
    let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
    world.form(TOKEN, &[grant, ("client_id", "tollgate-cli"), ("device_code", device_code)]).await
}

async fn answer(world: &World, code: &str, password: &str, answer: &str) -> Answer {
    let fields = [("user_code", code), ("username", "alice"), ("password", password), ("answer", answer)];
    world.form(PAGE, &fields).await
}

fn refused(code: &str) -> (u16, String) {
    (400, code.to_owned())
}

#[tokio::test]
async fn a_code_that_a_person_confirms_gives_tokens_once() {
    let world = World::new();
    let (device_code, code) = begin(&world).await;
    assert_eq!(ask(&world, &device_code).await.error(), refused("authorization_pending"));
    assert_eq!(ask(&world, &device_code).await.error(), refused("slow_down"));
    let page = world.get(&format!("{PAGE}?user_code={code}")).await;
    assert!(page.text.contains("tollgate-cli") && page.text.contains(&code));
    assert_eq!(answer(&world, &code, "wrong", "allow").await.status, 422);
    assert_eq!(answer(&world, "AAAA-AAAA", "alice", "allow").await.status, 422);
    world.later(2);
    assert_eq!(ask(&world, &device_code).await.error(), refused("authorization_pending"));
    // As a person types it.
    assert_eq!(answer(&world, &code.to_lowercase().replace('-', " "), "alice", "allow").await.status, 200);
    assert_eq!(answer(&world, &code, "alice", "refuse").await.status, 422, "a code is answered once");
    let tokens = ask(&world, &device_code).await.json();
    let claims = world.verified(tokens["access_token"].as_str().unwrap(), "account").unwrap();
    assert_eq!((&claims["preferred_username"], &claims["azp"]), (&json!("alice"), &json!("tollgate-cli")));
    assert_eq!(ask(&world, &device_code).await.error(), refused("invalid_grant"));
}

#[tokio::test]
async fn a_code_is_refused_over_or_somebody_elses() {
    let world = World::new();
    let (device_code, code) = begin(&world).await;
    assert_eq!(answer(&world, &code, "alice", "refuse").await.status, 200);
    assert_eq!(ask(&world, &device_code).await.error(), refused("access_denied"));

    let (device_code, code) = begin(&world).await;
    let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
    let other =
        world.form(TOKEN, &[grant, ("client_id", "tollgate-dev"), ("device_code", &device_code)]).await;
    assert_eq!(other.error(), refused("invalid_grant"));
    world.later(601);
    assert_eq!(answer(&world, &code, "alice", "allow").await.status, 422);
    assert_eq!(ask(&world, &device_code).await.error(), refused("expired_token"));
    assert_eq!(world.form(BEGIN, &[("client_id", "stranger")]).await.error(), (401, "invalid_client".into()));
}

#[tokio::test]
async fn a_refresh_token_is_good_once_for_its_client_for_a_day() {
    let world = World::new();
    let refresh = async |token: &str, client: &str| {
        let fields = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)];
        world.form(TOKEN, &fields).await
    };
    let given = async || {
        let (device_code, code) = begin(&world).await;
        answer(&world, &code, "alice", "allow").await;
        ask(&world, &device_code).await.json()["refresh_token"].as_str().unwrap().to_owned()
    };
    let first = given().await;
    let renewed = refresh(&first, "tollgate-cli").await.json();
    assert!(world.verified(renewed["access_token"].as_str().unwrap(), "account").is_some());
    assert_eq!(refresh(&first, "tollgate-cli").await.error(), refused("invalid_grant"));
    let second = renewed["refresh_token"].as_str().unwrap();
    assert_eq!(refresh(second, "tollgate-dev").await.error(), refused("invalid_grant"));
    assert_eq!(refresh(second, "tollgate-cli").await.error(), refused("invalid_grant"), "it was tried");

    let third = given().await;
    let revoke = "/realms/master/protocol/openid-connect/revoke";
    for _ in 0..2 {
        assert_eq!(world.form(revoke, &[("client_id", "tollgate-cli"), ("token", &third)]).await.status, 200);
    }
    assert_eq!(refresh(&third, "tollgate-cli").await.error(), refused("invalid_grant"));
    let fourth = given().await;
    world.later(86_401);
    assert_eq!(refresh(&fourth, "tollgate-cli").await.error(), refused("invalid_grant"));
    assert!(world.password("alice", "alice").await.json().get("refresh_token").is_none());
}
