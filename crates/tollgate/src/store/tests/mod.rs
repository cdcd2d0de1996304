//! One suite on both engines: what holds on SQLite holds on a real Postgres.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests; the test command names programs in the environment"
)]

mod api_keys;
mod audit_log;
mod changes;
mod consent;
mod directory;
mod files;
mod guests;
mod members;
mod migrations;
mod people;
pub(crate) mod rig;
mod sessions;
mod tenancy;

use self::rig::{Postgres, at, becomes_ready, hasty, lite, options};
use super::*;

const PLACE: (&str, &str) = ("keycloak", "https://issuer.test/certs");

/// The suite.
async fn behaves(url: String) {
    let store = Store::open(&options(url.clone())).unwrap();
    becomes_ready(&store).await;
    assert_eq!(store.find_key_set(PLACE).await.unwrap(), None, "absent is not an error");
    store.put_key_set(PLACE, "{\"keys\":[1]}", at(1000)).await.unwrap();
    store.put_key_set(PLACE, "{\"keys\":[2]}", at(3000)).await.unwrap();
    store.put_key_set(PLACE, "{\"keys\":[3]}", at(2000)).await.unwrap();
    store.put_key_set((PLACE.0, "https://elsewhere.test"), "other", at(1)).await.unwrap();
    let kept = store.find_key_set(PLACE).await.unwrap().unwrap();
    assert_eq!(
        (kept.document.as_str(), kept.fetched_at),
        ("{\"keys\":[2]}", at(3000)),
        "the newest fetch wins"
    );
    assert!(matches!(store.put_key_set(PLACE, "a\0b", at(9)).await, Err(StoreError::Inconsistent { .. })));
    for statement in STATEMENTS.iter().copied().flatten() {
        store.db.prepare(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    // Replicas start together, and each finds the schema as it should be.
    let others: Vec<_> = (0..3).map(|_| Store::open(&options(url.clone())).unwrap()).collect();
    for other in &others {
        becomes_ready(other).await;
        assert!(other.find_key_set(PLACE).await.unwrap().is_some());
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_behaves() {
    let dir = tempfile::tempdir().unwrap();
    behaves(lite(dir.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_behaves() {
    let Some(postgres) = Postgres::start() else { return };
    behaves(postgres.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_unavailable_and_comes_back() {
    let Some(mut postgres) = Postgres::start() else { return };
    postgres.stop();
    let store = Store::open(&hasty(postgres.url())).unwrap();
    let away = store.find_key_set(PLACE).await.unwrap_err();
    assert!(matches!(away, StoreError::Unavailable(_)), "{away:?}");
    assert!(!format!("{away} {away:?}").contains("S3cret"), "{away:?}");
    postgres.resume();
    becomes_ready(&store).await;
    store.put_key_set(PLACE, "{}", at(1)).await.unwrap();
    postgres.stop();
    assert!(
        matches!(store.find_key_set(PLACE).await, Err(StoreError::Unavailable(_))),
        "away is never absent"
    );
    postgres.resume();
    becomes_ready(&store).await;
    assert!(store.find_key_set(PLACE).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_an_error_and_never_absent() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tollgate.db"), vec![0x5a; 8192]).unwrap();
    let store = Store::open(&options(lite(dir.path()))).unwrap();
    let error = store.find_key_set(PLACE).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
}

#[test]
fn other_databases_are_refused_at_once() {
    for url in ["", "mysql://x", "tollgate.db", "http://x"] {
        assert!(matches!(Store::open(&options(url.into())), Err(StoreError::Url)), "{url}");
    }
}
