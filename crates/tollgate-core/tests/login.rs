//! What an ID token and a logout token must say, each case one change to a good one.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tollgate_core::jwt::{
    Algorithm, Audiences, DEFAULT_MAX_TOKEN_BYTES, IssuerRules, KeySet, LogoutScope, OpenToken, Relation,
    TokenFault, verify, verify_id_token, verify_logout_token,
};
use tollgate_core::testing::TestKey;
use tollgate_core::time::Timestamp;

const ISS: &str = "https://issuer.example";
const NOW: i64 = 1_800_000_000;
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn rules() -> IssuerRules {
    IssuerRules::new("one", vec![ISS.into()], Audiences::OneOf(vec!["api".into()]))
}

/// A good token with members changed, or taken out where the change is null.
fn changed(mut good: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        if value.is_null() {
            good.as_object_mut().unwrap().remove(name);
        } else {
            good[name] = value.clone();
        }
    }
    good
}

fn opened(key: &TestKey, header: &Value, claims: &Value) -> Result<OpenToken, TokenFault> {
    OpenToken::open(&key.sign(header, claims), DEFAULT_MAX_TOKEN_BYTES)
}

fn header(change: &Value) -> Value {
    changed(json!({"alg": "ES256", "kid": "k1", "typ": "JWT"}), change)
}

fn good_id_token() -> Value {
    json!({"iss": ISS, "aud": "app", "sub": "user-1", "exp": NOW + 300, "iat": NOW, "nonce": "n-1", "typ": "ID",
        "auth_time": NOW - 5, "sid": "s-1", "preferred_username": "alice"})
}

fn id_token(head: &Value, change: &Value) -> Result<(), TokenFault> {
    let key = TestKey::generate(Algorithm::ES256, "k1");
    let token = opened(&key, &header(head), &changed(good_id_token(), change))?;
    let (keys, _) = KeySet::parse(key.key_set().as_bytes()).unwrap();
    let relation = Relation { client_id: "app", nonce: "n-1", access_token: Some("access") };
    let key = keys.select(token.key_id(), token.algorithm())?;
    let verified = verify_id_token(&token, &rules(), relation, key, Timestamp::from_secs(NOW))?;
    assert_eq!((verified.who.subject.as_str(), verified.who.username.as_str()), ("user-1", "alice"));
    assert!(verify(&token, &rules(), key, Timestamp::from_secs(NOW)).is_err(), "never an access token");
    Ok(())
}

#[test]
fn id_tokens() {
    let hash = URL_SAFE_NO_PAD.encode(&digest(&SHA256, b"access").as_ref()[..16]);
    let table = [
        (json!({}), json!({}), "ok"),
        (json!({"typ": null}), json!({}), "ok"),
        (json!({}), json!({"typ": null, "auth_time": null, "sid": null}), "ok"),
        (json!({}), json!({"at_hash": hash}), "ok"),
        (json!({}), json!({"azp": "app"}), "ok"),
        (json!({}), json!({"aud": ["app", "other"], "azp": "app"}), "ok"),
        (json!({"typ": "at+jwt"}), json!({}), "header type"),
        (json!({"typ": "logout+jwt"}), json!({}), "header type"),
        (json!({"alg": "none"}), json!({}), "not supported"),
        (json!({"alg": "HS256"}), json!({}), "not supported"),
        (json!({"kid": "k2"}), json!({}), "key id"),
        (json!({}), json!({"iss": "https://evil.example"}), "'iss'"),
        (json!({}), json!({"iss": format!("{ISS}/")}), "'iss'"),
        (json!({}), json!({"aud": "other"}), "audience"),
        (json!({}), json!({"aud": null}), "'aud'"),
        (json!({}), json!({"aud": []}), "'aud'"),
        (json!({}), json!({"aud": [1, "app"]}), "'aud'"),
        (json!({}), json!({"aud": ["app", "other"]}), "authorized party"),
        (json!({}), json!({"azp": "other"}), "authorized party"),
        (json!({}), json!({"azp": 1}), "authorized party"),
        (json!({}), json!({"nonce": null}), "nonce"),
        (json!({}), json!({"nonce": "n-2"}), "nonce"),
        (json!({}), json!({"nonce": ["n-1"]}), "nonce"),
        (json!({}), json!({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}), "at_hash"),
        (json!({}), json!({"at_hash": 1}), "at_hash"),
        (json!({}), json!({"exp": NOW - 30, "iat": NOW - 60}), "expired"),
        (json!({}), json!({"exp": null}), "'exp'"),
        (json!({}), json!({"iat": null}), "'iat'"),
        (json!({}), json!({"iat": NOW + 31}), "future"),
        (json!({}), json!({"nbf": NOW + 31}), "not valid yet"),
        (json!({}), json!({"sub": null}), "'sub'"),
        (json!({}), json!({"sub": ""}), "'sub'"),
        (json!({}), json!({"typ": "Bearer"}), "kind"),
        (json!({}), json!({"typ": "Logout"}), "kind"),
        (json!({}), json!({"events": {}}), "kind"),
    ];
    for (head, change, expected) in table {
        let said = id_token(&head, &change).map_or_else(|fault| fault.to_string(), |()| "ok".into());
        assert!(said.contains(expected), "{head} {change}: {said}, not {expected}");
    }
}

#[test]
fn an_access_token_hash_needs_an_access_token() {
    let key = TestKey::generate(Algorithm::EdDSA, "k1");
    let claims = changed(good_id_token(), &json!({"at_hash": "x"}));
    let token = opened(&key, &json!({"alg": "EdDSA", "kid": "k1"}), &claims).unwrap();
    let (keys, _) = KeySet::parse(key.key_set().as_bytes()).unwrap();
    let relation = Relation { client_id: "app", nonce: "n-1", access_token: None };
    let key = keys.select(token.key_id(), token.algorithm()).unwrap();
    let fault = verify_id_token(&token, &rules(), relation, key, Timestamp::from_secs(NOW)).unwrap_err();
    assert_eq!(fault, TokenFault::AccessTokenHash);
}

fn logout_token(head: &Value, change: &Value, type_required: bool) -> Result<LogoutScope, TokenFault> {
    let key = TestKey::generate(Algorithm::ES256, "k1");
    let good = json!({"iss": ISS, "aud": "app", "sub": "user-1", "sid": "s-1", "iat": NOW, "exp": NOW + 120,
        "jti": "j-1", "events": {EVENT: {}}, "typ": "Logout"});
    let token = opened(&key, &header(head), &changed(good, change))?;
    let (keys, _) = KeySet::parse(key.key_set().as_bytes()).unwrap();
    let key = keys.select(token.key_id(), token.algorithm())?;
    let verified =
        verify_logout_token(&token, &rules(), ("app", type_required), key, Timestamp::from_secs(NOW))?;
    assert!(verified.token_id == "j-1" && verified.expires_at > verified.issued_at);
    let now = Timestamp::from_secs(NOW);
    assert!(
        verify(&token, &IssuerRules { header_types: vec!["logout+jwt".into()], ..rules() }, key, now)
            .is_err()
    );
    Ok(verified.scope)
}

#[test]
fn logout_tokens() {
    let session = || Ok(LogoutScope::Session("s-1".to_owned()));
    let subject = || Ok(LogoutScope::Subject("user-1".to_owned()));
    let wrong = |text: &'static str| Err(text);
    let table = [
        (json!({}), json!({}), session()),
        (json!({"typ": "logout+jwt"}), json!({"typ": null}), session()),
        (json!({"typ": null}), json!({"exp": null}), session()),
        (json!({}), json!({"sub": null}), session()),
        (json!({}), json!({"sid": null}), subject()),
        (json!({}), json!({"aud": ["other", "app"]}), session()),
        (json!({}), json!({"sid": null, "sub": null}), wrong("'sid'")),
        (json!({}), json!({"sid": ""}), wrong("'sid'")),
        (json!({}), json!({"aud": "other"}), wrong("audience")),
        (json!({}), json!({"aud": null}), wrong("'aud'")),
        (json!({}), json!({"iss": "https://evil.example"}), wrong("'iss'")),
        (json!({}), json!({"events": null}), wrong("kind")),
        (json!({}), json!({"events": {}}), wrong("kind")),
        (json!({}), json!({"events": {EVENT: true}}), wrong("kind")),
        (json!({}), json!({"events": [EVENT]}), wrong("kind")),
        (json!({}), json!({"events": {"http://other": {}}}), wrong("kind")),
        (json!({}), json!({"nonce": "n"}), wrong("nonce")),
        (json!({"alg": "none"}), json!({}), wrong("not supported")),
        (json!({"alg": "HS256"}), json!({}), wrong("not supported")),
        (json!({"kid": "k2"}), json!({}), wrong("key id")),
        (json!({"typ": "at+jwt"}), json!({}), wrong("header type")),
        (json!({}), json!({"typ": "ID"}), wrong("kind")),
        (json!({}), json!({"iat": null}), wrong("'iat'")),
        (json!({}), json!({"iat": NOW + 31}), wrong("future")),
        (json!({}), json!({"iat": NOW - 400, "exp": NOW - 30}), wrong("expired")),
        (json!({}), json!({"iat": NOW - 330, "exp": null}), wrong("expired")),
        (json!({}), json!({"iat": NOW, "exp": NOW - 1}), wrong("contradict")),
        (json!({}), json!({"jti": null}), wrong("'jti'")),
        (json!({}), json!({"jti": 7}), wrong("'jti'")),
    ];
    for (head, change, expected) in table {
        let said = logout_token(&head, &change, false).map_err(|fault| fault.to_string());
        match (&said, expected) {
            (Ok(scope), Ok(expected)) => assert_eq!(*scope, expected, "{head} {change}"),
            (Err(said), Err(expected)) => assert!(said.contains(expected), "{head} {change}: {said}"),
            (said, expected) => panic!("{head} {change}: {said:?}, not {expected:?}"),
        }
    }
    assert!(
        logout_token(&json!({"typ": "JWT"}), &json!({}), true).is_err(),
        "an unnamed kind where it must be named"
    );
    assert!(logout_token(&json!({"typ": null}), &json!({}), true).is_err());
    assert!(logout_token(&json!({"typ": "application/logout+JWT"}), &json!({}), true).is_ok());
}
