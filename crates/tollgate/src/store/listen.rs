//! The bus between processes: Postgres tells when changes are committed. It only wakes; what changed is read from the
//! sequence, so a lost message costs time and never truth.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};

use super::changes::CHANNEL;
use super::db::{PING, Pool, unavailable};
use super::{Store, StoreError};

/// How long a listening connection may take to show that it lives.
const PING_LIMIT: Duration = Duration::from_secs(2);

/// A connection of its own that hears of changes.
pub struct ChangeListener(PgListener);

impl Store {
    /// Begins to listen; `None` when the database has no bus (SQLite).
    ///
    /// # Errors
    /// The database gave no answer.
    pub async fn listen(&self) -> Result<Option<ChangeListener>, StoreError> {
        let Pool::Pg(pool) = &self.ready().await?.main else { return Ok(None) };
        // Not a connection of the pool: it would be missing there, and a listener keeps its connection for good.
        let own = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(pool.options().get_acquire_timeout())
            .connect_lazy_with(pool.connect_options().as_ref().clone());
        let mut listener = PgListener::connect_with(&own).await.map_err(|e| unavailable(&e))?;
        listener.ignore_pool_close_event(true);
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await.map_err(|e| unavailable(&e))?;
        Ok(Some(ChangeListener(listener)))
    }
}

impl ChangeListener {
    /// Waits for news for `patience`; true when there was some. In silence the connection is made to show that it lives.
    ///
    /// # Errors
    /// The connection is lost, or does not answer: listen anew, and read what was missed.
    pub async fn hear(&mut self, patience: Duration) -> Result<bool, StoreError> {
        match tokio::time::timeout(patience, self.0.try_recv()).await {
            Ok(Ok(Some(_))) => return Ok(true),
            Ok(Ok(None)) => {
                return Err(StoreError::Unavailable("the listening connection was closed".into()));
            }
            Ok(Err(error)) => return Err(unavailable(&error)),
            Err(_) => {}
        }
        match tokio::time::timeout(PING_LIMIT, sqlx::query(PING).execute(&mut self.0)).await {
            Ok(Ok(_)) => Ok(false),
            Ok(Err(error)) => Err(unavailable(&error)),
            Err(_) => Err(StoreError::Unavailable("the listening connection does not answer".into())),
        }
    }
}

impl std::fmt::Debug for ChangeListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChangeListener")
    }
}
