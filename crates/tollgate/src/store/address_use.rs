//! What keys that are bound to addresses meet: how many there are, and from which addresses keys were used of late. Read on a
//! connection of its own, for a look from outside.

use std::net::IpAddr;
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;
use tollgate_core::time::Timestamp;

use super::fault::unavailable;
use super::{StoreError, StoreOptions, postgres};

/// Addresses that are told apart; more are not read.
const ENOUGH: usize = 3;

/// Live keys that may not be used from everywhere.
const BOUND: &str = r#"SELECT COUNT(*) FROM api_keys WHERE state = 'live' AND addresses <> '"any"'"#;
/// Addresses of uses since a moment.
const SEEN: &str = "SELECT DISTINCT last_used_address FROM api_keys \
     WHERE last_used_at >= $1 AND last_used_address IS NOT NULL ORDER BY last_used_address LIMIT 3";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[BOUND, SEEN];

/// Keys and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressUse {
    /// Live keys that are bound to addresses.
    pub bound: u64,
    /// Addresses from which keys of any kind were used, three at most.
    pub seen: Vec<IpAddr>,
}

/// Reads it.
///
/// # Errors
/// The database does not answer within the options' time, or has not this version's tables.
pub async fn address_use(options: &StoreOptions, since: Timestamp) -> Result<AddressUse, StoreError> {
    match timeout(options.connect_timeout + options.statement_timeout, read(options, since)).await {
        Ok(read) => read.map_err(|error| unavailable(&error)),
        Err(_) => Err(StoreError::Unavailable("no answer in time".into())),
    }
}

async fn read(options: &StoreOptions, since: Timestamp) -> Result<AddressUse, sqlx::Error> {
    let (bound, seen): (i64, Vec<String>) = if postgres::is_ours(&options.url) {
        let connect = PgConnectOptions::from_str(&options.url)?.disable_statement_logging();
        let mut connection = connect.connect().await?;
        let bound = sqlx::query_scalar(BOUND).fetch_one(&mut connection).await?;
        let seen = sqlx::query_scalar(SEEN).bind(since.as_millis()).fetch_all(&mut connection).await?;
        let _ = connection.close().await;
        (bound, seen)
    } else {
        let connect = SqliteConnectOptions::from_str(&options.url)?.read_only(true).create_if_missing(false);
        let mut connection = connect.disable_statement_logging().connect().await?;
        let bound = sqlx::query_scalar(BOUND).fetch_one(&mut connection).await?;
        let seen = sqlx::query_scalar(SEEN).bind(since.as_millis()).fetch_all(&mut connection).await?;
        let _ = connection.close().await;
        (bound, seen)
    };
    let seen = seen.iter().filter_map(|address| address.parse().ok()).take(ENOUGH).collect();
    Ok(AddressUse { bound: u64::try_from(bound).unwrap_or(0), seen })
}
