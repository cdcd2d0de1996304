//! Connections to Postgres, each looked at before it is used: to a primary, with the settings that were asked for, alive.

use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection as _, Row as _};

use super::db::within;
use super::fault::unavailable;
use super::{StoreError, StoreOptions};

/// Connections for the views: one for the round that brings them to the present, one for reading everything beside it.
const FOR_VIEWS: u32 = 2;
/// Credentials, certificates and the server behind a name may change; no connection is older than this.
const MAX_AGE: Duration = Duration::from_secs(1800);
/// For a connection that comes back to show that it can be used again; else it is closed.
const RETURN_LIMIT: Duration = Duration::from_secs(2);

/// Whether a standby answers, and the limit for statements in milliseconds as the session has it.
const SESSION: &str = "SELECT pg_is_in_recovery(), setting FROM pg_settings WHERE name = 'statement_timeout'";
pub(super) const IN_RECOVERY: &str = "SELECT pg_is_in_recovery()";

const STANDBY: &str =
    "the server is a standby, which refuses writes and may lag behind; database.url must lead to the primary";
const POOLER: &str = "something between Tollgate and Postgres does not pass session settings on. PgBouncer and its like are \
     not supported, because their transaction pooling breaks prepared statements, locks and notifications: let database.url \
     lead to Postgres itself (each replica opens database.pool_size and 3 more connections at most)";

/// Why the last new connection was not taken, for whoever waited for it in vain.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(Arc<Mutex<Option<&'static str>>>);

impl Refusals {
    fn set(&self, reason: Option<&'static str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    pub fn last(&self) -> Option<sqlx::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(refusal)
    }
}

fn refusal(reason: &'static str) -> sqlx::Error {
    sqlx::Error::Configuration(reason.into())
}

/// Whether the URL is Postgres'.
pub(super) fn is_ours(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// How to connect.
pub(super) fn connect_options(options: &StoreOptions) -> Result<PgConnectOptions, StoreError> {
    let millis = millis(options.statement_timeout);
    let connect = PgConnectOptions::from_str(&options.url).map_err(|e| unavailable(&e))?;
    let limits = [("statement_timeout", millis.as_str()), ("lock_timeout", millis.as_str())];
    Ok(connect.application_name("tollgate").options(limits))
}

fn millis(limit: Duration) -> String {
    limit.as_millis().to_string()
}

/// Connections for people's requests and for the views. None is made yet.
pub(super) fn pools(options: &StoreOptions, refusals: &Refusals) -> Result<(PgPool, PgPool), StoreError> {
    let connect = connect_options(options)?;
    let views = pool(options, FOR_VIEWS, refusals).connect_lazy_with(connect.clone());
    Ok((pool(options, options.pool_size, refusals).connect_lazy_with(connect), views))
}

fn pool(options: &StoreOptions, size: u32, refusals: &Refusals) -> PgPoolOptions {
    let (refusals, limit) = (refusals.clone(), millis(options.statement_timeout));
    // Half of the time to get a connection, so that the other half is left for a new one.
    let idle_limit = options.connect_timeout / 2;
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(options.connect_timeout)
        .max_lifetime(MAX_AGE)
        .after_connect(move |connection, _| {
            let (refusals, limit) = (refusals.clone(), limit.clone());
            Box::pin(async move {
                let reason = judge(connection, &limit).await?;
                refusals.set(reason);
                reason.map_or(Ok(()), |reason| Err(refusal(reason)))
            })
        })
        // The question below is one.
        .test_before_acquire(false)
        // After a failover the old primary still answers pings, and refuses every write.
        .before_acquire(move |connection, _| {
            Box::pin(async move {
                let asked = sqlx::query_scalar::<_, bool>(IN_RECOVERY).fetch_one(connection);
                Ok(!within(idle_limit, asked).await?)
            })
        })
        // A statement may have been given up half-way, on a network that swallows everything. Without this the connection
        // would be missing in the pool until the operating system gives it up too.
        .after_release(|connection, _| {
            Box::pin(async move { within(RETURN_LIMIT, connection.ping()).await.map(|()| true) })
        })
}

/// Looks at a new connection; why it cannot be used, if it cannot.
async fn judge(connection: &mut PgConnection, limit: &str) -> Result<Option<&'static str>, sqlx::Error> {
    // As plain text: a prepared statement is one of the things that poolers break.
    let row = sqlx::raw_sql(SESSION).fetch_one(connection).await?;
    let (recovering, setting): (bool, String) = (row.try_get(0)?, row.try_get(1)?);
    Ok(match (recovering, setting == limit) {
        (true, _) => Some(STANDBY),
        (false, false) => Some(POOLER),
        (false, true) => None,
    })
}

/// A connection of its own, looked at as those of the pools are.
pub(super) async fn connect(
    connect: &PgConnectOptions,
    options: &StoreOptions,
) -> Result<PgConnection, StoreError> {
    use sqlx::ConnectOptions as _;
    let made = within(options.connect_timeout, connect.connect()).await;
    let mut connection = made.map_err(|error| {
        // PgBouncer says so, unless it is told to ignore what it does not know.
        let pooler = error.to_string().contains("unsupported startup parameter");
        if pooler { unavailable(&refusal(POOLER)) } else { unavailable(&error) }
    })?;
    let limit = millis(options.statement_timeout);
    let judged = judge(&mut connection, &limit);
    match within(options.statement_timeout, judged).await {
        Ok(None) => Ok(connection),
        Ok(Some(reason)) => Err(StoreError::Unavailable(reason.to_owned())),
        Err(error) => Err(unavailable(&error)),
    }
}

/// Whether both lead to the same database, whoever asks and however it is reached safely.
pub(super) fn same_place(a: &PgConnectOptions, b: &PgConnectOptions) -> bool {
    a.get_host() == b.get_host()
        && a.get_port() == b.get_port()
        && a.get_socket() == b.get_socket()
        && a.get_database().unwrap_or(a.get_username()) == b.get_database().unwrap_or(b.get_username())
}
