//! Connections to a SQLite file: one that writes, one for the views that only reads, and the look at the file before either
//! is believed.

use std::path::{Path, PathBuf};
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

/// Connections that read for those whom nobody knows yet.
const READERS: u32 = 2;

/// Connections for people's requests, for the views, and for reading alone. None is made yet.
pub(super) fn pools(options: &StoreOptions) -> Result<(SqlitePool, SqlitePool, SqlitePool), StoreError> {
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
        return Ok((only.clone(), only.clone(), only));
    }
    // SQLite itself undoes a transaction that meets a full disk, and then refuses sqlx's attempt to do so: the connection
    // would pass for one within a transaction for good.
    let file = plain.get_filename().to_owned();
    keep_private(&file);
    let main = pool().after_connect(move |_, _| {
        // The file may have been made by this very connection.
        narrow(&file);
        Box::pin(async { Ok(()) })
    });
    let main = main.before_acquire(|connection, _| {
        let usable = !connection.is_in_transaction();
        Box::pin(async move { Ok(usable) })
    });
    let plain = plain.read_only(true);
    let reads = pool().max_connections(READERS).connect_lazy_with(plain.clone());
    Ok((main.connect_lazy_with(writes), pool().connect_lazy_with(plain), reads))
}

/// Makes the file, when it is not there, for its owner alone whatever the umask: it will hold digests of keys, people and the
/// audit log. SQLite gives the files beside it the same mode.
fn keep_private(file: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Whatever fails here (there is one, no such directory) is said by the connection, which comes to the same file.
    drop(options.open(file));
    narrow(file);
}

/// Takes the rights of group and others from the files of a database, or says that it cannot.
#[cfg(unix)]
fn narrow(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    for part in parts(file) {
        let Ok(found) = std::fs::metadata(&part) else { continue };
        let mode = found.permissions().mode();
        if !found.is_file() || mode & 0o077 == 0 {
            continue;
        }
        let private = std::fs::Permissions::from_mode(mode & 0o700);
        match std::fs::set_permissions(&part, private) {
            Ok(()) => {
                tracing::info!(
                    "{}: was open to group or others; it is its owner's alone now",
                    part.display()
                );
            }
            Err(error) => {
                tracing::warn!(
                    "{}: others may read it, and its mode cannot be changed: {error}; chmod 600 it",
                    part.display()
                );
            }
        }
    }
}

#[cfg(not(unix))]
fn narrow(_: &Path) {}

/// The database and what SQLite keeps beside it.
#[cfg(unix)]
fn parts(file: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", "-journal"].map(|end| {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        name.into()
    })
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
