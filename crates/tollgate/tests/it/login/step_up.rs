//! A session that is too old to show a new secret, and Keycloak's proof of who is there.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::browser::{Browser, Page};
use super::{PASSWORD, Stand};

/// Makes a key as a page of ours would.
async fn make_key(stand: &Stand, browser: &mut Browser) -> (u16, Value) {
    let me = stand.me(browser).await.expect("logged in");
    let origin = stand.at("/").origin().ascii_serialization();
    let request = crate::harness::client::http()
        .post(stand.at("/api/v1/api-keys"))
        .header("origin", origin)
        .header("x-csrf-token", me["csrf_token"].as_str().unwrap())
        .header("cookie", format!("tollgate-session={}", browser.cookies["tollgate-session"]))
        .json(&json!({"name": "laptop"}));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn keycloak_proves_anew_who_is_there() {
    let bound = json!({"reauthenticate_after_secs": 4});
    let Some(stand) = Stand::with("stepup", &bound, 0).await else { return };
    let mut browser = Browser::new();
    stand.log_in(&mut browser).await;
    let (status, made) = make_key(&stand, &mut browser).await;
    assert_eq!(status, 201, "{made}");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (status, problem) = make_key(&stand, &mut browser).await;
    assert_eq!((status, &problem["code"]), (401, &json!("reauthentication_required")));

    // Keycloak remembers the browser and lets it in without a question: that is no proof.
    stand.log_in(&mut browser).await;
    assert_eq!(make_key(&stand, &mut browser).await.0, 401);

    // A browser that leaves the demand out on its way is let in by Keycloak, and not by Tollgate.
    let login = stand.at(problem["login"].as_str().unwrap());
    let begun = browser.get(&login).await.location.expect("to Keycloak");
    let mut stripped = begun.clone();
    let kept: Vec<_> =
        begun.query_pairs().into_owned().filter(|(name, _)| name != "prompt" && name != "max_age").collect();
    stripped.query_pairs_mut().clear().extend_pairs(kept);
    let back = browser.get(&stripped).await.location.expect("back at once");
    let page = browser.get(&back).await;
    assert!(page.status == 400 && page.text.contains("did not ask you anew"), "{}", page.text);
    assert_eq!(make_key(&stand, &mut browser).await.0, 401);

    // The right way: Keycloak asks for the password although it knows the browser.
    let begun = browser.get(&login).await.location.expect("to Keycloak");
    let Page { status, location, text } = browser.send(Method::GET, &begun, &[], &[]).await;
    assert!(status == 200 && location.is_none() && text.contains("password"), "{status}: {text}");
    let back = browser.pass_issuer(&begun, PASSWORD).await;
    assert_eq!(browser.get(&back).await.status, 303);
    let (status, made) = make_key(&stand, &mut browser).await;
    assert_eq!(status, 201, "{made}");
    assert!(made["key"].as_str().unwrap().starts_with("tgk_"));
}
