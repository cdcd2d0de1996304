//! Work that one replica does at a time: a row says who does it, and until when nobody else may. Whoever dies holds it no
//! longer than that.

use tollgate_core::time::Timestamp;

use super::db::{failed, on};
use super::{Store, StoreError};

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The asker's.
    Ours,
    /// Somebody else's, until this moment by their clock.
    Theirs {
        /// When it is free, unless it is prolonged.
        until: Timestamp,
    },
}

const TAKE: &str = "INSERT INTO leases (name, holder, until) VALUES ($1, $2, $3) \
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
     WHERE leases.until <= $4 OR leases.holder = excluded.holder";
const FIND: &str = "SELECT until FROM leases WHERE name = $1";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[TAKE, FIND];

impl Store {
    /// Takes a piece of work, or prolongs it: until `until` it is the holder's alone.
    ///
    /// Replicas' clocks may differ by seconds, so the work must do no harm when two do it.
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        let db = self.ready().await?;
        let taken = on!(db, pool => {
            let take = sqlx::query(TAKE).bind(name).bind(holder).bind(until.as_millis()).bind(now.as_millis());
            take.execute(pool).await.map(|done| done.rows_affected() > 0)
        })
        .map_err(|e| failed(&e))?;
        if taken {
            return Ok(Lease::Ours);
        }
        let until: Option<i64> =
            on!(db, pool => sqlx::query_scalar(FIND).bind(name).fetch_optional(pool).await)
                .map_err(|e| failed(&e))?;
        Ok(Lease::Theirs { until: until.map_or(now, Timestamp::from_millis) })
    }
}
