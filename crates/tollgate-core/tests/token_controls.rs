//! Rules against tokens, as a table: what is said, the token, and whether it still works, remembered or not.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use serde_json::{Value, json};
use tollgate_core::caller::Caller;
use tollgate_core::check::identify;
use tollgate_core::denial::DenialCode;
use tollgate_core::facts::{Evidence, Facts};
use tollgate_core::jwt::{
    Algorithm, Audiences, DEFAULT_MAX_TOKEN_BYTES, IssuerRules, KeySet, OpenToken, verify,
};
use tollgate_core::lookup::Lookup;
use tollgate_core::testing::TestKey;
use tollgate_core::time::Timestamp;
use tollgate_core::token_controls::{TokenControls, TokenNames};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

struct Issuer {
    key: TestKey,
    rules: Arc<IssuerRules>,
}

impl Issuer {
    fn new() -> Self {
        let audiences = Audiences::OneOf(vec!["api".into()]);
        let rules = IssuerRules::new("one", vec!["https://one.example".into()], audiences);
        Self { key: TestKey::generate(Algorithm::ES256, "k1"), rules: Arc::new(rules) }
    }

    fn open(&self, more: &Value) -> OpenToken {
        let mut claims = json!({
            "iss": "https://one.example", "aud": "api", "sub": "user-1", "exp": NOW.as_secs() + 60, "typ": "Bearer",
            "iat": NOW.as_secs() - 10, "jti": "t1", "sid": "s1",
        });
        for (name, value) in more.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                _ => claims[name] = value.clone(),
            }
        }
        OpenToken::open(&self.key.sign_claims(&claims), DEFAULT_MAX_TOKEN_BYTES).unwrap()
    }

    /// Found with its key, and remembered.
    fn evidence(&self, more: &Value) -> [Evidence; 2] {
        let (keys, _) = KeySet::parse(self.key.key_set().as_bytes()).unwrap();
        let key = Arc::clone(keys.select(Some("k1"), Algorithm::ES256).unwrap());
        let token = self.open(more);
        let verified = verify(&token, &self.rules, &key, NOW).unwrap();
        let found = Evidence::Token {
            token: Box::new(token),
            rules: Arc::clone(&self.rules),
            key: Lookup::Found(key),
        };
        [found, Evidence::Remembered(Arc::new(verified))]
    }
}

#[test]
fn what_is_said_against_a_token() {
    let issuer = Issuer::new();
    let none = TokenControls::default();
    let issued = NOW.plus_secs(-10);
    let before = |limit: Timestamp| Some(limit);
    let revoked = Some(DenialCode::TokenRevoked);
    let table = [
        ("nothing", none, json!({}), None),
        ("its id", TokenControls { token: true, ..none }, json!({}), revoked),
        ("its session", TokenControls { session: true, ..none }, json!({}), revoked),
        ("subject, later", TokenControls { subject_issued_before: before(NOW), ..none }, json!({}), revoked),
        (
            "subject, same moment",
            TokenControls { subject_issued_before: before(issued), ..none },
            json!({}),
            None,
        ),
        (
            "subject, no iat",
            TokenControls { subject_issued_before: before(issued), ..none },
            json!({"iat": null}),
            revoked,
        ),
        ("issuer, later", TokenControls { issuer_issued_before: before(NOW), ..none }, json!({}), revoked),
        (
            "issuer, earlier",
            TokenControls { issuer_issued_before: before(issued.plus_secs(-1)), ..none },
            json!({}),
            None,
        ),
        (
            "suspended",
            TokenControls { suspended: true, ..none },
            json!({}),
            Some(DenialCode::CallerSuspended),
        ),
        ("both", TokenControls { suspended: true, token: true, ..none }, json!({}), revoked),
    ];
    for (name, controls, more, expected) in table {
        for evidence in issuer.evidence(&more) {
            let verdict = identify(&Facts { controls, ..Facts::new(NOW, evidence) });
            assert_eq!(verdict.as_ref().err().map(|denial| denial.code()), expected, "{name}");
            if let Err(denial) = verdict {
                assert!(matches!(denial.caller(), Some(Caller::User(_))), "{name}: the log names who it was");
            }
        }
    }
}

#[test]
fn a_bad_token_is_bad_before_it_is_revoked() {
    let issuer = Issuer::new();
    let [found, remembered] = issuer.evidence(&json!({}));
    for evidence in [found, remembered] {
        let controls = TokenControls { token: true, ..TokenControls::default() };
        let late = Facts { controls, ..Facts::new(NOW.plus_secs(3600), evidence) };
        assert_eq!(identify(&late).unwrap_err().code(), DenialCode::TokenExpired);
    }
}

#[test]
fn a_token_has_the_same_names_before_and_after_it_is_verified() {
    let issuer = Issuer::new();
    for more in [json!({}), json!({"jti": null}), json!({"sid": 7}), json!({"sub": "other"})] {
        let [_, remembered] = issuer.evidence(&more);
        let Evidence::Remembered(verified) = remembered else { unreachable!() };
        let open = issuer.open(&more);
        assert_eq!(open.names(&issuer.rules), verified.names(), "{more}");
    }
    let nameless = issuer.open(&json!({"sub": null, "jti": null, "sid": null}));
    let names = TokenNames { issuer: "one", subject: "", token_id: None, session_id: None };
    assert_eq!(nameless.names(&issuer.rules), names);
}
