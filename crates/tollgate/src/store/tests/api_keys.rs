//! Keys on both databases: their whole life, tenants kept apart, a quota that holds under a rush, and uses that never step
//! back.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

use tollgate_core::apikey::{NewKey, PlainKey};
use tollgate_core::caller::{AddressList, KeyLimits, KeyState, RouteScope};
use tollgate_core::key_limits::{KeyName, Metadata, Tags};
use tollgate_core::models::{ModelList, ModelPolicy};
use tollgate_core::time::Timestamp;

use super::people::{operator, proof};
use super::rig::{at, becomes_ready, on_both, options};
use crate::store::api_keys::{
    ApiKey, KeyCreation, KeyCursor, KeyFilter, KeyOwner, NewApiKey, SecretMatch, ShownState,
};
use crate::store::tx::on_tx;
use crate::store::{Change, KeyUse, Store, StoreError, Tx};

/// Two projects of one organization, two people, and a service account in the first project.
async fn seeded(url: String) -> Arc<Store> {
    let store = Store::open(&options(url)).unwrap();
    becomes_ready(&store).await;
    let mut tx = store.begin().await.unwrap();
    for statement in [
        "INSERT INTO organizations VALUES ('org_1', 'One', FALSE, 'active', 1, 0, 0)",
        "INSERT INTO people (id, issuer, subject, username, email, state, version, created_at, updated_at, last_seen_at) \
             VALUES ('per_1', 'kc', 's1', 'alice', NULL, 'active', 1, 0, 0, 0), \
         ('per_2', 'kc', 's2', 'bob', NULL, 'active', 1, 0, 0, 0), \
         ('per_3', 'kc', 's3', 'mallory', NULL, 'suspended', 1, 0, 0, 0)",
        "INSERT INTO projects VALUES ('prj_1', 'org_1', 'first', 'active', '\"all\"', 1, 0, 0), \
         ('prj_2', 'org_1', 'second', 'active', '\"none\"', 1, 0, 0), \
         ('prj_3', 'org_1', 'third', 'deleted', '\"all\"', 1, 0, 0)",
        "INSERT INTO service_accounts VALUES ('sva_1', 'prj_1', 'ci', 'active', 1, 0, 0)",
    ] {
        on_tx!(tx, conn => sqlx::query(statement).execute(conn).await.map(drop)).unwrap();
    }
    tx.commit(at(0)).await.unwrap();
    store
}

/// A key that is the same for the same number.
fn made(number: u64, now: Timestamp) -> NewKey {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    NewKey::make(now, |buffer: &mut [u8]| {
        for byte in buffer {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
        Ok::<(), Infallible>(())
    })
    .unwrap()
}

fn new(key: &NewKey, project: &str, owner: KeyOwner) -> NewApiKey {
    NewApiKey {
        id: key.id(),
        digest: key.digest(),
        project_id: project.into(),
        owner,
        name: KeyName::new("a key").unwrap(),
        expires_at: None,
        limits: KeyLimits::NONE,
        tags: Tags::default(),
        metadata: Metadata::default(),
        created_by: "per_1".into(),
    }
}

fn alice() -> KeyOwner {
    KeyOwner::Person("per_1".into())
}

async fn create(store: &Store, wish: &NewApiKey, now: i64) -> ApiKey {
    let mut tx = store.begin().await.unwrap();
    let KeyCreation::Created(key) = tx.create_key(&operator(), wish, 1000, at(now)).await.unwrap() else {
        panic!("not created")
    };
    tx.commit(at(now)).await.unwrap();
    *key
}

async fn edit(store: &Store, key: &ApiKey, now: i64, change: impl FnOnce(&mut ApiKey)) -> ApiKey {
    let mut tx = store.begin().await.unwrap();
    let mut held = tx.hold_key(&key.project_id, key.id.as_str()).await.unwrap().unwrap();
    let before = held.clone();
    change(&mut held);
    let saved = tx.save_key(before.edit(held, proof).unwrap(), at(now)).await.unwrap();
    tx.commit(at(now)).await.unwrap();
    saved
}

async fn which(tx: &mut Tx, key: &NewKey) -> Option<SecretMatch> {
    let text = key.reveal();
    let found = tx.find_key_by_secret(&PlainKey::parse(&text).unwrap()).await.unwrap();
    found.map(|(found, which)| {
        assert_eq!(found.id, key.id());
        which
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_key() {
    on_both(async |url| {
        let store = seeded(url).await;
        let first = made(1, at(1000));
        let limits = KeyLimits {
            models: ModelPolicy::List(ModelList::new(vec!["gpt-*".into()]).unwrap()),
            routes: RouteScope::only(vec!["chat".into()]).unwrap(),
            addresses: AddressList::only(&["10.0.0.0/8".into()]).unwrap(),
        };
        let wish = NewApiKey {
            name: KeyName::new("CI").unwrap(),
            expires_at: Some(at(9_000_000)),
            limits: limits.clone(),
            tags: Tags::new(vec!["ci".into()]).unwrap(),
            metadata: Metadata::new(BTreeMap::from([("ticket".into(), "OPS-7 \u{1F511}".into())])).unwrap(),
            ..new(&first, "prj_1", alice())
        };
        let key = create(&store, &wish, 1000).await;
        assert_eq!((key.owner_name.as_str(), key.project_name.as_str()), ("alice", "first"));
        assert_eq!((&key.limits, key.version, key.state), (&limits, 1, KeyState::Live));
        assert_eq!(key.metadata, wish.metadata);

        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.find_key("prj_1", first.id().as_str()).await.unwrap().as_ref(), Some(&key));
        assert_eq!(tx.find_key("prj_2", first.id().as_str()).await.unwrap(), None, "another tenant's");
        assert_eq!(tx.hold_key("prj_2", first.id().as_str()).await.unwrap(), None);
        assert_eq!(which(&mut tx, &first).await, Some(SecretMatch::Current));
        let other_secret = NewKey::rotate(first.id(), |b: &mut [u8]| {
            b.fill(7);
            Ok::<(), Infallible>(())
        });
        assert_eq!(which(&mut tx, &other_secret.unwrap()).await, None);
        drop(tx);

        let changed = edit(&store, &key, 2000, |key| {
            key.name = KeyName::new("renamed").unwrap();
            key.state = KeyState::Disabled;
            key.expires_at = None;
            key.limits = KeyLimits::NONE;
        })
        .await;
        assert_eq!(
            (changed.name.as_str(), changed.state, changed.version),
            ("renamed", KeyState::Disabled, 2)
        );
        assert_eq!((changed.expires_at, changed.updated_at), (None, at(2000)));

        // What was read before the change cannot be written over it.
        let mut tx = store.begin().await.unwrap();
        assert!(matches!(tx.save_key(key.switched_off(), at(2001)).await, Err(StoreError::Again(_))));
        drop(tx);

        let mut tx = store.begin().await.unwrap();
        let ended = tx.revoke_key(&changed, "per_2", at(3000)).await.unwrap();
        tx.commit(at(3000)).await.unwrap();
        assert_eq!(ended.state, KeyState::Revoked);
        let end = ended.revoked.clone().unwrap();
        assert_eq!((end.at, end.by.as_str()), (at(3000), "per_2"));
        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.revoke_key(&ended, "per_1", at(4000)).await.unwrap(), ended, "it ends once");
        drop(tx);

        let changes = store.changes_since(0, 100).await.unwrap();
        assert_eq!(changes.len(), 3);
        assert!(changes.iter().all(|(_, change, _)| *change == Change::Key(first.id().as_str().into())));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_keeps_the_id_and_one_secret_before() {
    on_both(async |url| {
        let store = seeded(url).await;
        let secrets: Vec<NewKey> = {
            let first = made(1, at(1000));
            let again = |byte: u8| {
                NewKey::rotate(first.id(), |b: &mut [u8]| {
                    b.fill(byte);
                    Ok::<(), Infallible>(())
                })
            };
            vec![first.clone(), again(1).unwrap(), again(2).unwrap(), again(3).unwrap()]
        };
        let mut key = create(&store, &new(&secrets[0], "prj_1", alice()), 1000).await;
        store.note_key_use(&[used(&key, 1500, None)]).await.unwrap();

        let rotate = async |key: &ApiKey, to: &NewKey, until: Option<i64>, now: i64| {
            let mut tx = store.begin().await.unwrap();
            let rotated = tx.rotate_key(&operator(), key, to.digest(), until.map(at), at(now)).await.unwrap();
            tx.commit(at(now)).await.unwrap();
            rotated
        };
        key = rotate(&key, &secrets[1], Some(10_000), 2000).await;
        let previous = key.previous.unwrap();
        assert_eq!((previous.until, previous.last_used_at), (at(10_000), Some(at(1500))));
        assert_eq!((key.rotated_at, key.version), (Some(at(2000)), 2));
        // Somebody still uses the old secret: that is seen. A use from before the rotation is not one of them.
        store.note_key_use(&[used(&key, 3000, Some(3000))]).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        key = tx.find_key("prj_1", key.id.as_str()).await.unwrap().unwrap();
        assert_eq!(key.previous.unwrap().last_used_at, Some(at(3000)));
        assert_eq!(which(&mut tx, &secrets[0]).await, Some(SecretMatch::Previous));
        assert_eq!(which(&mut tx, &secrets[1]).await, Some(SecretMatch::Current));
        drop(tx);

        key = rotate(&key, &secrets[2], Some(20_000), 4000).await;
        store.note_key_use(&[used(&key, 3900, Some(3900))]).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        assert_eq!(which(&mut tx, &secrets[0]).await, None, "a second rotation ends the older secret");
        assert_eq!(which(&mut tx, &secrets[1]).await, Some(SecretMatch::Previous));
        key = tx.find_key("prj_1", key.id.as_str()).await.unwrap().unwrap();
        assert_eq!(key.previous.unwrap().last_used_at, Some(at(3000)), "of the secret that ended");
        drop(tx);

        key = rotate(&key, &secrets[3], None, 5000).await;
        assert_eq!(key.previous, None);
        let mut tx = store.begin().await.unwrap();
        assert_eq!(which(&mut tx, &secrets[2]).await, None);
        assert_eq!(which(&mut tx, &secrets[3]).await, Some(SecretMatch::Current));
        let stale = ApiKey { version: 1, ..key.clone() };
        let lost = tx.rotate_key(&operator(), &stale, secrets[0].digest(), None, at(6000)).await;
        assert!(matches!(lost, Err(StoreError::Again(_))));
        drop(tx);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rush_of_a_hundred_at_quota_ten_makes_ten() {
    on_both(async |url| {
        let store = seeded(url).await;
        let rush = (0..100_u64).map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut tx = store.begin().await.unwrap();
                let wish = new(&made(n, at(1000)), "prj_1", alice());
                let creation = tx.create_key(&operator(), &wish, 10, at(1000)).await.unwrap();
                let created = matches!(creation, KeyCreation::Created(_));
                assert!(created || creation == KeyCreation::Full);
                // Every third that was made is given up again: its place is free.
                if created && n % 3 == 0 {
                    drop(tx);
                    return false;
                }
                tx.commit(at(1000)).await.unwrap();
                created
            })
        });
        let mut created = 0;
        for one in rush.collect::<Vec<_>>() {
            created += i64::from(one.await.unwrap());
        }
        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.count_keys("prj_1", at(1000)).await.unwrap(), created);
        assert_eq!(created, 10);
        // Revoked keys and keys past their time leave room.
        let all = tx.list_keys("prj_1", &KeyFilter::default(), (None, 100), at(1000)).await.unwrap();
        tx.revoke_key(&all[0], "per_1", at(1001)).await.unwrap();
        let brief = NewApiKey { expires_at: Some(at(2000)), ..new(&made(500, at(1)), "prj_1", alice()) };
        let created = tx.create_key(&operator(), &brief, 10, at(1002)).await.unwrap();
        assert!(matches!(created, KeyCreation::Created(_)));
        let next = new(&made(501, at(1)), "prj_1", alice());
        assert_eq!(tx.create_key(&operator(), &next, 10, at(1999)).await.unwrap(), KeyCreation::Full);
        assert!(matches!(
            tx.create_key(&operator(), &next, 10, at(2000)).await.unwrap(),
            KeyCreation::Created(_)
        ));
        tx.commit(at(2000)).await.unwrap();
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_needs_a_project_and_an_owner_that_may_act() {
    on_both(async |url| {
        let store = seeded(url).await;
        let mut tx = store.begin().await.unwrap();
        let account = || KeyOwner::ServiceAccount("sva_1".into());
        for (project, owner, expected) in [
            ("prj_3", alice(), KeyCreation::NoProject),
            ("prj_9", alice(), KeyCreation::NoProject),
            ("prj_1", KeyOwner::Person("per_3".into()), KeyCreation::NoOwner),
            ("prj_1", KeyOwner::Person("per_9".into()), KeyCreation::NoOwner),
            ("prj_2", account(), KeyCreation::NoOwner),
        ] {
            let wish = new(&made(1, at(1)), project, owner);
            assert_eq!(tx.create_key(&operator(), &wish, 10, at(1)).await.unwrap(), expected, "{wish:?}");
        }
        let wish = new(&made(1, at(1)), "prj_1", account());
        let KeyCreation::Created(key) = tx.create_key(&operator(), &wish, 10, at(1)).await.unwrap() else {
            panic!()
        };
        assert_eq!((key.owner_name.as_str(), &key.owner), ("ci", &account()));
        tx.commit(at(1)).await.unwrap();
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged_and_never_cross_a_tenant() {
    on_both(async |url| {
        let store = seeded(url).await;
        let mut tx = store.begin().await.unwrap();
        for n in 0..10_u64 {
            let owner = match n {
                0..4 => alice(),
                4..8 => KeyOwner::Person("per_2".into()),
                _ => KeyOwner::ServiceAccount("sva_1".into()),
            };
            let tags =
                if n % 2 == 0 { vec!["even".to_owned()] } else { vec!["un-even".to_owned(), "odd".into()] };
            let wish = NewApiKey {
                tags: Tags::new(tags).unwrap(),
                expires_at: (n == 3).then(|| at(5000)),
                ..new(&made(n, at(1000)), "prj_1", owner)
            };
            // Five at the same moment, so that the id decides.
            let now = at(1000 + i64::from(n >= 5));
            assert!(matches!(
                tx.create_key(&operator(), &wish, 100, now).await.unwrap(),
                KeyCreation::Created(_)
            ));
        }
        let foreign = new(&made(99, at(1000)), "prj_2", alice());
        assert!(matches!(
            tx.create_key(&operator(), &foreign, 100, at(1000)).await.unwrap(),
            KeyCreation::Created(_)
        ));
        tx.commit(at(2000)).await.unwrap();

        let mut tx = store.begin().await.unwrap();
        let all = tx.list_keys("prj_1", &KeyFilter::default(), (None, 100), at(6000)).await.unwrap();
        assert_eq!(all.len(), 10);
        assert!(all.is_sorted_by_key(|key| std::cmp::Reverse(key.created_at)));
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page =
                tx.list_keys("prj_1", &KeyFilter::default(), (after.as_ref(), 3), at(6000)).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(KeyCursor { created_at: last.created_at, id: last.id.as_str().to_owned() });
            seen.extend(page);
        }
        assert_eq!(seen, all, "pages are the list, in order");

        tx.revoke_key(&all[0], "per_1", at(3000)).await.unwrap();
        let mut count = async |filter: KeyFilter| {
            tx.list_keys("prj_1", &filter, (None, 100), at(6000)).await.unwrap().len()
        };
        let none = KeyFilter::default;
        assert_eq!(count(KeyFilter { person: Some("per_1".into()), ..none() }).await, 4);
        assert_eq!(count(KeyFilter { service_account: Some("sva_1".into()), ..none() }).await, 2);
        assert_eq!(count(KeyFilter { tag: Some("even".into()), ..none() }).await, 5, "not un-even");
        assert_eq!(count(KeyFilter { tag: Some("EVEN".into()), ..none() }).await, 0);
        assert_eq!(count(KeyFilter { tag: Some("%".into()), ..none() }).await, 0);
        assert_eq!(count(KeyFilter { state: Some(ShownState::Expired), ..none() }).await, 1);
        assert_eq!(count(KeyFilter { state: Some(ShownState::Live), ..none() }).await, 8);
        assert_eq!(count(KeyFilter { state: Some(ShownState::Revoked), ..none() }).await, 1);
        assert_eq!(count(KeyFilter { unrevoked: true, ..none() }).await, 9);
        assert_eq!(count(KeyFilter { unused_since: Some(at(1001)), ..none() }).await, 5);
        assert_eq!(count(KeyFilter { person: Some("per_1' OR '1'='1".into()), ..none() }).await, 0);
        drop(tx);
        store.close().await;
    })
    .await;
}

fn used(key: &ApiKey, millis: i64, previous: Option<i64>) -> KeyUse {
    KeyUse {
        id: key.id,
        at: at(millis),
        address: Some("192.0.2.7".parse().unwrap()),
        agent: Some(format!("curl/{millis}")),
        previous_at: previous.map(at),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_are_noted_together_and_never_step_back() {
    on_both(async |url| {
        let store = seeded(url).await;
        let key = create(&store, &new(&made(1, at(1000)), "prj_1", alice()), 1000).await;
        let unknown = |n: u64| KeyUse { id: made(n, at(7)).id(), ..used(&key, 9000, None) };
        let mut uses: Vec<KeyUse> = (1000..1700).map(unknown).collect();
        uses.push(KeyUse { agent: Some("nul\0inside".into()), ..used(&key, 5000, Some(5000)) });
        store.note_key_use(&uses).await.unwrap();
        store.note_key_use(&[used(&key, 4000, None)]).await.unwrap();
        store.note_key_use(&[]).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let now = tx.find_key("prj_1", key.id.as_str()).await.unwrap().unwrap();
        let last = now.last_used.clone().unwrap();
        assert_eq!((last.at, last.agent.as_deref()), (at(5000), Some("nulinside")));
        assert_eq!(last.address, Some("192.0.2.7".parse().unwrap()));
        assert_eq!((now.version, now.previous), (1, None), "a use is no edit");
        drop(tx);
        assert_eq!(store.changes_since(0, 10).await.unwrap().len(), 1, "and no change");
        for rows in [1, 2, 500] {
            let text = super::super::api_keys::last_used_statement(rows);
            let parameters: HashSet<_> =
                text.split('$').skip(1).map(|rest| rest.split([' ', ')']).next()).collect();
            assert_eq!(parameters.len(), rows * 5, "{text}");
        }
        // Replicas note the same keys in another order at once.
        let mut keys = Vec::new();
        for n in 10..40 {
            keys.push(create(&store, &new(&made(n, at(1000)), "prj_1", alice()), 1000).await);
        }
        let writers = (0..4_i64).map(|writer| {
            let (store, mut keys) = (Arc::clone(&store), keys.clone());
            tokio::spawn(async move {
                for round in 0..5 {
                    keys.reverse();
                    let uses: Vec<_> =
                        keys.iter().map(|key| used(key, 10_000 + round * 10 + writer, None)).collect();
                    store.note_key_use(&uses).await.unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let mut tx = store.begin().await.unwrap();
        let filter = KeyFilter { unused_since: Some(at(10_043)), ..KeyFilter::default() };
        let stale = tx.list_keys("prj_1", &filter, (None, 100), at(1)).await.unwrap();
        assert_eq!(stale.len(), 1, "every key shows the latest use of all writers");
        drop(tx);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_breaks_a_rule_is_an_error_and_never_a_key_without_limits() {
    on_both(async |url| {
        let store = seeded(url).await;
        let key = create(&store, &new(&made(1, at(1000)), "prj_1", alice()), 1000).await;
        for statement in [
            "UPDATE api_keys SET models = '[]'",
            "UPDATE api_keys SET models = 'null'",
            "UPDATE api_keys SET routes = ''",
            "UPDATE api_keys SET addresses = '{}'",
            "UPDATE api_keys SET state = 'LIVE'",
            "UPDATE api_keys SET service_account_id = 'sva_1'",
            "UPDATE api_keys SET person_id = NULL",
            "UPDATE projects SET models = 'everything'",
        ] {
            let mut tx = store.begin().await.unwrap();
            on_tx!(tx, conn => sqlx::query(statement).execute(conn).await.map(drop)).unwrap();
            let error = tx.find_key("prj_1", key.id.as_str()).await.unwrap_err();
            assert!(
                matches!(error, StoreError::Inconsistent { table: "api_keys", .. }),
                "{statement}: {error}"
            );
            drop(tx);
        }
        store.close().await;
    })
    .await;
}
