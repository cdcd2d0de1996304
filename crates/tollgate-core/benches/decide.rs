//! What the pure part of a check costs: parsing, deciding with a remembered token, verifying a new one, and finding the
//! model that a body names.
#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to measure")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use tollgate_core::check::decide;
use tollgate_core::facts::{Evidence, Facts};
use tollgate_core::headers::Headers;
use tollgate_core::input::{CheckId, CheckInput, RawRequest};
use tollgate_core::jwt::{
    Algorithm, Audiences, DEFAULT_MAX_TOKEN_BYTES, IssuerRules, KeySet, OpenToken, verify,
};
use tollgate_core::models::RouteModels;
use tollgate_core::models::bodies::{json_model, multipart_model};
use tollgate_core::policy::Policy;
use tollgate_core::reply::Reply;
use tollgate_core::route::{HostPattern, PathPattern, Requirement, Route};
use tollgate_core::testing::TestKey;
use tollgate_core::time::Timestamp;

const ISSUER: &str = "https://issuer.example/realms/bench";
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn policy() -> Policy {
    let rules = IssuerRules::new("bench", vec![ISSUER.into()], Audiences::OneOf(vec!["api".into()]));
    let route = Route {
        name: "all".into(),
        policy: None,
        hosts: vec![HostPattern::Any],
        paths: vec![PathPattern::Prefix("/".into())],
        methods: None,
        requirement: Requirement::Authenticated,
        forward_credential: false,
        unauthenticated_status: None,
        query_credential: None,
        models: RouteModels::default(),
    };
    Policy::new(vec![route], vec![Arc::new(rules)]).expect("a bench policy")
}

fn request<'a>(authorization: &'a str) -> RawRequest<'a> {
    let mut headers = Headers::with_capacity(12);
    headers.push("authorization", authorization.as_bytes());
    for (name, value) in [
        ("host", "ai.local.dev"),
        ("user-agent", "OpenAI/Python 2.0"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("x-request-id", "2a3e9a2c-1f2e-4a56-9d43-9f1d3a1f5d10"),
        ("x-forwarded-for", "10.42.0.7"),
        ("x-forwarded-proto", "http"),
    ] {
        headers.push(name, value.as_bytes());
    }
    RawRequest {
        method: "POST",
        authority: "ai.local.dev",
        path_and_query: "/v1/chat/completions",
        headers,
        body: &[],
        policy: None,
        client: None,
    }
}

fn benches(c: &mut Criterion) {
    let policy = policy();
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let key = TestKey::generate(algorithm, "bench");
        let token = key.sign(
            &json!({"alg": algorithm.to_string(), "typ": "JWT", "kid": "bench"}),
            &json!({
                "iss": ISSUER, "aud": ["api", "account"], "sub": "f3f0a1de-0b53-4ac5-9e56-3f1f3ad4e5c0",
                "exp": NOW.as_secs() + 300, "iat": NOW.as_secs(), "jti": "3c1b8e0e", "typ": "Bearer", "azp": "cli",
                "preferred_username": "testuser", "email": "testuser@example.com", "scope": "openid profile email",
                "realm_access": {"roles": ["default-roles-bench", "offline_access", "uma_authorization"]},
            }),
        );
        let jwks = json!({"keys": [key.jwk()]}).to_string();
        let (keys, _) = KeySet::parse(jwks.as_bytes()).expect("a bench key set");
        let rules = &policy.issuers()[0];
        c.bench_function(&format!("token/open/{algorithm}"), |b| {
            b.iter(|| OpenToken::open(black_box(&token), DEFAULT_MAX_TOKEN_BYTES));
        });
        let open = OpenToken::open(&token, DEFAULT_MAX_TOKEN_BYTES).expect("a bench token");
        let key = keys.select(open.key_id(), open.algorithm()).expect("the bench key");
        c.bench_function(&format!("token/verify/{algorithm}"), |b| {
            b.iter(|| verify(black_box(&open), rules, key, NOW));
        });
        if algorithm == Algorithm::RS256 {
            let verified = Arc::new(verify(&open, rules, key, NOW).expect("a good token"));
            remembered(c, &policy, &format!("Bearer {token}"), &verified);
        }
    }
}

fn remembered(
    c: &mut Criterion,
    policy: &Policy,
    authorization: &str,
    verified: &Arc<tollgate_core::jwt::VerifiedToken>,
) {
    c.bench_function("check/parse", |b| {
        b.iter(|| CheckInput::parse(request(black_box(authorization)), policy));
    });
    let input = CheckInput::parse(request(authorization), policy).expect("a bench request");
    let facts = Facts::new(NOW, Evidence::Remembered(Arc::clone(verified)));
    c.bench_function("check/decide/remembered", |b| b.iter(|| decide(black_box(&facts), black_box(&input))));
    let verdict = decide(&facts, &input);
    assert!(verdict.is_ok(), "the bench measures a permit");
    c.bench_function("check/reply/permit", |b| {
        b.iter(|| Reply::new(black_box(&verdict), Some(&input), policy, CheckId::from_bits(7)));
    });
    let denied = decide(&Facts::new(NOW.plus_secs(3600), Evidence::None), &input);
    c.bench_function("check/reply/denial", |b| {
        b.iter(|| Reply::new(black_box(&denied), Some(&input), policy, CheckId::from_bits(7)));
    });
}

/// A chat of about `bytes`, with its model first or, as some SDKs write it, last.
fn chat(bytes: usize, model_first: bool) -> String {
    let turn = "{\"role\":\"user\",\"content\":\"Say \\\"hello\\\" to the w\u{f6}rld.\\nThen count from 1 to 10, slowly.\"},";
    let turns = turn.repeat(bytes / turn.len());
    let messages = format!("\"messages\":[{}],\"temperature\":0.7", turns.trim_end_matches(','));
    let model = "\"model\":\"gpt-4o-mini\"";
    if model_first { format!("{{{model},{messages}}}") } else { format!("{{{messages},{model}}}") }
}

fn bodies(c: &mut Criterion) {
    for kib in [1, 100] {
        for (name, first) in [("first", true), ("last", false)] {
            let body = chat(kib << 10, first);
            assert_eq!(json_model(body.as_bytes()), Ok(Some("gpt-4o-mini".into())));
            let mut group = c.benchmark_group("model/json");
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_function(format!("{kib}KiB/{name}"), |b| {
                b.iter(|| json_model(black_box(body.as_bytes())));
            });
        }
        let file = "x".repeat(kib << 10);
        let part = |head: &str, content: &str| {
            format!(
                "--5c0d8f1e2b7a4960b3e1d4c8a7f29e05\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n"
            )
        };
        let (file, model) =
            (part("name=\"file\"; filename=\"a.wav\"", &file), part("name=\"model\"", "whisper-1"));
        let body = format!("{file}{model}--5c0d8f1e2b7a4960b3e1d4c8a7f29e05--\r\n");
        assert_eq!(
            multipart_model(body.as_bytes(), "5c0d8f1e2b7a4960b3e1d4c8a7f29e05"),
            Ok(Some("whisper-1".into()))
        );
        let mut group = c.benchmark_group("model/multipart");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{kib}KiB"), |b| {
            b.iter(|| multipart_model(black_box(body.as_bytes()), "5c0d8f1e2b7a4960b3e1d4c8a7f29e05"));
        });
    }
}

criterion_group!(decisions, benches, bodies);
criterion_main!(decisions);
