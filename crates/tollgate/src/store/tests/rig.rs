//! Databases for the store's tests: SQLite in a directory, and a real Postgres of the test's own.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tollgate_core::time::Timestamp;

use crate::store::tx::on_tx;
use crate::store::{Change, Store, StoreOptions};

/// For a store whose database is there. Writers wait for each other, and on a busy machine for longer than any product would
/// let them; what a test says of time, it says itself.
pub fn options(url: String) -> StoreOptions {
    with_limit(url, Duration::from_secs(30))
}

/// For a store whose database is away, which should be noticed soon.
pub fn hasty(url: String) -> StoreOptions {
    with_limit(url, Duration::from_millis(800))
}

fn with_limit(url: String, limit: Duration) -> StoreOptions {
    StoreOptions { url, pool_size: 4, connect_timeout: limit, statement_timeout: limit }
}

pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Says that a test did not run, where the test command counts it.
#[expect(clippy::print_stderr, reason = "a skip has to be seen")]
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("store").to_owned();
    eprintln!("SKIPPED {test}: {reason}");
    if let Some(list) = std::env::var_os("TOLLGATE_SKIP_LOG") {
        let mut list = std::fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        writeln!(list, "{test}\t{reason}").unwrap();
    }
}

/// A real Postgres of its own, ended when dropped.
pub struct Postgres {
    bin: PathBuf,
    dir: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    pub fn start() -> Option<Self> {
        let Some(bin) = std::env::var_os("TOLLGATE_TEST_POSTGRES_BIN").map(PathBuf::from) else {
            skip("TOLLGATE_TEST_POSTGRES_BIN does not say where initdb is");
            return None;
        };
        let dir = tempfile::Builder::new().prefix("postgres-").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut postgres = Self { bin, dir, port, server: None };
        // Postgres refuses to run as root.
        if is_root() {
            assert!(Command::new("chown").arg("nobody").arg(postgres.dir.path()).status().unwrap().success());
        }
        let data = postgres.data();
        let made = postgres
            .unprivileged("initdb")
            .args(["--no-sync", "-A", "trust", "-U", "tollgate", "-D"])
            .arg(&data)
            .output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        postgres.resume();
        Some(postgres)
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
        command.stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
        command
    }

    pub fn resume(&mut self) {
        let (data, port) = (self.data(), self.port.to_string());
        let socket = self.dir.path().display().to_string();
        let mut command = self.unprivileged("postgres");
        command.arg("-D").arg(data).args(["-p", &port, "-k", &socket, "-h", "127.0.0.1", "-c", "fsync=off"]);
        self.server = Some(command.spawn().unwrap());
    }

    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // An immediate stop, as a crash is: the server's children see that it is gone.
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    pub fn url(&self) -> String {
        format!("postgres://tollgate:S3cret-pw@127.0.0.1:{}/postgres", self.port)
    }

    /// Runs a statement of the server's own dialect.
    pub async fn run(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

pub fn lite(dir: &Path) -> String {
    format!("sqlite://{}", dir.join("tollgate.db").display())
}

pub async fn becomes_ready(store: &Store) {
    let end = Instant::now() + Duration::from_secs(60);
    while let Err(error) = store.health().await {
        assert!(Instant::now() < end, "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Runs one suite on a fresh SQLite and on a fresh Postgres; on Postgres it is a visible skip when there is none.
pub async fn on_both<F: Future<Output = ()>>(suite: impl Fn(String) -> F) {
    let dir = tempfile::tempdir().unwrap();
    suite(lite(dir.path())).await;
    if let Some(postgres) = Postgres::start() {
        suite(postgres.url()).await;
    }
}

/// Writes by hand, with the change that followers have to be told.
pub async fn write(store: &Store, sql: &str, change: Option<Change>) {
    let mut tx = store.begin().await.unwrap();
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    on_tx!(tx, conn => sqlx::query(sql).execute(conn).await.map(drop)).unwrap();
    if let Some(change) = change {
        tx.change(change);
    }
    tx.commit(at(1)).await.unwrap();
}
