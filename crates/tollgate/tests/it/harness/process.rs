//! A child process with its log in a file, ended by its own id when dropped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::client;

/// How long a child may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// One running child. Dropping it sends SIGTERM, and SIGKILL after five seconds.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    status: Option<ExitStatus>,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both of its outputs appended to `log`, and nothing to read.
    pub fn start(name: &'static str, command: &mut Command, log: &Path) -> Self {
        command.stdin(Stdio::null());
        Self::start_with_stdin(name, command, log)
    }

    /// As [`Process::start`], with the standard input that `command` says.
    pub fn start_with_stdin(name: &'static str, command: &mut Command, log: &Path) -> Self {
        let out = File::options().create(true).append(true).open(log).unwrap();
        let child = command
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}"));
        Self { name, child, status: None, log: log.to_owned() }
    }

    /// The operating system's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything the child has written so far, as text.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last 40 lines of [`Process::log`].
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Waits until `text` is in the log behind its first `from` bytes: log writers are threads of their own.
    pub async fn logs(&self, from: usize, text: &str) {
        let deadline = Instant::now() + GRACE;
        while !self.log()[from..].contains(text) {
            assert!(
                Instant::now() < deadline,
                "{} did not log '{text}':\n{}",
                self.name,
                &self.log()[from..]
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Its exit status, when it has ended.
    pub fn status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().unwrap();
        }
        self.status
    }

    /// Sends a signal by name (`TERM`, `HUP`, …). Does nothing once the child has ended.
    pub fn signal(&mut self, signal: &str) {
        if self.status().is_none() {
            // Not reaped yet, so the id is still this child's. The shell's built-in spares a dependency and unsafe code.
            let id = self.id().to_string();
            let sent = Command::new("sh").args(["-c", r#"kill -s "$0" "$1""#, signal, &id]).status();
            assert!(sent.unwrap().success(), "cannot send {signal} to {}", self.name);
        }
    }

    /// SIGKILL: the crash that no handler sees. Returns once the child is gone.
    pub fn kill(&mut self) {
        if self.status().is_none() {
            self.child.kill().unwrap();
            self.status = Some(self.child.wait().unwrap());
        }
    }

    /// Waits for the child to end by itself; `None` when it has not within `limit`.
    pub async fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.status();
            if status.is_some() || Instant::now() >= deadline {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until `url` answers 200. Panics with the end of the log when the child ends first or `limit` passes.
    pub async fn ready(&mut self, url: &str, limit: Duration) {
        let deadline = Instant::now() + limit;
        let http = client::http();
        loop {
            if let Some(status) = self.status() {
                panic!("{} ended ({status}) before it was ready:\n{}", self.name, self.log_tail());
            }
            let answer = http.get(url).timeout(Duration::from_secs(2)).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{} was not ready in {limit:?}:\n{}",
                self.name,
                self.log_tail()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal("TERM");
        let deadline = Instant::now() + GRACE;
        while self.status().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
    }
}
