//! A primary that dies, a standby that takes its place, and the old one that comes back: with real replication.

use std::time::{Duration, Instant};

use tollgate::store::{Store, StoreError};

use super::{RECOVERY, Rig, has, options, put, recovers};

#[tokio::test(flavor = "multi_thread")]
async fn two_failovers_in_a_row_are_followed_without_a_restart() {
    let Some(mut rig) = Rig::start().await else { return };
    let mut second = rig.postgres.standby(Duration::ZERO);
    put(&rig.store, 1).await.unwrap();
    let replicated = |server: &crate::harness::postgres::Postgres, number: usize| {
        let asked = format!("SELECT count(*) FROM key_sets WHERE location = '{number}'");
        let begun = Instant::now();
        while server.query(&asked).as_deref() != Some("1") {
            assert!(begun.elapsed() < Duration::from_secs(20), "the standby does not follow");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    replicated(&second, 1);

    // The primary dies; its name leads to the standby from now on.
    rig.postgres.stop();
    assert!(matches!(put(&rig.store, 2).await, Err(StoreError::Unavailable(_))));
    rig.proxy.lead_to(second.port());
    second.promote();
    let took = recovers(&rig.store).await;
    assert!(took < RECOVERY, "{took:?}");
    put(&rig.store, 3).await.unwrap();
    assert!(has(&rig.store, 1).await.unwrap());

    // The old primary comes back as a standby, and is promoted again while every connection leads to the other one.
    rig.postgres.follow(&second);
    replicated(&rig.postgres, 3);
    rig.proxy.lead_to(rig.postgres.port());
    second.stop();
    rig.postgres.promote();
    let took = recovers(&rig.store).await;
    assert!(took < RECOVERY, "{took:?}");
    assert!(has(&rig.store, 1).await.unwrap() && has(&rig.store, 3).await.unwrap());
    put(&rig.store, 4).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_lead_to_a_server_which_was_demoted_are_let_go() {
    let Some(rig) = Rig::start().await else { return };
    for number in 0..4 {
        put(&rig.store, number).await.unwrap();
    }
    let standby = rig.postgres.standby(Duration::ZERO);
    // The name leads to the wrong server for a while, as it does in the middle of a failover.
    rig.proxy.lead_to(standby.port());
    rig.proxy.cut();
    for attempt in 0..3 {
        let error = has(&rig.store, 1).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "attempt {attempt}: {error:?}");
        assert!(error.to_string().contains("standby"), "it says what is wrong: {error}");
        assert!(rig.store.view_position().await.is_err(), "the views do not follow a server that lags");
    }
    rig.proxy.lead_to(rig.postgres.port());
    let took = recovers(&rig.store).await;
    assert!(took < RECOVERY, "{took:?}");

    // A store that begins there says so at once.
    let begun = Instant::now();
    let error = Store::open(&options(standby.url())).unwrap().health().await.unwrap_err();
    assert!(error.to_string().contains("must lead to the primary"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
