//! Login with a browser, at a real Keycloak and at the development issuer: their login forms, their tokens, and Keycloak's
//! word that somebody is logged out, disabled or gone. The clients at Keycloak are those of the documentation.

pub mod browser;
mod directory;
mod step_up;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tollgate::clock::SystemClock;
use tollgate::dev::issuer::{DevIssuer, DevIssuerOptions};
use tollgate::entropy::SystemEntropy;
use url::Url;

use self::browser::Browser;
use crate::harness::client;
use crate::harness::grpc::Checker;
use crate::harness::keycloak::Keycloak;
use crate::harness::tollgate::Tollgate;

pub const USER: &str = "alice";
pub const PASSWORD: &str = "testpass123";
const SECRET: &str = "portal-secret-of-the-test";

/// A client as a page of the documentation has it, with the test's own addresses and secret.
pub fn documented(page: &str, name: &str, here: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let block =
        text.split(&format!("```json {name}\n")).nth(1).unwrap_or_else(|| panic!("no {name} in {page}"));
    let block = block.split("```").next().unwrap();
    let block = block.replace("https://tollgate.example.com", here).replace("change-me-change-me", SECRET);
    serde_json::from_str(&block).unwrap()
}

/// A Tollgate with a database, and its client at Keycloak.
struct Stand {
    tollgate: Tollgate,
    keycloak: &'static Keycloak,
    realm: &'static str,
}

/// Starts Tollgate again with a database and browser login; where the portal is. Its own port is part of its settings.
async fn open_portal(tollgate: &mut Tollgate, mut settings: Value, login: &Value, session: &Value) -> String {
    let here = format!("http://127.0.0.1:{}", tollgate.ports.http);
    settings["database"] = json!({"url": format!("sqlite://{}", tollgate.dir().join("state.db").display())});
    settings["portal"] = json!({"public_url": here, "login": login, "session": session});
    tollgate.rewrite(&settings);
    tollgate.restart().await;
    here
}

impl Stand {
    async fn start(realm: &'static str) -> Option<Self> {
        Self::with(realm, &json!({}), 30).await
    }

    /// With these settings of browsers' sessions, and clocks that differ by so many seconds at most.
    async fn with(realm: &'static str, session: &Value, leeway_secs: u32) -> Option<Self> {
        let keycloak = Keycloak::shared().await?;
        keycloak.create_realm(realm).await;
        keycloak.create_user(realm, USER, PASSWORD).await;
        let settings = json!({
            "issuers": [{"name": "keycloak", "issuer": keycloak.issuer(realm), "audiences": "any",
                "payload_types": ["Bearer"], "allow_http": true, "cooldown_secs": 1, "leeway_secs": leeway_secs}],
            "routes": [{"name": "all", "paths": [{"prefix": "/"}], "access": "authenticated"}],
        });
        let mut tollgate = Tollgate::start(&settings).await;
        let login = json!({"issuer": "keycloak", "client_id": "tollgate", "client_secret": SECRET});
        let here = open_portal(&mut tollgate, settings, &login, session).await;
        let client = documented("login.md", "portal-client", &here);
        keycloak.admin(Method::POST, &format!("/{realm}/clients"), Some(&client)).await;
        Some(Self { tollgate, keycloak, realm })
    }

    fn at(&self, path: &str) -> Url {
        format!("http://127.0.0.1:{}{path}", self.tollgate.ports.http).parse().unwrap()
    }

    /// Logs in; the address with the code that led in.
    async fn log_in(&self, browser: &mut Browser) -> Url {
        let begun = browser.get(&self.at("/login?next=/docs/problems")).await;
        let back = browser.pass_issuer(&begun.location.expect("to Keycloak"), PASSWORD).await;
        assert!(back.as_str().starts_with(self.at("/login/callback?").as_str()), "{back}");
        let page = browser.get(&back).await;
        assert_eq!((page.status, page.location), (303, Some(self.at("/docs/problems"))), "{}", page.text);
        back
    }

    async fn me(&self, browser: &mut Browser) -> Option<Value> {
        let page = browser.get(&self.at("/api/v1/me")).await;
        (page.status == 200).then(|| serde_json::from_str(&page.text).unwrap())
    }

    /// An access token of the browser's own session at Keycloak, by the code flow of another client.
    async fn token_of_session(&self, browser: &mut Browser) -> String {
        let body = json!({"clientId": "agent", "enabled": true, "publicClient": true, "standardFlowEnabled": true,
            "redirectUris": ["http://127.0.0.1:9/agent"]});
        self.keycloak.admin(Method::POST, &format!("/{}/clients", self.realm), Some(&body)).await;
        let endpoint = format!("{}/protocol/openid-connect", self.keycloak.issuer(self.realm));
        let target = format!(
            "{endpoint}/auth?client_id=agent&response_type=code&scope=openid&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fagent"
        );
        let back = browser.pass_issuer(&target.parse().unwrap(), PASSWORD).await;
        let code = back.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "agent"),
            ("code", code.as_str()),
            ("redirect_uri", "http://127.0.0.1:9/agent"),
        ];
        let answer = client::http().post(format!("{endpoint}/token")).form(&form).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_at_keycloak_and_out_again() {
    let Some(stand) = Stand::start("login").await else { return };
    let mut browser = Browser::new();
    assert!(stand.me(&mut browser).await.is_none());
    let back = stand.log_in(&mut browser).await;
    let me = stand.me(&mut browser).await.expect("logged in");
    assert_eq!((me["name"].as_str(), me["issuer"].as_str()), (Some(USER), Some("keycloak")));
    let groups = me["groups"].to_string();
    assert!(groups.contains("default-roles-login"), "realm roles of the access token count too: {groups}");

    // A code and a state count once, for this browser and any other.
    for other in [&mut browser, &mut Browser::new()] {
        let page = other.get(&back).await;
        assert_eq!(page.status, 400, "{}", page.text);
        assert!(page.text.contains("Log in again"), "{}", page.text);
    }
    let forged = stand.at("/login/callback?code=x&state=y&iss=https://evil.example");
    assert_eq!(browser.get(&forged).await.status, 400);

    let kept = browser.cookies.clone();
    let origin = stand.at("/").origin().ascii_serialization();
    let token = me["csrf_token"].as_str().unwrap();
    let refused =
        browser.send(Method::POST, &stand.at("/logout"), &[("origin", &origin)], &[("x", "y")]).await;
    assert_eq!(refused.status, 403, "without the token: {}", refused.text);
    let form = [("csrf_token", token)];
    let page = browser.send(Method::POST, &stand.at("/logout"), &[("origin", &origin)], &form).await;
    let target = page.location.expect("to Keycloak's logout");
    assert!(target.path().ends_with("/protocol/openid-connect/logout"), "{target}");
    let confirm = browser.get(&target).await;
    assert_eq!(confirm.status, 200, "Keycloak knows the client and the way back: {}", confirm.text);
    let mut thief = Browser { cookies: kept };
    assert!(stand.me(&mut thief).await.is_none(), "the session is gone at the server");

    let log = stand.tollgate.log();
    for secret in [back.query().unwrap(), SECRET, PASSWORD, thief.cookies["tollgate-session"].as_str()] {
        assert!(!log.contains(secret), "the log holds a secret");
    }
    assert!(!log.contains("code="), "the log holds a code");
}

#[tokio::test(flavor = "multi_thread")]
async fn keycloak_takes_no_login_and_no_code_without_its_proof() {
    let Some(stand) = Stand::start("pkce").await else { return };
    let mut browser = Browser::new();
    let begun = browser.get(&stand.at("/login")).await.location.expect("to Keycloak");
    for (what, change) in [("missing", None), ("plain", Some(("code_challenge_method", "plain")))] {
        let mut target = begun.clone();
        let kept: Vec<_> =
            begun.query_pairs().into_owned().filter(|(name, _)| !name.starts_with("code_")).collect();
        target.query_pairs_mut().clear().extend_pairs(kept);
        if let Some((name, value)) = change {
            target.query_pairs_mut().append_pair("code_challenge", &"A".repeat(43)).append_pair(name, value);
        }
        let page = Browser::new().get(&target).await;
        let back = page.location.unwrap_or_else(|| panic!("{what}: a login form: {}", page.text));
        assert!(back.query_pairs().any(|(name, _)| name == "error"), "{what}: {back}");
    }
    // A code that somebody else got hold of, with the client's secret and without the verifier.
    let endpoint = format!("{}/protocol/openid-connect/token", stand.keycloak.issuer(stand.realm));
    let redirect = stand.at("/login/callback");
    for verifier in [None, Some("A".repeat(43))] {
        let mut browser = Browser::new();
        let begun = browser.get(&stand.at("/login")).await.location.expect("to Keycloak");
        let back = browser.pass_issuer(&begun, PASSWORD).await;
        let code = back.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", redirect.as_str()),
            ("client_id", "tollgate"),
            ("client_secret", SECRET),
        ];
        form.extend(verifier.as_deref().map(|verifier| ("code_verifier", verifier)));
        let answer = client::http().post(&endpoint).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{verifier:?}");
        // And it is burnt: it leads nobody in any more.
        assert_eq!(browser.get(&back).await.status, 400, "{verifier:?}");
        assert!(stand.me(&mut browser).await.is_none(), "{verifier:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keycloak_logs_a_person_out_and_their_tokens_die_at_the_gateway() {
    let Some(stand) = Stand::start("backchannel").await else { return };
    let mut browser = Browser::new();
    stand.log_in(&mut browser).await;
    let token = stand.token_of_session(&mut browser).await;
    let checker = Checker::connect(stand.tollgate.ports.grpc).await;
    assert!(checker.bearer(&token).await.permitted(), "{:?}", checker.bearer(&token).await);
    assert!(stand.me(&mut browser).await.is_some());
    let other = stand.keycloak.token("master", "admin-cli", "admin", "admin").await;

    let users = stand.keycloak.admin(Method::GET, &format!("/backchannel/users?username={USER}"), None).await;
    let id = users[0]["id"].as_str().unwrap();
    stand.keycloak.admin(Method::POST, &format!("/backchannel/users/{id}/logout"), None).await;
    let told = Instant::now();
    while stand.me(&mut browser).await.is_some() {
        assert!(told.elapsed() < Duration::from_secs(20), "still logged in:\n{}", stand.tollgate.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ended = Instant::now();
    while checker.bearer(&token).await.permitted() {
        assert!(
            ended.elapsed() < Duration::from_secs(1),
            "the token outlives its session by more than a second"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(checker.bearer(&token).await.denial().as_deref(), Some("token_invalid"), "no more is said");
    assert_eq!(checker.bearer(&other).await.denial().as_deref(), Some("token_issuer_unknown"));
    // Who was logged out may log in again, and has good tokens again.
    let mut again = Browser::new();
    stand.log_in(&mut again).await;
    assert!(stand.me(&mut again).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_at_the_development_issuer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/realms/master", listener.local_addr().unwrap());
    let options = DevIssuerOptions { issuer_url: url.clone(), ..DevIssuerOptions::default() };
    let issuer = DevIssuer::new(options, Arc::new(SystemClock), Arc::new(SystemEntropy)).unwrap();
    let service = issuer.router().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let settings = json!({
        "issuers": [{"name": "dev", "issuer": url, "audiences": ["account"], "allow_http": true}],
        "tenancy": {"admin_groups": ["engineering"]},
    });
    let mut tollgate = Tollgate::start(&settings).await;
    // A public client, as `tollgate dev` has it: PKCE alone proves it.
    let login = json!({"issuer": "dev", "client_id": "tollgate-dev"});
    let here: Url = open_portal(&mut tollgate, settings, &login, &json!({})).await.parse().unwrap();
    let mut browser = Browser::new();
    let begun = browser.get(&here.join("/login?next=/docs").unwrap()).await;
    assert_eq!(browser.cookies.len(), 1);
    let back = browser.pass_issuer(&begun.location.expect("to the issuer"), USER).await;
    let arrived = browser.get(&back).await;
    assert_eq!(
        (arrived.status, arrived.location),
        (303, Some(here.join("/docs").unwrap())),
        "{}",
        arrived.text
    );
    assert!(browser.cookies.contains_key("tollgate-session") && browser.cookies.len() == 1);
    let me = browser.get(&here.join("/api/v1/me").unwrap()).await;
    let me: Value = serde_json::from_str(&me.text).unwrap();
    assert_eq!((me["name"].as_str(), me["email"].as_str()), (Some(USER), Some("alice@example.com")));
    assert_eq!(me["platform_admin"], true, "groups that stand in the access token alone: {me}");
    assert_eq!(browser.get(&back).await.status, 400, "the code and the state are used up");
}
