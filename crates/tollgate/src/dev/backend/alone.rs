//! The sample backend as a program of its own: one port, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{BackendOptions, router};
use crate::clock::Clock;
use crate::lifecycle::{Stop, stop_on_signal};
use crate::listener::{Limits, ListenOptions, Listener};
use crate::telemetry::Metrics;

/// Serves the backend on `address` until SIGTERM or Ctrl-C. `listening` is told the address, whose port may have been 0.
///
/// # Errors
/// The port cannot be had.
pub async fn serve_alone(
    address: SocketAddr,
    clock: Arc<dyn Clock>,
    listening: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    // Longer than gateways keep theirs, so that none is closed under a request. Nobody waits for a stream that is cut at
    // the end.
    let limits = Limits {
        idle_timeout: Duration::from_secs(3900),
        grace: Duration::from_secs(10),
        ..Limits::default()
    };
    let open = ListenOptions { name: "backend", setting: "--listen", address, tls: None, limits };
    let listener = Listener::bind(open).await?;
    listening(listener.local_addr()?);
    let metrics = Arc::new(Metrics::new(&[], clock.now()));
    let stop = Stop::default();
    let signals = tokio::spawn(stop_on_signal(stop.clone(), Duration::ZERO));
    listener.serve(router(BackendOptions::new(clock)), metrics, stop.closing, || 0.5).await;
    signals.await??;
    Ok(())
}
