//! What an error of the database means: whether trying again may help, whether it takes no writes, whether it is damaged.

use sqlx::error::DatabaseError;
use sqlx::sqlite::SqliteError;

use super::StoreError;

/// What a statement that only reads, or makes no rows that can be there already, failed of.
pub(super) fn unavailable(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(database) => kind(database.as_ref())(error.to_string()),
        sqlx::Error::PoolTimedOut => StoreError::Unavailable(
            "no connection in time: either all of database.pool_size are in use, or the server takes no new ones".into(),
        ),
        // Its words begin with "error communicating with database", as if that were all.
        sqlx::Error::Io(error) => StoreError::Unavailable(error.to_string()),
        other => StoreError::Unavailable(other.to_string()),
    }
}

/// What a statement failed of.
pub(super) fn failed(error: &sqlx::Error) -> StoreError {
    if let sqlx::Error::Database(database) = error
        && database.is_unique_violation()
    {
        let what = database.constraint().unwrap_or("a row that is there already");
        return StoreError::Conflict(what.to_owned());
    }
    unavailable(error)
}

fn kind(error: &dyn DatabaseError) -> fn(String) -> StoreError {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<SqliteError>().is_some() {
        // The lowest byte of an extended result code is the primary one (sqlite.org/rescode.html).
        return match code.parse::<i64>().unwrap_or_default() & 0xff {
            // BUSY, LOCKED
            5 | 6 => StoreError::Again,
            // READONLY, FULL
            8 | 13 => StoreError::NoWrites,
            // CORRUPT, NOTADB
            11 | 26 => StoreError::Damaged,
            _ => StoreError::Unavailable,
        };
    }
    match code.as_ref() {
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => StoreError::Again,
        // read_only_sql_transaction, disk_full
        "25006" | "53100" => StoreError::NoWrites,
        // data_corrupted, index_corrupted
        "XX001" | "XX002" => StoreError::Damaged,
        _ => StoreError::Unavailable,
    }
}
