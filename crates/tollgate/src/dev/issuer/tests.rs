//! The issuer as clients meet it: whole flows over its router, signatures checked by another library.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod device;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Request, StatusCode, header};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use tollgate_core::time::Timestamp;
use tower::ServiceExt;

use super::users::sha256;
use super::*;

const TOKEN: &str = "/realms/master/protocol/openid-connect/token";
const AUTH: &str = "/realms/master/protocol/openid-connect/auth";
const USERINFO: &str = "/realms/master/protocol/openid-connect/userinfo";
const USERS: &str = "/admin/realms/master/users";
const REDIRECT: &str = "http://127.0.0.1:4711/callback?from=issuer";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Any start will do: 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600;

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// Bytes that count up: different in every draw, the same in every run.
#[derive(Default)]
struct CountingEntropy(AtomicU8);

impl Entropy for CountingEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        buffer.fill(self.0.fetch_add(1, Ordering::Relaxed));
        Ok(())
    }
}

struct World {
    issuer: Arc<DevIssuer>,
    clock: Arc<TestClock>,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap().to_owned())
    }

    fn location(&self) -> Url {
        Url::parse(self.headers[header::LOCATION].to_str().unwrap()).unwrap()
    }

    fn query(&self, name: &str) -> Option<String> {
        self.location().query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

impl World {
    fn new() -> Self {
        Self::with(DevIssuerOptions::default())
    }

    fn with(options: DevIssuerOptions) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(START)));
        let issuer =
            DevIssuer::new(options, Arc::<TestClock>::clone(&clock), Arc::new(CountingEntropy::default()))
                .unwrap();
        let router = Arc::clone(&issuer).router();
        Self { issuer, clock, router }
    }

    fn later(&self, secs: i64) {
        self.clock.0.fetch_add(secs, Ordering::Relaxed);
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(encode(fields))).unwrap()).await
    }

    async fn password(&self, username: &str, password: &str) -> Answer {
        let fields = [
            ("username", username),
            ("password", password),
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
        ];
        self.form(TOKEN, &fields).await
    }

    async fn access_token(&self, username: &str, password: &str) -> String {
        self.password(username, password).await.json()["access_token"].as_str().unwrap().to_owned()
    }

    async fn create_user(&self, token: &str, body: &Value) -> Answer {
        let request = Request::post(USERS)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// The claims, when `jsonwebtoken` accepts the signature by a key of the published set. Time is checked by hand,
    /// because that library reads the machine's clock.
    fn verified(&self, token: &str, audience: &str) -> Option<Value> {
        let keys: JwkSet = serde_json::from_value(self.issuer.jwks()).unwrap();
        let header = decode_header(token).unwrap();
        assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::RS256, Some("JWT")));
        let key = keys.find(&header.kid.unwrap())?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.set_audience(&[audience]);
        validation.set_issuer(&["http://127.0.0.1:8080/realms/master"]);
        Some(decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims)
    }

    async fn login(&self, fields: &[(&str, &str)]) -> Answer {
        let mut all = fields.to_vec();
        all.extend([("username", "alice"), ("password", "alice")]);
        self.form(AUTH, &all).await
    }

    async fn code(&self) -> String {
        let challenge = challenge();
        self.login(&request(&challenge)).await.query("code").unwrap()
    }

    async fn redeem(&self, code: &str, change: (&str, &str)) -> Answer {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("client_id", "tollgate-dev"),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        for field in &mut fields {
            if field.0 == change.0 {
                field.1 = change.1;
            }
        }
        self.form(TOKEN, &fields).await
    }
}

fn encode(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(sha256(&[VERIFIER.as_bytes()]))
}

fn request(challenge: &str) -> Vec<(&str, &str)> {
    vec![
        ("response_type", "code"),
        ("client_id", "tollgate-dev"),
        ("redirect_uri", REDIRECT),
        ("scope", "openid email"),
        ("state", "st&te=1"),
        ("nonce", "n-0S6"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ]
}

fn changed<'a>(mut fields: Vec<(&'a str, &'a str)>, name: &str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    for field in &mut fields {
        if field.0 == name {
            field.1 = value;
        }
    }
    fields
}

fn options_in(dir: &Path) -> DevIssuerOptions {
    DevIssuerOptions { state_dir: Some(dir.to_owned()), ..DevIssuerOptions::default() }
}

// --- discovery and tokens -----------------------------------------------------------------------------------------

#[tokio::test]
async fn discovery_names_the_issuer_and_endpoints_below_it() {
    let world = World::new();
    let document = world.get("/realms/master/.well-known/openid-configuration").await.json();
    assert_eq!(document["issuer"], "http://127.0.0.1:8080/realms/master");
    assert_eq!(document["token_endpoint"], world.issuer.token_url());
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    let certs = Url::parse(document["jwks_uri"].as_str().unwrap()).unwrap();
    assert_eq!(world.get(certs.path()).await.json(), world.issuer.jwks());
    assert_eq!(world.get("/realms/other/.well-known/openid-configuration").await.status, 404);
}

#[tokio::test]
async fn the_key_set_holds_a_signing_and_an_encryption_key() {
    let world = World::new();
    let set = world.issuer.jwks();
    let uses: Vec<&str> =
        set["keys"].as_array().unwrap().iter().map(|key| key["use"].as_str().unwrap()).collect();
    assert_eq!(uses, ["sig", "enc"]);
    for key in set["keys"].as_array().unwrap() {
        let mut members: Vec<&String> = key.as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"], "and no private member");
    }
}

#[tokio::test]
async fn the_password_grant_gives_a_token_that_verifies() {
    let world = World::new();
    let answer = world.password("Alice", "alice").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(answer.json()["token_type"], "Bearer");
    assert!(answer.json().get("id_token").is_none(), "openid was not asked for");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let claims = world.verified(&token, "account").unwrap();
    assert_eq!(claims["typ"], "Bearer");
    assert_eq!(claims["azp"], "admin-cli");
    assert_eq!(claims["preferred_username"], "alice");
    assert_eq!(claims["email"], "alice@example.com");
    assert_eq!(claims["groups"], json!(["engineering"]));
    assert_eq!(claims["realm_access"]["roles"], json!([]));
    assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(START), Some(START + 3600)));
    assert!(uuid::Uuid::parse_str(claims["sub"].as_str().unwrap()).is_ok());
    let second = world.verified(&world.access_token("alice", "alice").await, "account").unwrap();
    assert_eq!(second["sub"], claims["sub"], "one person, one subject");
    assert_ne!(second["jti"], claims["jti"]);
    assert_ne!(second["sid"], claims["sid"]);
}

#[tokio::test]
async fn token_requests_are_refused_in_the_words_of_rfc_6749() {
    let world = World::new();
    for (fields, status, code) in [
        ("", 400, "invalid_request"),
        ("grant_type=password", 401, "invalid_client"),
        ("grant_type=password&client_id=nobody", 401, "invalid_client"),
        ("grant_type=client_credentials&client_id=admin-cli", 400, "unsupported_grant_type"),
        ("grant_type=password&client_id=admin-cli", 400, "invalid_request"),
        ("grant_type=password&client_id=admin-cli&username=alice&password=wrong", 400, "invalid_grant"),
        ("grant_type=password&client_id=admin-cli&username=nobody&password=alice", 400, "invalid_grant"),
        ("grant_type=password&grant_type=password&client_id=admin-cli", 400, "invalid_request"),
        ("grant_type=authorization_code&client_id=admin-cli", 400, "invalid_request"),
    ] {
        let request = Request::post(TOKEN).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = world.send(request.body(Body::from(fields)).unwrap()).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{fields}");
        assert_eq!(answer.headers.contains_key(header::WWW_AUTHENTICATE), status == 401, "{fields}");
    }
    let json =
        Request::post(TOKEN).header(header::CONTENT_TYPE, "application/json").body(Body::from("{}")).unwrap();
    assert_eq!(world.send(json).await.error(), (400, "invalid_request".to_owned()));
    assert_eq!(world.get(TOKEN).await.status, 405);
}

#[tokio::test]
async fn a_confidential_client_needs_its_secret_by_either_way_and_not_by_both() {
    let mut options = DevIssuerOptions::default();
    options.clients.push(DevClient { secret: Some("s:e c&r=t".into()), ..DevClient::public("portal") });
    let world = World::with(options);
    let login = [("grant_type", "password"), ("username", "alice"), ("password", "alice")];
    let with = |more: &[(&'static str, &'static str)]| [&login[..], more].concat();
    assert_eq!(world.form(TOKEN, &with(&[("client_id", "portal")])).await.error().1, "invalid_client");
    let wrong = with(&[("client_id", "portal"), ("client_secret", "guess")]);
    assert_eq!(world.form(TOKEN, &wrong).await.error().1, "invalid_client");
    let right = with(&[("client_id", "portal"), ("client_secret", "s:e c&r=t")]);
    assert_eq!(world.form(TOKEN, &right).await.status, 200);
    let basic = |fields: &[(&str, &str)]| {
        Request::post(TOKEN)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode("portal:s%3Ae+c%26r%3Dt")))
            .body(Body::from(encode(fields)))
            .unwrap()
    };
    assert_eq!(world.send(basic(&login)).await.status, 200);
    assert_eq!(world.send(basic(&right)).await.error(), (400, "invalid_request".to_owned()));
}

// --- code flow ----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_login_page_is_plain_escaped_html_under_a_strict_policy() {
    let world = World::new();
    let challenge = challenge();
    let state = r#""><script>alert(1)</script>"#;
    let query = encode(&changed(request(&challenge), "state", state));
    let page = world.get(&format!("{AUTH}?{query}")).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("<script"), "{}", page.text);
    assert!(page.text.contains("&quot;&gt;&lt;script&gt;"));
    assert!(page.text.contains(r#"<label for="password">"#));
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.contains("form-action 'self' http://127.0.0.1:4711"), "{policy}");
    assert!(!policy.contains("unsafe-inline"), "{policy}");
}

#[tokio::test]
async fn the_code_flow_gives_access_and_id_token() {
    let world = World::new();
    let challenge = challenge();
    let sent = world.login(&request(&challenge)).await;
    assert_eq!(sent.status, 303);
    assert!(sent.location().as_str().starts_with("http://127.0.0.1:4711/callback?from=issuer&code="));
    assert_eq!(sent.query("state").as_deref(), Some("st&te=1"));
    assert_eq!(sent.query("iss").as_deref(), Some("http://127.0.0.1:8080/realms/master"));
    let answer = world.redeem(&sent.query("code").unwrap(), ("", "")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let id = world.verified(answer.json()["id_token"].as_str().unwrap(), "tollgate-dev").unwrap();
    assert_eq!(
        (&id["typ"], &id["nonce"], &id["aud"]),
        (&json!("ID"), &json!("n-0S6"), &json!("tollgate-dev"))
    );
    let access = world.verified(answer.json()["access_token"].as_str().unwrap(), "account").unwrap();
    assert_eq!((&access["typ"], &access["azp"]), (&json!("Bearer"), &json!("tollgate-dev")));
    assert_eq!(access["sid"], id["sid"]);
    assert!(access.get("nonce").is_none());
}

#[tokio::test]
async fn a_code_is_good_once_for_its_client_redirect_and_verifier_within_a_minute() {
    let world = World::new();
    let refused = (400, "invalid_grant".to_owned());
    let other_verifier = "a".repeat(43);
    for change in [
        ("client_id", "admin-cli"),
        ("redirect_uri", "http://127.0.0.1:4711/callback"),
        ("code_verifier", other_verifier.as_str()),
        ("code", "guessed"),
    ] {
        let code = world.code().await;
        assert_eq!(world.redeem(&code, change).await.error(), refused, "{change:?}");
        if change.0 != "code" {
            assert_eq!(world.redeem(&code, ("", "")).await.error(), refused, "a failed try used the code up");
        }
    }
    let code = world.code().await;
    assert_eq!(world.redeem(&code, ("", "")).await.status, 200);
    assert_eq!(world.redeem(&code, ("", "")).await.error(), refused, "used before");
    let code = world.code().await;
    world.later(59);
    assert_eq!(world.redeem(&code, ("", "")).await.status, 200);
    let code = world.code().await;
    world.later(60);
    assert_eq!(world.redeem(&code, ("", "")).await.error(), refused, "too late");
}

#[tokio::test]
async fn bad_authorization_requests_are_told_to_the_person_or_the_client_but_never_to_a_stranger() {
    let world = World::new();
    let challenge = challenge();
    for (name, value) in [
        ("client_id", "nobody"),
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", "http://localhost.evil.example/"),
        ("redirect_uri", "http://localhost@evil.example/"),
        ("redirect_uri", "javascript:alert(1)"),
        ("redirect_uri", "http://127.0.0.1/#fragment"),
        ("redirect_uri", ""),
    ] {
        let fields = changed(request(&challenge), name, value);
        for answer in [world.get(&format!("{AUTH}?{}", encode(&fields))).await, world.login(&fields).await] {
            assert_eq!(answer.status, 400, "{name}={value}");
            assert!(!answer.headers.contains_key(header::LOCATION), "{name}={value}");
        }
    }
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
    ] {
        let fields = changed(request(&challenge), name, value);
        let answer = world.get(&format!("{AUTH}?{}", encode(&fields))).await;
        assert_eq!(
            (answer.status.as_u16(), answer.query("error").as_deref()),
            (303, Some(error)),
            "{name}={value}"
        );
        assert_eq!(answer.query("state").as_deref(), Some("st&te=1"));
        assert!(answer.query("code").is_none());
    }
}

#[tokio::test]
async fn a_wrong_password_shows_the_form_again_without_the_password() {
    let world = World::new();
    let challenge = challenge();
    let mut fields = request(&challenge);
    fields.extend([("username", "alice<b>"), ("password", "hunter2-wrong")]);
    let answer = world.form(AUTH, &fields).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains(r#"role="alert""#) && answer.text.contains("alice&lt;b&gt;"));
    assert!(!answer.text.contains("hunter2-wrong"));
    assert!(!answer.headers.contains_key(header::LOCATION));
}

#[tokio::test]
async fn a_configured_redirect_is_compared_exactly() {
    let mut options = DevIssuerOptions::default();
    let uri = "https://portal.example.com/cb";
    options.clients.push(DevClient { redirect_uris: vec![uri.to_owned()], ..DevClient::public("portal") });
    let world = World::with(options);
    let challenge = challenge();
    let fields = changed(changed(request(&challenge), "client_id", "portal"), "redirect_uri", uri);
    assert_eq!(world.login(&fields).await.status, 303);
    let near = changed(fields, "redirect_uri", "https://portal.example.com/cb/");
    assert_eq!(world.login(&near).await.status, 400);
}

// --- userinfo, logout, users --------------------------------------------------------------------------------------

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

// --- keys ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn after_a_rotation_the_old_key_verifies_until_the_overlap_ends() {
    let world = World::with(DevIssuerOptions { key_overlap_secs: 100, ..DevIssuerOptions::default() });
    let old = world.access_token("alice", "alice").await;
    let kid = world.issuer.rotate().unwrap();
    let new = world.access_token("alice", "alice").await;
    assert_eq!(decode_header(&new).unwrap().kid, Some(kid.clone()));
    assert_eq!(world.issuer.jwks()["keys"][0]["kid"], kid.as_str(), "the key that signs comes first");
    world.later(99);
    assert!(world.verified(&old, "account").is_some() && world.verified(&new, "account").is_some());
    world.later(1);
    assert!(world.verified(&old, "account").is_none(), "gone from the set");
    assert!(world.verified(&new, "account").is_some());
    assert!(world.issuer.verify_access_token(&old).is_none());
}

#[tokio::test]
async fn keys_are_rotated_from_this_machine_and_not_from_a_web_page() {
    let world = World::new();
    let before = world.issuer.jwks();
    let ask = |peer: Option<&str>, origin: bool| {
        let mut request = Request::post("/dev/rotate-keys?overlap_secs=0");
        if origin {
            request = request.header(header::ORIGIN, "http://127.0.0.1:8080");
        }
        let mut request = request.body(Body::empty()).unwrap();
        if let Some(peer) = peer {
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
        }
        request
    };
    for (peer, origin) in [(None, false), (Some("192.0.2.7:1"), false), (Some("127.0.0.1:1"), true)] {
        assert_eq!(world.send(ask(peer, origin)).await.status, 403, "{peer:?} {origin}");
    }
    assert_eq!(world.issuer.jwks(), before);
    let answer = world.send(ask(Some("[::ffff:127.0.0.1]:1"), false)).await;
    assert_eq!(answer.status, 200);
    let keys = world.issuer.jwks();
    assert_eq!(
        keys["keys"].as_array().unwrap().len(),
        2,
        "no overlap was asked for: one to sign, one to encrypt"
    );
    assert_eq!(keys["keys"][0]["kid"], answer.json()["kid"]);
}

#[tokio::test]
async fn a_running_issuer_is_asked_to_rotate() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer_url = format!("http://{}/realms/master", listener.local_addr().unwrap());
    let world =
        World::with(DevIssuerOptions { issuer_url: issuer_url.clone(), ..DevIssuerOptions::default() });
    let service = world.router.clone().into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });
    let rotated = rotate_running(&issuer_url, Some(7)).await.unwrap();
    assert_eq!(rotated.overlap_secs, 7);
    assert_eq!(world.issuer.jwks()["keys"][0]["kid"], rotated.kid);
    server.abort();
    let _stopped = server.await;
    let error = rotate_running(&issuer_url, None).await.unwrap_err();
    assert!(error.to_string().contains("is `tollgate dev` running?"), "{error}");
    assert!(matches!(rotate_running("nonsense", None).await, Err(RotateError::Url(_))));
}

#[tokio::test]
async fn the_audience_is_a_string_a_list_or_left_out() {
    let word = |text: &str| text.to_owned();
    let cases = [
        (vec![word("a")], json!("a")),
        (vec![word("a"), word("b")], json!(["a", "b"])),
        (Vec::new(), json!(null)),
    ];
    for (audience, expected) in cases {
        let world = World::with(DevIssuerOptions { audience, ..DevIssuerOptions::default() });
        let token = world.access_token("alice", "alice").await;
        assert_eq!(world.issuer.verify_access_token(&token).unwrap()["aud"], expected);
    }
}

#[tokio::test]
async fn tokens_outlive_a_restart_when_a_state_directory_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let first = World::with(options_in(dir.path()));
    first.issuer.rotate().unwrap();
    let token = first.access_token("alice", "alice").await;
    let keys = first.issuer.jwks();
    let second = World::with(options_in(dir.path()));
    assert_eq!(second.issuer.jwks(), keys);
    let claims = second.verified(&token, "account").unwrap();
    let again = second.verified(&second.access_token("alice", "alice").await, "account").unwrap();
    assert_eq!(claims["sub"], again["sub"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path().join("issuer-keys.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "private keys are for their owner");
    }
}

#[test]
fn a_damaged_key_file_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("issuer-keys.json"), "{\"signing\": 1}").unwrap();
    let clock = Arc::new(TestClock(AtomicI64::new(START)));
    let error = DevIssuer::new(options_in(dir.path()), clock, Arc::new(SystemEntropy)).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("issuer-keys.json") && cause.contains("delete it"), "{cause}");
}

#[test]
fn options_that_cannot_work_are_refused() {
    let start = |options| {
        let clock = Arc::new(TestClock(AtomicI64::new(START)));
        DevIssuer::new(options, clock, Arc::new(SystemEntropy)).map(|_| ())
    };
    for issuer_url in [
        "nonsense",
        "http://127.0.0.1:8080",
        "http://127.0.0.1:8080/realms/",
        "http://127.0.0.1:8080/realms/a/b",
        "http://127.0.0.1:8080/realms/master?x=1",
        "ftp://127.0.0.1/realms/master",
    ] {
        let options = DevIssuerOptions { issuer_url: issuer_url.to_owned(), ..DevIssuerOptions::default() };
        assert!(matches!(start(options), Err(IssuerError::Url(_))), "{issuer_url}");
    }
    let users = vec![DevUser::new("bob", "1"), DevUser::new("BOB", "2")];
    let twice = DevIssuerOptions { users, ..DevIssuerOptions::default() };
    assert!(matches!(start(twice), Err(IssuerError::User(_))));
}

#[test]
fn debug_output_shows_no_password() {
    let shown = format!("{:?}", DevUser::new("bob", "correct horse"));
    assert!(shown.contains("bob") && !shown.contains("correct horse"));
}
