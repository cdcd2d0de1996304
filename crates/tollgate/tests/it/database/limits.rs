//! Limits that somebody else sets on the database: they cost an attempt, and never more.

use std::time::{Duration, Instant};

use tollgate::store::{Change, Store, StoreError};

use super::{Rig, at, has, options, put};

#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_time_limits_pass_for_moments_of_absence() {
    let Some(rig) = Rig::start().await else { return };
    for setting in [
        "idle_in_transaction_session_timeout = '100ms'",
        "idle_session_timeout = '100ms'",
        // These two are our own to say.
        "statement_timeout = '1ms'",
        "lock_timeout = '1ms'",
    ] {
        rig.postgres.query(&format!("ALTER DATABASE tollgate SET {setting}")).unwrap();
    }
    let store = Store::open(&options(rig.postgres.url())).unwrap();
    store.health().await.unwrap();
    for round in 0..3 {
        put(&store, round).await.unwrap();
        // Idle for too long: the server ended the connection, and nobody is told.
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert!(has(&store, round).await.unwrap());

        let mut tx = store.begin().await.unwrap();
        tokio::time::sleep(Duration::from_millis(250)).await;
        tx.change(Change::Key("late".into()));
        let lost = tx.commit(at(1)).await.unwrap_err();
        assert!(matches!(lost, StoreError::Unavailable(_)), "{lost:?}");
        put(&store, round).await.unwrap();
    }
    assert_eq!(store.view_position().await.unwrap().seq, 0, "what was ended in the middle was not done");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_held_for_long_is_waited_for_and_then_given_up() {
    let Some(rig) = Rig::start().await else { return };
    let other = Store::open(&options(rig.postgres.url())).unwrap();
    let mut holds = other.begin().await.unwrap();
    holds.bump_epoch(at(7)).await.unwrap();
    let begun = Instant::now();
    let lost = rig.store.bump_epoch(at(8)).await.unwrap_err();
    assert!(matches!(lost, StoreError::Unavailable(_)), "{lost:?}");
    let waited = begun.elapsed();
    assert!(waited > Duration::from_millis(800) && waited < Duration::from_secs(4), "{waited:?}");
    drop(holds);
    // It is given up when its server hears of it.
    let begun = Instant::now();
    while let Err(error) = rig.store.bump_epoch(at(9)).await {
        assert!(begun.elapsed() < Duration::from_secs(5), "{error}");
    }
    assert_eq!(rig.store.view_position().await.unwrap().epoch, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_connections_are_waited_for_and_said() {
    let Some(mut rig) = Rig::start().await else { return };
    rig.postgres.restart_with(&["max_connections=6", "superuser_reserved_connections=3"]);
    // It may use the tables and make none, which is enough once they are there.
    let grant = "CREATE ROLE guest LOGIN PASSWORD 'guest'; GRANT ALL ON ALL TABLES IN SCHEMA public TO guest";
    rig.postgres.query(grant).unwrap();
    let url = rig.postgres.url().replace("tollgate:S3cret-pw", "guest:guest");
    let first = Store::open(&options(url.clone())).unwrap();
    first.health().await.unwrap();
    // Three for ordinary people: all of them are in use by the first.
    let held = [first.begin().await.unwrap(), first.begin().await.unwrap(), first.begin().await.unwrap()];
    let second = Store::open(&options(url)).unwrap();
    let begun = Instant::now();
    let error = second.health().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(error.to_string().contains("connection"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    drop(held);
    first.close().await;
    let begun = Instant::now();
    while let Err(error) = second.health().await {
        assert!(begun.elapsed() < Duration::from_secs(5), "{error}");
    }
}
