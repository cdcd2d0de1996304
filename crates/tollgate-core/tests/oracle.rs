//! A second opinion: `jsonwebtoken` judges the same tokens. We must never accept what it refuses; where we refuse what it
//! accepts, the reason must be on the list of places where we are stricter on purpose.
#![expect(clippy::unwrap_used, reason = "tests")]

use jsonwebtoken::{DecodingKey, Validation, decode};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tollgate_core::jwt::{
    Algorithm, Audiences, DEFAULT_MAX_TOKEN_BYTES, IssuerRules, KeySet, OpenToken, TokenFault, verify,
};
use tollgate_core::testing::TestKey;
use tollgate_core::time::Timestamp;

const ISS: &str = "https://issuer.example";
const AUD: &str = "api";
/// Far in the future of any machine that runs this, because the oracle reads the machine's clock.
const EXP: i64 = 4_000_000_000;
const NOW: Timestamp = Timestamp::from_secs(2_000_000_000);

fn ours(token: &str, key: &TestKey) -> Result<(), TokenFault> {
    let (keys, _) = KeySet::parse(key.key_set().as_bytes()).unwrap();
    let open = OpenToken::open(token, DEFAULT_MAX_TOKEN_BYTES)?;
    let rules = IssuerRules::new("one", vec![ISS.into()], Audiences::OneOf(vec![AUD.into()]));
    let verifying = keys.select(open.key_id(), open.algorithm())?;
    verify(&open, &rules, verifying, NOW).map(drop)
}

fn theirs(token: &str, key: &TestKey) -> bool {
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.jwk()).unwrap();
    let algorithm = key.algorithm().to_string().parse().unwrap();
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[AUD]);
    validation.set_issuer(&[ISS]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Its clock is the machine's, ours is given: `nbf` is compared by the tables, not here.
    validation.validate_nbf = false;
    validation.leeway = 30;
    decode::<Map<String, Value>>(token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).is_ok()
}

/// Refusals of ours that the oracle does not make, each a rule of its own.
const fn stricter_on_purpose(fault: &TokenFault) -> bool {
    matches!(
        fault,
        TokenFault::Critical
            | TokenFault::EmbeddedKey(_)
            | TokenFault::Encrypted
            | TokenFault::HeaderType
            | TokenFault::HeaderParameter(_)
            | TokenFault::DuplicateMember(_)
            | TokenFault::Excessive(_)
            | TokenFault::TooLarge(_)
            | TokenFault::PayloadType
            | TokenFault::Bound
            | TokenFault::KeyUnknown
            | TokenFault::ClaimType(_)
            | TokenFault::ClaimMissing(_)
            | TokenFault::NotYetValid
            | TokenFault::IssuedInFuture
            | TokenFault::TimesContradict
            | TokenFault::Lightweight { .. }
            | TokenFault::Json(_)
            | TokenFault::IssuerUnknown
            | TokenFault::Audience
            // Our clock is set later than the machine's, which the oracle reads: we see more tokens expire, never fewer.
            | TokenFault::Expired
    )
}

fn keys() -> &'static [TestKey] {
    static KEYS: std::sync::LazyLock<Vec<TestKey>> = std::sync::LazyLock::new(|| {
        let algorithms =
            [Algorithm::ES256, Algorithm::RS256, Algorithm::PS256, Algorithm::EdDSA, Algorithm::ES384];
        algorithms.into_iter().map(|algorithm| TestKey::generate(algorithm, "k1")).collect()
    });
    &KEYS
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| json!(f)),
        (0..EXP * 2).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!(ISS)),
        Just(json!(AUD)),
        Just(json!([AUD])),
        Just(json!([ISS])),
        proptest::collection::vec("[a-z]{0,4}", 0..3).prop_map(|list| json!(list)),
        Just(json!({"a": 1})),
    ]
}

fn claims() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("exp"),
        Just("iss"),
        Just("aud"),
        Just("sub"),
        Just("iat"),
        Just("nbf"),
        Just("typ"),
        Just("azp"),
        Just("scope"),
        Just("cnf"),
        Just("groups"),
    ];
    let change = (name, proptest::option::of(value()));
    proptest::collection::vec(change, 0..3).prop_map(|changes| {
        let mut claims = json!({"iss": ISS, "aud": AUD, "sub": "user-1", "exp": EXP});
        for (name, value) in changes {
            match value {
                Some(value) => claims[name] = value,
                None => {
                    claims.as_object_mut().unwrap().remove(name);
                }
            }
        }
        claims
    })
}

fn header() -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof![
        Just("typ"),
        Just("kid"),
        Just("crit"),
        Just("b64"),
        Just("cty"),
        Just("x"),
        Just("jku"),
        Just("alg")
    ];
    proptest::collection::vec((name, value()), 0..2)
        .prop_map(|changes| changes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_looser_than_the_oracle(at in 0..5_usize, claims in claims(), more in header()) {
        let key = &keys()[at];
        let mut header = json!({"alg": key.algorithm().to_string(), "kid": "k1", "typ": "JWT"});
        for (name, value) in more {
            header[&name] = value;
        }
        let token = key.sign(&header, &claims);
        match (ours(&token, key), theirs(&token, key)) {
            (Ok(()), false) => prop_assert!(false, "we accept and the oracle refuses: {header} {claims}"),
            (Err(fault), true) => prop_assert!(stricter_on_purpose(&fault), "{fault}: {header} {claims}"),
            _ => {}
        }
    }

    #[test]
    fn every_changed_byte_is_refused(at in 0..5_usize, place in 0.0..1.0_f64, to in any::<u8>()) {
        let key = &keys()[at];
        let token = key.sign_claims(&json!({"iss": ISS, "aud": AUD, "sub": "user-1", "exp": EXP}));
        prop_assert!(ours(&token, key).is_ok());
        let mut bytes = token.clone().into_bytes();
        let place = (place * bytes.len() as f64) as usize;
        bytes[place] = to;
        if let Ok(changed) = String::from_utf8(bytes)
            && changed != token
        {
            prop_assert!(ours(&changed, key).is_err(), "byte {place} became {to}");
            prop_assert!(!theirs(&changed, key) || ours(&changed, key).is_err());
        }
    }

    #[test]
    fn anything_is_answered(text in "\\PC{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = OpenToken::open(&text, DEFAULT_MAX_TOKEN_BYTES);
        let _ = KeySet::parse(&bytes);
        let _ = KeySet::parse(text.as_bytes());
    }
}

#[test]
fn the_oracle_accepts_what_we_sign() {
    for key in keys() {
        let token = key.sign_claims(&json!({"iss": ISS, "aud": AUD, "sub": "user-1", "exp": EXP}));
        assert!(theirs(&token, key) && ours(&token, key).is_ok(), "{:?}", key.algorithm());
    }
}
