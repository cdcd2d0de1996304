//! Wycheproof through the core: nothing invalid is accepted, nothing valid is refused, and every control passes, without
//! which a refusal would prove nothing.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests"
)]

#[path = "support/pss.rs"]
mod pss;
#[path = "support/wycheproof.rs"]
mod wycheproof;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tollgate_core::jwt::{Audiences, DEFAULT_MAX_TOKEN_BYTES, IssuerRules, KeySet, OpenToken, verify};
use tollgate_core::time::Timestamp;

const ISS: &str = "https://issuer.example";
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// The vectors, which are not part of this repository; without them the test says that it is skipped.
fn vectors() -> Option<PathBuf> {
    let dir = std::env::var_os("TOLLGATE_WYCHEPROOF_DIR").map(PathBuf::from);
    if dir.is_none() {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let reason = "TOLLGATE_WYCHEPROOF_DIR does not say where Wycheproof's testvectors_v1 are";
        eprintln!("SKIPPED {test}: {reason}");
        if let Some(list) = std::env::var_os("TOLLGATE_SKIP_LOG") {
            let mut list = std::fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
            writeln!(list, "{test}\t{reason}").unwrap();
        }
    }
    dir
}

fn claims(_: usize) -> Value {
    json!({"iss": ISS, "aud": "api", "sub": "user-1", "exp": NOW.as_secs() + 60, "preferred_username": "user"})
}

fn judge(token: &str, key_set: &str) -> Result<String, String> {
    let rules = IssuerRules::new("wycheproof", vec![ISS.into()], Audiences::OneOf(vec!["api".into()]));
    let (keys, _) = KeySet::parse(key_set.as_bytes()).map_err(|e| e.to_string())?;
    let open = OpenToken::open(token, DEFAULT_MAX_TOKEN_BYTES).map_err(|e| e.to_string())?;
    let key = keys.select(open.key_id(), open.algorithm()).map_err(|e| e.to_string())?;
    verify(&open, &rules, key, NOW).map(|token| token.subject).map_err(|e| e.to_string())
}

#[test]
fn every_signature_vector_on_live_claims() {
    let Some(dir) = vectors() else { return };
    let (mut refused, mut accepted, mut replaced, mut controls) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    for group in wycheproof::groups(&dir, claims).unwrap() {
        if let Some(control) = &group.control {
            controls += 1;
            if let Err(why) = judge(control, &group.key_set) {
                wrong.push(format!("control of {}: {why}", group.name));
            }
        }
        for vector in &group.vectors {
            replaced += usize::from(vector.digest_replaced && !vector.valid);
            match (judge(&vector.token, &group.key_set), vector.valid) {
                (Ok(_), true) => accepted += 1,
                (Err(_), false) => refused += 1,
                (Ok(_), false) => wrong.push(format!("{} {} accepted", vector.id, vector.comment)),
                (Err(why), true) => wrong.push(format!("{} {} refused: {why}", vector.id, vector.comment)),
            }
        }
    }
    eprintln!(
        "wycheproof: {refused} refused, {accepted} accepted, {controls} controls, {replaced} digests replaced"
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    // 325 invalid, and the four labelled valid that are not.
    assert_eq!((refused, accepted), (325 + wycheproof::LABEL_ERRORS.len(), 32));
    assert!(replaced >= 197, "only {replaced} paddings carried our digest");
}

#[test]
fn no_encrypted_token_passes() {
    let Some(dir) = vectors() else { return };
    let tokens = wycheproof::encrypted(&dir).unwrap();
    assert_eq!(tokens.len(), 139);
    for (id, token) in tokens {
        assert!(OpenToken::open(&token, usize::MAX).is_err(), "{id} was opened");
    }
}

/// Key sets that are usable although they are labelled invalid.
const KNOWN_KEY_SETS: [(u64, &str); 2] = [
    (1, "one symmetric key among others: it is dropped with an alarm, and does not sink the rest"),
    (7, "a ROCA modulus looks like any other; only its factors give it away"),
];

/// Every key set of the key file: number, comment, document, the published token, whether labelled valid.
fn key_sets(dir: &Path) -> std::io::Result<Vec<(u64, String, Value, bool)>> {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(dir.join("json_web_key_test.json"))?)?;
    let mut sets = Vec::new();
    for group in file["testGroups"].as_array().into_iter().flatten() {
        for test in group["tests"].as_array().into_iter().flatten() {
            let comment = format!("{} {}", group["comment"].as_str().unwrap_or_default(), test["comment"]);
            let set = if group["public"].is_object() { &group["public"] } else { &group["private"] };
            sets.push((test["tcId"].as_u64().unwrap(), comment, set.clone(), test["result"] == "valid"));
        }
    }
    Ok(sets)
}

#[test]
fn key_sets_hold_no_weak_key() {
    let Some(dir) = vectors() else { return };
    let sets = key_sets(&dir).unwrap();
    assert_eq!(sets.len(), 26);
    let mut wrong = Vec::new();
    for (id, comment, set, valid) in sets {
        let document = if set.get("keys").is_some() { set } else { json!({"keys": [set]}) };
        let usable = KeySet::parse(document.to_string().as_bytes());
        let symmetric = document.to_string().contains("\"oct\"");
        let known = KNOWN_KEY_SETS.iter().any(|(known, _)| *known == id);
        if usable.is_ok() != (valid && !symmetric || known) {
            wrong.push(format!("{id} {comment}: valid={valid} {:?}", usable.map(|(set, _)| set.len())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
