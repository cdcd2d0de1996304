//! The end of the process, in order: not ready at once, then no new work, then the work in hand, then out.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The two moments of a stop, seen from everywhere in the process.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Readiness turns false; work still comes in until gateways have noticed.
    pub draining: CancellationToken,
    /// Listeners stop accepting and finish what is under way.
    pub closing: CancellationToken,
}

/// Waits for SIGTERM or SIGINT, announces the drain, and closes `drain_delay` later. A second signal closes at once.
///
/// # Errors
/// The operating system refuses signal handlers.
pub async fn stop_on_signal(stop: Stop, drain_delay: Duration) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!(signal = name, "stopping: not ready from now on, in-flight checks will finish");
    stop.draining.cancel();
    tokio::select! {
        () = tokio::time::sleep(drain_delay) => {}
        _ = terminate.recv() => tracing::info!("second signal: closing now"),
        _ = interrupt.recv() => tracing::info!("second signal: closing now"),
    }
    stop.closing.cancel();
    Ok(())
}
