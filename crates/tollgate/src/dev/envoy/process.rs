//! The life of one Envoy process: started, waited for until it serves, stopped, and never left behind.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long Envoy may take until its listeners serve.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How long Envoy may take to end by itself before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long one question to the admin interface may take.
const ADMIN_PATIENCE: Duration = Duration::from_secs(2);
/// Lines of Envoy's log that go into an error.
const TAIL: usize = 12;

/// Why Envoy does not run.
#[derive(Debug, thiserror::Error)]
pub enum EnvoyError {
    /// The configuration names no admin interface to ask.
    #[error("the Envoy configuration has no admin address")]
    NoAdmin,
    /// Something listens there already, or may not. Looked at before the start, because another Envoy on the same
    /// admin port would answer for ours.
    #[error("cannot listen on {address} for Envoy")]
    Port {
        /// The admin address or a listener's.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The log file cannot be opened.
    #[error("cannot write Envoy's log to {}", path.display())]
    LogFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The program could not be run or waited for.
    #[error("cannot run {}", path.display())]
    Run {
        /// The program.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// It ended before it was ready: a configuration it refuses, or a port that is taken.
    #[error("Envoy ended at start ({status}); the end of its log:\n{tail}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// Last lines of its log.
        tail: String,
    },
    /// It runs and is not ready.
    #[error("Envoy was not ready within {} seconds; the end of its log:\n{tail}", START_PATIENCE.as_secs())]
    NotReady {
        /// Last lines of its log.
        tail: String,
    },
    /// `envoy --mode validate` refused the configuration.
    #[error("Envoy refuses the configuration:\n{0}")]
    Invalid(String),
}

/// A running Envoy. Dropping it kills the process; [`EnvoyProcess::stop`] ends it in order.
#[derive(Debug)]
pub struct EnvoyProcess {
    child: Child,
    binary: PathBuf,
    admin: SocketAddr,
}

impl EnvoyProcess {
    /// Starts `binary` with `bootstrap` and waits until its listeners serve. What Envoy says goes to the end of
    /// `log_file`. The configuration travels as an argument, so that no file has to be cleaned up.
    pub async fn start(binary: &Path, bootstrap: &Value, log_file: &Path) -> Result<Self, EnvoyError> {
        let admin = address_of(&bootstrap["admin"]).ok_or(EnvoyError::NoAdmin)?;
        let listeners = bootstrap["static_resources"]["listeners"].as_array().into_iter().flatten();
        for address in listeners.filter_map(address_of).chain([admin]) {
            TcpListener::bind(address).map_err(|source| EnvoyError::Port { address, source })?;
        }
        let log_error = |source| EnvoyError::LogFile { path: log_file.to_owned(), source };
        let log = open_log(log_file).map_err(log_error)?;
        // Only what this run says belongs in an error.
        let start_of_run = log.metadata().map_err(log_error)?.len();
        let child = Command::new(binary)
            .args(["--concurrency", "2", "--disable-hot-restart", "--config-yaml"])
            .arg(bootstrap.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(log_error)?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| EnvoyError::Run { path: binary.to_owned(), source })?;
        let mut envoy = Self { child, binary: binary.to_owned(), admin };
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            if let Some(status) = envoy.child.try_wait().map_err(|source| envoy.run_error(source))? {
                return Err(EnvoyError::Ended { status, tail: tail(log_file, start_of_run) });
            }
            if matches!(ask_admin(admin, "GET", "/ready").await, Ok(200)) {
                return Ok(envoy);
            }
            if Instant::now() >= deadline {
                let tail = tail(log_file, start_of_run);
                envoy.end().await?;
                return Err(EnvoyError::NotReady { tail });
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Where the admin interface listens.
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Waits until Envoy ends by itself. Safe to drop and call again, as in `select!`.
    pub async fn exited(&mut self) -> Result<ExitStatus, EnvoyError> {
        let result = self.child.wait().await;
        result.map_err(|source| self.run_error(source))
    }

    /// Asks Envoy to end, kills it when it does not within five seconds, and reaps it.
    pub async fn stop(mut self) -> Result<(), EnvoyError> {
        self.end().await
    }

    async fn end(&mut self) -> Result<(), EnvoyError> {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return Ok(());
        }
        // The admin interface's way out is the same as SIGTERM's, and can only meet the process whose port this is.
        let asked = ask_admin(self.admin, "POST", "/quitquitquit").await;
        if matches!(asked, Ok(200)) && timeout(STOP_PATIENCE, self.child.wait()).await.is_ok() {
            return Ok(());
        }
        let result = self.child.kill().await;
        result.map_err(|source| self.run_error(source))
    }

    fn run_error(&self, source: io::Error) -> EnvoyError {
        EnvoyError::Run { path: self.binary.clone(), source }
    }
}

/// Lets Envoy itself judge a configuration, without serving it.
pub async fn validate(binary: &Path, bootstrap: &Value) -> Result<(), EnvoyError> {
    let output = Command::new(binary)
        .args(["--mode", "validate", "--disable-hot-restart", "--config-yaml"])
        .arg(bootstrap.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| EnvoyError::Run { path: binary.to_owned(), source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(EnvoyError::Invalid(last_lines(&String::from_utf8_lossy(&output.stderr))))
}

/// A loopback address whose port was free a moment ago.
pub fn free_loopback_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// The socket address of a listener or of the admin interface.
fn address_of(listener: &Value) -> Option<SocketAddr> {
    let address = &listener["address"]["socket_address"];
    let port = u16::try_from(address["port_value"].as_u64()?).ok()?;
    Some(SocketAddr::new(address["address"].as_str()?.parse().ok()?, port))
}

fn open_log(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    OpenOptions::new().append(true).create(true).open(path)
}

/// One request to the admin interface; the status of the answer. Two lines of HTTP need no client library.
async fn ask_admin(admin: SocketAddr, method: &str, path: &str) -> io::Result<u16> {
    let exchange = async {
        let mut stream = TcpStream::connect(admin).await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {admin}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await?;
        // `HTTP/1.1 200`
        let status = std::str::from_utf8(&start[9..]).ok().and_then(|text| text.parse().ok());
        status.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    };
    timeout(ADMIN_PATIENCE, exchange).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

fn tail(log_file: &Path, from: u64) -> String {
    let bytes = fs::read(log_file).unwrap_or_default();
    let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
    last_lines(&String::from_utf8_lossy(&bytes[from..]))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}
