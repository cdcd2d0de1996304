//! Migrations: embedded, run by one process at a time, each whole or not at all, and none of them touched by a version that
//! does not know it.
//!
//! Each migration leaves a schema that the release before can work with, so that replicas are replaced one by one, and so
//! that the release before may start again. A version therefore takes a schema that is ahead of it, and refuses one that is
//! ahead and behind at once.

use std::time::Duration;

use sqlx::Connection as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::SqlitePool;
use tokio::time::timeout;

use super::db::within;
use super::fault::unavailable;
use super::postgres::connect;
use super::sqlite::examine;
use super::{StoreError, StoreOptions};

/// For all migrations together: making an index over millions of rows takes longer than a statement may.
const LIMIT: Duration = Duration::from_secs(900);

pub(super) static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

const PG_KNOWN: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
const LITE_KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations')";
const APPLIED: &str = "SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version";

/// One migration that was applied: its number, whether it was finished, and the digest of its text.
pub(super) type Applied = (i64, bool, Vec<u8>);

/// The migrations that were applied.
macro_rules! applied {
    ($connection:expr, $known:expr) => {{
        let known: bool = sqlx::query_scalar($known).fetch_one(&mut *$connection).await?;
        if known { sqlx::query_as(APPLIED).fetch_all(&mut *$connection).await? } else { Vec::new() }
    }};
}

/// What was applied on Postgres.
pub(super) async fn applied_on_postgres(connection: &mut PgConnection) -> Result<Vec<Applied>, sqlx::Error> {
    Ok(applied!(connection, PG_KNOWN))
}

/// What was applied on SQLite.
pub(super) async fn applied_on_sqlite(
    connection: &mut sqlx::sqlite::SqliteConnection,
) -> Result<Vec<Applied>, sqlx::Error> {
    Ok(applied!(connection, LITE_KNOWN))
}

/// Whether everything that this version knows was applied as this version knows it.
fn is_current(applied: &[Applied]) -> bool {
    let finished = applied.iter().all(|(_, success, _)| *success);
    let same = |version, text: &[u8]| {
        applied.iter().any(|(applied, _, checksum)| *applied == version && checksum == text)
    };
    finished && MIGRATOR.iter().all(|migration| same(migration.version, &migration.checksum))
}

/// Brings a Postgres up to date, under an advisory lock. The connection is of this work alone and is closed after it, so that
/// no lock of its session stays behind, whatever happens.
pub(super) async fn postgres(pool: &PgConnectOptions, options: &StoreOptions) -> Result<(), StoreError> {
    let mut connection = connect(pool, options).await?;
    let done = migrate_postgres(&mut connection, options).await;
    // It is closed all the same.
    let _ = within(options.connect_timeout, connection.close()).await;
    done
}

async fn migrate_postgres(connection: &mut PgConnection, options: &StoreOptions) -> Result<(), StoreError> {
    let asked = within(options.statement_timeout, applied_on_postgres(connection)).await;
    if is_current(&asked.map_err(|e| unavailable(&e))?) {
        // Nothing more than reading was needed, so a role that may not change the schema is enough.
        return Ok(());
    }
    let patient = "SELECT set_config('statement_timeout', '0', FALSE)";
    let set = within(options.statement_timeout, sqlx::query(patient).execute(&mut *connection)).await;
    set.map_err(|e| unavailable(&e))?;
    match timeout(LIMIT, MIGRATOR.run_direct(None, connection, false)).await {
        Ok(done) => done.map_err(judged),
        Err(_) => {
            Err(StoreError::Unavailable(format!("migrations were not done within {} s", LIMIT.as_secs())))
        }
    }
}

/// Looks through a SQLite file, and brings it up to date in one transaction that no other process can share.
pub(super) async fn sqlite(pool: &SqlitePool) -> Result<(), StoreError> {
    let mut connection = pool.acquire().await.map_err(|e| unavailable(&e))?;
    examine(&mut connection).await?;
    if is_current(&applied_on_sqlite(&mut connection).await.map_err(|e| unavailable(&e))?) {
        return Ok(());
    }
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(|e| unavailable(&e))?;
    MIGRATOR.run_direct(None, &mut *tx, false).await.map_err(judged)?;
    tx.commit().await.map_err(|e| unavailable(&e))
}

fn judged(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) => unavailable(&error),
        MigrateError::ExecuteMigration(error, version) => match unavailable(&error) {
            StoreError::Unavailable(what) => StoreError::Migration(format!("migration {version}: {what}")),
            other => other,
        },
        other => StoreError::Migration(other.to_string()),
    }
}
