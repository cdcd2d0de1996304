//! Connections to a SQLite file: one that writes, one for the views that only reads, and the look at the file before either
//! is believed.

use std::str::FromStr as _;

use sqlx::Connection as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};

use super::fault::unavailable;
use super::{StoreError, StoreOptions};

/// Size in bytes to which the write-ahead log is cut back once it was moved into the database: a long reader elsewhere, such
/// as a backup, lets it grow without bound.
const LOG_BYTES: &str = "67108864";

/// Whether the URL is SQLite's.
pub(super) fn is_ours(url: &str) -> bool {
    url.starts_with("sqlite:")
}

/// Connections for people's requests and for the views. None is made yet.
pub(super) fn pools(options: &StoreOptions) -> Result<(SqlitePool, SqlitePool), StoreError> {
    let plain = SqliteConnectOptions::from_str(&options.url).map_err(|e| unavailable(&e))?;
    let plain = plain.foreign_keys(true).busy_timeout(options.statement_timeout);
    let writes = plain
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", LOG_BYTES);
    let pool = || {
        SqlitePoolOptions::new()
            // SQLite has one writer.
            .max_connections(1)
            .acquire_timeout(options.connect_timeout)
            // Never made anew: a file that was replaced or a log that was deleted behind our back would be opened beside the
            // one in use.
            .idle_timeout(None)
            .max_lifetime(None)
    };
    // A database in memory is one of its connection alone, and gone with it.
    if options.url.contains(":memory:") || options.url.contains("mode=memory") {
        let only = pool().connect_lazy_with(writes);
        return Ok((only.clone(), only));
    }
    // SQLite itself undoes a transaction that meets a full disk, and then refuses sqlx's attempt to do so: the connection
    // would pass for one within a transaction for good.
    let main = pool().before_acquire(|connection, _| {
        let usable = !connection.is_in_transaction();
        Box::pin(async move { Ok(usable) })
    });
    Ok((main.connect_lazy_with(writes), pool().connect_lazy_with(plain.read_only(true))))
}

/// Looks through every page of the file.
///
/// # Errors
/// [`StoreError::Damaged`] when its structure is broken.
pub(super) async fn examine(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let found: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_all(connection)
        .await
        .map_err(|e| unavailable(&e))?;
    match found.as_slice() {
        [one] if one == "ok" => Ok(()),
        found => Err(StoreError::Damaged(found.join("; "))),
    }
}
