//! The view of real stores, SQLite and Postgres: everything is found, in pages and by change.

use std::sync::Arc;

use tollgate_core::apikey::{KeyDigest, KeyId};
use tollgate_core::caller::{KeyState, Standing};
use tollgate_core::lookup::Lookup;

use super::{NOW, Still, catches_up, view};
use crate::store::tests::rig::{at, becomes_ready, on_both, options, write};
use crate::store::{Change, Store};
use crate::views::{ApiKeysView, Jitter};

const KEYS: usize = 1500;

fn id(key: usize) -> KeyId {
    KeyId::from_bits((NOW.as_millis() as u128) << 80 | (key as u128) << 40 | key as u128)
}

fn digest(key: usize) -> KeyDigest {
    KeyDigest::of(id(key), "secret")
}

/// Some hundred people and projects, a service account, and keys of all of them.
async fn seed(store: &Store) {
    let many =
        |count: usize, row: &dyn Fn(usize) -> String| (0..count).map(row).collect::<Vec<_>>().join(",");
    for sql in [
        "INSERT INTO organizations VALUES ('org_1', 'One', FALSE, 'active', 1, 0, 0)".to_owned(),
        format!(
            "INSERT INTO people (id, issuer, subject, username, email, state, version, created_at, updated_at, last_seen_at) \
             VALUES {}",
            many(300, &|n| format!("('per_{n}', 'one', 's{n}', 'n{n}', NULL, 'active', 1, 0, 0, 0)"))
        ),
        format!(
            "INSERT INTO projects VALUES {}",
            many(200, &|n| format!("('prj_{n}', 'org_1', 'n', 'active', '\"all\"', 1, 0, 0)"))
        ),
        "INSERT INTO service_accounts VALUES ('sva_1', 'prj_1', 'ci', 'active', 1, 0, 0)".to_owned(),
        format!(
            "INSERT INTO api_keys (id, project_id, person_id, service_account_id, name, digest, state, models, routes, \
             addresses, tags, metadata, created_by, version, created_at, updated_at) VALUES {}",
            many(KEYS, &|n| {
                let (project, person) = (n % 200, n % 300);
                let owner = if n == 7 { "NULL, 'sva_1'".into() } else { format!("'per_{person}', NULL") };
                let models = if n % 10 == 0 { "[\"gpt-*\"]" } else { "\"all\"" };
                format!(
                    "('{}', 'prj_{project}', {owner}, 'k', '{}', 'live', '{models}', '\"all\"', '\"any\"', '[]', '{{}}', \
                     'per_0', 1, 0, 0)",
                    id(n).as_str(),
                    digest(n).to_hex()
                )
            })
        ),
    ] {
        write(store, &sql, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_found_in_pages_and_by_change() {
    on_both(async |url| {
        let store = Store::open(&options(url)).unwrap();
        becomes_ready(&store).await;
        seed(&store).await;
        let view = view(400);
        let following = view.clone().run(Arc::clone(&store), Arc::new(Still), Arc::new(Jitter::new(1)));
        let following = tokio::spawn(following);
        catches_up(&view).await;
        assert_eq!(view.status(NOW).filled.unwrap().keys, KEYS);
        for key in 0..KEYS {
            let Lookup::Found(record) = view.look(id(key), digest(key), NOW).key else { panic!("{key}") };
            assert_eq!(record.project.id, format!("prj_{}", key % 200));
            let subject = if key == 7 { "sva_1".into() } else { format!("s{}", key % 300) };
            assert_eq!(record.owner.subject, subject);
            assert_eq!(record.limits.models.allows("other"), key % 10 != 0);
            assert_eq!(view.look(id(key), digest(key + 1), NOW).key, Lookup::Absent);
        }

        let (three, seven) = (id(3).as_str().to_owned(), id(7).as_str().to_owned());
        write(
            &store,
            &format!("UPDATE api_keys SET state = 'revoked', revoked_at = 1 WHERE id = '{three}'"),
            Some(Change::Key(three)),
        )
        .await;
        write(
            &store,
            "UPDATE organizations SET state = 'suspended'",
            Some(Change::Organization("org_1".into())),
        )
        .await;
        write(
            &store,
            "UPDATE service_accounts SET state = 'suspended'",
            Some(Change::ServiceAccount("sva_1".into())),
        )
        .await;
        catches_up(&view).await;
        let look = |view: &ApiKeysView, key| match view.look(id(key), digest(key), NOW).key {
            Lookup::Found(record) => record,
            other => panic!("{other:?}"),
        };
        assert_eq!(look(&view, 3).state, KeyState::Revoked);
        assert_eq!(look(&view, 4).project.organization_standing, Standing::Suspended);
        assert_eq!(look(&view, 7).owner.standing, Standing::Suspended);
        write(&store, &format!("DELETE FROM api_keys WHERE id = '{seven}'"), Some(Change::Key(seven))).await;
        store.bump_epoch(at(2)).await.unwrap();
        catches_up(&view).await;
        assert_eq!(view.look(id(7), digest(7), NOW).key, Lookup::Absent);
        // A key that was revoked long ago is left out when everything is read anew.
        assert_eq!(view.look(id(3), digest(3), NOW).key, Lookup::Absent);
        following.abort();
        store.close().await;
    })
    .await;
}
