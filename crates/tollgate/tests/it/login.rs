//! Login with a browser, at a real Keycloak and at the development issuer: their login forms, their tokens, and Keycloak's
//! word that somebody is logged out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tollgate::clock::SystemClock;
use tollgate::dev::issuer::{DevIssuer, DevIssuerOptions};
use tollgate::entropy::SystemEntropy;
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

    /// Fills in the issuer's login form, hidden fields included; the address that it sends the browser to.
    async fn pass_issuer(&mut self, target: &Url, password: &str) -> Url {
        let page = self.get(target).await;
        // Who has a session there already is sent back at once.
        if let Some(back) = page.location {
            return back;
        }
        assert_eq!(page.status, 200, "{}", page.text);
        let attribute = |tag: &str, name: &str| {
            let value = tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
            Some(value.replace("&amp;", "&"))
        };
        let tags = |start: &str| -> Vec<String> {
            page.text.split(start).skip(1).map(|tag| tag.split('>').next().unwrap().to_owned()).collect()
        };
        let form = tags("<form").into_iter().next().unwrap_or_else(|| panic!("no form: {}", page.text));
        let action: Url = attribute(&form, "action").unwrap().parse().unwrap();
        let hidden = tags("<input").into_iter().filter(|tag| tag.contains("type=\"hidden\""));
        let mut fields: Vec<(String, String)> =
            hidden.filter_map(|tag| Some((attribute(&tag, "name")?, attribute(&tag, "value")?))).collect();
        fields.extend([("username".into(), USER.into()), ("password".into(), password.into())]);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let page = self.send(Method::POST, &action, &[], &fields).await;
        page.location.unwrap_or_else(|| panic!("the issuer did not let {USER} in: {}", page.text))
    }
}

/// A Tollgate with a database, and its client at Keycloak.
struct Stand {
    tollgate: Tollgate,
    keycloak: &'static Keycloak,
    realm: &'static str,
}

/// Starts Tollgate again with a database and browser login; where the portal is. Its own port is part of its settings.
async fn open_portal(tollgate: &mut Tollgate, mut settings: Value, login: &Value) -> String {
    let here = format!("http://127.0.0.1:{}", tollgate.ports.http);
    settings["database"] = json!({"url": format!("sqlite://{}", tollgate.dir().join("state.db").display())});
    settings["portal"] = json!({"public_url": here, "login": login});
    tollgate.rewrite(&settings);
    tollgate.restart().await;
    here
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
    let here: Url = open_portal(&mut tollgate, settings, &login).await.parse().unwrap();
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
