//! The database behind two sets of connections, one for people's requests and one for the views; and the macros that run
//! the same statement on either engine, never longer than the limit.

use std::io;
use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use tokio::time::timeout;

pub(super) use super::fault::{failed, unavailable};
use super::postgres::{self, Refusals};
use super::{StoreError, StoreOptions, migrate, sqlite};

/// Past the limits of connecting and of the statement, so that whoever knows more about a failure can say it first.
const GRACE: Duration = Duration::from_secs(1);

/// A connected database of either kind.
#[derive(Debug)]
pub(super) struct Db {
    /// For requests of people, and for everything that writes.
    pub main: Pool,
    /// For the views: a crowd at the API must never keep a revoked key alive.
    pub views: Pool,
    /// For what strangers may ask: it only reads, and waits for no writer. On Postgres the same as `main`.
    pub reads: Pool,
    /// For one statement, a connection for it included. The database has a limit of its own; this one also ends the wait for
    /// a connection that is dead without a sign.
    pub limit: Duration,
    refusals: Refusals,
    options: StoreOptions,
}

/// Connections of either kind.
#[derive(Debug)]
pub(super) enum Pool {
    Pg(PgPool),
    Lite(SqlitePool),
}

/// Evaluates one expression with `$pool` bound to the connections for people's requests, of whichever database it is.
macro_rules! on {
    ($db:expr, $pool:ident => $body:expr) => {{
        let db: &$crate::store::db::Db = $db;
        db.bounded(async {
            match &db.main {
                $crate::store::db::Pool::Pg($pool) => $body,
                $crate::store::db::Pool::Lite($pool) => $body,
            }
        })
        .await
    }};
}
pub(super) use on;

/// As [`on`], with the connections for the views.
macro_rules! on_views {
    ($db:expr, $pool:ident => $body:expr) => {{
        let db: &$crate::store::db::Db = $db;
        db.bounded(async {
            match &db.views {
                $crate::store::db::Pool::Pg($pool) => $body,
                $crate::store::db::Pool::Lite($pool) => $body,
            }
        })
        .await
    }};
}
pub(super) use on_views;

impl Db {
    pub fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let refusals = Refusals::default();
        let (main, views, reads) = if postgres::is_ours(&options.url) {
            let (main, views) = postgres::pools(options, &refusals)?;
            (Pool::Pg(main.clone()), Pool::Pg(views), Pool::Pg(main))
        } else if sqlite::is_ours(&options.url) {
            let (main, views, reads) = sqlite::pools(options)?;
            (Pool::Lite(main), Pool::Lite(views), Pool::Lite(reads))
        } else {
            return Err(StoreError::Url);
        };
        let limit = options.connect_timeout + options.statement_timeout + GRACE;
        Ok(Self { main, views, reads, limit, refusals, options: options.clone() })
    }

    /// The outcome of a statement, or an error once the limit has passed.
    pub async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        match within(self.limit, work).await {
            Err(sqlx::Error::PoolTimedOut) => Err(self.refusals.last().unwrap_or(sqlx::Error::PoolTimedOut)),
            done => done,
        }
    }

    /// Brings the schema up to date; replicas take turns.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match &self.main {
            Pool::Pg(pool) => migrate::postgres(pool.connect_options().as_ref(), &self.options).await,
            Pool::Lite(pool) => migrate::sqlite(pool).await,
        }
    }

    /// Whether it is a file of this process alone, and no server.
    pub const fn is_embedded(&self) -> bool {
        matches!(self.main, Pool::Lite(_))
    }

    /// Connects with other credentials from now on; false when they are for another database.
    pub fn renew(&self, options: &StoreOptions) -> Result<bool, StoreError> {
        let (Pool::Pg(main), Pool::Pg(views)) = (&self.main, &self.views) else {
            return Ok(options.url == self.options.url);
        };
        let connect = postgres::connect_options(options)?;
        if !postgres::same_place(&connect, main.connect_options().as_ref()) {
            return Ok(false);
        }
        main.set_connect_options(connect.clone());
        views.set_connect_options(connect);
        Ok(true)
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
        // The main ones last: on SQLite only they can move the write-ahead log into the database.
        for pool in [&self.views, &self.reads, &self.main] {
            match pool {
                Pool::Pg(pool) => pool.close().await,
                Pool::Lite(pool) => pool.close().await,
            }
        }
    }
}

/// The same, or an error once `limit` has passed.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer").into()),
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[PING];
pub(super) const PING: &str = "SELECT 1";
