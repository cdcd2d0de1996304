//! Notices when the configuration changes: by the content of its files, or because SIGHUP says so.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::digest;
use tokio::sync::mpsc;
use tokio::time;

use super::layers::read_file;
use super::{ConfigError, Loaded, MAX_FILE_BYTES, Problem, Sources, load};

/// A writer is given this long to finish a file before it is read: a half-written file may be a valid one.
const SETTLE: Duration = Duration::from_millis(100);

/// A digest over the configuration file and the files that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Files that cannot be read count as such: when they come back, that is a change.
    pub(super) fn of(file_text: Option<&str>, files: &[PathBuf]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut part = |bytes: Option<&[u8]>| {
            let len = bytes.map_or(u64::MAX, |b| b.len() as u64);
            context.update(&len.to_be_bytes());
            context.update(bytes.unwrap_or_default());
        };
        part(file_text.map(str::as_bytes));
        for file in files {
            part(read_bounded(file).as_deref());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }

    fn now(sources: &Sources, files: &[PathBuf]) -> Self {
        let text = sources.file().and_then(|path| read_file(&path).ok());
        Self::of(text.as_deref(), files)
    }
}

fn read_bounded(path: &PathBuf) -> Option<Vec<u8>> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(MAX_FILE_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Watches a configuration until the receiver is dropped.
#[derive(Debug)]
pub struct ConfigWatcher;

impl ConfigWatcher {
    /// Starts watching `sources`, of which `loaded` is in force. Every `interval` the files' content is looked at; a
    /// change, or SIGHUP, loads the configuration again and sends the outcome.
    ///
    /// Must be called in a tokio runtime with time and signals enabled.
    pub fn start(
        sources: Sources,
        loaded: &Loaded,
        interval: Duration,
    ) -> mpsc::Receiver<Result<Loaded, ConfigError>> {
        let (sender, receiver) = mpsc::channel(1);
        // Listened for before this returns: a SIGHUP from now on reloads and no longer ends the process.
        let hangup = Hangup::listen();
        tokio::spawn(watch(sources, loaded.fingerprint, loaded.files.clone(), interval, hangup, sender));
        receiver
    }
}

async fn watch(
    sources: Sources,
    mut seen: Fingerprint,
    mut files: Vec<PathBuf>,
    interval: Duration,
    mut hangup: Hangup,
    sender: mpsc::Sender<Result<Loaded, ConfigError>>,
) {
    loop {
        let asked = tokio::select! {
            () = time::sleep(interval) => false,
            () = hangup.received() => true,
            () = sender.closed() => return,
        };
        let mut now = fingerprint(&sources, &files).await;
        if now == seen && !asked {
            continue;
        }
        loop {
            time::sleep(SETTLE).await;
            let again = fingerprint(&sources, &files).await;
            if again == now {
                break;
            }
            now = again;
        }
        let from = sources.clone();
        let outcome = tokio::task::spawn_blocking(move || load(&from)).await.unwrap_or_else(|_| {
            let problems = vec![Problem::new("", "loading the configuration failed unexpectedly")];
            Err(ConfigError { file: None, problems })
        });
        seen = now;
        if let Ok(loaded) = &outcome {
            files.clone_from(&loaded.files);
            seen = loaded.fingerprint;
        }
        if sender.send(outcome).await.is_err() {
            return;
        }
    }
}

async fn fingerprint(sources: &Sources, files: &[PathBuf]) -> Fingerprint {
    let (sources, files) = (sources.clone(), files.to_vec());
    let unreadable = Fingerprint([0; 32]);
    tokio::task::spawn_blocking(move || Fingerprint::now(&sources, &files)).await.unwrap_or(unreadable)
}

/// SIGHUP, where there is such a thing.
struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangup {
    fn listen() -> Self {
        Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    async fn received(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}
