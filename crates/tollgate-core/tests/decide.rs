//! The rule as tables: every line is a request, what is known about it, and the one right verdict.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_core::apikey;
use tollgate_core::caller::{
    AddressList, KeyLimits, KeyRecord, KeyState, ProjectRecord, RouteScope, Standing,
};
use tollgate_core::check::decide;
use tollgate_core::condition::Condition;
use tollgate_core::credential::CredentialHeader;
use tollgate_core::denial::{DenialCode, UnauthenticatedStatus};
use tollgate_core::facts::{Evidence, Facts};
use tollgate_core::headers::Headers;
use tollgate_core::identity::{Fact, IdentityHeaders};
use tollgate_core::input::{CheckId, CheckInput, RawRequest};
use tollgate_core::jwt::{
    Algorithm, Audiences, DEFAULT_MAX_TOKEN_BYTES, IssuerRules, KeySet, OpenToken, TokenFault, VerifyKey,
    verify,
};
use tollgate_core::lookup::Lookup;
use tollgate_core::models::RouteModels;
use tollgate_core::policy::{Policy, PolicyError};
use tollgate_core::reply::Reply;
use tollgate_core::route::{ClaimsRequirement, HostPattern, PathPattern, Requirement, Route};
use tollgate_core::testing::{TestKey, key_record};
use tollgate_core::time::Timestamp;

const ISS: &str = "https://issuer.example/realms/one";
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
static KEY: LazyLock<TestKey> = LazyLock::new(|| TestKey::generate(Algorithm::ES256, "k1"));
static OTHER_KEY: LazyLock<TestKey> = LazyLock::new(|| TestKey::generate(Algorithm::ES256, "k1"));

fn route(name: &str, path: &str, requirement: Requirement) -> Route {
    Route {
        name: name.into(),
        policy: None,
        hosts: vec![HostPattern::Any],
        paths: vec![PathPattern::prefix(path).unwrap()],
        methods: None,
        requirement,
        forward_credential: false,
        unauthenticated_status: None,
        query_credential: None,
        models: RouteModels::default(),
    }
}

fn condition(text: &'static str) -> Condition {
    let deep = std::thread::Builder::new().stack_size(64 << 20);
    deep.spawn(move || Condition::compile(text).unwrap()).unwrap().join().unwrap()
}

fn policy() -> Policy {
    let admins = ClaimsRequirement { any_group: Some(vec!["admin".into()]), ..ClaimsRequirement::default() };
    let cel = ClaimsRequirement {
        condition: Some(condition("claims.department == 'research' && request.method == 'POST'")),
        ..ClaimsRequirement::default()
    };
    let mut pass = route("pass", "/pass", Requirement::Authenticated);
    pass.forward_credential = true;
    let mut guide = route("guide", "/guide", Requirement::Authenticated);
    guide.unauthenticated_status = Some(UnauthenticatedStatus::Forbidden);
    let mut named = route("named", "/v1", Requirement::Public);
    named.policy = Some("free".into());
    let routes = vec![
        named,
        route("public", "/public", Requirement::Public),
        route("admin", "/admin", Requirement::Claims(admins)),
        route("cel", "/cel", Requirement::Claims(cel)),
        pass,
        guide,
        route("api", "/v1", Requirement::Authenticated),
    ];
    let rules = IssuerRules::new("one", vec![ISS.into()], Audiences::OneOf(vec!["api".into()]));
    Policy::new(routes, vec![Arc::new(rules)]).unwrap()
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({
        "iss": ISS, "aud": "api", "sub": "user-1", "exp": NOW.as_secs() + 60, "typ": "Bearer",
        "preferred_username": "testuser", "email": "t@example.com", "groups": ["dev"],
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn token(key: &TestKey, more: &Value) -> String {
    key.sign(&json!({"alg": "ES256", "kid": "k1", "typ": "JWT"}), &claims(more))
}

fn verify_key() -> Arc<VerifyKey> {
    let (keys, _) = KeySet::parse(json!({"keys": [KEY.jwk()]}).to_string().as_bytes()).unwrap();
    Arc::clone(keys.select(Some("k1"), Algorithm::ES256).unwrap())
}

fn opened(text: &str, policy: &Policy, key: Lookup<Arc<VerifyKey>>) -> Evidence {
    let token = Box::new(OpenToken::open(text, DEFAULT_MAX_TOKEN_BYTES).unwrap());
    Evidence::Token { token, rules: Arc::clone(&policy.issuers()[0]), key }
}

fn found(text: &str, policy: &Policy) -> Evidence {
    opened(text, policy, Lookup::Found(verify_key()))
}

fn remembered(more: &Value, policy: &Policy) -> Evidence {
    let open = OpenToken::open(&token(&KEY, more), DEFAULT_MAX_TOKEN_BYTES).unwrap();
    Evidence::Remembered(Arc::new(verify(&open, &policy.issuers()[0], &verify_key(), NOW).unwrap()))
}

fn key_text() -> String {
    let body = format!("tgk_{}_{}", "A".repeat(22), "b".repeat(43));
    format!("{body}{}", std::str::from_utf8(&apikey::checksum_of(body.as_bytes())).unwrap())
}

fn key_with(change: impl FnOnce(&mut KeyRecord)) -> Evidence {
    let mut key = key_record(&"A".repeat(22));
    change(&mut key);
    Evidence::Key(Lookup::Found(Arc::new(key)))
}

fn in_project(change: impl FnOnce(&mut ProjectRecord)) -> Evidence {
    key_with(|key| change(Arc::make_mut(&mut key.project)))
}

fn limited(change: impl FnOnce(&mut KeyLimits)) -> Evidence {
    key_with(|key| change(Arc::make_mut(&mut key.limits)))
}

fn networks(texts: &[&str]) -> AddressList {
    AddressList::Only(texts.iter().map(|text| text.parse().unwrap()).collect())
}

#[test]
fn addresses() {
    let table = [
        ("192.0.2.0/24", Some("192.0.2.255"), true),
        ("192.0.2.0/24", Some("192.0.3.0"), false),
        ("192.0.2.0/24", Some("::ffff:192.0.2.1"), true),
        ("2001:db8::/32", Some("2001:db8::1"), true),
        ("2001:db8::/32", Some("192.0.2.1"), false),
        ("0.0.0.0/0", None, false),
    ];
    for (network, client, expected) in table {
        let client = client.map(|text| text.parse().unwrap());
        assert_eq!(networks(&[network]).allows(client), expected, "{network} {client:?}");
    }
    assert!(AddressList::Any.allows(None));
}

fn request<'a>(path: &'a str, lines: &[(&'a str, &'a str)]) -> RawRequest<'a> {
    let mut headers = Headers::default();
    for (name, value) in lines {
        headers.push(name, value.as_bytes());
    }
    RawRequest {
        method: "GET",
        authority: "ai.local.dev",
        path_and_query: path,
        headers,
        body: b"",
        policy: None,
        client: "192.0.2.7".parse().ok(),
    }
}

/// The one function behind the tables: `ok` or the denial's code.
fn verdict(path: &str, lines: &[(&str, &str)], evidence: Evidence, late: bool) -> String {
    let policy = policy();
    match CheckInput::parse(request(path, lines), &policy) {
        Err(denial) => denial.code().to_string(),
        Ok(input) => match decide(&Facts { late, ..Facts::new(NOW, evidence) }, &input) {
            Ok(_) => "ok".into(),
            Err(denial) => denial.code().to_string(),
        },
    }
}

#[test]
fn who_calls() {
    let policy = policy();
    let good = token(&KEY, &json!({}));
    let bearer = format!("Bearer {good}");
    let auth = [("authorization", bearer.as_str())];
    let key = key_text();
    let with_key = [("x-api-key", key.as_str())];
    let forged = token(&OTHER_KEY, &json!({}));
    let lightweight = KEY.sign(
        &json!({"alg": "ES256", "kid": "k1"}),
        &json!({"iss": ISS, "aud": "api", "exp": NOW.as_secs() + 60, "typ": "Bearer", "azp": "admin-cli", "jti": "j", "sid": "s"}),
    );
    let expired = token(&KEY, &json!({"exp": NOW.as_secs() - 31}));
    let refused = |fault| Evidence::Refused(fault);
    type Line<'a> = (&'a str, &'a [(&'a str, &'a str)], Evidence, &'a str);
    let table: Vec<Line<'_>> = vec![
        ("/elsewhere", &auth, found(&good, &policy), "not_allowed"),
        ("/v1/../admin", &auth, found(&good, &policy), "request_malformed"),
        ("/public/x", &[], Evidence::None, "ok"),
        ("/public/x", &[("authorization", "Bearer a,b")], Evidence::None, "ok"),
        ("/v1/x", &[], Evidence::None, "credential_missing"),
        ("/v1/x", &[("authorization", "Basic eDp5")], Evidence::None, "credential_missing"),
        ("/v1/x", &[("authorization", "Bearer x")], Evidence::None, "credential_malformed"),
        ("/v1/x", &[("authorization", "Bearer a,b")], Evidence::None, "credential_ambiguous"),
        ("/v1/x", &auth, found(&good, &policy), "ok"),
        ("/v1/x", &auth, remembered(&json!({}), &policy), "ok"),
        ("/v1/x", &auth, found(&forged, &policy), "token_invalid"),
        ("/v1/x", &auth, found(&expired, &policy), "token_expired"),
        ("/v1/x", &auth, found(&lightweight, &policy), "token_lightweight"),
        ("/v1/x", &auth, found(&token(&KEY, &json!({"aud": "other"})), &policy), "token_invalid"),
        ("/v1/x", &auth, opened(&good, &policy, Lookup::Absent), "token_invalid"),
        ("/v1/x", &auth, opened(&good, &policy, Lookup::Unavailable), "unavailable"),
        ("/v1/x", &auth, Evidence::UnknownIssuer, "token_issuer_unknown"),
        ("/v1/x", &auth, refused(TokenFault::KeyUnknown), "token_invalid"),
        ("/v1/x", &auth, Evidence::None, "unavailable"),
        ("/v1/x", &with_key, Evidence::Key(Lookup::Absent), "key_unknown"),
        ("/v1/x", &with_key, Evidence::Key(Lookup::Unavailable), "unavailable"),
        ("/v1/x", &with_key, key_with(|_| ()), "ok"),
        ("/v1/x", &with_key, key_with(|key| key.expires_at = Some(NOW.plus_secs(1))), "ok"),
        ("/v1/x", &with_key, key_with(|key| key.expires_at = Some(NOW)), "key_expired"),
        ("/v1/x", &with_key, key_with(|key| key.state = KeyState::Revoked), "key_revoked"),
        ("/v1/x", &with_key, key_with(|key| key.state = KeyState::Disabled), "key_revoked"),
        (
            "/v1/x",
            &with_key,
            in_project(|project| project.standing = Standing::Suspended),
            "project_suspended",
        ),
        (
            "/v1/x",
            &with_key,
            in_project(|p| p.organization_standing = Standing::Suspended),
            "project_suspended",
        ),
        (
            "/v1/x",
            &with_key,
            key_with(|key| Arc::make_mut(&mut key.owner).standing = Standing::Suspended),
            "caller_suspended",
        ),
        ("/v1/x", &with_key, limited(|limits| limits.routes = RouteScope::Only(vec!["api".into()])), "ok"),
        ("/v1/x", &with_key, limited(|l| l.routes = RouteScope::Only(vec!["other".into()])), "not_allowed"),
        ("/v1/x", &with_key, limited(|limits| limits.routes = RouteScope::Only(vec![])), "not_allowed"),
        ("/v1/x", &with_key, limited(|limits| limits.addresses = networks(&["192.0.2.0/24"])), "ok"),
        (
            "/v1/x",
            &with_key,
            limited(|l| l.addresses = networks(&["198.51.100.0/24"])),
            "address_not_allowed",
        ),
        ("/v1/x", &with_key, limited(|limits| limits.addresses = networks(&[])), "address_not_allowed"),
        ("/public/x", &with_key, key_with(|key| key.state = KeyState::Revoked), "ok"),
    ];
    for (path, lines, evidence, expected) in table {
        let shown = format!("{path} {evidence:?}");
        assert_eq!(verdict(path, lines, evidence, false), expected, "{shown}");
    }
}

#[test]
fn may_they() {
    let policy = policy();
    let bearer = format!("Bearer {}", token(&KEY, &json!({})));
    let auth = [("authorization", bearer.as_str())];
    let table = [
        ("/admin", json!({"groups": ["dev"]}), "not_allowed"),
        ("/admin", json!({"groups": ["admin"]}), "ok"),
        ("/admin", json!({"groups": ["/admin"]}), "not_allowed"),
        ("/admin", json!({"groups": "admin"}), "not_allowed"),
        ("/admin", json!({"groups": null, "realm_access": {"roles": ["admin"]}}), "ok"),
        ("/admin", json!({"resource_access": {"other": {"roles": ["admin"]}}}), "not_allowed"),
        ("/cel", json!({"department": "research"}), "not_allowed"),
        ("/cel", json!({}), "not_allowed"),
    ];
    for (path, more, expected) in table {
        assert_eq!(verdict(path, &auth, remembered(&more, &policy), false), expected, "{path} {more}");
    }
    let mut post = request("/cel", &auth);
    post.method = "POST";
    let input = CheckInput::parse(post, &policy).unwrap();
    let evidence = remembered(&json!({"department": "research"}), &policy);
    assert!(decide(&Facts::new(NOW, evidence), &input).is_ok());
}

#[test]
fn late_is_a_denial_and_never_a_judgement_on_the_credential() {
    let policy = policy();
    let bearer = format!("Bearer {}", token(&KEY, &json!({})));
    let auth = [("authorization", bearer.as_str())];
    for evidence in [found(&token(&KEY, &json!({})), &policy), Evidence::None, Evidence::UnknownIssuer] {
        assert_eq!(verdict("/v1/x", &auth, evidence, true), "deadline");
    }
    assert_eq!(verdict("/v1/x", &[], Evidence::None, true), "credential_missing");
}

#[test]
fn a_remembered_token_dies_on_time() {
    let policy = policy();
    let bearer = format!("Bearer {}", token(&KEY, &json!({})));
    let input = CheckInput::parse(request("/v1/x", &[("authorization", &bearer)]), &policy).unwrap();
    let leeway = i64::from(policy.issuers()[0].leeway_secs);
    for (after, expected) in [(0, true), (59 + leeway, true), (60 + leeway, false), (10_000, false)] {
        let evidence = remembered(&json!({}), &policy);
        let verdict = decide(&Facts::new(NOW.plus_secs(after), evidence), &input);
        assert_eq!(verdict.is_ok(), expected, "{after} s later");
    }
}

#[test]
fn a_gateways_policy_name_picks_its_routes_only() {
    let policy = policy();
    for (name, expected) in [(Some("free"), "named"), (None, "api"), (Some("unknown"), "none")] {
        let raw = RawRequest { policy: name, ..request("/v1/x", &[]) };
        let input = CheckInput::parse(raw, &policy).unwrap();
        assert_eq!(input.route.map_or("none", |r| r.name.as_str()), expected);
    }
}

#[test]
fn one_issuer_value_has_one_judge() {
    let rules = |name: &str| Arc::new(IssuerRules::new(name, vec![ISS.into()], Audiences::Any));
    let error = Policy::new(vec![], vec![rules("a"), rules("b")]).unwrap_err();
    assert!(matches!(error, PolicyError::IssuerTwice { .. }), "{error}");
}

fn reply(path: &str, lines: &[(&str, &str)], evidence: Evidence, see: impl FnOnce(&Reply<'_>)) {
    let policy = policy();
    let input = CheckInput::parse(request(path, lines), &policy);
    let id = CheckId::from_bits(42);
    match input {
        Ok(input) => {
            let verdict = decide(&Facts::new(NOW, evidence), &input);
            see(&Reply::new(&verdict, Some(&input), &policy, id));
        }
        Err(denial) => see(&Reply::new(&Err(denial), None, &policy, id)),
    }
}

#[test]
fn the_guides_first_test_gets_its_answer() {
    reply("/guide", &[], Evidence::None, |reply| {
        let Reply::Deny(deny) = reply else { panic!("must deny") };
        assert_eq!((deny.status().as_u16(), deny.body()), (403, "Forbidden"));
        let challenge = deny.headers().iter().find(|(n, _)| *n == "www-authenticate").unwrap();
        assert_eq!(challenge.1, "Bearer realm=\"tollgate\"");
    });
}

#[test]
fn sdk_paths_get_their_own_error_shape() {
    reply("/v1/chat/completions", &[], Evidence::None, |reply| {
        let Reply::Deny(deny) = reply else { panic!("must deny") };
        let body: Value = serde_json::from_str(deny.body()).unwrap();
        assert_eq!(body["error"]["code"], "credential_missing");
    });
    reply("/v1/messages", &[], Evidence::None, |reply| {
        let Reply::Deny(deny) = reply else { panic!("must deny") };
        let body: Value = serde_json::from_str(deny.body()).unwrap();
        assert_eq!(
            (&body["type"], &body["error"]["type"]),
            (&json!("error"), &json!("authentication_error"))
        );
    });
}

#[test]
fn the_backend_learns_who_calls_and_not_how_they_proved_it() {
    let policy = policy();
    let bearer = format!("Bearer {}", token(&KEY, &json!({})));
    reply("/v1/x", &[("authorization", &bearer)], remembered(&json!({}), &policy), |reply| {
        let Reply::Allow(allow) = reply else { panic!("must allow") };
        let set = |name: &str| allow.set().iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_ref());
        assert_eq!(set("x-tollgate-subject"), Some("user-1"));
        assert_eq!(set("x-tollgate-user"), Some("testuser"));
        assert_eq!(set("x-tollgate-issuer"), Some(ISS));
        assert_eq!(set("x-tollgate-groups"), Some("dev"));
        for gone in ["authorization", "x-api-key", "api-key", "x-goog-api-key", "x-tollgate-key-id"] {
            assert!(allow.remove().contains(&gone), "{gone} must be removed");
        }
    });
    reply("/pass/x", &[("authorization", &bearer)], remembered(&json!({}), &policy), |reply| {
        let Reply::Allow(allow) = reply else { panic!("must allow") };
        assert!(!allow.remove().contains(&"authorization"), "this route forwards the credential");
    });
}

#[test]
fn compatibility_names_are_set_or_removed_too() {
    let mut policy = policy();
    policy.identity = IdentityHeaders::default().with_compatibility(true);
    policy.identity.rename(Fact::User, "x-user");
    let bearer = format!("Bearer {}", token(&KEY, &json!({})));
    let input = CheckInput::parse(request("/v1/x", &[("authorization", &bearer)]), &policy).unwrap();
    let verdict = decide(&Facts::new(NOW, remembered(&json!({}), &policy)), &input);
    let Reply::Allow(allow) = Reply::new(&verdict, Some(&input), &policy, CheckId::from_bits(1)) else {
        panic!("must allow")
    };
    assert!(allow.set().iter().any(|(n, v)| *n == "x-account-id" && v == "user-1"));
    assert!(allow.set().iter().any(|(n, v)| *n == "x-user" && v == "testuser"));
    assert!(allow.remove().contains(&"x-allowed-models") && allow.remove().contains(&"x-project-id"));
}

fn any_evidence() -> impl Strategy<Value = (u8, String, Vec<String>)> {
    (0..8_u8, any::<String>(), proptest::collection::vec(any::<String>(), 0..4))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Whatever is asked and known: an answer that allows comes with a permit, sets or removes every identity header,
    /// and no value can break a header line; an answer that denies has an error status.
    #[test]
    fn every_reply_is_whole(
        path in "(/public|/v1|/admin|/pass|/guide|/cel|/none|\\PC{0,6})(/[a-z%.]{0,6})?",
        kind in any_evidence(),
        use_key in any::<bool>(),
    ) {
        let policy = policy();
        let (kind, text, groups) = kind;
        let username = if text.is_empty() { "u".to_owned() } else { text };
        let key = key_text();
        let bearer = format!("Bearer {}", token(&KEY, &json!({})));
        let lines = if use_key { [("x-api-key", key.as_str())] } else { [("authorization", bearer.as_str())] };
        let evidence = match kind {
            0 => Evidence::None,
            1 => Evidence::UnknownIssuer,
            2 => Evidence::Key(Lookup::Absent),
            3 => key_with(|_| ()),
            4 => key_with(|key| key.state = KeyState::Revoked),
            5 => opened(&token(&KEY, &json!({})), &policy, Lookup::Unavailable),
            _ => remembered(&json!({"preferred_username": username, "groups": groups, "email": username}), &policy),
        };
        let parsed = CheckInput::parse(request(&path, &lines), &policy);
        let id = CheckId::from_bits(7);
        let (verdict, reply);
        let input;
        match parsed {
            Ok(parsed) => {
                input = parsed;
                verdict = decide(&Facts::new(NOW, evidence), &input);
                reply = Reply::new(&verdict, Some(&input), &policy, id);
            }
            Err(denial) => {
                verdict = Err(denial);
                reply = Reply::new(&verdict, None, &policy, id);
            }
        }
        let clean = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b));
        match &reply {
            Reply::Allow(allow) => {
                prop_assert!(verdict.is_ok());
                for (name, _) in policy.identity.headers() {
                    let set = allow.set().iter().any(|(n, _)| *n == name);
                    prop_assert!(set != allow.remove().contains(&name), "{} set or removed, not both", name);
                }
                for place in CredentialHeader::defaults() {
                    let forwarded = verdict.as_ref().is_ok_and(|p| p.route().forward_credential);
                    prop_assert_eq!(allow.remove().contains(&place.name.as_str()), !forwarded);
                }
                for (name, value) in allow.set() {
                    prop_assert!(!value.is_empty() && clean(value) && clean(name), "{}: {:?}", name, value);
                }
            }
            Reply::Answer(_) => return Err(TestCaseError::fail("no route here has a catalogue")),
            Reply::Deny(deny) => {
                prop_assert!(verdict.is_err());
                prop_assert!(deny.status().as_u16() >= 400);
                prop_assert!(deny.code() != DenialCode::KeyRevoked || !deny.body().contains("revoked\""));
                for (name, value) in deny.headers() {
                    prop_assert!(clean(value) && clean(name), "{}: {:?}", name, value);
                }
                prop_assert!(deny.headers().iter().any(|(n, _)| *n == "x-tollgate-check-id"));
            }
        }
    }
}
