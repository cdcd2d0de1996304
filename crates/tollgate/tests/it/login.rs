//! Login with a browser at a real Keycloak: its login form, its tokens, and its word that somebody is logged out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use crate::harness::client;
use crate::harness::grpc::Checker;
use crate::harness::keycloak::Keycloak;
use crate::harness::tollgate::Tollgate;

const USER: &str = "alice";
const PASSWORD: &str = "testpass123";
const SECRET: &str = "portal-secret-of-the-test";

/// What a person's browser does: cookies, redirects when told, and forms.
struct Browser {
    cookies: BTreeMap<String, String>,
}

struct Page {
    status: u16,
    location: Option<Url>,
    text: String,
}

impl Browser {
    const fn new() -> Self {
        Self { cookies: BTreeMap::new() }
    }

    async fn send(
        &mut self,
        method: Method,
        url: &Url,
        headers: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Page {
        let mut request = client::http().request(method, url.clone()).header("accept", "text/html");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header("cookie", pairs.join("; "));
        if !form.is_empty() {
            request = request.form(form);
        }
        let response = request.send().await.unwrap();
        for line in response.headers().get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() || line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = response.headers().get("location").map(|to| url.join(to.to_str().unwrap()).unwrap());
        Page { status: response.status().as_u16(), location, text: response.text().await.unwrap() }
    }

    async fn get(&mut self, url: &Url) -> Page {
        self.send(Method::GET, url, &[], &[]).await
    }

    /// Fills in Keycloak's login form; the address that it sends the browser to.
    async fn pass_keycloak(&mut self, target: &Url) -> Url {
        let page = self.get(target).await;
        // Who has a session there already is sent back at once.
        if let Some(back) = page.location {
            return back;
        }
        assert_eq!(page.status, 200, "{}", page.text);
        let action = page.text.split("action=\"").nth(1).unwrap_or_else(|| panic!("no form: {}", page.text));
        let action: Url = action.split('"').next().unwrap().replace("&amp;", "&").parse().unwrap();
        let form = [("username", USER), ("password", PASSWORD)];
        let page = self.send(Method::POST, &action, &[], &form).await;
        page.location.unwrap_or_else(|| panic!("Keycloak did not let {USER} in: {}", page.text))
    }
}

/// A Tollgate with a database, and its client at Keycloak.
struct Stand {
    tollgate: Tollgate,
    keycloak: &'static Keycloak,
    realm: &'static str,
}

impl Stand {
    async fn start(realm: &'static str) -> Option<Self> {
        let keycloak = Keycloak::shared().await?;
        keycloak.create_realm(realm).await;
        keycloak.create_user(realm, USER, PASSWORD).await;
        let settings = json!({
            "issuers": [{"name": "keycloak", "issuer": keycloak.issuer(realm), "audiences": "any",
                "payload_types": ["Bearer"], "allow_http": true, "cooldown_secs": 1}],
            "routes": [{"name": "all", "paths": [{"prefix": "/"}], "access": "authenticated"}],
        });
        let mut tollgate = Tollgate::start(&settings).await;
        let here = format!("http://127.0.0.1:{}", tollgate.ports.http);
        let mut settings = settings;
        settings["database"] =
            json!({"url": format!("sqlite://{}", tollgate.dir().join("state.db").display())});
        settings["portal"] = json!({"public_url": here, "login": {
            "issuer": "keycloak", "client_id": "portal", "client_secret": SECRET}});
        tollgate.rewrite(&settings);
        tollgate.restart().await;
        let body = json!({
            "clientId": "portal", "enabled": true, "publicClient": false, "secret": SECRET,
            "standardFlowEnabled": true, "directAccessGrantsEnabled": false,
            "redirectUris": [format!("{here}/login/callback")],
            "attributes": {
                "pkce.code.challenge.method": "S256",
                "post.logout.redirect.uris": format!("{here}/docs"),
                "backchannel.logout.url": format!("{here}/logout/backchannel"),
                "backchannel.logout.session.required": "true",
            },
        });
        keycloak.admin(Method::POST, &format!("/{realm}/clients"), Some(&body)).await;
        Some(Self { tollgate, keycloak, realm })
    }

    fn at(&self, path: &str) -> Url {
        format!("http://127.0.0.1:{}{path}", self.tollgate.ports.http).parse().unwrap()
    }

    /// Logs in; the address with the code that led in.
    async fn log_in(&self, browser: &mut Browser) -> Url {
        let begun = browser.get(&self.at("/login?next=/docs/problems")).await;
        let back = browser.pass_keycloak(&begun.location.expect("to Keycloak")).await;
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
        let back = browser.pass_keycloak(&target.parse().unwrap()).await;
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
