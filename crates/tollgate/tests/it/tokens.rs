//! The token corpora through both doors of the real binary: what the core refuses, no door lets through.

#[path = "../../../tollgate-core/tests/support/hostile.rs"]
mod hostile;
#[path = "../../../tollgate-core/tests/support/pss.rs"]
mod pss;
#[path = "../../../tollgate-core/tests/support/wycheproof.rs"]
mod wycheproof;

use std::collections::HashMap;

use serde_json::{Value, json};
use tollgate_core::jwt::Algorithm;
use tollgate_core::testing::TestKey;
use tollgate_envoy::auth::v3::attribute_context::{HttpRequest, Request};
use tollgate_envoy::auth::v3::authorization_client::AuthorizationClient;
use tollgate_envoy::auth::v3::{AttributeContext, CheckRequest};
use tonic::transport::Channel;

use super::harness::tollgate::Tollgate;
use super::harness::{client, need, scratch};

fn now() -> i64 {
    use tollgate::clock::Clock as _;
    tollgate::clock::SystemClock.now().as_secs()
}

fn routes() -> Value {
    json!([{"name": "all", "hosts": ["*"], "paths": [{"prefix": "/"}], "access": "authenticated"}])
}

/// Both doors of one process.
struct Doors {
    grpc: AuthorizationClient<Channel>,
    http: reqwest::Client,
    check_port: u16,
    _tollgate: Tollgate,
}

impl Doors {
    async fn of(settings: &Value) -> Self {
        let tollgate = Tollgate::start(settings).await;
        let channel = Channel::from_shared(format!("http://127.0.0.1:{}", tollgate.ports.grpc)).unwrap();
        let grpc = AuthorizationClient::new(channel.connect().await.unwrap());
        Self { grpc, http: client::http(), check_port: tollgate.ports.check, _tollgate: tollgate }
    }

    /// Whether each door lets the token pass. A text that no header can carry cannot reach the HTTP door.
    async fn pass(&mut self, token: &str) -> (bool, Option<bool>) {
        let http = HttpRequest {
            method: "GET".into(),
            path: "/v1/models".into(),
            host: "ai.local.dev".into(),
            headers: HashMap::from([("authorization".to_owned(), format!("Bearer {token}"))]),
            ..HttpRequest::default()
        };
        let request = Request { http: Some(http), ..Request::default() };
        let attributes = AttributeContext { request: Some(request), ..AttributeContext::default() };
        let answer = self.grpc.check(CheckRequest { attributes: Some(attributes) }).await;
        let answer = answer.expect("every check is answered inside a successful call").into_inner();
        let grpc = answer.status.expect("a code is always set").code == 0;
        let Ok(value) = reqwest::header::HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()) else {
            return (grpc, None);
        };
        let url = format!("http://127.0.0.1:{}/v1/models", self.check_port);
        let answer =
            self.http.get(url).header("host", "ai.local.dev").header("authorization", value).send().await;
        let status = answer.expect("every check is answered").status();
        assert!(status == 200 || status.is_client_error(), "{status}");
        (grpc, Some(status == 200))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_token_passes_a_door() {
    let key = TestKey::generate(Algorithm::ES256, "k1");
    let dir = scratch("hostile");
    let file = dir.path().join("jwks.json");
    std::fs::write(&file, key.key_set()).unwrap();
    let iss = "https://issuer.example/realms/one";
    let mut doors = Doors::of(&json!({
        "issuers": [{"name": "one", "issuer": iss, "jwks_file": file, "audiences": ["api"], "payload_types": ["Bearer"]}],
        "routes": routes(),
    }))
    .await;
    let maker = hostile::Maker { key: &key, kid: "k1", iss, aud: "api", now: now() };
    assert_eq!(doors.pass(&maker.good()).await, (true, Some(true)), "the control");
    let mut passed = Vec::new();
    let cases = maker.hostile();
    assert!(cases.len() >= 300);
    for (name, token) in &cases {
        let (grpc, http) = doors.pass(token).await;
        if grpc || http == Some(true) {
            passed.push(name);
        }
    }
    assert!(passed.is_empty(), "{passed:#?}");
    for (name, token) in maker.valid() {
        assert_eq!(doors.pass(&token).await, (true, Some(true)), "{name}");
    }
    assert_eq!(doors.pass(&maker.good()).await, (true, Some(true)), "the control, after all of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn wycheproof_through_both_doors() {
    let Some(vectors) = need("TOLLGATE_WYCHEPROOF_DIR") else { return };
    let iss = |n: usize| format!("https://wycheproof.example/{n}");
    let claims = |n: usize| json!({"iss": iss(n), "aud": "api", "sub": "user-1", "exp": now() + 3600, "preferred_username": "user"});
    let groups = wycheproof::groups(&vectors, claims).unwrap();
    let dir = scratch("wycheproof");
    let mut issuers = Vec::new();
    for (n, group) in groups.iter().enumerate() {
        let file = dir.path().join(format!("{n}.json"));
        std::fs::write(&file, &group.key_set).unwrap();
        issuers.push(
            json!({"name": format!("group-{n}"), "issuer": iss(n), "jwks_file": file, "audiences": ["api"]}),
        );
    }
    let mut doors = Doors::of(&json!({"issuers": issuers, "routes": routes()})).await;
    let mut wrong = Vec::new();
    let (mut refused, mut accepted) = (0, 0);
    for group in &groups {
        if let Some(control) = &group.control {
            assert_eq!(doors.pass(control).await, (true, Some(true)), "control of {}", group.name);
        }
        for vector in &group.vectors {
            let (grpc, http) = doors.pass(&vector.token).await;
            if grpc != vector.valid || http.is_some_and(|http| http != vector.valid) {
                wrong.push(format!("{} {}: grpc {grpc}, http {http:?}", vector.id, vector.comment));
            }
            if vector.valid {
                accepted += 1;
            } else {
                refused += 1;
            };
        }
    }
    for (id, token) in wycheproof::encrypted(&vectors).unwrap() {
        let (grpc, http) = doors.pass(&token).await;
        if grpc || http == Some(true) {
            wrong.push(format!("encrypted {id} passed"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!((refused, accepted), (329, 32));
}
