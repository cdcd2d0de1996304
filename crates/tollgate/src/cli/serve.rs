//! `tollgate serve`: the gate, until SIGTERM.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::app::{App, World, log_options};
use crate::clock::SystemClock;
use crate::config::{ConfigWatcher, EXIT_CONFIG, Sources, load};
use crate::entropy::SystemEntropy;
use crate::lifecycle::{Stop, stop_on_signal};
use crate::telemetry::Logs;

/// How often the configuration's files are looked at.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// Runs the gate.
///
/// # Errors
/// It could not start.
pub fn run(path: Option<&Path>) -> anyhow::Result<ExitCode> {
    let sources = Sources::of_process(path);
    let loaded = match load(&sources) {
        Ok(loaded) => loaded,
        Err(error) => {
            writeln!(std::io::stderr(), "{error}")?;
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    let rust_log =
        sources.environment.iter().find(|(name, _)| name == "RUST_LOG").map(|(_, value)| value.clone());
    let (logs, warning) = Logs::start(&log_options(&loaded.settings, rust_log))?;
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "configuration");
    }
    let world = World {
        clock: Arc::new(SystemClock),
        seed: super::random_seed()?,
        entropy: Arc::new(SystemEntropy),
        logs: Some(logs),
    };
    super::runtime()?.block_on(async {
        let stop = Stop::default();
        let drain_delay = Duration::from_secs(loaded.settings.server.drain_delay_secs);
        let signals = tokio::spawn(stop_on_signal(stop.clone(), drain_delay));
        let reloads = ConfigWatcher::start(sources, &loaded, WATCH_EVERY);
        let app = App::start(loaded.settings, loaded.compiled, Some(reloads), world, stop).await?;
        let at = app.addresses;
        tracing::info!(http = %at.http, grpc = %at.grpc, check = %at.check, metrics = %at.metrics, "tollgate is listening");
        app.finished().await;
        signals.await??;
        Ok(ExitCode::SUCCESS)
    })
}
