//! The bus cut, messages lost, Postgres restarted, a replica killed: what was revoked is refused within the bound, and what
//! lives goes on.

use std::time::{Duration, Instant};

use tollgate_core::apikey::NewKey;

use super::{HARD_BOUND, Replicas, now};
use crate::harness::client;
use crate::harness::grpc::Checker;

/// Ends every listening connection.
const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR \
     (query = 'SELECT 1' AND pid <> pg_backend_pid() AND application_name = 'tollgate' AND state = 'idle')";

async fn component(port: u16, name: &str) -> (u16, String, String) {
    let answer = client::http().get(format!("http://127.0.0.1:{port}/health/ready")).send().await.unwrap();
    let status = answer.status().as_u16();
    let report: serde_json::Value = answer.json().await.unwrap();
    let component =
        report["components"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap().clone();
    let text = |field: &str| component[field].as_str().unwrap().to_owned();
    (status, text("state"), text("detail"))
}

/// Waits until readiness says that keys are no longer followed; the process stays ready for tokens.
async fn becomes_degraded(port: u16) {
    let begun = Instant::now();
    loop {
        let (status, state, detail) = component(port, "keys").await;
        if (status, state.as_str()) == (200, "degraded") {
            return;
        }
        assert!(begun.elapsed() < 2 * HARD_BOUND, "{status} {state}: {detail}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_notifications_the_poll_holds_the_bound() {
    let Some(rig) = Replicas::start(3).await else { return };
    let mut slowest = Duration::ZERO;
    for round in 0..6 {
        let made = rig.make().await;
        rig.all_permit(&made.text).await;
        if round % 2 == 0 {
            rig.query(CUT);
            rig.revoke(&made.key).await;
        } else {
            // The connection stands, and this message never comes.
            let id = made.key.id.as_str();
            rig.write_silently(
                &format!("UPDATE api_keys SET state = 'revoked' WHERE id = '{id}'"),
                "key",
                id,
            );
        }
        slowest = slowest.max(rig.all_deny(&made.text, "key_unknown").await);
    }
    assert!(slowest < HARD_BOUND, "{slowest:?}");
    // The listeners come back by themselves.
    let begun = Instant::now();
    for replica in &rig.replicas {
        while !component(replica.ports.metrics, "keys").await.2.contains("listened for") {
            assert!(begun.elapsed() < HARD_BOUND, "{:?}", component(replica.ports.metrics, "keys").await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_never_a_bad_key() {
    let Some(mut rig) = Replicas::start(2).await else { return };
    let (live, ended) = (rig.make().await, rig.make().await);
    rig.revoke(&ended.key).await;
    rig.all_permit(&live.text).await;
    rig.all_deny(&ended.text, "key_unknown").await;
    rig.postgres.stop();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let fill = |buffer: &mut [u8]| {
        buffer.fill(7);
        Ok::<(), std::convert::Infallible>(())
    };
    let old = NewKey::make(now().plus_secs(-3600), fill).unwrap().reveal();
    let fresh = NewKey::make(now(), fill).unwrap().reveal();
    for (replica, checker) in rig.replicas.iter().zip(&rig.checkers) {
        assert!(checker.bearer(&live.text).await.permitted(), "what is known goes on");
        assert_eq!(checker.bearer(&ended.text).await.denial().as_deref(), Some("key_unknown"));
        assert_eq!(checker.bearer(&old).await.denial().as_deref(), Some("key_unknown"));
        let undecided = checker.bearer(&fresh).await;
        assert_eq!(undecided.status, 503, "nobody can say whether this key was just made: {undecided:?}");
        becomes_degraded(replica.ports.metrics).await;
    }
    rig.postgres.resume();
    let last = {
        // The first writes may meet connections that died with the server.
        let begun = Instant::now();
        while rig.store.health().await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        rig.revoke(&live.key).await;
        rig.all_deny(&live.text, "key_unknown").await
    };
    assert!(last < HARD_BOUND, "{last:?}");
    rig.all_deny(&fresh, "key_unknown").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_killed_comes_back_knowing_what_was_revoked() {
    let Some(mut rig) = Replicas::start(2).await else { return };
    let (live, ended) = (rig.make().await, rig.make().await);
    rig.all_permit(&ended.text).await;
    rig.replicas[1].kill();
    rig.revoke(&ended.key).await;
    rig.replicas[1].restart().await;
    rig.checkers[1] = Checker::connect(rig.replicas[1].ports.grpc).await;
    // The very first check, not one after some time.
    assert_eq!(rig.checkers[1].bearer(&ended.text).await.denial().as_deref(), Some("key_unknown"));
    assert!(rig.checkers[1].bearer(&live.text).await.permitted());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_at_the_start_tokens_go_on_and_keys_wait() {
    let Some(mut rig) = Replicas::start(1).await else { return };
    let made = rig.make().await;
    let token = rig.signing.sign_claims(&crate::stand::claims(&rig.issuer));
    rig.postgres.stop();
    rig.replicas[0].restart().await;
    rig.checkers[0] = Checker::connect(rig.replicas[0].ports.grpc).await;
    let checker = &rig.checkers[0];
    assert_eq!(checker.bearer(&made.text).await.status, 503);
    assert!(checker.bearer(&token).await.permitted());
    becomes_degraded(rig.replicas[0].ports.metrics).await;
    rig.postgres.resume();
    let begun = Instant::now();
    while !checker.bearer(&made.text).await.permitted() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", checker.bearer(&made.text).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
