//! Whatever is written while whatever is read, in whatever order: in the end the view says what the store says, and on the
//! way no revoked key comes back to life.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tollgate_core::caller::{KeyRecord, KeyState, Standing};
use tollgate_core::lookup::Lookup;
use tollgate_core::time::Timestamp;
use tollgate_core::token_controls::{TokenControls, TokenNames};

use super::fake::{Data, Fake, Op, digest, key_id};
use super::{NOW, Still, catches_up, restless, view};
use crate::views::{ApiKeysView, Jitter};

const KEYS: u8 = 8;

fn op() -> impl Strategy<Value = Op> {
    let key = 0..KEYS;
    prop_oneof![
        4 => key.clone().prop_map(Op::Create),
        2 => (key.clone(), any::<bool>()).prop_map(|(key, overlap)| Op::Rotate(key, overlap)),
        3 => key.clone().prop_map(|key| Op::SetState(key, "revoked")),
        2 => key.clone().prop_map(|key| Op::SetState(key, "disabled")),
        2 => key.clone().prop_map(|key| Op::SetState(key, "live")),
        1 => (key.clone(), 0..3_u8).prop_map(|(key, to)| Op::Narrow(key, to)),
        1 => key.clone().prop_map(Op::Spoil),
        1 => (key, 0..4_u8).prop_map(|(key, to)| Op::MoveOwner(key, to)),
        1 => (0..3_u8, any::<bool>()).prop_map(|(n, active)| Op::Project(n, active)),
        1 => (0..2_u8, any::<bool>()).prop_map(|(n, active)| Op::Organization(n, active)),
        1 => (0..4_u8, any::<bool>()).prop_map(|(n, active)| Op::Person(n, active)),
        1 => (0..4_u8, any::<bool>()).prop_map(|(n, active)| Op::Service(n, active)),
        2 => (0..12_u8).prop_map(Op::Rule),
        1 => (0..12_u8).prop_map(Op::RemoveRule),
        1 => Just(Op::Novelty),
        1 => Just(Op::Trim),
        1 => Just(Op::Restore),
    ]
}

/// What of a record the store decides.
type Seen = (KeyState, Standing, String, Standing, Standing, String);

fn seen(record: &KeyRecord) -> Seen {
    (
        record.state,
        record.owner.standing,
        record.owner.subject.clone(),
        record.project.standing,
        record.project.organization_standing,
        serde_json::to_string(&record.limits.models).unwrap(),
    )
}

/// What the store says about a presented secret.
fn expected(data: &Data, key: u8, secret: u32) -> Lookup<Seen> {
    let Some(row) = data.keys.get(&key) else { return Lookup::Absent };
    let previous = row.previous.is_some_and(|(before, until)| before == secret && NOW.as_millis() < until);
    if row.secret != secret && !previous {
        return Lookup::Absent;
    }
    if row.models.as_deref() == Some("[]") {
        return Lookup::Unavailable;
    }
    let state = match row.state {
        "live" => KeyState::Live,
        "disabled" => KeyState::Disabled,
        _ => KeyState::Revoked,
    };
    let standing = |map: &std::collections::BTreeMap<u8, bool>, at: u8| {
        if *map.get(&at).unwrap_or(&true) { Standing::Active } else { Standing::Suspended }
    };
    let number = |id: &str| id[4..].parse::<u8>().unwrap();
    let (owner, project) = (number(&row.owner), number(&row.project));
    let owners = if owner.is_multiple_of(2) { &data.people } else { &data.services };
    Lookup::Found((
        state,
        standing(owners, owner),
        row.owner.clone(),
        standing(&data.projects, project),
        standing(&data.organizations, project % 2),
        row.models.clone().unwrap_or_else(|| "\"all\"".into()),
    ))
}

fn expected_controls(data: &Data, names: TokenNames<'_>) -> TokenControls {
    let limit = |kind: &str, value: &str| {
        let rules = data.rules.values().filter(|rule| rule.kind == kind && rule.expires_at.is_none());
        let rules = rules.filter(|rule| kind == "issued_before" || rule.value == value);
        rules.filter_map(|rule| rule.issued_before).max()
    };
    let suspended = names.subject.strip_prefix("per_").and_then(|n| n.parse::<u8>().ok());
    TokenControls {
        token: limit("jti", names.token_id.unwrap()).is_some(),
        session: limit("sid", names.session_id.unwrap()).is_some(),
        subject_issued_before: limit("subject", names.subject),
        issuer_issued_before: limit("issued_before", ""),
        suspended: suspended.is_some_and(|n| data.people.get(&n) == Some(&false)),
    }
}

/// Watches for a key that was seen revoked and is seen otherwise later.
async fn nothing_rises_again(view: ApiKeysView) {
    let mut revoked = BTreeSet::new();
    loop {
        for key in 0..KEYS {
            for secret in 0..4 {
                if let Lookup::Found(record) = view.look(key_id(key), digest(key, secret), NOW).key {
                    match record.state {
                        KeyState::Revoked => drop(revoked.insert(key)),
                        state => assert!(!revoked.contains(&key), "{key} was revoked, and is {state:?}"),
                    }
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

async fn behaves(script: Vec<Vec<Op>>, page: i64) {
    let view = restless(page);
    let source = Arc::new(Fake::new(script));
    let follower = view.clone().follow(Arc::clone(&source), Arc::new(Still), Arc::new(Jitter::new(1)));
    let follower = tokio::spawn(follower);
    let watcher = tokio::spawn(nothing_rises_again(view.clone()));
    while !source.is_done() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    catches_up(&view).await;
    assert!(!watcher.is_finished(), "{:?}", watcher.await);
    watcher.abort();
    follower.abort();
    let data = source.data.lock().unwrap();
    for key in 0..KEYS {
        for secret in 0..6 {
            let found = view.look(key_id(key), digest(key, secret), NOW).key.map(|record| seen(&record));
            assert_eq!(found, expected(&data, key, secret), "key {key}, secret {secret}");
        }
    }
    for value in 0..4 {
        let (value, person) = (format!("v{value}"), format!("per_{value}"));
        for subject in [&value, &person] {
            let names =
                TokenNames { issuer: "one", subject, token_id: Some(&value), session_id: Some(&value) };
            assert_eq!(view.controls(names, NOW), expected_controls(&data, names), "{names:?}");
        }
    }
    assert_eq!(view.status(NOW).filled.unwrap().keys, data.keys.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn in_the_end_the_view_says_what_the_store_says(
        script in proptest::collection::vec(proptest::collection::vec(op(), 0..6), 0..40),
        page in 1_i64..900,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(behaves(script, page));
    }
}

/// The shortest story of a fill that loses a race: the page was read, then the key was revoked, then the page arrived.
#[tokio::test(flavor = "current_thread")]
async fn a_page_read_before_a_revoke_does_not_have_the_last_word() {
    let create = (0..KEYS).map(Op::Create).collect();
    let revoke = (0..KEYS).map(|key| Op::SetState(key, "revoked")).collect();
    // Position (before, after), then the page of keys (before, after).
    behaves(vec![create, vec![], vec![], revoke], 100).await;
}

#[tokio::test(flavor = "current_thread")]
async fn an_outage_leaves_what_is_known_and_then_nothing_but_unavailable() {
    let source = Arc::new(Fake::new(vec![vec![Op::Create(1)]]));
    let view = view(100);
    let follower =
        tokio::spawn(view.clone().follow(Arc::clone(&source), Arc::new(Still), Arc::new(Jitter::new(1))));
    catches_up(&view).await;
    *source.away.lock().unwrap() = true;
    for _ in 0..1000 {
        if view.status(NOW).error.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let at = |secs: i64| {
        view.look(key_id(1), digest(1, 0), Timestamp::from_millis(NOW.as_millis() + secs * 1000)).key
    };
    assert!(matches!(at(86_400), Lookup::Found(_)), "bounded staleness");
    assert_eq!(at(86_401), Lookup::Unavailable, "an outage is never absence");
    let status = view.status(NOW);
    assert!(status.error.is_some() && !status.filled.unwrap().too_old);
    *source.away.lock().unwrap() = false;
    source.write(&Op::SetState(1, "revoked"));
    catches_up(&view).await;
    assert!(matches!(at(0), Lookup::Found(record) if record.state == KeyState::Revoked));
    assert_eq!(view.status(NOW).error, None);
    follower.abort();
}
