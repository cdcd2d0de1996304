//! The integration guide's two tests, run through the stand's own Envoy: no credential is denied, a valid token passes.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{Client, Response};

use super::stand::{Stand, TokenRequest};

/// Runs both tests and says what they gave; whether they passed.
///
/// # Errors
/// The gateway or the issuer did not answer at all.
pub async fn run(stand: &Stand, token: Option<&str>, say: &(dyn Fn(&str) + Sync)) -> anyhow::Result<bool> {
    stand.ready().await?;
    let client = client()?;
    let url = format!("http://{}/", stand.gateway);

    let answer =
        client.get(&url).header("host", "ai.local.dev").send().await.context("the gateway did not answer")?;
    let challenge = header(&answer, WWW_AUTHENTICATE.as_str());
    let denied = answer.status().as_u16() == stand.unauthenticated_status && challenge.starts_with("Bearer");
    say(&format!(
        "Test 1: {} (no credential; www-authenticate: {challenge}){}",
        answer.status().as_u16(),
        mark(denied)
    ));

    let token = match (token, &stand.token_request) {
        (Some(token), _) => token.to_owned(),
        (None, Some(request)) => fetch_token(&client, request).await?,
        (None, None) => {
            say("Test 2: not run: give a token of your issuer with --token-file");
            return Ok(denied);
        }
    };
    let request =
        client.get(&url).header("host", "ai.local.dev").header(AUTHORIZATION, format!("Bearer {token}"));
    let answer = request.send().await.context("the gateway did not answer")?;
    let passed = answer.status().as_u16() == 200;
    say(&format!(
        "Test 2: {} (valid token; answered by the backend){}",
        answer.status().as_u16(),
        mark(passed)
    ));
    Ok(denied && passed)
}

/// A token by this request.
///
/// # Errors
/// The issuer gave none.
pub async fn token(request: &TokenRequest) -> anyhow::Result<String> {
    fetch_token(&client()?, request).await
}

fn client() -> anyhow::Result<Client> {
    Ok(Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?)
}

async fn fetch_token(client: &Client, request: &TokenRequest) -> anyhow::Result<String> {
    let form = (CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = client.post(&request.url).header(form.0, form.1).body(request.form.clone()).send().await;
    let answer: serde_json::Value = answer.context("the issuer did not answer")?.json().await?;
    let token = answer.get("access_token").and_then(serde_json::Value::as_str);
    Ok(token.context("the issuer gave no token")?.to_owned())
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("-").to_owned()
}

const fn mark(passed: bool) -> &'static str {
    if passed { "" } else { "  <- NOT AS EXPECTED" }
}
