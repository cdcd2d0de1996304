//! The realm `tollgate` that keycloak.yaml imports beside the guide's `master`: what its clients may do, and whose tokens
//! Tollgate takes.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use super::objects::{Objects, SYSTEM};
use crate::harness::client;
use crate::harness::grpc::Checker;
use crate::login::browser::Browser;

const KEYCLOAK: &str = "http://localhost:8080";
const REALM: &str = "http://localhost:8080/realms/tollgate";
const PORTAL: &str = "http://localhost:3000";

/// The answer of the token endpoint to the demo user's password.
async fn grant(client_id: &str, password: &str) -> Value {
    let form = [
        ("grant_type", "password"),
        ("client_id", client_id),
        ("username", "demo"),
        ("password", password),
        ("scope", "openid"),
    ];
    let url = format!("{REALM}/protocol/openid-connect/token");
    client::http().post(url).form(&form).send().await.unwrap().json().await.unwrap()
}

/// The demo user's access token, as the command line gets one.
pub async fn token(password: &str) -> String {
    let granted = grant("tollgate-cli", password).await;
    granted["access_token"].as_str().unwrap_or_else(|| panic!("{granted}")).to_owned()
}

/// The portal's authorization request, with what is added.
async fn authorize(more: &str) -> (StatusCode, String) {
    let redirect = "http%3A%2F%2Flocalhost%3A3000%2Flogin%2Fcallback";
    let url = format!(
        "{REALM}/protocol/openid-connect/auth?client_id=tollgate-portal&response_type=code&scope=openid&state=s&\
         redirect_uri={redirect}{more}"
    );
    let answer = client::http().get(url).send().await.unwrap();
    let location = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
    (answer.status(), location.unwrap_or_default())
}

/// Holds the realm of a running Keycloak, and a Tollgate configured as self-service-deployment.yaml has it, to the manifests.
pub async fn holds(objects: &Objects) {
    let secret = objects.get("Secret", SYSTEM, "keycloak");
    let granted = grant("tollgate-cli", secret.text("/stringData/demo-password")).await;
    let access = granted["access_token"].as_str().unwrap_or_else(|| panic!("{granted}"));
    let checker = Checker::connect(3001).await;
    let check = async |token: &str| {
        let bearer = format!("Bearer {token}");
        checker.check("GET", "ai.local.dev", "/", &[("authorization", &bearer)]).await
    };
    let outcome = check(access).await;
    assert!(outcome.permitted(), "{outcome:?}");
    assert_eq!(outcome.headers["x-tollgate-user"], "demo");
    assert_eq!(outcome.headers["x-tollgate-email"], "demo@example.com");
    assert_eq!(outcome.headers["x-tollgate-groups"], "ai-users");
    assert_eq!(outcome.headers["x-tollgate-issuer"], REALM);
    let identity = granted["id_token"].as_str().unwrap();
    assert!(!check(identity).await.permitted(), "an ID token is for a client, not for a gateway");

    assert!(grant("tollgate-cli", "wrong").await["access_token"].is_null());
    let portal = grant("tollgate-portal", "demo").await;
    assert_eq!(portal["error"], "unauthorized_client", "passwords are typed at Keycloak only: {portal}");

    let (status, location) = authorize("").await;
    assert!(
        status.is_redirection() && location.contains("error=invalid_request"),
        "PKCE: {status} {location}"
    );
    let (status, location) = authorize("&code_challenge=abc&code_challenge_method=plain").await;
    assert!(status.is_redirection() && location.contains("error=invalid_request"), "{status} {location}");
    let challenge = "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    let (status, location) = authorize(challenge).await;
    assert_eq!((status, location.as_str()), (StatusCode::OK, ""), "the login page");
}

/// The demo user signs in with a browser, and is out again once Keycloak says so.
pub async fn signs_people_in(objects: &Objects) {
    let secret = objects.get("Secret", SYSTEM, "keycloak");
    let at = |path: &str| -> Url { format!("{PORTAL}{path}").parse().unwrap() };
    let mut browser = Browser::new();
    let begun = browser.get(&at("/login?next=/docs")).await;
    let form = begun.location.unwrap_or_else(|| panic!("{}", begun.text));
    let back = browser.pass_issuer_as(&form, "demo", secret.text("/stringData/demo-password")).await;
    assert!(back.as_str().starts_with(at("/login/callback?").as_str()), "{back}");
    let arrived = browser.get(&back).await;
    assert_eq!((arrived.status, arrived.location), (303, Some(at("/docs"))), "{}", arrived.text);
    let me = browser.get(&at("/api/v1/me")).await;
    let me: Value = serde_json::from_str(&me.text).unwrap();
    assert_eq!((&me["name"], &me["email"]), (&"demo".into(), &"demo@example.com".into()), "{me}");
    assert_eq!((&me["issuer"], &me["platform_admin"]), (&"tollgate".into(), &false.into()), "{me}");
    assert_eq!(me["groups"][0], "ai-users", "{me}");

    let (user, password) =
        (secret.text("/stringData/admin-username"), secret.text("/stringData/admin-password"));
    let form =
        [("grant_type", "password"), ("client_id", "admin-cli"), ("username", user), ("password", password)];
    let master = format!("{KEYCLOAK}/realms/master/protocol/openid-connect/token");
    let token: Value = client::http().post(master).form(&form).send().await.unwrap().json().await.unwrap();
    let token = token["access_token"].as_str().unwrap_or_else(|| panic!("{token}"));
    let users = format!("{KEYCLOAK}/admin/realms/tollgate/users");
    let demo = client::http().get(format!("{users}?username=demo")).bearer_auth(token).send().await.unwrap();
    let demo: Value = demo.json().await.unwrap();
    let url = format!("{users}/{}/logout", demo[0]["id"].as_str().unwrap());
    let told = client::http().post(url).bearer_auth(token).send().await.unwrap();
    assert!(told.status().is_success(), "{}", told.status());
    let end = Instant::now() + Duration::from_secs(10);
    while browser.get(&at("/api/v1/me")).await.status == 200 {
        assert!(Instant::now() < end, "Keycloak's word does not reach the portal");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
