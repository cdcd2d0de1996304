//! Schemas of other versions, migrations that stopped, and processes that migrate at once.

use std::sync::Arc;

use futures_util::future::join_all;

use super::rig::{at, becomes_ready, on_both, options, write};
use super::{PLACE, Store, StoreError};
use crate::store::{Schema, inspect, probe};

#[tokio::test(flavor = "multi_thread")]
async fn many_that_start_on_an_empty_database_make_one_schema() {
    on_both(async |url| {
        let stores: Vec<_> = (0..6).map(|_| Store::open(&options(url.clone())).unwrap()).collect();
        becomes_ready(&stores[0]).await;
        // All at once, and none is told that it came second.
        for ready in join_all(stores.iter().map(|store| store.health())).await {
            ready.unwrap();
        }
        assert_eq!(inspect(&options(url)).await.unwrap().schema, Schema::Current);
        join_all(stores.iter().map(|store| store.close())).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_works_on_the_schema_of_the_next_one() {
    on_both(async |url| {
        let newer = Store::open(&options(url.clone())).unwrap();
        becomes_ready(&newer).await;
        // What an expanding migration does: another column, which this version does not know.
        let expand = [
            "ALTER TABLE projects ADD COLUMN colour TEXT",
            "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
             SELECT 9999, 'colour', installed_on, TRUE, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
        ];
        for statement in expand {
            write(&newer, statement, None).await;
        }
        let older = Store::open(&options(url.clone())).unwrap();
        older.health().await.unwrap();
        older.put_key_set(PLACE, "{}", at(1)).await.unwrap();
        let project = "INSERT INTO projects VALUES ('prj_1', 'org_1', 'n', 'active', '\"all\"', 1, 0, 0, NULL)";
        write(&newer, "INSERT INTO organizations VALUES ('org_1', 'o', FALSE, 'active', 1, 0, 0)", None).await;
        write(&newer, project, None).await;
        let rows = older.view_projects(crate::store::Rows::Ids(&["prj_1".to_owned()])).await.unwrap();
        assert_eq!(rows.len(), 1, "a row with more columns is read as before");
        assert_eq!(inspect(&options(url)).await.unwrap().schema, Schema::Ahead(9999));
        newer.close().await;
        older.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_cannot_be_trusted_is_refused_and_no_lock_stays_behind() {
    on_both(async |url| {
        let first = Store::open(&options(url.clone())).unwrap();
        becomes_ready(&first).await;
        let others: Vec<Arc<Store>> = (0..3).map(|_| Store::open(&options(url.clone())).unwrap()).collect();
        let refused = async |words: &str| {
            for refused in join_all(others.iter().map(|store| store.health())).await {
                let error = refused.unwrap_err();
                assert!(matches!(&error, StoreError::Migration(what) if what.contains(words)), "{error:?}");
            }
            if url.starts_with("postgres") {
                let held = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory'";
                // A server process notices the end of its connection when it looks.
                let mut looks = 0;
                while probe(&first, held).await > 0 {
                    looks += 1;
                    assert!(looks < 100, "another version could never migrate");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        };
        write(&first, "UPDATE _sqlx_migrations SET success = FALSE WHERE version = 2", None).await;
        refused("migration 2 is partially applied").await;
        write(&first, "UPDATE _sqlx_migrations SET success = TRUE WHERE version = 2", None).await;
        let other = "UPDATE _sqlx_migrations SET checksum = (SELECT checksum FROM _sqlx_migrations WHERE version = 2) \
                     WHERE version = 1";
        write(&first, "CREATE TABLE kept AS SELECT checksum FROM _sqlx_migrations WHERE version = 1", None).await;
        write(&first, other, None).await;
        refused("migration 1 was previously applied but has been modified").await;
        write(&first, "UPDATE _sqlx_migrations SET checksum = (SELECT checksum FROM kept) WHERE version = 1", None)
            .await;
        // Whoever was refused looks again, and needs no restart.
        for other in &others {
            other.health().await.unwrap();
            other.close().await;
        }
        first.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v1_keys_whose_secret_somebody_else_made_are_off_after_the_migration() {
    use super::people::{home, key, key_state, meet};
    on_both(async |url| {
        let store = Store::open(&options(url)).unwrap();
        becomes_ready(&store).await;
        let alice = meet(&store, "alice").await;
        let (_, project) = home(&store, &alice).await;
        for id in ["own", "handed", "operators", "robots", "off", "ended"] {
            key(&store, id, &project, &alice.id).await;
        }
        let account = "INSERT INTO service_accounts VALUES ('sva_1', 'P', 'ci', 'active', 1, 0, 0)";
        write(&store, &account.replace('P', &project), None).await;
        for (id, change) in [
            ("own", format!("created_by = '{}'", alice.id)),
            ("handed", "created_by = 'per_2', previous_digest = 'd', previous_until = 9".to_owned()),
            ("operators", "created_by = 'operator'".to_owned()),
            ("robots", "created_by = 'operator', person_id = NULL, service_account_id = 'sva_1'".to_owned()),
            ("off", format!("created_by = '{}', state = 'disabled'", alice.id)),
            ("ended", "created_by = 'per_2', state = 'revoked'".to_owned()),
        ] {
            write(&store, &format!("UPDATE api_keys SET {change} WHERE id = '{id}'"), None).await;
        }
        // What the migration does with the rows that it finds.
        let migration = include_str!("../../../migrations/0007_key_decisions.sql");
        let code: Vec<_> = migration.lines().filter(|line| !line.starts_with("--")).collect();
        let code = code.join("\n");
        let updates: Vec<_> = code.split(';').map(str::trim).filter(|s| s.starts_with("UPDATE")).collect();
        assert_eq!(updates.len(), 2);
        for update in updates {
            write(&store, update, None).await;
        }
        for (id, state) in [
            ("own", "live"),
            ("handed", "disabled"),
            ("operators", "disabled"),
            ("robots", "live"),
            ("off", "disabled"),
            ("ended", "revoked"),
        ] {
            assert_eq!(key_state(&store, id).await.0, state, "{id}");
        }
        let waiting =
            "SELECT COUNT(*) FROM api_keys WHERE handed_over_at IS NOT NULL AND previous_digest IS NULL";
        assert_eq!(probe(&store, waiting).await, 2);
        store.close().await;
    })
    .await;
}
