//! What a new user does: `tollgate dev`, the command line, the official SDKs, a real Keycloak; and what must never be seen while they do it.

mod keycloak;
mod leaks;
mod login;
mod sdk;
mod walk;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::process::Process;
use crate::harness::{client, free_port, scratch};

/// From start to the end of the stand's own two tests.
const START_LIMIT: Duration = Duration::from_secs(60);

/// `tollgate dev`, running.
struct Dev {
    process: Process,
    gateway: u16,
    issuer: u16,
    backend: u16,
    http: u16,
    dir: TempDir,
}

impl Dev {
    /// Starts it with this Envoy and these further arguments.
    async fn start(envoy: &Path, more: &[&str]) -> Self {
        let dir = scratch("dev");
        let [gateway, issuer, backend, http] = [free_port(), free_port(), free_port(), free_port()];
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.arg("dev").arg("--envoy-binary").arg(envoy).arg("--state-dir").arg(dir.path()).args(more);
        for (name, port) in [
            ("--gateway-port", gateway),
            ("--issuer-port", issuer),
            ("--backend-port", backend),
            ("--http-port", http),
            ("--grpc-port", free_port()),
            ("--check-port", free_port()),
            ("--metrics-port", free_port()),
            ("--admin-port", free_port()),
        ] {
            command.args([name, &port.to_string()]);
        }
        let mut process = Process::start("tollgate dev", &mut command, &dir.path().join("out.log"));
        let end = Instant::now() + START_LIMIT;
        while !process.log().contains("Ctrl-C stops everything") {
            let ended = process.status();
            assert!(ended.is_none() && Instant::now() < end, "{ended:?}: {}", process.log_tail());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(process.log().contains("Test 2: 200"), "{}", process.log());
        Self { process, gateway, issuer, backend, http, dir }
    }

    fn api(&self) -> String {
        format!("http://localhost:{}", self.http)
    }

    fn gateway(&self) -> String {
        format!("http://localhost:{}", self.gateway)
    }

    /// What the person at the browser does with a code.
    async fn confirm(&self, code: &str, answer: &str) -> u16 {
        let url = format!("http://localhost:{}/realms/master/device", self.issuer);
        let form = [("user_code", code), ("username", "alice"), ("password", "alice"), ("answer", answer)];
        client::http().post(url).form(&form).send().await.unwrap().status().as_u16()
    }

    /// Everything that the stand has written into its directory, as text.
    fn written(&self) -> String {
        let files = std::fs::read_dir(self.dir.path()).unwrap();
        files
            .filter_map(|file| std::fs::read(file.unwrap().path()).ok())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect()
    }
}

/// A person's terminal: a state directory of its own, and an API that is meant.
struct Terminal {
    api: String,
    state: TempDir,
}

impl Terminal {
    fn new(api: &str) -> Self {
        Self { api: api.to_owned(), state: scratch("terminal") }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(arguments).env("XDG_STATE_HOME", self.state.path()).env("TOLLGATE_API", &self.api);
        for name in ["TOLLGATE_TOKEN", "TOLLGATE_PROJECT", "TOLLGATE_ORGANIZATION"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command with nothing to read, to its end.
    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(std::process::Stdio::null()).output().unwrap()
    }

    /// Runs a command with this on its standard input.
    fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        use std::io::Write as _;
        let mut command = self.command(arguments);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// The JSON of a command that has to work.
    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)))
    }

    /// What a command that has to work tells a person.
    #[track_caller]
    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    }

    /// The exit code and the words of a command that has to fail.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", said(&output));
        (output.status.code().unwrap(), said(&output))
    }

    fn logins(&self) -> PathBuf {
        self.state.path().join("tollgate/logins.json")
    }

    /// Signs in by a code, which alice answers so.
    async fn login(&self, dev: &Dev, answer: &str) -> (bool, String) {
        let log = self.state.path().join(format!("login-{answer}.log"));
        let mut process = Process::start("tollgate login", &mut self.command(&["login"]), &log);
        process.logs(0, "the code ").await;
        let shown = process.log();
        let code = shown.split("the code ").nth(1).unwrap().split_whitespace().next().unwrap();
        assert_eq!(dev.confirm(code, answer).await, 200, "{shown}");
        let status = process.ended(Duration::from_secs(20)).await.expect("login does not end");
        (status.success(), process.log())
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}
