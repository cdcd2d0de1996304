//! Two pools behind one name, and the macro that runs the same statement on either.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::{StoreError, StoreOptions};

pub(super) static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// A connected database of either kind.
#[derive(Debug)]
pub(super) enum Db {
    Pg(PgPool),
    Lite(SqlitePool),
}

/// Evaluates one expression with `$pool` bound to the pool of whichever database it is.
macro_rules! on {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            $crate::store::db::Db::Pg($pool) => $body,
            $crate::store::db::Db::Lite($pool) => $body,
        }
    };
}
pub(super) use on;

impl Db {
    pub fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let unusable = |e: sqlx::Error| StoreError::Unavailable(e.to_string());
        if options.url.starts_with("postgres://") || options.url.starts_with("postgresql://") {
            let millis = options.statement_timeout.as_millis().to_string();
            let connect = PgConnectOptions::from_str(&options.url)
                .map_err(unusable)?
                .application_name("tollgate")
                .options([("statement_timeout", millis.as_str()), ("lock_timeout", millis.as_str())]);
            let pool = PgPoolOptions::new()
                .max_connections(options.pool_size)
                .acquire_timeout(options.connect_timeout)
                .max_lifetime(Duration::from_secs(1800))
                // After a failover the old primary still answers pings, and refuses every write.
                .before_acquire(|connection, _| {
                    Box::pin(async move {
                        let recovering: bool = sqlx::query_scalar(IN_RECOVERY).fetch_one(connection).await?;
                        Ok(!recovering)
                    })
                });
            return Ok(Self::Pg(pool.connect_lazy_with(connect)));
        }
        if options.url.starts_with("sqlite:") {
            let connect = SqliteConnectOptions::from_str(&options.url)
                .map_err(unusable)?
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(options.statement_timeout);
            // One connection: SQLite has one writer, and an in-memory database is a database per connection.
            let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(options.connect_timeout);
            return Ok(Self::Lite(pool.connect_lazy_with(connect)));
        }
        Err(StoreError::Url)
    }

    /// Brings the schema up to date. sqlx holds an advisory lock on Postgres, so that replicas take turns.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let done = on!(self, pool => MIGRATOR.run(pool).await);
        done.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error) => unavailable(&error),
            other => StoreError::Migration(other.to_string()),
        })
    }

    pub async fn ping(&self) -> Result<(), StoreError> {
        on!(self, pool => sqlx::query(PING).execute(pool).await.map(drop)).map_err(|e| unavailable(&e))
    }

    /// Checks one statement against the schema: syntax, tables, columns and, on Postgres, types.
    #[cfg(test)]
    pub async fn prepare(&self, statement: &'static str) -> Result<(), sqlx::Error> {
        use sqlx::{Executor as _, SqlSafeStr as _};
        on!(self, pool => pool.prepare(statement.into_sql_str()).await.map(drop))
    }

    pub async fn close(&self) {
        on!(self, pool => pool.close().await);
    }
}

pub(super) fn unavailable(error: &sqlx::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// What a failed statement means.
pub(super) fn failed(error: &sqlx::Error) -> StoreError {
    if let sqlx::Error::Database(database) = error {
        if database.is_unique_violation() {
            return StoreError::Conflict(
                database.constraint().unwrap_or("a row that is there already").to_owned(),
            );
        }
        // Serialization failure and deadlock on Postgres; SQLITE_BUSY and its kin on SQLite.
        if matches!(database.code().as_deref(), Some("40001" | "40P01" | "5" | "6" | "261" | "517")) {
            return StoreError::Again(error.to_string());
        }
    }
    unavailable(error)
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[PING];
pub(super) const PING: &str = "SELECT 1";
pub(super) const IN_RECOVERY: &str = "SELECT pg_is_in_recovery()";
