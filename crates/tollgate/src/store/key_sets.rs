//! The last good key set of each issuer.

use tollgate_core::time::Timestamp;

use super::db::{on, unavailable};
use super::{Store, StoreError};

/// A key set as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKeySet {
    /// The document as the issuer served it.
    pub document: String,
    /// When it was last known to be good.
    pub fetched_at: Timestamp,
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[FIND, PUT];
const FIND: &str = "SELECT document, fetched_at FROM key_sets WHERE issuer = $1 AND location = $2";
/// Replicas write the same row: the newest fetch wins, whichever commits last.
const PUT: &str = "INSERT INTO key_sets (issuer, location, document, fetched_at) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (issuer, location) DO UPDATE SET document = excluded.document, fetched_at = excluded.fetched_at \
     WHERE excluded.fetched_at >= key_sets.fetched_at";

impl Store {
    /// The kept key set of an issuer at a location.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn find_key_set(
        &self,
        (issuer, location): (&str, &str),
    ) -> Result<Option<StoredKeySet>, StoreError> {
        let db = self.ready().await?;
        let row: Option<(String, i64)> =
            on!(db, pool => sqlx::query_as(FIND).bind(issuer).bind(location).fetch_optional(pool).await)
                .map_err(|e| unavailable(&e))?;
        Ok(row.map(|(document, at)| StoredKeySet { document, fetched_at: Timestamp::from_millis(at) }))
    }

    /// Keeps a key set.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn put_key_set(
        &self,
        (issuer, location): (&str, &str),
        document: &str,
        fetched_at: Timestamp,
    ) -> Result<(), StoreError> {
        if document.contains('\0') {
            // Postgres has no text with NUL in it; JSON has none either.
            return Err(StoreError::Inconsistent {
                table: "key_sets",
                what: "a document with a NUL byte".into(),
            });
        }
        let db = self.ready().await?;
        on!(db, pool => {
            let put = sqlx::query(PUT).bind(issuer).bind(location).bind(document).bind(fetched_at.as_millis());
            put.execute(pool).await.map(drop)
        })
        .map_err(|e| unavailable(&e))
    }
}
