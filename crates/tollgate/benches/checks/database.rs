//! A Postgres of the benchmark's own, with as many keys as wanted.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tollgate_core::apikey::NewKey;
use tollgate_core::time::Timestamp;

use crate::rig::free_port;

/// Keys share so many projects, and twice as many people.
const PROJECTS: usize = 20_000;

/// A server; it ends with it.
pub struct Database {
    bin: PathBuf,
    dir: TempDir,
    port: u16,
    server: Child,
}

impl Drop for Database {
    fn drop(&mut self) {
        // Already gone is fine: that is what is wanted.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Database {
    /// Starts a server from the programs in `bin`.
    pub async fn start(bin: &Path) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("bench-postgres-").tempdir()?;
        let port = free_port()?;
        let root = Command::new("id").arg("-u").output()?.stdout.trim_ascii() == b"0";
        if root {
            Command::new("chown").arg("nobody").arg(dir.path()).status()?;
        }
        let unprivileged = |program: &str| {
            let program = bin.join(program);
            let mut command = if root {
                // Postgres refuses to run as root.
                let mut command = Command::new("setpriv");
                command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
                command
            } else {
                Command::new(program)
            };
            command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let data = dir.path().join("data");
        let made = unprivileged("initdb")
            .args(["--no-sync", "-A", "trust", "-U", "tollgate", "-D"])
            .arg(&data)
            .status()?;
        ensure!(made.success(), "initdb failed");
        let mut serve = unprivileged("postgres");
        serve.arg("-D").arg(&data).arg("-k").arg(dir.path());
        serve.args(["-p", &port.to_string(), "-h", "127.0.0.1", "-c", "max_connections=100"]);
        let server = serve.spawn()?;
        let database = Self { bin: bin.to_owned(), dir, port, server };
        for _ in 0..200 {
            if database.query("postgres", "SELECT 1").is_ok() {
                return Ok(database);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("Postgres does not answer")
    }

    /// Where a database of this server is.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://tollgate@127.0.0.1:{}/{name}", self.port)
    }

    /// What `psql` prints for some SQL.
    pub fn query(&self, name: &str, sql: &str) -> anyhow::Result<String> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-h", "127.0.0.1", "-U", "tollgate", "-At", "-q", "-v", "ON_ERROR_STOP=1", "-d", name]);
        let out = psql.args(["-p", &self.port.to_string(), "-c", sql]).output()?;
        ensure!(out.status.success(), "psql: {}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    /// Fills a migrated database with `count` keys, made over the last month; the texts of the first `texts`.
    pub fn seed(
        &self,
        name: &str,
        count: usize,
        texts: usize,
        now: Timestamp,
    ) -> anyhow::Result<Vec<String>> {
        self.query(
            name,
            &format!(
                "INSERT INTO organizations VALUES ('org_1', 'One', FALSE, 'active', 1, 0, 0); \
                 INSERT INTO people (id, issuer, subject, username, email, state, version, created_at, updated_at, last_seen_at) \
                   SELECT 'per_' || n, 'bench', 's-' || n, 'user' || n, 'user' || n || '@example.com', \
                   'active', 1, 0, 0, 0 FROM generate_series(0, {}) n; \
                 INSERT INTO projects SELECT 'prj_' || lpad(n::text, 26, '0'), 'org_1', 'project ' || n, 'active', '\"all\"', 1, 0, 0 \
                   FROM generate_series(0, {}) n",
                2 * PROJECTS - 1,
                PROJECTS - 1
            ),
        )?;
        let file = self.dir.path().join("keys.csv");
        let mut csv = std::io::BufWriter::new(std::fs::File::create(&file)?);
        let mut made = Vec::with_capacity(texts);
        let mut state = 1_u64;
        let mut fill = |buffer: &mut [u8]| {
            for byte in buffer {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 56) as u8;
            }
            Ok::<(), std::convert::Infallible>(())
        };
        let month = 30 * 86_400_000_i64;
        for n in 0..count {
            let at = now.as_millis() - month + month / i64::try_from(count)? * i64::try_from(n)? - 120_000;
            let key = NewKey::make(Timestamp::from_millis(at), &mut fill)?;
            let (id, digest) = (key.id(), key.digest().to_hex());
            let (project, person) = (n % PROJECTS, n % (2 * PROJECTS));
            writeln!(csv, "{},prj_{project:026},per_{person},key {n},{digest}", id.as_str())?;
            if n * texts / count >= made.len() {
                made.push(key.reveal());
            }
        }
        csv.flush()?;
        self.query(
            name,
            "CREATE UNLOGGED TABLE made (id TEXT, project TEXT, person TEXT, name TEXT, digest TEXT)",
        )?;
        self.query(name, &format!("\\copy made FROM '{}' WITH (FORMAT csv)", file.display()))?;
        self.query(
            name,
            "INSERT INTO api_keys (id, project_id, person_id, name, digest, state, models, routes, addresses, tags, \
             metadata, created_by, version, created_at, updated_at) SELECT id, project, person, name, digest, 'live', \
             '\"all\"', '\"all\"', '\"any\"', '[]', '{}', person, 1, 0, 0 FROM made; DROP TABLE made",
        )?;
        // What a database in use has had done to it.
        self.query(name, "VACUUM ANALYZE")?;
        std::fs::remove_file(&file).context("removing the list of keys")?;
        Ok(made)
    }
}
