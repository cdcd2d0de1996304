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
    /// Settings on the server's command line.
    settings: Vec<String>,
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
        let mut postgres = Self {
            bin,
            dir,
            port,
            name: name.to_owned(),
            password: password.to_owned(),
            settings: vec![],
            server: None,
        };
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
        self.url_by(self.port)
    }

    /// How Tollgate reaches it by another port, which leads here.
    pub fn url_by(&self, port: u16) -> String {
        format!("postgres://{0}:{1}@127.0.0.1:{port}/{0}", self.name, self.password)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A directory that its process may read, with a file of this content that it owns alone.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        assert!(Command::new("chmod").arg("600").arg(&path).status().unwrap().success());
        if is_root() {
            assert!(Command::new("chown").arg("nobody").arg(&path).status().unwrap().success());
        }
        path
    }

    /// Ends it and starts it again with these settings beside the usual ones.
    pub fn restart_with(&mut self, settings: &[&str]) {
        self.stop();
        self.settings = settings.iter().map(ToString::to_string).collect();
        self.resume();
    }

    /// A second server that follows this one. Its changes arrive `late`.
    pub fn standby(&self, late: Duration) -> Self {
        let dir = tempfile::Builder::new().prefix("postgres-").tempdir().unwrap();
        if is_root() {
            assert!(Command::new("chown").arg("nobody").arg(dir.path()).status().unwrap().success());
        }
        let (bin, name, password) = (self.bin.clone(), self.name.clone(), self.password.clone());
        let settings = vec![format!("recovery_min_apply_delay={}ms", late.as_millis())];
        let mut standby = Self { bin, dir, port: free_port(), name, password, settings, server: None };
        standby.copy(self);
        standby.resume();
        standby
    }

    /// Forgets everything and follows that one, as an old primary does that comes back.
    pub fn follow(&mut self, primary: &Self) {
        self.stop();
        std::fs::remove_dir_all(self.data()).unwrap();
        self.copy(primary);
        self.resume();
    }

    fn copy(&self, primary: &Self) {
        let mut copy = self.unprivileged("pg_basebackup");
        copy.args([
            "-h",
            "127.0.0.1",
            "-p",
            &primary.port.to_string(),
            "-U",
            &self.name,
            "-c",
            "fast",
            "-R",
            "-N",
        ]);
        let copied = copy.arg("-D").arg(self.data()).env("PGPASSWORD", &self.password).output().unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    }

    /// Makes a standby the primary; returns when it takes writes.
    pub fn promote(&self) {
        let promoted =
            self.unprivileged("pg_ctl").args(["promote", "-w", "-D"]).arg(self.data()).output().unwrap();
        assert!(promoted.status.success(), "{}", String::from_utf8_lossy(&promoted.stderr));
    }

    /// Reads its settings and certificates again.
    pub fn reload(&self) {
        let reloaded = self.unprivileged("pg_ctl").args(["reload", "-D"]).arg(self.data()).output().unwrap();
        assert!(reloaded.status.success(), "{}", String::from_utf8_lossy(&reloaded.stderr));
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
        for setting in &self.settings {
            command.arg("-c").arg(setting);
        }
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
        self.unprivileged_program(&self.bin.join(program))
    }

    /// A program that runs as the server does: not as root.
    pub fn unprivileged_program(&self, program: &Path) -> Command {
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
