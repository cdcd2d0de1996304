//! Correctly signed hostile tokens: all refused; and honest ones in every spelling: all accepted.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

#[path = "support/hostile.rs"]
mod corpus;

use std::collections::HashSet;

use corpus::Maker;
use tollgate_core::jwt::{
    Algorithm, Audiences, DEFAULT_MAX_TOKEN_BYTES, IssuerRules, KeySet, OpenToken, verify,
};
use tollgate_core::testing::TestKey;
use tollgate_core::time::Timestamp;

const ISS: &str = "https://issuer.example/realms/one";
const NOW: i64 = 1_800_000_000;

fn judge(token: &str, keys: &KeySet) -> Result<String, String> {
    let mut rules = IssuerRules::new("one", vec![ISS.into()], Audiences::OneOf(vec!["api".into()]));
    rules.payload_types = Some(vec!["Bearer".into()]);
    let open = OpenToken::open(token, DEFAULT_MAX_TOKEN_BYTES).map_err(|e| e.to_string())?;
    if open.issuer() != ISS {
        return Err("unknown issuer".into());
    }
    let key = keys.select(open.key_id(), open.algorithm()).map_err(|e| e.to_string())?;
    let verified = verify(&open, &rules, key, Timestamp::from_secs(NOW)).map_err(|e| e.to_string())?;
    Ok(verified.subject)
}

#[test]
fn what_is_signed_is_not_therefore_believed() {
    let mut total = 0;
    for algorithm in [Algorithm::ES256, Algorithm::RS256] {
        let key = TestKey::generate(algorithm, "k1");
        let (keys, _) = KeySet::parse(key.key_set().as_bytes()).unwrap();
        let maker = Maker { key: &key, kid: "k1", iss: ISS, aud: "api", now: NOW };
        assert!(judge(&maker.good(), &keys).is_ok(), "without the control a refusal proves nothing");
        let cases = maker.hostile();
        let names: HashSet<_> = cases.iter().map(|(_, token)| token).collect();
        total += names.len();
        let accepted: Vec<_> =
            cases.iter().filter(|(_, token)| judge(token, &keys).is_ok()).map(|(n, _)| n).collect();
        assert!(accepted.is_empty(), "{algorithm}: accepted {accepted:#?}");
    }
    eprintln!("hostile: {total} distinct tokens refused");
    assert!(total >= 600, "{total} is not the corpus that was promised");
}

#[test]
fn honest_tokens_pass_in_every_spelling() {
    let mut total = 0;
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256] {
        let key = TestKey::generate(algorithm, "k1");
        let (keys, _) = KeySet::parse(key.key_set().as_bytes()).unwrap();
        let maker = Maker { key: &key, kid: "k1", iss: ISS, aud: "api", now: NOW };
        let cases = maker.valid();
        total += cases.len();
        let refused: Vec<_> = cases
            .iter()
            .filter_map(|(name, token)| judge(token, &keys).err().map(|why| format!("{name}: {why}")))
            .collect();
        assert!(refused.is_empty(), "{refused:#?}");
    }
    eprintln!("honest: {total} tokens accepted");
    assert!(total >= 500);
}
