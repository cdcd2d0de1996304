//! A real Postgres of the test's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{free_port, need};

/// From start to its first answer.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A server with an empty database, ended when dropped.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    dir: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    /// Makes a database and serves it; a visible skip when Postgres is not there.
    pub fn start() -> Option<Self> {
        let bin = need("TOLLGATE_TEST_POSTGRES_BIN")?;
        // Not beside the build's files: Postgres runs as somebody who may not go there.
        let dir = tempfile::Builder::new().prefix("postgres-").tempdir().unwrap();
        let mut postgres = Self { bin, dir, port: free_port(), server: None };
        if is_root() {
            // Postgres refuses to run as root.
            assert!(Command::new("chown").arg("nobody").arg(postgres.dir.path()).status().unwrap().success());
        }
        let data = postgres.data();
        let made = postgres
            .unprivileged("initdb")
            .args(["--no-sync", "-A", "trust", "-U", "tollgate", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        postgres.resume();
        Some(postgres)
    }

    /// Serves the same data again after [`Postgres::stop`].
    pub fn resume(&mut self) {
        let (data, port) = (self.data(), self.port.to_string());
        let socket = self.dir.path().display().to_string();
        let mut command = self.unprivileged("postgres");
        command.arg("-D").arg(data).args(["-p", &port, "-k", &socket, "-h", "127.0.0.1"]);
        command.args(["-c", "fsync=off", "-c", "max_connections=200"]);
        self.server = Some(command.spawn().unwrap());
        let end = Instant::now() + START_LIMIT;
        while self.query("SELECT 1").is_none() {
            assert!(Instant::now() < end, "Postgres does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it at once, as a crash does.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// How Tollgate reaches it.
    pub fn url(&self) -> String {
        format!("postgres://tollgate:S3cret-pw@127.0.0.1:{}/postgres", self.port)
    }

    /// Runs SQL through `psql`; the rows it prints, or `None` when it failed.
    pub fn query(&self, sql: &str) -> Option<String> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args([
            "-h",
            "127.0.0.1",
            "-U",
            "tollgate",
            "-d",
            "postgres",
            "-At",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
        ]);
        let out = psql.arg("-p").arg(self.port.to_string()).arg("-c").arg(sql).output().unwrap();
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
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
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir(Path::new("/"));
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout.trim_ascii() == b"0"
}
