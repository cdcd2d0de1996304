//! The database at its worst, on real servers: silent and broken networks, failovers, full disks, poolers, other
//! certificates. What is known goes on being answered, what is not known is unavailable and never refused, and everything
//! heals by itself.

mod checks;
mod disks;
mod failover;
mod limits;
mod network;
mod poolers;
mod secrets;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tollgate::store::{Store, StoreError, StoreOptions};
use tollgate_core::time::Timestamp;

use crate::harness::postgres::Postgres;
use crate::harness::proxy::Proxy;

/// From the moment at which the database could be used again.
const RECOVERY: Duration = Duration::from_secs(5);

/// A database behind a network that can fail, and a store that knows it by that network alone.
struct Rig {
    store: Arc<Store>,
    proxy: Proxy,
    postgres: Postgres,
}

/// Limits of one second, so that a wait for any of them is soon over.
fn options(url: String) -> StoreOptions {
    let limit = Duration::from_secs(1);
    StoreOptions { url, pool_size: 4, connect_timeout: limit, statement_timeout: limit }
}

impl Rig {
    /// Starts everything; `None` is a visible skip.
    async fn start() -> Option<Self> {
        let postgres = Postgres::anywhere()?;
        let proxy = Proxy::to(postgres.port()).await;
        let store = Store::open(&options(postgres.url_by(proxy.port()))).unwrap();
        recovers(&store).await;
        Some(Self { store, proxy, postgres })
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Keeps something under a number.
async fn put(store: &Store, number: usize) -> Result<(), StoreError> {
    store.put_key_set(("issuer", &number.to_string()), &format!("{{\"n\":{number}}}"), at(1)).await
}

/// Whether it is there; what is there is right.
async fn has(store: &Store, number: usize) -> Result<bool, StoreError> {
    let kept = store.find_key_set(("issuer", &number.to_string())).await?;
    if let Some(kept) = &kept {
        assert_eq!(kept.document, format!("{{\"n\":{number}}}"), "another question's answer");
    }
    Ok(kept.is_some())
}

/// Waits until the store writes and reads again; how long that took.
async fn recovers(store: &Store) -> Duration {
    let begun = Instant::now();
    loop {
        match put(store, 999_999).await {
            Ok(()) => return begun.elapsed(),
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(30), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
