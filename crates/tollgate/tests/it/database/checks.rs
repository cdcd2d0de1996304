//! What checks notice of all this: nothing, but for keys that nobody here can know yet.

use std::time::{Duration, Instant};

use serde_json::json;
use tollgate::entropy::{Entropy as _, SystemEntropy};
use tollgate::store::{Author, Origin, Store};
use tollgate_core::apikey::NewKey;
use tollgate_core::tenancy::ProjectRole;

use super::{RECOVERY, options};
use crate::harness::client;
use crate::harness::grpc::Checker;
use crate::harness::postgres::Postgres;
use crate::harness::proxy::{Proxy, Weather};
use crate::keys_view::{Replicas, now};
use crate::stand;

/// One replica behind a network, which answers checks within its usual deadline.
async fn rig(pool_size: u32) -> Option<(Replicas, Proxy)> {
    let postgres = Postgres::anywhere()?;
    let proxy = Proxy::to(postgres.port()).await;
    let url = postgres.url_by(proxy.port());
    let database = json!({"url": url, "pool_size": pool_size, "connect_timeout_ms": 1000});
    let more = json!({"checks": {"deadline_ms": 100}, "database": database});
    Some((Replicas::on(postgres, &url, 1, &more).await, proxy))
}

/// A key that may have been made a moment ago, for all that anybody here knows.
fn stranger() -> String {
    NewKey::make(now(), |buffer| SystemEntropy.fill(buffer)).unwrap().reveal()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_or_silent_database_costs_a_known_key_nothing_and_a_new_one_the_deadline() {
    let Some((rig, proxy)) = rig(4).await else { return };
    let made = rig.make().await;
    rig.all_permit(&made.text).await;
    let checker = &rig.checkers[0];
    for weather in [Weather::Slow(Duration::from_secs(5)), Weather::Silent] {
        proxy.weather(weather);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (mut known, mut new) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let begun = Instant::now();
            assert!(checker.bearer(&made.text).await.permitted(), "{weather:?}");
            known.push(begun.elapsed());
            let begun = Instant::now();
            let undecided = checker.bearer(&stranger()).await;
            assert_eq!(undecided.status, 503, "{weather:?}: {undecided:?}");
            new.push(begun.elapsed());
        }
        known.sort_unstable();
        new.sort_unstable();
        #[expect(clippy::print_stderr, reason = "the measurement is part of the test's answer")]
        {
            eprintln!(
                "{weather:?}: known p50 {:?} max {:?}; new p50 {:?} max {:?}",
                known[20], known[39], new[20], new[39]
            );
        }
        // Half of them, so that a machine that is busy with something else does not speak for the database.
        assert!(known[20] < Duration::from_millis(50), "{weather:?}: {known:?}");
        assert!(new[20] < Duration::from_millis(150), "{weather:?}: {new:?}");
        assert!(new[39] < Duration::from_secs(1), "{weather:?}: {new:?}");
        proxy.weather(Weather::Fair);
        proxy.cut();
        let begun = Instant::now();
        while checker.bearer(&stranger()).await.denial().as_deref() != Some("key_unknown") {
            assert!(begun.elapsed() < RECOVERY, "{weather:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_at_the_api_keeps_no_revoked_key_alive_and_no_new_one_away() {
    let Some((rig, _proxy)) = rig(2).await else { return };
    let made = rig.make().await;
    rig.all_permit(&made.text).await;
    // Everybody wants to write to one project, which somebody else holds: all connections for people wait.
    let mut claims = stand::claims(&rig.issuer);
    claims["sub"] = json!("crowd");
    let token = rig.signing.sign_claims(&claims);
    let http = client::http();
    let keys = format!("http://127.0.0.1:{}/api/v1/api-keys", rig.replicas[0].ports.http);
    let create = || http.post(&keys).bearer_auth(&token).json(&json!({"metadata": {}}));
    assert_eq!(create().send().await.unwrap().status(), 201);
    let project = "SELECT m.project_id FROM project_members m JOIN people p ON p.id = m.person_id WHERE p.subject = 'crowd'";
    let project = rig.postgres.query(project).unwrap();
    let other = Store::open(&options(rig.postgres.url())).unwrap();
    let mut holder = other.begin().await.unwrap();
    let operator = Author::operator("root", Origin::here(now()));
    holder.hold_project(&operator, &project, ProjectRole::Owner).await.unwrap();
    let crowd: Vec<_> = (0..12).map(|_| tokio::spawn(create().send())).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tollgate' AND wait_event_type = 'Lock'";
    assert_eq!(
        rig.postgres.query(waiting).as_deref(),
        Some("2"),
        "the crowd has all connections there are for it"
    );
    for _ in 0..3 {
        let fresh = rig.make().await;
        let begun = Instant::now();
        while !rig.checkers[0].bearer(&fresh.text).await.permitted() {
            assert!(begun.elapsed() < Duration::from_secs(1), "a new key is kept away");
        }
        rig.revoke(&fresh.key).await;
        let took = rig.all_deny(&fresh.text, "key_unknown").await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    holder.commit(now()).await.unwrap();
    for one in crowd {
        let status = one.await.unwrap().unwrap().status();
        assert!(status == 201 || status == 503, "{status}");
    }
    assert_eq!(create().send().await.unwrap().status(), 201);
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_says_nothing_at_the_start_is_waited_for() {
    let Some(postgres) = Postgres::anywhere() else { return };
    let proxy = Proxy::to(postgres.port()).await;
    let url = postgres.url_by(proxy.port());
    let (mut rig, proxy) =
        (Replicas::on(postgres, &url, 1, &json!({"checks": {"deadline_ms": 5000}})).await, proxy);
    let made = rig.make().await;
    let token = rig.signing.sign_claims(&stand::claims(&rig.issuer));
    rig.replicas[0].kill();
    proxy.weather(Weather::Silent);
    // Ready for tokens once the keys could not be read.
    rig.replicas[0].restart().await;
    let checker = Checker::connect(rig.replicas[0].ports.grpc).await;
    assert!(checker.bearer(&token).await.permitted());
    assert_eq!(checker.bearer(&made.text).await.status, 503);
    proxy.weather(Weather::Fair);
    let begun = Instant::now();
    while !checker.bearer(&made.text).await.permitted() {
        assert!(begun.elapsed() < RECOVERY, "{}", rig.replicas[0].log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_lags_never_brings_a_revoked_key_back() {
    let Some((rig, proxy)) = rig(4).await else { return };
    let (ended, live) = (rig.make().await, rig.make().await);
    rig.all_permit(&ended.text).await;
    rig.all_permit(&live.text).await;
    let standby = rig.postgres.standby(Duration::from_secs(30));
    rig.revoke(&ended.key).await;
    rig.all_deny(&ended.text, "key_unknown").await;
    let state = format!("SELECT state FROM api_keys WHERE id = '{}'", ended.key.id.as_str());
    assert_eq!(standby.query(&state).as_deref(), Some("live"), "half a minute behind");
    // The database's name leads to it, in the middle of a failover that goes wrong.
    proxy.lead_to(standby.port());
    proxy.cut();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        assert_eq!(
            rig.checkers[0].bearer(&ended.text).await.denial().as_deref(),
            Some("key_unknown"),
            "it came back"
        );
        assert!(rig.checkers[0].bearer(&live.text).await.permitted(), "what is known goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rig.revoke(&live.key).await;
    proxy.lead_to(rig.postgres.port());
    let took = rig.all_deny(&live.text, "key_unknown").await;
    assert!(took < RECOVERY, "{took:?}");
    assert_eq!(rig.checkers[0].bearer(&ended.text).await.denial().as_deref(), Some("key_unknown"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_right_after_a_failover_is_obeyed() {
    let Some((mut rig, proxy)) = rig(4).await else { return };
    let made = rig.make().await;
    rig.all_permit(&made.text).await;
    let standby = rig.postgres.standby(Duration::ZERO);
    let held = format!("SELECT count(*) FROM api_keys WHERE id = '{}'", made.key.id.as_str());
    let begun = Instant::now();
    while standby.query(&held).as_deref() != Some("1") {
        assert!(begun.elapsed() < Duration::from_secs(20), "the standby does not follow");
    }
    rig.postgres.stop();
    assert!(rig.checkers[0].bearer(&made.text).await.permitted());
    proxy.lead_to(standby.port());
    standby.promote();
    // Somebody else revokes at the new primary.
    let store = Store::open(&options(standby.url())).unwrap();
    let mut tx = store.begin().await.unwrap();
    let operator = Author::operator("root", Origin::here(now()));
    let path = (made.key.project_id.as_str(), made.key.id.as_str());
    tx.revoke_key(&operator, (path, None)).await.unwrap();
    tx.commit(now()).await.unwrap();
    let took = rig.all_deny(&made.text, "key_unknown").await;
    assert!(took < RECOVERY, "{took:?}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_here_from_the_answer_on() {
    let Some(postgres) = Postgres::anywhere() else { return };
    let url = postgres.url();
    let rig = Replicas::on(postgres, &url, 1, &json!({"checks": {"deadline_ms": 100}})).await;
    let mut claims = stand::claims(&rig.issuer);
    claims["sub"] = json!("quick");
    let token = rig.signing.sign_claims(&claims);
    let keys = format!("http://127.0.0.1:{}/api/v1/api-keys", rig.replicas[0].ports.http);
    let http = client::http();
    for _ in 0..50 {
        let made: serde_json::Value = http
            .post(&keys)
            .bearer_auth(&token)
            .json(&json!({"metadata": {}}))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let outcome = rig.checkers[0].bearer(made["key"].as_str().unwrap()).await;
        assert!(outcome.permitted(), "{outcome:?}");
        let ended =
            http.delete(format!("{keys}/{}", made["id"].as_str().unwrap())).bearer_auth(&token).send().await;
        assert!(ended.unwrap().status().is_success());
        let outcome = rig.checkers[0].bearer(made["key"].as_str().unwrap()).await;
        assert_eq!(outcome.denial().as_deref(), Some("key_unknown"), "{outcome:?}");
    }
}
