//! Keys that a secret scanner found in public: only a signed report counts, it counts once, and the key's people see it.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use serde_json::{Value, json};

use super::introspection::introspect;
use super::rig::{ADMINS, Api, Reply};
use crate::portal::secret_scanning::{KEY_HEADER, SIGNATURE_HEADER, ScannerKey};
use crate::store::AuditScope;
use crate::store::tests::rig::{Postgres, lite};

const PATH: &str = "/api/v1/secret-scanning/alerts";
const FOUND_AT: &str =
    "https://github.com/octocat/Hello-World/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt";

/// The scanner that every API of the tests knows.
pub static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new("scanner-1"));

/// A scanner and its private key.
pub struct Scanner {
    id: &'static str,
    pair: EcdsaKeyPair,
}

impl Scanner {
    fn new(id: &'static str) -> Self {
        Self { id, pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap() }
    }

    /// What the configuration says of it.
    pub fn public(&self) -> ScannerKey {
        let der: PublicKeyX509Der<'_> = self.pair.public_key().as_der().unwrap();
        ScannerKey::new(self.id, der.as_ref().to_vec())
    }

    fn sign(&self, body: &[u8]) -> String {
        STANDARD.encode(self.pair.sign(&SystemRandom::new(), body).unwrap())
    }

    async fn report(&self, api: &Api, body: &Value) -> Reply {
        let body = body.to_string();
        let signature = self.sign(body.as_bytes());
        send(api, &[(KEY_HEADER, self.id), (SIGNATURE_HEADER, &signature)], body.into()).await
    }
}

async fn send(api: &Api, headers: &[(&str, &str)], body: Body) -> Reply {
    let mut request = Request::post(PATH).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request.body(body).unwrap()).await
}

fn alert(token: &str) -> Value {
    json!({"token": token, "type": "tollgate_api_key", "url": FOUND_AT, "source": "content"})
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

/// Alice, her project's keys, and one key.
struct Scene {
    api: Api,
    alice: String,
    keys: String,
    key: Value,
}

impl Scene {
    async fn new() -> Self {
        Self::on(Api::start().await).await
    }

    async fn on(api: Api) -> Self {
        let alice = api.token("alice", &[]);
        let project = api.get("/projects", &alice).await.expect(200)["items"][0].clone();
        let keys = format!("/projects/{}/keys", text(&project, "id"));
        let key = api.call("POST", &keys, &alice, json!({"name": "laptop"})).await.expect(201);
        Self { api, alice, keys, key }
    }

    fn secret(&self) -> &str {
        text(&self.key, "secret")
    }

    fn path(&self) -> String {
        format!("{}/{}", self.keys, text(&self.key, "id"))
    }

    async fn show(&self) -> Value {
        self.api.get(&self.path(), &self.alice).await.expect(200)
    }

    async fn post(&self, verb: &str, body: Value) -> Reply {
        self.api.call("POST", &format!("{}/{verb}", self.path()), &self.alice, body).await
    }

    async fn report(&self, token: &str) -> Value {
        SCANNER.report(&self.api, &json!([alert(token)])).await.expect(200)
    }

    /// The whole log.
    async fn audit(&self) -> Vec<Value> {
        let all = self.api.store.audit_after(AuditScope::All, 0, 10_000).await.unwrap();
        all.into_iter().map(|record| serde_json::to_value(record).unwrap()).collect()
    }

    async fn leaks(&self) -> Vec<Value> {
        self.audit().await.into_iter().filter(|entry| entry["action"] == "key.leak").collect()
    }

    fn counted(&self, outcome: &str) -> u64 {
        let line = format!("tollgate_key_leaks_total{{outcome=\"{outcome}\"}} ");
        let metrics = self.api.metrics.render();
        metrics.lines().find_map(|l| l.strip_prefix(&line)?.parse().ok()).unwrap()
    }
}

#[tokio::test]
async fn without_a_configured_scanner_nobody_reports() {
    let api = Api::start_with(|options| options.secret_scanners.clear()).await;
    assert_eq!(SCANNER.report(&api, &json!([])).await.problem(404), "not_found");
}

#[tokio::test]
async fn a_report_that_is_not_signed_does_nothing() {
    let scene = Scene::new().await;
    let before = scene.audit().await.len();
    let body = json!([alert(scene.secret())]).to_string();
    let good = SCANNER.sign(body.as_bytes());
    let other = Scanner::new("scanner-1").sign(body.as_bytes());
    let (spaced, of_other) = (SCANNER.sign(format!("{body} ").as_bytes()), SCANNER.sign(b"[]"));
    let flipped = {
        let mut bytes = STANDARD.decode(&good).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        STANDARD.encode(bytes)
    };
    let raw = STANDARD.encode([7; 64]);
    type Lines<'a> = &'a [(&'a str, &'a str)];
    let table: &[Lines<'_>] = &[
        &[],
        &[(KEY_HEADER, "scanner-1")],
        &[(SIGNATURE_HEADER, &good)],
        &[(KEY_HEADER, "scanner-2"), (SIGNATURE_HEADER, &good)],
        &[(KEY_HEADER, ""), (SIGNATURE_HEADER, &good)],
        &[(KEY_HEADER, "scanner-1"), (SIGNATURE_HEADER, "")],
        &[(KEY_HEADER, "scanner-1"), (SIGNATURE_HEADER, "%")],
        &[(KEY_HEADER, "scanner-1"), (SIGNATURE_HEADER, &other)],
        &[(KEY_HEADER, "scanner-1"), (SIGNATURE_HEADER, &of_other)],
        &[(KEY_HEADER, "scanner-1"), (SIGNATURE_HEADER, &spaced)],
        &[(KEY_HEADER, "scanner-1"), (SIGNATURE_HEADER, &flipped)],
        &[(KEY_HEADER, "scanner-1"), (SIGNATURE_HEADER, &raw)],
        &[(KEY_HEADER, "scanner-1"), (KEY_HEADER, "scanner-1"), (SIGNATURE_HEADER, &good)],
        &[(KEY_HEADER, "scanner-1"), (SIGNATURE_HEADER, &good), (SIGNATURE_HEADER, &good)],
    ];
    for lines in table {
        let reply = send(&scene.api, lines, body.clone().into()).await;
        assert!(!reply.body.to_string().contains(scene.secret()));
        assert_eq!(reply.problem(401), "unauthenticated", "{lines:?}");
    }
    // A person's token is no signature.
    let admin = format!("Bearer {}", scene.api.token("root", &[ADMINS]));
    let by_admin = send(&scene.api, &[("authorization", &admin)], body.clone().into()).await;
    assert_eq!(by_admin.problem(401), "unauthenticated");
    assert_eq!((scene.show().await["state"].clone(), scene.audit().await.len()), (json!("live"), before));
    assert_eq!(scene.counted("ended") + scene.counted("unknown"), 0);
}

#[tokio::test]
async fn a_signed_body_that_is_no_report_is_refused_without_an_echo() {
    let scene = Scene::new().await;
    for body in [
        json!({}),
        json!([scene.secret()]),
        json!([{"type": "tollgate_api_key"}]),
        json!([alert(scene.secret()), {"token": 7}]),
        json!({scene.secret(): 1}),
        Value::Null,
    ] {
        let reply = SCANNER.report(&scene.api, &body).await;
        assert!(!reply.body.to_string().contains("tgk_"), "{}", reply.body);
        assert_eq!(reply.problem(400), "invalid", "{body}");
    }
    let large = json!([alert(&"x".repeat(1 << 20))]);
    assert_eq!(SCANNER.report(&scene.api, &large).await.problem(413), "too_large");
    let signature = SCANNER.sign(b"[]");
    let form = Request::post(PATH).header(KEY_HEADER, "scanner-1").header(SIGNATURE_HEADER, signature);
    let form = scene.api.send(form.body(Body::from("[]")).unwrap()).await;
    assert_eq!(form.problem(415), "unsupported_media_type");
    assert_eq!(SCANNER.report(&scene.api, &json!([])).await.expect(200), json!([]));
    assert_eq!(scene.show().await["state"], "live", "all of a body, or nothing");
    // More than people may send in one request, all of it nothing of ours.
    let many: Vec<Value> = (0..1500).map(|n| alert(&format!("tgk_{n}"))).collect();
    let answers = SCANNER.report(&scene.api, &json!(many)).await.expect(200);
    assert!(answers.as_array().unwrap().iter().all(|answer| answer["label"] == "false_positive"));
    assert_eq!(scene.counted("unknown"), 1500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_key_is_switched_off_once_and_its_people_see_why() {
    let dir = tempfile::tempdir().unwrap();
    leaks(Scene::on(Api::on_with(lite(dir.path()), |_| {}).await).await).await;
    if let Some(postgres) = Postgres::start() {
        leaks(Scene::on(Api::on_with(postgres.url(), |_| {}).await).await).await;
    }
}

async fn leaks(scene: Scene) {
    let mut mistyped = scene.secret().to_owned();
    mistyped.replace_range(30..31, if &scene.secret()[30..31] == "A" { "B" } else { "A" });
    let body = json!([
        alert(scene.secret()),
        alert(&mistyped),
        {"token": "ghp_other", "type": "other", "more": {"a": 1}, "url": "", "source": null},
        alert(scene.secret()),
    ]);
    let hash =
        |text: &str| digest(&SHA256, text.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let answer = |token: &str, kind: &str, label: &str| {
        let hash: String = hash(token);
        json!({"token_hash": hash, "token_type": kind, "label": label})
    };
    let expected = json!([
        answer(scene.secret(), "tollgate_api_key", "true_positive"),
        answer(&mistyped, "tollgate_api_key", "false_positive"),
        answer("ghp_other", "other", "false_positive"),
        answer(scene.secret(), "tollgate_api_key", "true_positive"),
    ]);
    // At once from several sides, as when an answer got lost, and again later.
    let (one, two, three) = tokio::join!(
        SCANNER.report(&scene.api, &body),
        SCANNER.report(&scene.api, &body),
        SCANNER.report(&scene.api, &body)
    );
    for reply in [one, two, three, SCANNER.report(&scene.api, &body).await] {
        assert_eq!(reply.headers["cache-control"], "no-store");
        assert_eq!(reply.expect(200), expected);
    }
    let shown = scene.show().await;
    assert_eq!((&shown["state"], &shown["version"]), (&json!("disabled"), &json!(2)));
    assert_eq!((&shown["leaked"]["url"], &shown["leaked"]["source"]), (&json!(FOUND_AT), &json!("content")));
    assert!(shown["leaked"]["at"].is_string());
    let listed = scene.api.get(&format!("{}?state=disabled", scene.keys), &scene.alice).await.expect(200);
    assert_eq!(listed["items"], json!([shown]));
    assert_eq!(scene.counted("ended"), 1);
    assert_eq!((scene.counted("repeated"), scene.counted("unknown")), (7, 8));

    let leaks = scene.leaks().await;
    let [leak] = &leaks[..] else { panic!("one entry: {leaks:?}") };
    assert_eq!((&leak["actor"]["kind"], &leak["actor"]["id"]), (&json!("system"), &json!("secret_scanner")));
    assert_eq!((&leak["before"]["state"], &leak["after"]["state"]), (&json!("live"), &json!("disabled")));
    let said = json!({"url": FOUND_AT, "source": "content", "type": "tollgate_api_key", "secret": "current"});
    assert_eq!(leak["after"]["leak"], said);
    assert!(text(&leak["actor"], "name").contains("scanner-1"));
    let whole = Value::from(scene.audit().await).to_string();
    assert!(!whole.contains(&scene.secret()[27..]), "never the secret");

    // What was found stays ended until the key has another secret.
    let refused = scene.post("enable", Value::Null).await;
    assert!(text(&refused.body, "detail").contains("Rotate the key first"), "{}", refused.body);
    assert_eq!(refused.problem(409), "conflict");
    let guides = format!("/api-keys/{}", text(&scene.key, "id"));
    let live = scene.api.call("PUT", &guides, &scene.alice, json!({"status": "live"})).await;
    assert_eq!(live.problem(409), "conflict");
    assert_eq!(scene.post("rotate", json!({"overlap": "1d"})).await.problem(400), "invalid");
    let rotated = scene.post("rotate", json!({"overlap": "now"})).await.expect(200);
    assert_eq!((&rotated["leaked"], &rotated["state"]), (&Value::Null, &json!("disabled")));
    assert_eq!(scene.post("enable", Value::Null).await.expect(200)["state"], "live");
    // An old report is true still, and concerns the old secret alone.
    assert_eq!(SCANNER.report(&scene.api, &body).await.expect(200), expected);
    assert_eq!((scene.show().await["state"].clone(), scene.leaks().await.len()), (json!("live"), 1));
    scene.report(text(&rotated, "secret")).await;
    assert_eq!((scene.show().await["state"].clone(), scene.leaks().await.len()), (json!("disabled"), 2));
}

#[tokio::test]
async fn the_secret_before_ends_in_its_overlap_and_the_key_goes_on() {
    let scene = Scene::new().await;
    let rotated = scene.post("rotate", json!({"overlap": "1d"})).await.expect(200);
    assert_eq!(scene.report(scene.secret()).await[0]["label"], "true_positive");
    let shown = scene.show().await;
    assert_eq!((&shown["state"], &shown["leaked"]), (&json!("live"), &Value::Null));
    assert_eq!(shown["previous_secret"]["works"], false);
    let me = async |secret: &str| {
        scene.api.call_with(("GET", "/me"), "", &[("x-api-key", secret)], &Value::Null).await.status.as_u16()
    };
    assert_eq!((me(scene.secret()).await, me(text(&rotated, "secret")).await), (401, 200));
    let leaks = scene.leaks().await;
    assert_eq!((leaks.len(), &leaks[0]["after"]["leak"]["secret"]), (1, &json!("previous")));
    // It stays known after the next rotation has forgotten it.
    scene.post("rotate", json!({"overlap": "now"})).await.expect(200);
    assert_eq!(scene.report(scene.secret()).await[0]["label"], "true_positive");
    assert_eq!((scene.leaks().await.len(), scene.counted("ended"), scene.counted("repeated")), (1, 1, 1));
}

#[tokio::test]
async fn what_works_no_more_is_noted_and_stays_ended() {
    for (verb, state) in [("revoke", "revoked"), ("disable", "disabled"), ("expire", "expired")] {
        let scene = Scene::new().await;
        let scene = if verb == "expire" {
            scene
                .api
                .call("PATCH", &scene.path(), &scene.alice, json!({"expires_in_days": 1}))
                .await
                .expect(200);
            scene.api.pass(Duration::from_secs(86_400));
            Scene { alice: scene.api.token("alice", &[]), ..scene }
        } else {
            scene.post(verb, Value::Null).await.expect(200);
            scene
        };
        assert_eq!(scene.show().await["state"], state);
        assert_eq!(scene.report(scene.secret()).await[0]["label"], "true_positive");
        assert_eq!((scene.counted("harmless"), scene.leaks().await.len()), (1, 1), "{verb}");
        let shown = scene.show().await;
        assert_eq!(shown["leaked"]["url"], FOUND_AT, "{verb}");
        // A later end does not bring it back.
        if verb == "expire" {
            let later = json!({"expires_in_days": 9});
            let later = scene.api.call("PATCH", &scene.path(), &scene.alice, later).await.expect(200);
            assert_eq!(later["state"], "disabled");
        }
        assert_eq!(scene.post("enable", Value::Null).await.problem(409), "conflict", "{verb}");
    }
}

#[tokio::test]
async fn checks_refuse_a_leaked_key_like_any_other_that_is_off() {
    let scene = Scene::on(Api::watching().await).await;
    let begun = Instant::now();
    while introspect(&scene.api, scene.secret(), "").await["active"] != true {
        assert!(begun.elapsed() < Duration::from_secs(20), "the key never worked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    scene.report(scene.secret()).await;
    let changes = scene.api.store.changes_since(0, 1000).await.unwrap();
    let (_, last, _) = changes.last().unwrap();
    assert_eq!(*last, crate::store::Change::Key(text(&scene.key, "id").to_owned()), "every replica is told");
    let begun = Instant::now();
    while introspect(&scene.api, scene.secret(), "").await["active"] == true {
        assert!(begun.elapsed() < Duration::from_secs(20), "the key works still");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_503_so_that_the_report_comes_again() {
    let scene = Scene::new().await;
    scene.api.store.close().await;
    let reply = SCANNER.report(&scene.api, &json!([alert(scene.secret())])).await;
    assert_eq!(reply.problem(503), "unavailable");
}
