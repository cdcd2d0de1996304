//! The product itself: the real binary, on a configuration file that the test writes.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Process;
use super::{free_port, scratch};

/// From start to `/health/ready`.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a graceful end may take, by the product's own promise.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// The four listeners, each on a free port of 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub http: u16,
    pub grpc: u16,
    pub check: u16,
    pub metrics: u16,
}

impl Ports {
    fn free() -> Self {
        Self { http: free_port(), grpc: free_port(), check: free_port(), metrics: free_port() }
    }
}

/// The whole configuration: these ports, and over that whatever the test gives. JSON is YAML, so no writer is needed.
///
/// The one place that knows how the file is laid out.
fn configuration(ports: Ports, settings: &Value) -> Value {
    let listener = |port: u16| json!({"listen": format!("127.0.0.1:{port}")});
    let mut whole = json!({
        "server": {
            "http": listener(ports.http),
            "grpc": listener(ports.grpc),
            "check": listener(ports.check),
            "metrics": listener(ports.metrics),
        },
    });
    merge(&mut whole, settings);
    whole
}

/// Objects are merged member by member; anything else is replaced.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// A running Tollgate.
#[derive(Debug)]
pub struct Tollgate {
    pub ports: Ports,
    config: PathBuf,
    log: PathBuf,
    process: Process,
    dir: TempDir,
}

impl Tollgate {
    /// Starts `tollgate serve` with these settings laid over the free ports, and waits until it is ready.
    pub async fn start(settings: &Value) -> Self {
        let mut tollgate = Self::spawn(settings);
        tollgate.ready().await;
        tollgate
    }

    /// Starts it without waiting, for a test of what happens before it is ready.
    pub fn spawn(settings: &Value) -> Self {
        let ports = Ports::free();
        let dir = scratch("tollgate");
        let (config, log) = (dir.path().join("tollgate.yaml"), dir.path().join("tollgate.log"));
        std::fs::write(&config, configuration(ports, settings).to_string()).unwrap();
        let process = serve(&config, &log);
        Self { ports, config, log, process, dir }
    }

    /// Waits for `/health/ready` to answer 200.
    pub async fn ready(&mut self) {
        self.process.ready(&format!("http://127.0.0.1:{}/health/ready", self.ports.http), START_LIMIT).await;
    }

    /// Its configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The operating system's process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where this one may keep files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes other settings into the same file, as an operator does; the process is told nothing.
    pub fn rewrite(&self, settings: &Value) {
        std::fs::write(&self.config, configuration(self.ports, settings).to_string()).unwrap();
    }

    /// Sends a signal by name, such as `HUP`.
    pub fn signal(&mut self, signal: &str) {
        self.process.signal(signal);
    }

    /// SIGKILL, as a crash or the kernel's out-of-memory killer would end it.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same ports, file and log, and waits until it is ready.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = serve(&self.config, &self.log);
        self.ready().await;
    }

    /// SIGTERM, then its exit status; a drain longer than promised ends the test.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.process.signal("TERM");
        let ended = self.process.ended(DRAIN_LIMIT).await;
        ended.unwrap_or_else(|| panic!("still draining after {DRAIN_LIMIT:?}:\n{}", self.process.log_tail()))
    }

    /// All that it has logged, over all restarts.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until it has logged this.
    pub async fn logs(&self, text: &str) {
        self.process.logs(0, text).await;
    }
}

fn serve(config: &Path, log: &Path) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.arg("serve").arg("--config").arg(config);
    Process::start("tollgate", &mut command, log)
}

/// `tollgate` with these arguments, run to its end: for commands that answer and exit.
pub fn run(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_tollgate")).args(arguments).output().unwrap()
}
