//! Looking at a database without changing it: whether it answers, and whether its schema is the one that this version makes.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use super::fault::unavailable;
use super::migrate::{Applied, MIGRATOR, applied_on_postgres, applied_on_sqlite};
use super::postgres::{IN_RECOVERY, is_ours as is_postgres};
use super::{StoreError, StoreOptions};

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Where it is, without user and password.
    pub place: String,
    /// Whether it refuses writes: a standby, or the old primary after a failover.
    pub read_only: bool,
    /// How far its schema is.
    pub schema: Schema,
}

/// How a schema compares with the one that this version makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Nothing of ours is there: Tollgate never started on it.
    Empty,
    /// As it should be.
    Current,
    /// So many migrations are to come, which the next start runs.
    Behind(usize),
    /// A newer version made it; its last migration.
    Ahead(i64),
    /// A migration stopped in the middle; its number.
    Broken(i64),
}

/// Where a database is, without what must not be shown.
pub fn place(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) if scheme.starts_with("postgres") => {
            format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, place)| place))
        }
        _ => plain.to_owned(),
    }
}

/// Looks, on a connection of its own. A SQLite file that is not there is [`Schema::Empty`] and is not made.
///
/// # Errors
/// It does not answer within the options' time, or the URL is none of ours.
pub async fn inspect(options: &StoreOptions) -> Result<Inspection, StoreError> {
    let limit = options.connect_timeout + options.statement_timeout;
    match timeout(limit, look(options)).await {
        Ok(seen) => seen,
        Err(_) => Err(StoreError::Unavailable(format!("no answer within {} s", Duration::as_secs(&limit)))),
    }
}

async fn look(options: &StoreOptions) -> Result<Inspection, StoreError> {
    let failed = |error: sqlx::Error| unavailable(&error);
    let place = place(&options.url);
    if is_postgres(&options.url) {
        let connect = PgConnectOptions::from_str(&options.url).map_err(failed)?.disable_statement_logging();
        let mut connection: PgConnection = connect.connect().await.map_err(failed)?;
        let read_only: bool =
            sqlx::query_scalar(IN_RECOVERY).fetch_one(&mut connection).await.map_err(failed)?;
        let applied = applied_on_postgres(&mut connection).await.map_err(failed)?;
        // What matters was read; a connection that cannot say goodbye is closed all the same.
        let _ = connection.close().await;
        return Ok(Inspection { place, read_only, schema: schema(&applied) });
    }
    if !options.url.starts_with("sqlite:") {
        return Err(StoreError::Url);
    }
    let connect = SqliteConnectOptions::from_str(&options.url).map_err(failed)?;
    let file: PathBuf = connect.get_filename().to_owned();
    if !file.exists() {
        return Ok(Inspection { place, read_only: false, schema: Schema::Empty });
    }
    let read_only = std::fs::metadata(&file).is_ok_and(|meta| meta.permissions().readonly());
    let connect = connect.create_if_missing(false).read_only(true).disable_statement_logging();
    let mut connection: SqliteConnection = connect.connect().await.map_err(failed)?;
    let applied = applied_on_sqlite(&mut connection).await.map_err(failed)?;
    let _ = connection.close().await;
    Ok(Inspection { place, read_only, schema: schema(&applied) })
}

fn schema(applied: &[Applied]) -> Schema {
    let known: Vec<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
    if let Some((version, ..)) = applied.iter().find(|(_, success, _)| !success) {
        return Schema::Broken(*version);
    }
    if let Some((version, ..)) = applied.iter().rev().find(|(version, ..)| !known.contains(version)) {
        return Schema::Ahead(*version);
    }
    match (applied.len(), known.len().saturating_sub(applied.len())) {
        (0, _) => Schema::Empty,
        (_, 0) => Schema::Current,
        (_, missing) => Schema::Behind(missing),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::Store;
    use super::*;

    fn options(url: String) -> StoreOptions {
        let timeout = Duration::from_secs(2);
        StoreOptions { url, pool_size: 1, connect_timeout: timeout, statement_timeout: timeout }
    }

    #[tokio::test]
    async fn a_file_is_looked_at_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state.db");
        let options = options(format!("sqlite://{}", file.display()));
        assert_eq!(inspect(&options).await.unwrap().schema, Schema::Empty);
        assert!(!file.exists(), "looking makes nothing");
        let store = Store::open(&options).unwrap();
        store.health().await.unwrap();
        assert_eq!(inspect(&options).await.unwrap().schema, Schema::Current);
        store.close().await;
        std::fs::write(&file, "not a database, and long enough to be taken for one by nobody at all")
            .unwrap();
        assert!(matches!(inspect(&options).await, Err(StoreError::Damaged(_))));
    }

    #[test]
    fn versions_are_told_apart() {
        let known: Vec<Applied> = MIGRATOR.iter().map(|m| (m.version, true, vec![])).collect();
        assert_eq!(schema(&[]), Schema::Empty);
        assert_eq!(schema(&known), Schema::Current);
        assert_eq!(schema(&[known.clone(), vec![(9999, true, vec![])]].concat()), Schema::Ahead(9999));
        assert_eq!(schema(&[(known[0].0, false, vec![])]), Schema::Broken(known[0].0));
    }

    #[test]
    fn no_password_is_shown() {
        assert_eq!(place("postgres://u:p@ss@db:5432/x?sslmode=require&password=q"), "postgres://db:5432/x");
        assert_eq!(place("postgres://db/x"), "postgres://db/x");
        assert_eq!(place("sqlite:///var/lib/t.db?mode=rwc"), "sqlite:///var/lib/t.db");
    }
}
