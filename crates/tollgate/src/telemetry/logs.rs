//! Log output: text on a terminal, JSON otherwise, written by a thread of its own so that a blocked reader of the log
//! never blocks a check.

use std::fs::OpenOptions;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

/// Lines that may wait for the writer before further ones are dropped and counted.
const QUEUE_LINES: usize = 64_000;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// [`LogFormat::Text`] on a terminal, [`LogFormat::Json`] otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
    /// The message alone, for a program whose messages are whole lines already.
    Bare,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum LogOutput {
    /// Standard output.
    #[default]
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// Why logging cannot start.
#[derive(Debug, Error)]
pub enum LogsError {
    /// It was started before.
    #[error(transparent)]
    Twice(#[from] TryInitError),
    /// The file cannot be opened.
    #[error("log file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What is logged, and how.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// The format.
    pub format: LogFormat,
    /// `RUST_LOG`, when set: wins over `level`.
    pub rust_log: Option<String>,
    /// The configured level or filter.
    pub level: String,
    /// Where lines go.
    pub output: LogOutput,
}

/// The running log. Lines in the queue are written when it is dropped.
pub struct Logs {
    handle: Handle<EnvFilter, Registry>,
    dropped: ErrorCounter,
    _writer: WorkerGuard,
}

impl Logs {
    /// Starts logging for the whole process. Gives back a warning when a filter was not understood.
    ///
    /// # Errors
    /// Logging was started before, or the file cannot be opened.
    pub fn start(options: &LogOptions) -> Result<(Self, Option<String>), LogsError> {
        let (filter, warning) = filter(options);
        let (filter, handle) = reload::Layer::new(filter);
        let queue = NonBlockingBuilder::default().buffered_lines_limit(QUEUE_LINES).lossy(true);
        let (writer, guard) = match &options.output {
            LogOutput::Stdout => queue.finish(std::io::stdout()),
            LogOutput::File(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                queue.finish(file.map_err(|source| LogsError::File { path: path.clone(), source })?)
            }
        };
        let dropped = writer.error_counter();
        let terminal = options.output == LogOutput::Stdout && std::io::stdout().is_terminal();
        let format = match options.format {
            LogFormat::Auto if terminal => LogFormat::Text,
            LogFormat::Auto => LogFormat::Json,
            named => named,
        };
        let layer = fmt::layer().with_writer(writer).with_ansi(terminal && format == LogFormat::Text);
        let lines = match format {
            LogFormat::Json => {
                layer.json().flatten_event(true).with_span_list(false).with_current_span(false).boxed()
            }
            LogFormat::Bare => layer.without_time().with_level(false).with_target(false).boxed(),
            LogFormat::Auto | LogFormat::Text => layer.with_target(false).boxed(),
        };
        tracing_subscriber::registry().with(filter).with(lines).try_init()?;
        Ok((Self { handle, dropped, _writer: guard }, warning))
    }

    /// Puts another level in force. Gives back a warning when it was not understood.
    pub fn reload(&self, options: &LogOptions) -> Option<String> {
        let (filter, warning) = filter(options);
        match self.handle.reload(filter) {
            Ok(()) => warning,
            Err(error) => Some(format!("the log level could not be changed: {error}")),
        }
    }

    /// Feeds the count of dropped lines into a metric until `stop`.
    pub fn count_dropped(&self, counter: Counter<u64, AtomicU64>, stop: CancellationToken) {
        let (dropped, counter) = (self.dropped.clone(), Arc::new(counter));
        tokio::spawn(async move {
            let mut seen = 0;
            while stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await.is_some() {
                let now = dropped.dropped_lines();
                counter.inc_by(u64::try_from(now - seen).unwrap_or_default());
                seen = now;
            }
        });
    }
}

impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs").finish_non_exhaustive()
    }
}

/// The filter to use: `RUST_LOG` if it is understood, else the configured level, else `info`. A typing error in either
/// must not stop the gate.
fn filter(options: &LogOptions) -> (EnvFilter, Option<String>) {
    let mut warning = None;
    let wishes = [("RUST_LOG", options.rust_log.as_deref()), ("logging.level", Some(options.level.as_str()))];
    for (name, wish) in wishes {
        let Some(wish) = wish.filter(|w| !w.trim().is_empty()) else { continue };
        match EnvFilter::try_new(wish) {
            Ok(filter) => return (filter, warning),
            Err(error) => warning = Some(format!("{name} is not understood and left aside: {error}")),
        }
    }
    (EnvFilter::new("info"), warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_falls_back_and_says_so() {
        let options = |rust_log: Option<&str>, level: &str| LogOptions {
            rust_log: rust_log.map(Into::into),
            level: level.into(),
            ..LogOptions::default()
        };
        for (rust_log, level, expected, warns) in [
            (None, "warn", "warn", false),
            (Some("debug"), "warn", "debug", false),
            (Some(""), "warn", "warn", false),
            (Some("=x="), "warn", "warn", true),
            (None, "=x=", "info", true),
        ] {
            let (filter, warning) = filter(&options(rust_log, level));
            assert_eq!(
                (filter.to_string().as_str(), warning.is_some()),
                (expected, warns),
                "{rust_log:?} {level}"
            );
        }
    }
}
