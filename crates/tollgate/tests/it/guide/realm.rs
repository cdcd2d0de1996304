//! The realm `tollgate` that keycloak.yaml imports beside the guide's `master`: what its clients may do, and whose tokens
//! Tollgate takes.

use reqwest::StatusCode;
use serde_json::Value;

use super::objects::{Objects, SYSTEM};
use crate::harness::client;
use crate::harness::grpc::Checker;

const REALM: &str = "http://localhost:8080/realms/tollgate";

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
