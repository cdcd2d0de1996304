//! Tokens of a real Keycloak: what it issues, what it means by it, and what changes while Tollgate runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::grpc::{Checker, Outcome};
use crate::harness::keycloak::Keycloak;
use crate::harness::tollgate::Tollgate;

const CLIENT: &str = "agent";
const USER: &str = "testuser";
const PASSWORD: &str = "testpass123";

/// A realm with one client whose tokens are for `api`, and one user.
async fn realm(keycloak: &Keycloak, name: &str) {
    keycloak.create_realm(name).await;
    keycloak.create_client(name, CLIENT, Some("api")).await;
    keycloak.create_user(name, USER, PASSWORD).await;
}

/// A Tollgate that finds the realm by discovery.
async fn trusting(issuer: &Value) -> (Tollgate, Checker) {
    let mut entry = json!({
        "name": "keycloak", "audiences": ["api"], "payload_types": ["Bearer"], "allow_http": true,
        "cooldown_secs": 1, "refresh_secs": 5, "leeway_secs": 0,
    });
    for (name, value) in issuer.as_object().into_iter().flatten() {
        entry[name] = value.clone();
    }
    let tollgate = Tollgate::start(&json!({
        "issuers": [entry],
        "routes": [{"name": "all", "paths": [{"prefix": "/"}], "access": "authenticated"}],
    }))
    .await;
    let checker = Checker::connect(tollgate.ports.grpc).await;
    (tollgate, checker)
}

async fn becomes(what: &str, checker: &Checker, token: &str, permitted: bool) -> Outcome {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let outcome = checker.bearer(token).await;
        if outcome.permitted() == permitted {
            return outcome;
        }
        assert!(Instant::now() < end, "{what} did not happen within twenty seconds: {outcome:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_grant_token_passes_with_its_name() {
    let Some(keycloak) = Keycloak::shared().await else { return };
    realm(keycloak, "plain").await;
    let (_tollgate, checker) = trusting(&json!({"issuer": keycloak.issuer("plain")})).await;
    let granted = keycloak.grant("plain", CLIENT, USER, PASSWORD).await;
    let access = granted["access_token"].as_str().unwrap();
    let outcome = becomes("discovery", &checker, access, true).await;
    assert_eq!(outcome.headers["x-tollgate-user"], USER);
    assert_eq!(outcome.headers["x-tollgate-issuer"], keycloak.issuer("plain"));
    assert_eq!(outcome.headers["x-tollgate-subject"].len(), 36, "Keycloak's subject is a UUID");
    assert!(outcome.headers["x-tollgate-groups"].contains("default-roles-plain"));

    for kind in ["id_token", "refresh_token"] {
        let other = granted[kind].as_str().unwrap();
        let refused = checker.bearer(other).await;
        assert!(!refused.permitted(), "a {kind} is no access token: {refused:?}");
        assert_eq!(refused.status, 401);
    }
    let stranger = keycloak.token("master", "admin-cli", "admin", "admin").await;
    assert_eq!(checker.bearer(&stranger).await.denial().as_deref(), Some("token_issuer_unknown"));
}

#[tokio::test(flavor = "multi_thread")]
async fn audience_and_expiry() {
    let Some(keycloak) = Keycloak::shared().await else { return };
    realm(keycloak, "bounds").await;
    keycloak.create_client("bounds", "other", None).await;
    let (_tollgate, checker) = trusting(&json!({"issuer": keycloak.issuer("bounds")})).await;
    let good = keycloak.token("bounds", CLIENT, USER, PASSWORD).await;
    becomes("discovery", &checker, &good, true).await;
    let elsewhere = keycloak.token("bounds", "other", USER, PASSWORD).await;
    assert_eq!(
        checker.bearer(&elsewhere).await.denial().as_deref(),
        Some("token_invalid"),
        "its audience is not ours"
    );

    keycloak.set_access_token_lifespan("bounds", 4).await;
    let short = keycloak.token("bounds", CLIENT, USER, PASSWORD).await;
    assert!(checker.bearer(&short).await.permitted());
    let expired = becomes("expiry", &checker, &short, false).await;
    assert_eq!(expired.denial().as_deref(), Some("token_expired"));
}

#[tokio::test(flavor = "multi_thread")]
async fn key_rotation_is_seen_without_a_restart() {
    let Some(keycloak) = Keycloak::shared().await else { return };
    realm(keycloak, "rotating").await;
    let (_tollgate, checker) = trusting(&json!({"issuer": keycloak.issuer("rotating")})).await;
    let first_kids = keycloak.signing_kids("rotating").await;
    let old = keycloak.token("rotating", CLIENT, USER, PASSWORD).await;
    becomes("discovery", &checker, &old, true).await;

    let kid = keycloak.rotate_key("rotating", 200).await;
    let new = keycloak.token("rotating", CLIENT, USER, PASSWORD).await;
    assert_ne!(header(&new)["kid"], header(&old)["kid"]);
    assert_eq!(header(&new)["kid"], json!(kid));
    assert!(checker.bearer(&new).await.permitted(), "an unknown key id is looked up at once");
    assert!(checker.bearer(&old).await.permitted(), "the old key is still published");

    let old_kid = header(&old)["kid"].as_str().unwrap().to_owned();
    assert!(first_kids.contains(&old_kid));
    keycloak.disable_key("rotating", &old_kid).await;
    becomes("the old key's end", &checker, &old, false).await;
    assert!(checker.bearer(&new).await.permitted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lightweight_token_gets_an_answer_that_helps() {
    let Some(keycloak) = Keycloak::shared().await else { return };
    realm(keycloak, "light").await;
    keycloak.set_lightweight("light", CLIENT, true).await;
    let (tollgate, checker) =
        trusting(&json!({"issuer": keycloak.issuer("light"), "audiences": "any"})).await;
    let light = keycloak.token("light", CLIENT, USER, PASSWORD).await;
    let end = Instant::now() + Duration::from_secs(10);
    let refused = loop {
        let outcome = checker.bearer(&light).await;
        if outcome.denial().as_deref() != Some("unavailable") || Instant::now() > end {
            break outcome;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(refused.denial().as_deref(), Some("token_lightweight"), "{refused:?}");
    assert!(refused.body.contains("client.use.lightweight.access.token.enabled"), "{}", refused.body);
    let log = tollgate.log();
    assert!(log.contains(&format!("client '{CLIENT}'")), "the log names the client: {log}");
    keycloak.set_lightweight("light", CLIENT, false).await;
    let full = keycloak.token("light", CLIENT, USER, PASSWORD).await;
    assert!(checker.bearer(&full).await.permitted());
}

/// The guide fetches tokens through a port-forward on localhost, while the cluster knows Keycloak by another name.
#[tokio::test(flavor = "multi_thread")]
async fn both_spellings_of_an_issuer_are_accepted_when_configured() {
    let Some(keycloak) = Keycloak::shared().await else { return };
    realm(keycloak, "spelled").await;
    let inside = keycloak.issuer("spelled");
    let outside = inside.replace("127.0.0.1", "localhost");
    let token = |issuer: String| async move {
        let form =
            [("grant_type", "password"), ("client_id", CLIENT), ("username", USER), ("password", PASSWORD)];
        let url = format!("{issuer}/protocol/openid-connect/token");
        let answer = crate::harness::client::http().post(url).form(&form).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    };
    let (by_inside, by_outside) = (token(inside.clone()).await, token(outside.clone()).await);
    let one = json!({"issuer": inside});
    let (_strict, checker) = trusting(&one).await;
    becomes("discovery", &checker, &by_inside, true).await;
    assert_eq!(checker.bearer(&by_outside).await.denial().as_deref(), Some("token_issuer_unknown"));
    let both = json!({
        "issuer": inside, "accepted_issuers": [inside, outside],
        "jwks_url": format!("{inside}/protocol/openid-connect/certs"),
    });
    let (_both, checker) = trusting(&both).await;
    becomes("the key set", &checker, &by_inside, true).await;
    assert!(checker.bearer(&by_outside).await.permitted());
}

fn header(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').next().unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
