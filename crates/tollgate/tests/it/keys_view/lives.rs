//! The lives of keys as every replica sees them: fresh, rotated, disabled, narrowed, suspended from above; and what is noted
//! of their use.

use std::time::Duration;

use tollgate::entropy::{Entropy as _, SystemEntropy};
use tollgate::store::StoreError;
use tollgate::store::api_keys::KeyOwner;
use tollgate_core::apikey::NewKey;
use tollgate_core::key_life::Overlap;

use super::{Replicas, alice, now};
use crate::harness::tollgate::run;

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_key_works_on_every_replica_at_once() {
    let Some(rig) = Replicas::start(3).await else { return };
    for _ in 0..100 {
        let made = rig.make().await;
        for checker in &rig.checkers {
            let outcome = checker.bearer(&made.text).await;
            assert!(outcome.permitted(), "{outcome:?}");
        }
    }
    // Tried before it is made: what was said then does not stand in its way.
    let early = NewKey::make(now(), |buffer| SystemEntropy.fill(buffer)).unwrap();
    rig.all_deny(&early.reveal(), "key_unknown").await;
    let made = rig.make().await;
    let (id, digest) = (early.id(), early.digest().to_hex());
    rig.write(
        &format!(
            "INSERT INTO api_keys SELECT '{}', project_id, person_id, service_account_id, name, '{digest}', NULL, NULL, \
             NULL, state, expires_at, models, routes, addresses, tags, metadata, created_by, 1, 0, 0, NULL, NULL, NULL, \
             NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM api_keys WHERE id = '{}'",
            id.as_str(),
            made.key.id.as_str()
        ),
        "key",
        id.as_str(),
    );
    for checker in &rig.checkers {
        assert!(checker.bearer(&early.reveal()).await.permitted());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_overlaps_for_as_long_as_it_says() {
    let Some(rig) = Replicas::start(2).await else { return };
    let made = rig.make().await;
    let next = NewKey::rotate(made.key.id, |buffer| SystemEntropy.fill(buffer)).unwrap();
    rig.all_permit(&made.text).await;
    let mut tx = rig.store.begin().await.unwrap();
    let path = (made.key.project_id.as_str(), made.key.id.as_str());
    let rotation = (next.digest(), Overlap::parse("15m").unwrap());
    tx.rotate_key(&alice(), (path, None), rotation, || Ok::<_, StoreError>(alice())).await.unwrap();
    tx.commit(now()).await.unwrap();
    // As if it had been asked for minutes ago.
    let until = now().plus_secs(2);
    let sooner =
        format!("UPDATE api_keys SET previous_until = {} WHERE id = '{}'", until.as_millis(), path.1);
    rig.write(&sooner, "key", path.1);
    rig.all_permit(&next.reveal()).await;
    for checker in &rig.checkers {
        assert!(checker.bearer(&made.text).await.permitted() || now() >= until);
    }
    let left = u64::try_from(until.millis_since(now())).unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(left + 20)).await;
    for checker in &rig.checkers {
        assert_eq!(checker.bearer(&made.text).await.denial().as_deref(), Some("key_unknown"));
        assert!(checker.bearer(&next.reveal()).await.permitted());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn suspension_above_acts_on_every_key_below() {
    let Some(rig) = Replicas::start(2).await else { return };
    let person = rig.make().await;
    let service =
        rig.make_for(KeyOwner::ServiceAccount("sva_1".into()), "prj_00000000000000000000000001").await;
    let elsewhere = rig.make_for(KeyOwner::Person("per_1".into()), "prj_00000000000000000000000002").await;
    let all = [&person, &service, &elsewhere];
    // What is suspended, the code, and whom it hits.
    let table = [
        ("organizations", "organization", "org_1", "project_suspended", [true, true, true]),
        ("projects", "project", "prj_00000000000000000000000001", "project_suspended", [true, true, false]),
        ("people", "person", "per_1", "caller_suspended", [true, false, true]),
        ("service_accounts", "service_account", "sva_1", "caller_suspended", [false, true, false]),
    ];
    for made in all {
        rig.all_permit(&made.text).await;
    }
    for (table, kind, id, code, hit) in table {
        rig.write(&format!("UPDATE {table} SET state = 'suspended' WHERE id = '{id}'"), kind, id);
        for (made, hit) in all.iter().zip(hit) {
            if hit {
                rig.all_deny(&made.text, code).await;
            }
        }
        for (made, hit) in all.iter().zip(hit) {
            for checker in &rig.checkers {
                assert_eq!(
                    checker.bearer(&made.text).await.permitted(),
                    !hit,
                    "{id} {}",
                    made.key.project_id
                );
            }
        }
        rig.write(&format!("UPDATE {table} SET state = 'active' WHERE id = '{id}'"), kind, id);
        for made in all {
            rig.all_permit(&made.text).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_narrowed_disabled_and_enabled_everywhere() {
    let Some(rig) = Replicas::start(2).await else { return };
    let made = rig.make().await;
    let id = made.key.id.as_str();
    let set =
        |columns: &str| rig.write(&format!("UPDATE api_keys SET {columns} WHERE id = '{id}'"), "key", id);
    rig.all_permit(&made.text).await;
    set("state = 'disabled'");
    rig.all_deny(&made.text, "key_unknown").await;
    set("state = 'live', routes = '[\"admin\"]'");
    rig.all_deny(&made.text, "not_allowed").await;
    set("routes = '\"all\"', addresses = '[\"203.0.113.0/24\"]'");
    rig.all_deny(&made.text, "address_not_allowed").await;
    set("addresses = '\"any\"', expires_at = 1000");
    rig.all_deny(&made.text, "key_unknown").await;
    // What cannot be read is not obeyed, and not taken for freedom either.
    set("expires_at = NULL, routes = '[]'");
    rig.all_deny(&made.text, "unavailable").await;
    set("routes = '\"all\"'");
    rig.all_permit(&made.text).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn last_uses_are_written_at_the_latest_when_the_process_ends() {
    let Some(mut rig) = Replicas::start(1).await else { return };
    let made = rig.make().await;
    let headers =
        [("authorization", format!("Bearer {}", made.text)), ("user-agent", "OpenAI/Python 3.1".into())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let before = now();
    for _ in 0..50 {
        assert!(rig.checkers[0].check("GET", "ai.test", "/v1/models", &headers).await.permitted());
    }
    assert!(rig.replicas[0].terminate().await.success());
    let id = made.key.id.as_str();
    let row = format!("SELECT last_used_at, last_used_agent, version FROM api_keys WHERE id = '{id}'");
    let row = rig.query(&row);
    let [at, agent, version] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
    assert!(at.parse::<i64>().unwrap() >= before.as_millis(), "{row}");
    assert_eq!((agent, version), ("OpenAI/Python 3.1", "1"), "a use is no edit");
    assert!(!rig.replicas[0].log().contains(&made.text), "a key in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_explains_a_key_from_the_same_database() {
    let Some(rig) = Replicas::start(1).await else { return };
    let made = rig.make().await;
    let config = rig.replicas[0].dir().join("tollgate.yaml");
    let request = rig.replicas[0].dir().join("request.txt");
    let text = format!("GET /v1/models HTTP/1.1\r\nhost: ai.test\r\nx-api-key: {}\r\n\r\n", made.text);
    std::fs::write(&request, text).unwrap();
    let explain = || {
        let [config, request] = [&config, &request].map(|path| path.to_str().unwrap());
        let out = run(&["check", "--config", config, "--request", request]);
        (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let (code, text) = explain();
    assert!(code == Some(0) && text.contains("PERMIT 200") && text.contains("the secret is right"), "{text}");
    rig.revoke(&made.key).await;
    let (code, text) = explain();
    assert!(
        code == Some(1) && text.contains("key_revoked") && text.contains("the key was revoked"),
        "{text}"
    );
    assert!(!text.contains(&made.text));
}
