//! A real Postgres of its own, ended and gone when dropped.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process::Process;
use super::{free_port, need};

/// From start to the first connection.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running Postgres with one database and one user, who has the same name and a password.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    dir: TempDir,
    port: u16,
    name: String,
    password: String,
    server: Option<Process>,
}

impl Postgres {
    /// Starts one on this port of 127.0.0.1. `None` after a skip.
    pub fn start(port: u16, name: &str, password: &str) -> Option<Self> {
        let bin = need("TOLLGATE_TEST_POSTGRES_BIN")?;
        // Not beside the build's files: the server is another user, who may not be let in there.
        let dir = tempfile::Builder::new().prefix("postgres-").tempdir().unwrap();
        std::fs::write(dir.path().join("password"), password).unwrap();
        if is_root() {
            // Postgres refuses to run as root.
            assert!(Command::new("chown").args(["-R", "nobody"]).arg(dir.path()).status().unwrap().success());
        }
        let mut postgres =
            Self { bin, dir, port, name: name.to_owned(), password: password.to_owned(), server: None };
        let made = postgres
            .unprivileged("initdb")
            .args(["--no-sync", "-A", "scram-sha-256", "-U", name, "--pwfile"])
            .arg(postgres.dir.path().join("password"))
            .arg("-D")
            .arg(postgres.data())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        postgres.resume();
        let created = postgres
            .unprivileged("createdb")
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", name, name])
            .env("PGPASSWORD", password)
            .output()
            .unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
        Some(postgres)
    }

    /// Starts one on a free port, with room for many connections. `None` after a skip.
    pub fn anywhere() -> Option<Self> {
        Self::start(free_port(), "tollgate", "S3cret-pw")
    }

    /// How Tollgate reaches it.
    pub fn url(&self) -> String {
        format!("postgres://{0}:{1}@127.0.0.1:{2}/{0}", self.name, self.password, self.port)
    }

    /// Runs SQL through `psql`; the rows it prints, or `None` when it failed.
    pub fn query(&self, sql: &str) -> Option<String> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args([
            "-h",
            "127.0.0.1",
            "-U",
            &self.name,
            "-d",
            &self.name,
            "-At",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
        ]);
        psql.env("PGPASSWORD", &self.password).args(["-p", &self.port.to_string(), "-c", sql]);
        let out = psql.output().unwrap();
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    /// An immediate stop, as a crash is. The data stays.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.signal("QUIT");
            let end = Instant::now() + START_LIMIT;
            while server.status().is_none() {
                assert!(Instant::now() < end, "Postgres does not end:\n{}", server.log_tail());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Starts it again on the same data, and waits until it answers.
    pub fn resume(&mut self) {
        let (data, port) = (self.data(), self.port.to_string());
        let mut command = self.unprivileged("postgres");
        command.arg("-D").arg(&data).arg("-k").arg(self.dir.path());
        command.args(["-p", &port, "-h", "127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"]);
        let mut server = Process::start("postgres", &mut command, &self.dir.path().join("postgres.log"));
        let end = Instant::now() + START_LIMIT;
        let answers = |postgres: &Self| {
            let mut asked = postgres.unprivileged("pg_isready");
            asked.args(["-h", "127.0.0.1", "-p", &port, "-U", &postgres.name]).stdout(Stdio::null());
            asked.status().unwrap().success()
        };
        while !answers(self) {
            let ended = server.status();
            assert!(ended.is_none() && Instant::now() < end, "{ended:?}: {}", server.log_tail());
            std::thread::sleep(Duration::from_millis(50));
        }
        self.server = Some(server);
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn unprivileged(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(Path::new("/"));
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An ordinary end would wait for clients.
        if let Some(server) = &mut self.server {
            server.signal("QUIT");
        }
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout.trim_ascii() == b"0"
}
