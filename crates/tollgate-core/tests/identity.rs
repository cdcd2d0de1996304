//! What a backend is told of a caller's e-mail address.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use serde_json::{Value, json};
use tollgate_core::caller::Caller;
use tollgate_core::identity::IdentityHeaders;
use tollgate_core::jwt::{
    Algorithm, Audiences, DEFAULT_MAX_TOKEN_BYTES, IssuerRules, KeySet, OpenToken, verify,
};
use tollgate_core::testing::{TestKey, key_record};
use tollgate_core::time::Timestamp;

const ISS: &str = "https://issuer.example/realms/one";

/// A user with an address, whose token says this, too.
fn user(key: &TestKey, more: &Value) -> Caller {
    let mut claims = json!({
        "iss": ISS, "aud": "api", "sub": "user-1", "exp": 2_000, "typ": "Bearer", "email": "ceo@company.com",
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let text = key.sign_claims(&claims);
    let (keys, _) = KeySet::parse(json!({"keys": [key.jwk()]}).to_string().as_bytes()).unwrap();
    let verify_key = keys.select(Some("k1"), Algorithm::ES256).unwrap();
    let rules = IssuerRules::new("one", vec![ISS.into()], Audiences::OneOf(vec!["api".into()]));
    let open = OpenToken::open(&text, DEFAULT_MAX_TOKEN_BYTES).unwrap();
    Caller::User(Arc::new(verify(&open, &rules, verify_key, Timestamp::from_secs(1_000)).unwrap()))
}

/// A key whose owner has this address.
fn key(email: Option<&str>, verified: bool) -> Caller {
    let mut key = key_record(&"A".repeat(22));
    let owner = Arc::make_mut(&mut key.owner);
    owner.email = email.map(str::to_owned);
    owner.email_verified = verified;
    Caller::Key(Arc::new(key))
}

#[test]
fn an_address_is_told_when_the_issuer_says_that_it_is_theirs_and_otherwise_when_the_operator_says_so() {
    let signing = TestKey::generate(Algorithm::ES256, "k1");
    let (usual, sends) = (IdentityHeaders::default(), IdentityHeaders::default().with_unverified_email(true));
    let address = Some("ceo@company.com");
    for (caller, verified) in [
        (user(&signing, &json!({})), false),
        (user(&signing, &json!({"email_verified": false})), false),
        (user(&signing, &json!({"email_verified": "true"})), false),
        (user(&signing, &json!({"email_verified": 1})), false),
        (user(&signing, &json!({"email_verified": true})), true),
        (key(address, false), false),
        (key(address, true), true),
    ] {
        assert_eq!(usual.email(&caller), address.filter(|_| verified), "{caller:?}");
        assert_eq!(sends.email(&caller), address, "{caller:?}");
    }
    assert_eq!(sends.email(&key(None, true)), None);
}
