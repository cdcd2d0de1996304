//! Networks that swallow, cut and crumble. A store answers in bounded time, and no connection that was hurt is used again.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tollgate::store::{Change, Store, StoreError, StoreOptions};

use super::{RECOVERY, Rig, at, has, options, put, recovers};
use crate::harness::proxy::Weather;

/// To get a connection, for the statement, and some room for a busy machine.
const BOUND: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_network_costs_a_bounded_wait_and_heals() {
    let Some(rig) = Rig::start().await else { return };
    let all = |from: usize| join_all((from..from + 8).map(|number| put(&rig.store, number)));
    for done in all(0).await {
        done.unwrap();
    }
    // One unit of work is in the middle when everything falls silent.
    let mut tx = rig.store.begin().await.unwrap();
    tx.change(Change::Key("half".into()));
    let before = rig.store.view_position().await.unwrap();
    rig.proxy.weather(Weather::Silent);
    let begun = Instant::now();
    let (lost, kept) = tokio::join!(tx.commit(at(1)), all(100));
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    for done in kept {
        assert!(matches!(done, Err(StoreError::Unavailable(_))), "{done:?}");
    }
    assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
    // Whoever comes later does not wait behind those who were given up.
    let begun = Instant::now();
    assert!(matches!(has(&rig.store, 1).await, Err(StoreError::Unavailable(_))), "silence is never absence");
    assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());

    rig.proxy.weather(Weather::Fair);
    let took = recovers(&rig.store).await;
    assert!(took < RECOVERY, "{took:?}");
    for (number, done) in all(200).await.into_iter().enumerate() {
        done.unwrap();
        assert!(has(&rig.store, 200 + number).await.unwrap());
    }
    // What was given up without an answer was done whole or not at all.
    let after = rig.store.view_position().await.unwrap();
    assert!(after.seq == before.seq || after.seq == before.seq + 1, "{before:?} {after:?}");
    assert_eq!(rig.store.changes_since(before.seq, 10).await.unwrap().len() as i64, after.seq - before.seq);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_died_unused_are_noticed_before_they_are_used() {
    let Some(rig) = Rig::start().await else { return };
    // Four new connections at once take their time on a busy machine.
    let connect_timeout = Duration::from_secs(10);
    let store =
        Store::open(&StoreOptions { connect_timeout, ..options(rig.postgres.url_by(rig.proxy.port())) });
    let store = store.unwrap();
    recovers(&store).await;
    for round in 0..10 {
        for done in join_all((0..4).map(|number| put(&store, round * 10 + number))).await {
            done.unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        rig.proxy.cut();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_anywhere_or_crumble_poison_nothing() {
    let Some(rig) = Rig::start().await else { return };
    let (mut done, mut lost) = (Vec::new(), 0);
    let mut number = 0;
    for weather in (0..24).map(|n| Weather::CutAfter(n * 61)).chain([Weather::Crumbling]) {
        rig.proxy.weather(weather);
        for _ in 0..4 {
            number += 1;
            match put(&rig.store, number).await {
                Ok(()) => done.push(number),
                Err(StoreError::Unavailable(_)) => lost += 1,
                Err(other) => panic!("{weather:?}: {other:?}"),
            }
            match has(&rig.store, number).await {
                Ok(there) => assert!(there || done.last() != Some(&number), "{weather:?}: {number} is lost"),
                Err(StoreError::Unavailable(_)) => {}
                Err(other) => panic!("{weather:?}: {other:?}"),
            }
        }
        if weather == Weather::Crumbling {
            assert!(done.ends_with(&[number]), "one byte at a time is slow and nothing else");
        }
    }
    assert!(lost > 20 && done.len() > 20, "{lost} lost, {} done", done.len());
    rig.proxy.weather(Weather::Fair);
    let took = recovers(&rig.store).await;
    assert!(took < RECOVERY, "{took:?}");
    for number in done {
        assert!(has(&rig.store, number).await.unwrap(), "{number} was answered and is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listening_connection_that_dies_without_a_sign_is_noticed() {
    let Some(rig) = Rig::start().await else { return };
    let mut listener = rig.store.listen().await.unwrap().unwrap();
    let mut tx = rig.store.begin().await.unwrap();
    tx.change(Change::Key("told".into()));
    tx.commit(at(1)).await.unwrap();
    let patience = Duration::from_secs(2);
    assert!(listener.hear(patience).await.unwrap(), "it is told of changes");
    assert!(
        !listener.hear(Duration::from_millis(200)).await.unwrap(),
        "a quiet connection shows that it lives"
    );
    rig.proxy.weather(Weather::Silent);
    let begun = Instant::now();
    let heard = listener.hear(patience).await;
    assert!(matches!(heard, Err(StoreError::Unavailable(_))), "{heard:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
