//! A key set over time: refreshed, rotated, taken over by the next rulebook, kept over a restart, and too old at last.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tollgate_core::jwt::Audiences;

use super::super::{Epoch, FoundKey, IssuerSource, KeyLocation, KeysView, ViewDeps};
use super::issuer::{Answer, Issuer};
use super::{
    NAME, PATIENCE, World, eventually, failed, find, has, jwk, loaded, set, source, status, until, world,
};
use crate::store::{Store, StoreOptions};

/// Refreshed as fast as a test likes, and never on demand a second time.
fn brisk(location: KeyLocation) -> IssuerSource {
    IssuerSource { refresh: Duration::from_millis(50), ..source(location) }
}

#[tokio::test]
async fn a_rotation_is_seen_by_the_refresh() {
    let issuer = Issuer::start(set(&["old"])).await;
    let view = world().start(brisk(issuer.keys_at()));
    loaded(&view).await;
    let before = view.epoch(NAME);
    issuer.set_keys(Answer::Json(set(&["old", "new"])));
    until(&view, |status| status.key_ids == ["old", "new"]).await;
    assert_ne!(view.epoch(NAME), before, "tokens have to be verified again");
}

#[tokio::test]
async fn a_removed_key_is_gone_after_the_refresh() {
    let (gone, stays) = (jwk("gone"), jwk("stays"));
    let issuer = Issuer::start(json!({"keys": [gone, stays]})).await;
    let view = world().start(brisk(issuer.keys_at()));
    loaded(&view).await;
    let before = view.epoch(NAME);
    issuer.set_keys(Answer::Json(json!({"keys": [stays]})));
    until(&view, |status| status.key_ids == ["stays"]).await;
    assert!(matches!(find(&view, "gone", PATIENCE).await, FoundKey::Absent));
    assert_ne!(view.epoch(NAME), before, "remembered tokens of the removed key must not go on");
}

#[tokio::test]
async fn new_material_under_an_old_id_replaces_the_old() {
    let issuer = Issuer::start(set(&["same"])).await;
    let view = world().start(brisk(issuer.keys_at()));
    loaded(&view).await;
    let FoundKey::Key { key: old, epoch: before } = find(&view, "same", PATIENCE).await else {
        panic!("no key")
    };
    issuer.set_keys(Answer::Json(set(&["same"])));
    eventually(|| view.epoch(NAME) != before, || "the epoch stayed".into()).await;
    let FoundKey::Key { key: new, epoch } = find(&view, "same", PATIENCE).await else { panic!("no key") };
    assert!(!Arc::ptr_eq(&old, &new));
    assert_eq!(epoch, view.epoch(NAME));
}

#[tokio::test]
async fn an_unchanged_set_keeps_its_epoch_and_becomes_younger() {
    let issuer = Issuer::start(set(&["same"])).await;
    let world = world();
    let view = world.start(brisk(issuer.keys_at()));
    loaded(&view).await;
    let (before, first) = (view.epoch(NAME), status(&view).refreshed_at);
    world.pass(Duration::from_secs(60));
    until(&view, |status| status.refreshed_at > first).await;
    assert_eq!(view.epoch(NAME), before);
}

#[tokio::test]
async fn the_next_rulebook_has_the_keys_at_once_under_a_new_epoch() {
    let issuer = Issuer::start(set(&["a"])).await;
    let world = world();
    let first = world.start(source(issuer.keys_at()));
    loaded(&first).await;
    issuer.die();
    let next = KeysView::start(vec![source(issuer.keys_at())], Some(&first), &world.deps).unwrap();
    assert!(has(&next, "a").await);
    assert_ne!(next.epoch(NAME), first.epoch(NAME), "the rules may have changed");
    drop(first);
    failed(&next).await;
    assert!(has(&next, "a").await);
}

#[tokio::test]
async fn keys_of_another_place_are_not_taken_over() {
    let (issuer, other) = (Issuer::start(set(&["a"])).await, Issuer::start(set(&["b"])).await);
    let world = world();
    let first = world.start(source(issuer.keys_at()));
    loaded(&first).await;
    let held = other.hold();
    let next = KeysView::start(vec![source(other.keys_at())], Some(&first), &world.deps).unwrap();
    assert_eq!((status(&next).keys, next.epoch(NAME)), (0, Epoch::NONE));
    held.add_permits(1);
    loaded(&next).await;
    assert_eq!(status(&next).key_ids, ["b"]);
}

/// Two issuers in one view do not touch each other.
#[tokio::test]
async fn one_dead_issuer_leaves_the_other_alone() {
    let issuer = Issuer::start(set(&["a"])).await;
    let dead = Issuer::start(set(&["b"])).await;
    dead.die();
    let mut second = source(dead.keys_at());
    second.rules = Arc::new(tollgate_core::jwt::IssuerRules::new("two", vec![], Audiences::Any));
    let world = world();
    let view = KeysView::start(vec![second, source(issuer.keys_at())], None, &world.deps).unwrap();
    until(&view, |status| status.keys == 1).await;
    eventually(|| view.status()[1].last_error.is_some(), || "the dead one never failed".into()).await;
    assert!(has(&view, "a").await);
    assert_eq!(view.status().iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), [NAME, "two"]);
}

#[tokio::test]
async fn a_set_that_is_too_old_stops_verifying_and_the_issuers_return_heals() {
    let issuer = Issuer::start(set(&["a"])).await;
    let world = world();
    let limits = IssuerSource { max_stale: Duration::from_secs(600), ..brisk(issuer.keys_at()) };
    let view = world.start(limits);
    loaded(&view).await;
    issuer.set_keys(Answer::Status(500));
    failed(&view).await;
    world.pass(Duration::from_secs(599));
    let asked = issuer.asked();
    eventually(|| issuer.asked() > asked + 1, || "no refresh".into()).await;
    assert!(has(&view, "a").await, "young enough");
    world.pass(Duration::from_secs(2));
    until(&view, |status| status.keys == 0).await;
    assert!(matches!(find(&view, "a", PATIENCE).await, FoundKey::Unavailable));
    assert_eq!(view.epoch(NAME), Epoch::NONE, "remembered tokens end with the set");
    issuer.set_keys(Answer::Json(set(&["a"])));
    loaded(&view).await;
    assert!(has(&view, "a").await);
}

fn store_at(url: String) -> Arc<Store> {
    let (connect_timeout, statement_timeout) = (Duration::from_secs(5), Duration::from_secs(5));
    Store::open(&StoreOptions { url, pool_size: 2, connect_timeout, statement_timeout }).unwrap()
}

fn with_store(world: &World, store: Arc<Store>) -> ViewDeps {
    ViewDeps { store: Some(store), ..world.deps.clone() }
}

#[tokio::test]
async fn a_restart_with_a_dead_issuer_serves_what_was_kept() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("state.db").display());
    let issuer = Issuer::start(set(&["kept"])).await;
    let world = world();
    let place = issuer.keys_at();
    {
        let store = store_at(url.clone());
        let deps = with_store(&world, Arc::clone(&store));
        let view = KeysView::start(vec![source(place.clone())], None, &deps).unwrap();
        loaded(&view).await;
        let mut kept = None;
        while kept.is_none() {
            kept = store.find_key_set((NAME, place.as_text())).await.unwrap();
        }
        drop(view);
        store.close().await;
    }
    issuer.die();
    world.pass(Duration::from_secs(60));
    let deps = with_store(&world, store_at(url));
    let view = KeysView::start(vec![source(place.clone())], None, &deps).unwrap();
    until(&view, |status| status.keys == 1 && status.last_error.is_some()).await;
    assert!(has(&view, "kept").await);
    let age = world.deps.clock.now().millis_since(status(&view).refreshed_at.unwrap());
    assert_eq!(age, 60_000, "as old as it was when it was fetched");

    let strict = IssuerSource { max_stale: Duration::from_secs(30), ..source(place) };
    let view = KeysView::start(vec![strict], None, &deps).unwrap();
    failed(&view).await;
    assert_eq!(status(&view).keys, 0, "too old to begin with");
}

/// The database accepts connections and says nothing, so that only the time-out of five seconds ends an attempt. Keys must
/// not wait for a database that is away.
#[tokio::test]
async fn a_database_that_is_away_delays_neither_the_first_keys_nor_a_waiter() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let issuer = Issuer::start(set(&["old"])).await;
    let world = world();
    let deps = with_store(&world, store_at(format!("postgres://user:secret@127.0.0.1:{port}/none")));
    let view = KeysView::start(vec![source(issuer.keys_at())], None, &deps).unwrap();
    let soon = Duration::from_secs(3);
    assert!(matches!(find(&view, "old", soon).await, FoundKey::Key { .. }), "the first keys waited");
    issuer.set_keys(Answer::Json(set(&["old", "new"])));
    let found = find(&view, "new", soon).await;
    assert!(matches!(found, FoundKey::Key { .. }), "a waiter waited for the database: {found:?}");
}
