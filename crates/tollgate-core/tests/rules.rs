//! What an operator can demand of tokens, and what keys are fit to verify them: tables, with their boundaries.
#![expect(clippy::unwrap_used, reason = "tests")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tollgate_core::jwt::{
    Algorithm, Audiences, DEFAULT_MAX_TOKEN_BYTES, IssuerRules, KeyFault, KeySet, KeySetError, OpenToken,
    RequiredClaim, TokenFault, VerifyKey, verify,
};
use tollgate_core::testing::TestKey;
use tollgate_core::time::Timestamp;

const ISS: &str = "https://issuer.example";
const NOW: i64 = 1_800_000_000;

fn rules() -> IssuerRules {
    IssuerRules::new("one", vec![ISS.into()], Audiences::OneOf(vec!["api".into()]))
}

fn judge(rules: &IssuerRules, key: &TestKey, header: &Value, more: &Value) -> Result<(), TokenFault> {
    let mut claims = json!({"iss": ISS, "aud": "api", "sub": "user-1", "exp": NOW + 60});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let open = OpenToken::open(&key.sign(header, &claims), DEFAULT_MAX_TOKEN_BYTES)?;
    let (keys, _) = KeySet::parse(key.key_set().as_bytes()).unwrap();
    let verifying = keys.select(open.key_id(), open.algorithm())?;
    verify(&open, rules, verifying, Timestamp::from_secs(NOW)).map(drop)
}

fn plain(rules: &IssuerRules, more: &Value) -> Result<(), TokenFault> {
    let key = TestKey::generate(Algorithm::EdDSA, "k1");
    judge(rules, &key, &json!({"alg": "EdDSA", "kid": "k1"}), more)
}

#[test]
fn clients_lifetimes_and_required_claims() {
    let parties = IssuerRules { authorized_parties: Some(vec!["cli".into()]), ..rules() };
    let lifetime = IssuerRules { max_lifetime_secs: Some(600), ..rules() };
    let path = |text: &str| text.parse().unwrap();
    let verified = RequiredClaim { path: path("email_verified"), one_of: vec![json!(true)] };
    let tier = RequiredClaim { path: path("org.tier"), one_of: vec![json!("gold"), json!("silver")] };
    let required = |claim: &RequiredClaim| IssuerRules { required_claims: vec![claim.clone()], ..rules() };
    let table = [
        (&parties, json!({"azp": "cli"}), "ok"),
        (&parties, json!({"client_id": "cli"}), "ok"),
        (&parties, json!({"azp": "other", "client_id": "cli"}), "party"),
        (&parties, json!({"azp": ["cli"]}), "party"),
        (&parties, json!({}), "party"),
        (&lifetime, json!({"iat": NOW, "exp": NOW + 600}), "ok"),
        (&lifetime, json!({"iat": NOW, "exp": NOW + 601}), "lifetime"),
        (&lifetime, json!({"exp": NOW + 60}), "iat"),
        (&required(&verified), json!({"email_verified": true}), "ok"),
        (&required(&verified), json!({"email_verified": "true"}), "required"),
        (&required(&verified), json!({"email_verified": false}), "required"),
        (&required(&verified), json!({}), "required"),
        (&required(&tier), json!({"org": {"tier": "silver"}}), "ok"),
        (&required(&tier), json!({"org": {"tier": ["bronze", "gold"]}}), "ok"),
        (&required(&tier), json!({"org": {"tier": "golden"}}), "required"),
        (&required(&tier), json!({"org.tier": "gold"}), "required"),
    ];
    for (rules, more, expected) in table {
        let verdict = plain(rules, &more);
        let said = verdict.map_or_else(|fault| fault.to_string(), |()| "ok".into());
        assert!(said.contains(expected), "{more}: {said}, not {expected}");
    }
}

#[test]
fn times_at_their_boundaries() {
    let strict = IssuerRules { leeway_secs: 0, ..rules() };
    let table = [
        (rules(), json!({"exp": NOW - 29}), None),
        (rules(), json!({"exp": NOW - 30}), Some(TokenFault::Expired)),
        (strict.clone(), json!({"exp": NOW + 1}), None),
        (strict.clone(), json!({"exp": NOW}), Some(TokenFault::Expired)),
        (strict.clone(), json!({"exp": NOW as f64 + 0.9}), Some(TokenFault::Expired)),
        (rules(), json!({"nbf": NOW + 30}), None),
        (rules(), json!({"nbf": NOW + 31}), Some(TokenFault::NotYetValid)),
        (rules(), json!({"iat": NOW + 30}), None),
        (rules(), json!({"iat": NOW + 31}), Some(TokenFault::IssuedInFuture)),
        (strict, json!({"nbf": NOW + 100}), Some(TokenFault::TimesContradict)),
    ];
    for (rules, more, expected) in table {
        assert_eq!(plain(&rules, &more).err(), expected, "{more}");
    }
}

#[test]
fn kinds_of_token() {
    let bearer = IssuerRules { payload_types: Some(vec!["Bearer".into()]), ..rules() };
    let typed = IssuerRules { header_type_required: true, header_types: vec!["at+jwt".into()], ..rules() };
    for (rules, more, passes) in [
        (&rules(), json!({}), true),
        (&rules(), json!({"typ": "Bearer"}), true),
        (&rules(), json!({"typ": "ID"}), false),
        (&rules(), json!({"typ": "Refresh"}), false),
        (&bearer, json!({"typ": "Bearer"}), true),
        (&bearer, json!({}), false),
    ] {
        assert_eq!(plain(rules, &more).is_ok(), passes, "{more}");
    }
    let key = TestKey::generate(Algorithm::EdDSA, "k1");
    for (typ, passes) in
        [(Some("at+jwt"), true), (Some("application/AT+JWT"), true), (Some("JWT"), false), (None, false)]
    {
        let mut header = json!({"alg": "EdDSA", "kid": "k1"});
        if let Some(typ) = typ {
            header["typ"] = json!(typ);
        }
        assert_eq!(judge(&typed, &key, &header, &json!({})).is_ok(), passes, "{typ:?}");
    }
    let no_one = IssuerRules { audiences: Audiences::OneOf(vec![]), ..rules() };
    assert_eq!(
        plain(&no_one, &json!({})),
        Err(TokenFault::Audience),
        "an empty list must not mean everybody"
    );
    let any = IssuerRules { audiences: Audiences::Any, ..rules() };
    assert!(plain(&any, &json!({"aud": ["x"]})).is_ok() && plain(&any, &json!({"aud": 5})).is_err());
    let only_rsa = IssuerRules { algorithms: vec![Algorithm::RS256], ..rules() };
    assert_eq!(plain(&only_rsa, &json!({})), Err(TokenFault::AlgorithmNotAllowed));
}

#[test]
fn which_key_a_token_names() {
    let (a, b) = (TestKey::generate(Algorithm::ES256, "a"), TestKey::generate(Algorithm::EdDSA, "b"));
    let twin = TestKey::generate(Algorithm::ES256, "a");
    let other_type = TestKey::generate(Algorithm::EdDSA, "a");
    let set = |keys: &[&TestKey]| {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    };
    let (both, _) = set(&[&a, &b]).unwrap();
    assert!(both.select(Some("a"), Algorithm::ES256).is_ok());
    assert_eq!(both.select(Some("a"), Algorithm::EdDSA).err(), Some(TokenFault::KeyMismatch));
    for unknown in ["A", "a ", "", "c"] {
        assert_eq!(
            both.select(Some(unknown), Algorithm::ES256).err(),
            Some(TokenFault::KeyUnknown),
            "{unknown:?}"
        );
    }
    assert!(both.select(None, Algorithm::ES256).is_ok(), "exactly one key fits");
    let (two, _) = set(&[&a, &TestKey::generate(Algorithm::ES256, "c")]).unwrap();
    assert_eq!(
        two.select(None, Algorithm::ES256).err(),
        Some(TokenFault::KeyUnknown),
        "which one would be chance"
    );
    let (without_twins, skipped) = set(&[&a, &twin, &b]).unwrap();
    assert_eq!((without_twins.len(), skipped.len()), (1, 2), "two keys of one id are both dropped");
    let (by_algorithm, _) = set(&[&a, &other_type]).unwrap();
    assert!(by_algorithm.select(Some("a"), Algorithm::ES256).is_ok());
    assert!(by_algorithm.select(Some("a"), Algorithm::EdDSA).is_ok());
    let (turned, _) = set(&[&b, &a]).unwrap();
    assert_eq!(both.digest(), turned.digest(), "the order of keys is no change");
    assert_ne!(both.digest(), without_twins.digest());
}

/// A real key's document with some members changed; `null` removes one.
fn changed(key: &TestKey, more: &Value) -> Value {
    let mut jwk = key.jwk();
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            jwk.as_object_mut().unwrap().remove(name);
        } else {
            jwk[name] = value.clone();
        }
    }
    jwk
}

#[test]
fn keys_that_are_fit_and_keys_that_are_not() {
    let rsa = TestKey::generate(Algorithm::RS256, "r");
    let ec = TestKey::generate(Algorithm::ES256, "e");
    let okp = TestKey::generate(Algorithm::EdDSA, "o");
    let number = |bytes: usize, last: u8| {
        let mut number = vec![0xc3; bytes];
        number[bytes - 1] = last;
        URL_SAFE_NO_PAD.encode(number)
    };
    let bytes = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let short = ec.jwk()["x"].as_str().unwrap()[..40].to_owned();
    let fit = [
        (&rsa, json!({})),
        (&rsa, json!({"alg": null})),
        (&rsa, json!({"use": null, "key_ops": ["verify"]})),
        (&rsa, json!({"x5c": ["nonsense"], "x5t": "y", "ext": true})),
        (&ec, json!({})),
        (&ec, json!({"alg": null, "kid": null})),
        (&okp, json!({})),
    ];
    for (key, more) in fit {
        assert!(VerifyKey::parse(&changed(key, &more)).is_ok(), "{more}");
    }
    let unfit = [
        (&rsa, json!({"use": "enc"}), "signatures"),
        (&rsa, json!({"key_ops": ["encrypt"]}), "signatures"),
        (&rsa, json!({"key_ops": ["sign, verify"]}), "signatures"),
        (&rsa, json!({"alg": "RSA-OAEP"}), "alg"),
        (&rsa, json!({"alg": "ES256"}), "alg"),
        (&rsa, json!({"alg": "HS256"}), "alg"),
        (&rsa, json!({"kid": 5}), "kid"),
        (&rsa, json!({"kid": ""}), "kid"),
        (&rsa, json!({"kty": "AKP"}), "not supported"),
        (&rsa, json!({"kty": null}), "kty"),
        (&rsa, json!({"n": number(128, 1)}), "2048"),
        (&rsa, json!({"n": number(255, 1)}), "2048"),
        (&rsa, json!({"n": number(1025, 1)}), "8192"),
        (&rsa, json!({"n": number(256, 2)}), "even"),
        (&rsa, json!({"n": bytes(&[0, 1])}), "leading"),
        (&rsa, json!({"e": bytes(&[1])}), "exponent"),
        (&rsa, json!({"e": bytes(&[3])}), "exponent"),
        (&rsa, json!({"e": bytes(&[1, 0, 0])}), "even"),
        (&rsa, json!({"e": number(32, 1)}), "exponent"),
        (&rsa, json!({"n": "AQAB="}), "'n'"),
        (&ec, json!({"crv": "P-384"}), "alg"),
        (&ec, json!({"crv": "P-384", "alg": null}), "length"),
        (&ec, json!({"crv": "secp256k1"}), "not supported"),
        (&ec, json!({"x": short}), "length"),
        (&ec, json!({"x": bytes(&[0xff; 32])}), "curve"),
        (&ec, json!({"x": bytes(&[0; 32]), "y": bytes(&[0; 32])}), "curve"),
        (&okp, json!({"crv": "X25519"}), "not supported"),
        (&okp, json!({"crv": "Ed448"}), "not supported"),
        (&okp, json!({"x": bytes(&[7; 31])}), "32 bytes"),
    ];
    for (key, more, expected) in unfit {
        let fault = VerifyKey::parse(&changed(key, &more)).unwrap_err().to_string();
        assert!(fault.contains(expected), "{more}: {fault}, not {expected}");
    }
    let secret = VerifyKey::parse(&json!({"kty": "oct", "k": "AAAA"})).unwrap_err();
    assert_eq!(secret, KeyFault::Symmetric);
    assert!(VerifyKey::parse(&changed(&rsa, &json!({"d": "AQAB"}))).unwrap().published_private());
}

/// Points whose order divides 8, with either sign bit, and the spellings beyond the field's size.
#[test]
fn small_ed25519_points_are_no_keys() {
    let mut points: Vec<[u8; 32]> = Vec::new();
    for first in [0, 1] {
        let mut point = [0; 32];
        point[0] = first;
        points.push(point);
    }
    for first in [0xec, 0xed, 0xee] {
        let mut point = [0xff; 32];
        (point[0], point[31]) = (first, 0x7f);
        points.push(point);
    }
    for text in [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ] {
        let byte = |at: usize| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap();
        points.push(std::array::from_fn(byte));
    }
    for point in points {
        for sign in [0, 0x80] {
            let mut point = point;
            point[31] |= sign;
            let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(point)});
            let fault = VerifyKey::parse(&jwk).unwrap_err();
            assert!(matches!(fault, KeyFault::Weak(_)), "{point:02x?}");
        }
    }
}

#[test]
fn documents_that_are_no_key_sets() {
    for (document, expected) in [
        ("", "not a key set"),
        ("[]", "not a key set"),
        ("{}", "not a key set"),
        ("{\"keys\":{}}", "not a key set"),
        ("{\"keys\":[],\"keys\":[]}", "not a key set"),
        ("{\"keys\":[]}", "no usable"),
        ("{\"keys\":[1,null,{}]}", "no usable"),
    ] {
        let error = KeySet::parse(document.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{document}: {error}");
    }
    let many = json!({"keys": vec![json!({}); 101]}).to_string();
    assert!(matches!(KeySet::parse(many.as_bytes()), Err(KeySetError::TooMany(101))));
    assert!(matches!(KeySet::parse(&vec![b' '; (1 << 20) + 1]), Err(KeySetError::TooLarge)));
}
