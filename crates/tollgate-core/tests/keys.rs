//! API keys as strangers try them: which texts are looked up at all, and that every key which opens nothing gets the same
//! answer, whatever is wrong with it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use tollgate_core::apikey::{self, PlainKey};
use tollgate_core::caller::{KeyRecord, KeyState, Standing};
use tollgate_core::check::decide;
use tollgate_core::credential::Credential;
use tollgate_core::denial::UnauthenticatedStatus;
use tollgate_core::facts::{Evidence, Facts};
use tollgate_core::headers::Headers;
use tollgate_core::input::{CheckId, CheckInput, RawRequest};
use tollgate_core::lookup::Lookup;
use tollgate_core::models::RouteModels;
use tollgate_core::policy::Policy;
use tollgate_core::reply::Reply;
use tollgate_core::route::{HostPattern, PathPattern, Requirement, Route};
use tollgate_core::testing::key_record;
use tollgate_core::time::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const ID: &str = "0Aa1Bb2Cc3Dd4Ee5Ff6Gg7";

fn policy() -> Policy {
    let route = Route {
        name: "api".into(),
        policy: None,
        hosts: vec![HostPattern::Any],
        paths: vec![PathPattern::prefix("/v1").unwrap()],
        methods: None,
        requirement: Requirement::Authenticated,
        forward_credential: false,
        unauthenticated_status: None,
        query_credential: None,
        models: RouteModels::default(),
    };
    Policy::new(vec![route], vec![]).unwrap()
}

fn key() -> String {
    let body = format!("tgk_{ID}_{}", "hIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMn");
    format!("{body}{}", std::str::from_utf8(&apikey::checksum_of(body.as_bytes())).unwrap())
}

fn request<'a>(path: &'a str, lines: &'a [(&'a str, &'a [u8])]) -> RawRequest<'a> {
    let mut headers = Headers::default();
    for (name, value) in lines {
        headers.push(name, value);
    }
    RawRequest {
        method: "POST",
        authority: "ai.local.dev",
        path_and_query: path,
        headers,
        body: b"",
        policy: None,
        client: None,
    }
}

/// `looked up`, or the code of the denial that is given before anything is.
fn fate(path: &str, lines: &[(&str, &[u8])]) -> String {
    let policy = policy();
    let input = match CheckInput::parse(request(path, lines), &policy) {
        Ok(input) => input,
        Err(denial) => return denial.code().to_string(),
    };
    match &input.credential {
        Ok(Some(Credential::Key(_))) => "looked up".into(),
        Ok(Some(Credential::Jwt(_))) => "token".into(),
        // What is decided without any evidence needs none.
        Ok(None) | Err(_) => match decide(&Facts::new(NOW, Evidence::None), &input) {
            Ok(_) => panic!("a permit for nothing"),
            Err(denial) => {
                let status = denial.code().status(UnauthenticatedStatus::default());
                assert_eq!(status.as_u16(), 401, "{denial:?}");
                denial.code().to_string()
            }
        },
    }
}

#[test]
fn texts_that_are_no_key_are_looked_up_nowhere() {
    let key = key();
    let secret = &key[27..];
    let swapped = |at: usize| {
        let mut text = key.clone();
        let other = if &key[at..=at] == "A" { "B" } else { "A" };
        text.replace_range(at..=at, other);
        text
    };
    let recomputed =
        |body: &str| format!("{body}{}", std::str::from_utf8(&apikey::checksum_of(body.as_bytes())).unwrap());
    let percent: String = key.bytes().map(|b| format!("%{b:02x}")).collect();
    let reversed: String = key.chars().rev().collect();
    let bad = "credential_malformed";
    let table: Vec<(Vec<u8>, &str)> = vec![
        (key.clone().into(), "looked up"),
        // Wrong checksum, prefix, length or alphabet.
        (swapped(75).into(), bad),
        (swapped(40).into(), bad),
        (swapped(10).into(), bad),
        (key.replace("tgk_", "tgp_").into(), bad),
        (key.replace("tgk_", "TGK_").into(), bad),
        (key[..75].into(), bad),
        (format!("{key}0").into(), bad),
        (key[4..].into(), bad),
        (reversed.into(), bad),
        (recomputed(&key[..69]).into(), bad),
        (recomputed(&format!("{}-", &key[..69])).into(), bad),
        // As people paste them.
        (format!("{key}\n").into(), bad),
        (format!("{key}\r\n").into(), bad),
        (format!("\"{key}\"").into(), bad),
        (format!("'{key}'").into(), bad),
        (format!("`{key}`").into(), bad),
        (format!("Bearer {key}").into(), bad),
        (format!("{key} {key}").into(), bad),
        (key.to_lowercase().into(), bad),
        (key.to_uppercase().into(), bad),
        (key.replace('_', "%5F").into(), bad),
        (percent.into(), bad),
        (format!("\u{feff}{key}").into(), bad),
        (key.replace('a', "\u{430}").into(), bad),
        // What is shown in lists is no credential.
        (ID.into(), bad),
        (format!("tgk_{ID}").into(), bad),
        (format!("tgk_{ID}_").into(), bad),
        (secret.into(), bad),
        (format!("tgk__{secret}").into(), bad),
        // Attacks on whatever stands behind.
        (b"tgk_' OR '1'='1".to_vec(), bad),
        (b"sk_' OR '1'='1' --".to_vec(), bad),
        (format!("{}'", &key[..75]).into(), bad),
        (format!("{}\0", &key[..75]).into(), bad),
        (format!("tgk_{}", "\u{1F511}".repeat(18)).into(), bad),
        (vec![b'\xff'; 76], bad),
        (format!("tgk_{}", "a".repeat(1 << 20)).into(), bad),
        ("a".repeat(1 << 20).into(), bad),
    ];
    for (text, expected) in &table {
        let shown = String::from_utf8_lossy(&text[..text.len().min(90)]).into_owned();
        assert_eq!(fate("/v1/x", &[("x-api-key", text)]), *expected, "{shown}");
        let bearer = [b"Bearer ", text.as_slice()].concat();
        let said = fate("/v1/x", &[("authorization", &bearer)]);
        // A second scheme in one line is two credentials.
        let two = *expected == bad && said == "credential_ambiguous";
        assert!(said == *expected || two, "Bearer {shown}: {said}");
    }
}

#[test]
fn a_key_counts_in_its_headers_alone_and_once() {
    let key = key();
    let other = {
        let body = key[..70].replace(ID, "0Aa1Bb2Cc3Dd4Ee5Ff6Gg8");
        format!("{body}{}", std::str::from_utf8(&apikey::checksum_of(body.as_bytes())).unwrap())
    };
    assert!(PlainKey::parse(&other).is_some());
    let (key, other) = (key.as_bytes(), other.as_bytes());
    let bearer = [b"Bearer ", key].concat();
    let cookie = [b"x-api-key=", key].concat();
    let text = String::from_utf8_lossy(key);
    let in_query = [
        format!("/v1/x?api_key={text}"),
        format!("/v1/x?a=b&access_token={text}"),
        format!("/v1/x?key={text}"),
    ];
    type Lines<'a> = Vec<(&'a str, &'a [u8])>;
    let table: Vec<(&str, Lines<'_>, &str)> = vec![
        ("/v1/x", vec![("x-api-key", key), ("authorization", &bearer)], "looked up"),
        ("/v1/x", vec![("x-api-key", key), ("x-api-key", key)], "credential_ambiguous"),
        ("/v1/x", vec![("x-api-key", key), ("x-api-key", other)], "credential_ambiguous"),
        ("/v1/x", vec![("x-api-key", key), ("api-key", other)], "credential_ambiguous"),
        ("/v1/x", vec![("authorization", &bearer), ("x-goog-api-key", other)], "credential_ambiguous"),
        ("/v1/x", vec![("authorization", b"Basic dTpw"), ("x-api-key", key)], "credential_ambiguous"),
        ("/v1/x", vec![("cookie", &cookie)], "credential_missing"),
        ("/v1/x", vec![("x-key", key)], "credential_missing"),
        (&in_query[0], vec![], "credential_malformed"),
        (&in_query[1], vec![], "credential_malformed"),
        (&in_query[2], vec![("x-api-key", key)], "credential_malformed"),
    ];
    for (path, lines, expected) in table {
        assert_eq!(fate(path, &lines), expected, "{path} {lines:?}");
    }
}

fn found(change: impl FnOnce(&mut KeyRecord)) -> Evidence {
    let mut record = key_record(ID);
    change(&mut record);
    Evidence::Key(Lookup::Found(Arc::new(record)))
}

/// All that goes out to the caller.
fn answer(path: &str, evidence: Evidence) -> (u16, Vec<(String, String)>, String) {
    let (policy, key) = (policy(), key());
    let lines = [("x-api-key", key.as_bytes())];
    let input = CheckInput::parse(request(path, &lines), &policy).unwrap();
    let verdict = decide(&Facts::new(NOW, evidence), &input);
    let reply = Reply::new(&verdict, Some(&input), &policy, CheckId::from_bits(7));
    let Reply::Deny(deny) = reply else { panic!("must deny") };
    let headers = deny.headers().iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    (deny.status().as_u16(), headers, deny.body().to_owned())
}

#[test]
fn every_key_that_opens_nothing_gets_the_same_answer() {
    for path in ["/v1/x", "/v1/chat/completions", "/v1/messages"] {
        // A wrong secret for an id that exists is Absent too: the view looks for both together.
        let unknown = answer(path, Evidence::Key(Lookup::Absent));
        assert_eq!(unknown.0, 401);
        for (what, evidence) in [
            ("revoked", found(|key| key.state = KeyState::Revoked)),
            ("disabled", found(|key| key.state = KeyState::Disabled)),
            ("expired", found(|key| key.expires_at = Some(NOW))),
            (
                "revoked and expired",
                found(|key| {
                    key.state = KeyState::Revoked;
                    key.expires_at = Some(NOW);
                }),
            ),
            (
                "disabled in a suspended project",
                found(|key| {
                    key.state = KeyState::Disabled;
                    Arc::make_mut(&mut key.project).standing = Standing::Suspended;
                }),
            ),
        ] {
            assert_eq!(answer(path, evidence), unknown, "{what} at {path}");
        }
        // Whoever holds a good key is told that it is not the key.
        let suspended =
            answer(path, found(|key| Arc::make_mut(&mut key.project).standing = Standing::Suspended));
        assert_eq!(suspended.0, 403);
        let away = answer(path, Evidence::Key(Lookup::Unavailable));
        assert_eq!(away.0, 503, "an outage is never a bad key");
    }
}
