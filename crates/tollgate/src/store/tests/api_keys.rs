//! Keys on both databases: their whole life, tenants kept apart, a quota that holds under a rush, and uses that never step
//! back.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

use tollgate_core::apikey::{NewKey, PlainKey};
use tollgate_core::caller::{AddressList, KeyLimits, KeyState, RouteScope};
use tollgate_core::key_life::{KeyLifetimes, LifeWish};
use tollgate_core::key_limits::{KeyName, Metadata, Tags};
use tollgate_core::models::{ModelList, ModelPolicy};
use tollgate_core::recent::RecentProof;
use tollgate_core::time::Timestamp;

use super::people::{operator, proof, refusal};
use super::rig::{at, becomes_ready, on_both, options};
use crate::store::api_keys::{
    ApiKey, KeyCursor, KeyFilter, KeyOwner, KeyPolicy, KeyRefusal, NewApiKey, SecretMatch, ShownState,
};
use crate::store::tx::on_tx;
use crate::store::{Author, Change, FreshAuthor, KeyUse, Origin, Refusal, Store, StoreError, Tx};

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
        "INSERT INTO projects VALUES ('prj_00000000000000000000000001', 'org_1', 'first', 'active', '\"all\"', 1, 0, 0), \
         ('prj_00000000000000000000000002', 'org_1', 'second', 'active', '\"none\"', 1, 0, 0), \
         ('prj_00000000000000000000000003', 'org_1', 'third', 'deleted', '\"all\"', 1, 0, 0)",
        "INSERT INTO service_accounts VALUES ('sva_1', 'prj_00000000000000000000000001', 'ci', 'active', 1, 0, 0)",
        "INSERT INTO project_members VALUES ('prj_00000000000000000000000001', 'per_1', 'owner', 'manual', 0), ('prj_00000000000000000000000002', 'per_1', 'owner', 'manual', 0)",
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
        life: LifeWish::Unsaid,
        limits: KeyLimits::NONE,
        tags: Tags::default(),
        metadata: Metadata::default(),
    }
}

fn alice() -> KeyOwner {
    KeyOwner::Person("per_1".into())
}

fn by(person: &str, now: i64) -> FreshAuthor {
    fresh(Author::person(person, person, false, Origin::here(at(now))))
}

fn fresh(author: Author) -> FreshAuthor {
    FreshAuthor::new(author, RecentProof::judge(None, None, at(0)).unwrap())
}

fn policy(max_per_project: u32) -> KeyPolicy {
    KeyPolicy { max_per_project, lifetimes: KeyLifetimes::default() }
}

/// A key as alice makes it.
async fn issue(tx: &mut Tx, wish: &NewApiKey, max: u32, now: i64) -> Result<ApiKey, StoreError> {
    tx.issue_key(&by("per_1", now), wish, &policy(max)).await
}

/// Of anybody, whatever the rules say.
async fn create(store: &Store, wish: &NewApiKey, now: i64) -> ApiKey {
    let mut tx = store.begin().await.unwrap();
    let key = insert(&mut tx, wish, at(now)).await;
    tx.commit(at(now)).await.unwrap();
    key
}

async fn insert(tx: &mut Tx, wish: &NewApiKey, now: Timestamp) -> ApiKey {
    let end = if let LifeWish::Until(end) = wish.life { Some(end) } else { None };
    tx.insert_key(wish, end, ("per_1", now)).await.unwrap()
}

async fn edit(store: &Store, key: &ApiKey, now: i64, change: impl FnOnce(&mut ApiKey)) -> ApiKey {
    let mut tx = store.begin().await.unwrap();
    let held = tx.hold_key(&key.project_id, key.id.as_str()).await.unwrap().unwrap();
    let mut after = held.clone();
    change(&mut after);
    let saved = tx.save_key(held.change_to(after, proof).unwrap(), at(now)).await.unwrap();
    tx.commit(at(now)).await.unwrap();
    saved
}

fn full() -> Refusal {
    Refusal::Key(KeyRefusal::Quota { max: 10 })
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
            life: LifeWish::Until(at(9_000_000)),
            limits: limits.clone(),
            tags: Tags::new(vec!["ci".into()]).unwrap(),
            metadata: Metadata::new(BTreeMap::from([("ticket".into(), "OPS-7 \u{1F511}".into())])).unwrap(),
            ..new(&first, "prj_00000000000000000000000001", alice())
        };
        let key = create(&store, &wish, 1000).await;
        assert_eq!((key.owner_name.as_str(), key.project_name.as_str()), ("alice", "first"));
        assert_eq!((&key.limits, key.version, key.state), (&limits, 1, KeyState::Live));
        assert_eq!(key.metadata, wish.metadata);

        let mut tx = store.begin().await.unwrap();
        assert_eq!(
            tx.find_key("prj_00000000000000000000000001", first.id().as_str()).await.unwrap().as_ref(),
            Some(&key)
        );
        assert_eq!(
            tx.find_key("prj_00000000000000000000000002", first.id().as_str()).await.unwrap(),
            None,
            "another tenant's"
        );
        assert_eq!(tx.hold_key("prj_00000000000000000000000002", first.id().as_str()).await.unwrap(), None);
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
        assert!(matches!(
            tx.save_key(key.change_to(key.clone(), proof).unwrap(), at(2001)).await,
            Err(StoreError::Again(_))
        ));
        drop(tx);

        let mut tx = store.begin().await.unwrap();
        let path = (changed.project_id.as_str(), changed.id.as_str());
        let ended = tx.revoke_key(&by("per_1", 3000), (path, None)).await.unwrap();
        tx.commit(at(3000)).await.unwrap();
        assert_eq!(ended.state, KeyState::Revoked);
        let end = ended.revoked.clone().unwrap();
        assert_eq!((end.at, end.by.as_str()), (at(3000), "per_1"));
        let mut tx = store.begin().await.unwrap();
        assert_eq!(tx.revoke_key(&by("per_1", 4000), (path, None)).await.unwrap(), ended, "it ends once");
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
        let mut key =
            create(&store, &new(&secrets[0], "prj_00000000000000000000000001", alice()), 1000).await;
        store.note_key_use(&[used(&key, 1500, None)]).await.unwrap();

        let rotate = async |key: &ApiKey, to: &NewKey, until: Option<i64>, now: i64| {
            let mut tx = store.begin().await.unwrap();
            let rotated = tx
                .write_rotation(&operator(), key, (to.digest(), until.map(at)), &key.switch, at(now))
                .await
                .unwrap();
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
        key = tx.find_key("prj_00000000000000000000000001", key.id.as_str()).await.unwrap().unwrap();
        assert_eq!(key.previous.unwrap().last_used_at, Some(at(3000)));
        assert_eq!(which(&mut tx, &secrets[0]).await, Some(SecretMatch::Previous));
        assert_eq!(which(&mut tx, &secrets[1]).await, Some(SecretMatch::Current));
        drop(tx);

        key = rotate(&key, &secrets[2], Some(20_000), 4000).await;
        store.note_key_use(&[used(&key, 3900, Some(3900))]).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        assert_eq!(which(&mut tx, &secrets[0]).await, None, "a second rotation ends the older secret");
        assert_eq!(which(&mut tx, &secrets[1]).await, Some(SecretMatch::Previous));
        key = tx.find_key("prj_00000000000000000000000001", key.id.as_str()).await.unwrap().unwrap();
        assert_eq!(key.previous.unwrap().last_used_at, Some(at(3000)), "of the secret that ended");
        drop(tx);

        key = rotate(&key, &secrets[3], None, 5000).await;
        assert_eq!(key.previous, None);
        let mut tx = store.begin().await.unwrap();
        assert_eq!(which(&mut tx, &secrets[2]).await, None);
        assert_eq!(which(&mut tx, &secrets[3]).await, Some(SecretMatch::Current));
        let stale = ApiKey { version: 1, ..key.clone() };
        let lost = tx
            .write_rotation(&operator(), &stale, (secrets[0].digest(), None), &stale.switch, at(6000))
            .await;
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
                let wish = new(&made(n, at(1000)), "prj_00000000000000000000000001", alice());
                let issued = issue(&mut tx, &wish, 10, 1000).await;
                let created = issued.is_ok();
                assert!(created || refusal(issued) == full());
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
        assert_eq!(tx.count_keys("prj_00000000000000000000000001", at(1000)).await.unwrap(), created);
        assert_eq!(created, 10);
        // Revoked keys and keys past their time leave room.
        let all = tx
            .list_keys("prj_00000000000000000000000001", &KeyFilter::default(), (None, 100), at(1000))
            .await
            .unwrap();
        let first = (all[0].project_id.as_str(), all[0].id.as_str());
        tx.revoke_key(&by("per_1", 1001), (first, None)).await.unwrap();
        let brief = NewApiKey {
            life: LifeWish::Until(at(2000)),
            ..new(&made(500, at(1)), "prj_00000000000000000000000001", alice())
        };
        issue(&mut tx, &brief, 10, 1002).await.unwrap();
        let next = new(&made(501, at(1)), "prj_00000000000000000000000001", alice());
        assert_eq!(refusal(issue(&mut tx, &next, 10, 1999).await), full());
        issue(&mut tx, &next, 10, 2000).await.unwrap();
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
        let person = |id: &str| KeyOwner::Person(id.into());
        let missing = || Refusal::Missing("project");
        for (project, owner, expected) in [
            ("prj_00000000000000000000000003", alice(), missing()),
            ("prj_00000000000000000000000009", alice(), missing()),
            ("prj_00000000000000000000000001", person("per_2"), Refusal::Key(KeyRefusal::ForAnotherPerson)),
            ("prj_00000000000000000000000001", person("per_9"), Refusal::Key(KeyRefusal::ForAnotherPerson)),
            ("prj_00000000000000000000000002", account(), Refusal::Key(KeyRefusal::NoServiceAccount)),
        ] {
            let wish = new(&made(1, at(1)), project, owner);
            assert_eq!(refusal(issue(&mut tx, &wish, 10, 1).await), expected, "{wish:?}");
        }
        // Somebody who was suspended meanwhile makes none; nor does an operator make one for a person.
        let wish = new(&made(1, at(1)), "prj_00000000000000000000000001", person("per_3"));
        let mallory = fresh(Author { platform_admin: true, ..(*by("per_3", 1)).clone() });
        let none = Refusal::MembershipNeeded("project");
        assert_eq!(refusal(tx.issue_key(&mallory, &wish, &policy(10)).await), none);
        let member = "INSERT INTO project_members VALUES ('prj_00000000000000000000000001', 'per_3', 'developer', 'manual', 0)";
        on_tx!(tx, conn => sqlx::query(member).execute(conn).await.map(drop)).unwrap();
        let suspended = Refusal::Key(KeyRefusal::OwnerSuspended);
        assert_eq!(refusal(tx.issue_key(&mallory, &wish, &policy(10)).await), suspended);
        let operator = operator();
        let another = Refusal::Key(KeyRefusal::ForAnotherPerson);
        assert_eq!(refusal(tx.issue_key(&operator, &wish, &policy(10)).await), another);
        let wish = new(&made(1, at(1)), "prj_00000000000000000000000001", account());
        let key = tx.issue_key(&operator, &wish, &policy(10)).await.unwrap();
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
                life: if n == 3 { LifeWish::Until(at(5000)) } else { LifeWish::Unsaid },
                ..new(&made(n, at(1000)), "prj_00000000000000000000000001", owner)
            };
            // Five at the same moment, so that the id decides.
            let now = at(1000 + i64::from(n >= 5));
            insert(&mut tx, &wish, now).await;
        }
        let foreign = new(&made(99, at(1000)), "prj_00000000000000000000000002", alice());
        issue(&mut tx, &foreign, 100, 1000).await.unwrap();
        tx.commit(at(2000)).await.unwrap();

        let mut tx = store.begin().await.unwrap();
        let all = tx
            .list_keys("prj_00000000000000000000000001", &KeyFilter::default(), (None, 100), at(6000))
            .await
            .unwrap();
        assert_eq!(all.len(), 10);
        assert!(all.is_sorted_by_key(|key| std::cmp::Reverse(key.created_at)));
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = tx
                .list_keys(
                    "prj_00000000000000000000000001",
                    &KeyFilter::default(),
                    (after.as_ref(), 3),
                    at(6000),
                )
                .await
                .unwrap();
            let Some(last) = page.last() else { break };
            after = Some(KeyCursor { created_at: last.created_at, id: last.id.as_str().to_owned() });
            seen.extend(page);
        }
        assert_eq!(seen, all, "pages are the list, in order");

        let first = (all[0].project_id.as_str(), all[0].id.as_str());
        tx.revoke_key(&by("per_1", 3000), (first, None)).await.unwrap();
        let mut count = async |filter: KeyFilter| {
            tx.list_keys("prj_00000000000000000000000001", &filter, (None, 100), at(6000))
                .await
                .unwrap()
                .len()
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
        let key =
            create(&store, &new(&made(1, at(1000)), "prj_00000000000000000000000001", alice()), 1000).await;
        let unknown = |n: u64| KeyUse { id: made(n, at(7)).id(), ..used(&key, 9000, None) };
        let mut uses: Vec<KeyUse> = (1000..1700).map(unknown).collect();
        uses.push(KeyUse { agent: Some("nul\0inside".into()), ..used(&key, 5000, Some(5000)) });
        store.note_key_use(&uses).await.unwrap();
        store.note_key_use(&[used(&key, 4000, None)]).await.unwrap();
        store.note_key_use(&[]).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let now = tx.find_key("prj_00000000000000000000000001", key.id.as_str()).await.unwrap().unwrap();
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
            keys.push(
                create(&store, &new(&made(n, at(1000)), "prj_00000000000000000000000001", alice()), 1000)
                    .await,
            );
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
        let stale =
            tx.list_keys("prj_00000000000000000000000001", &filter, (None, 100), at(1)).await.unwrap();
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
        let key =
            create(&store, &new(&made(1, at(1000)), "prj_00000000000000000000000001", alice()), 1000).await;
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
            let error = tx.find_key("prj_00000000000000000000000001", key.id.as_str()).await.unwrap_err();
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
