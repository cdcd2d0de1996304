//! One suite on both engines: what holds on SQLite holds on a real Postgres.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests; the test command names programs in the environment"
)]

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tollgate_core::time::Timestamp;

use super::*;

const PLACE: (&str, &str) = ("keycloak", "https://issuer.test/certs");

fn options(url: String) -> StoreOptions {
    let timeout = Duration::from_millis(800);
    StoreOptions { url, pool_size: 4, connect_timeout: timeout, statement_timeout: timeout }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Says that a test did not run, where the test command counts it.
#[expect(clippy::print_stderr, reason = "a skip has to be seen")]
fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("store").to_owned();
    eprintln!("SKIPPED {test}: {reason}");
    if let Some(list) = std::env::var_os("TOLLGATE_SKIP_LOG") {
        let mut list = std::fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        writeln!(list, "{test}\t{reason}").unwrap();
    }
}

/// A real Postgres of its own, ended when dropped.
struct Postgres {
    bin: PathBuf,
    dir: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    fn start() -> Option<Self> {
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

    fn resume(&mut self) {
        let (data, port) = (self.data(), self.port.to_string());
        let socket = self.dir.path().display().to_string();
        let mut command = self.unprivileged("postgres");
        command.arg("-D").arg(data).args(["-p", &port, "-k", &socket, "-h", "127.0.0.1", "-c", "fsync=off"]);
        self.server = Some(command.spawn().unwrap());
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // An immediate stop, as a crash is: the server's children see that it is gone.
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    fn url(&self) -> String {
        format!("postgres://tollgate:S3cret-pw@127.0.0.1:{}/postgres", self.port)
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

fn lite(dir: &Path) -> String {
    format!("sqlite://{}", dir.join("tollgate.db").display())
}

async fn becomes_ready(store: &Store) {
    let end = Instant::now() + Duration::from_secs(20);
    while let Err(error) = store.health().await {
        assert!(Instant::now() < end, "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The suite.
async fn behaves(url: String) {
    let store = Store::open(&options(url.clone())).unwrap();
    becomes_ready(&store).await;
    assert_eq!(store.find_key_set(PLACE).await.unwrap(), None, "absent is not an error");
    store.put_key_set(PLACE, "{\"keys\":[1]}", at(1000)).await.unwrap();
    store.put_key_set(PLACE, "{\"keys\":[2]}", at(3000)).await.unwrap();
    store.put_key_set(PLACE, "{\"keys\":[3]}", at(2000)).await.unwrap();
    store.put_key_set((PLACE.0, "https://elsewhere.test"), "other", at(1)).await.unwrap();
    let kept = store.find_key_set(PLACE).await.unwrap().unwrap();
    assert_eq!(
        (kept.document.as_str(), kept.fetched_at),
        ("{\"keys\":[2]}", at(3000)),
        "the newest fetch wins"
    );
    assert!(matches!(store.put_key_set(PLACE, "a\0b", at(9)).await, Err(StoreError::Inconsistent { .. })));
    for statement in [key_sets::FIND, key_sets::PUT, db::PING] {
        store.db.prepare(statement).await.unwrap();
    }

    // Replicas start together, and each finds the schema as it should be.
    let others: Vec<_> = (0..3).map(|_| Store::open(&options(url.clone())).unwrap()).collect();
    for other in &others {
        becomes_ready(other).await;
        assert!(other.find_key_set(PLACE).await.unwrap().is_some());
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_behaves() {
    let dir = tempfile::tempdir().unwrap();
    behaves(lite(dir.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_behaves() {
    let Some(postgres) = Postgres::start() else { return };
    behaves(postgres.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_unavailable_and_comes_back() {
    let Some(mut postgres) = Postgres::start() else { return };
    postgres.stop();
    let store = Store::open(&options(postgres.url())).unwrap();
    let away = store.find_key_set(PLACE).await.unwrap_err();
    assert!(matches!(away, StoreError::Unavailable(_)), "{away:?}");
    assert!(!format!("{away} {away:?}").contains("S3cret"), "{away:?}");
    postgres.resume();
    becomes_ready(&store).await;
    store.put_key_set(PLACE, "{}", at(1)).await.unwrap();
    postgres.stop();
    assert!(
        matches!(store.find_key_set(PLACE).await, Err(StoreError::Unavailable(_))),
        "away is never absent"
    );
    postgres.resume();
    becomes_ready(&store).await;
    assert!(store.find_key_set(PLACE).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_an_error_and_never_absent() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tollgate.db"), vec![0x5a; 8192]).unwrap();
    let store = Store::open(&options(lite(dir.path()))).unwrap();
    let error = store.find_key_set(PLACE).await.unwrap_err();
    assert!(error.to_string().contains("database"), "{error}");
}

#[test]
fn other_databases_are_refused_at_once() {
    for url in ["", "mysql://x", "tollgate.db", "http://x"] {
        assert!(matches!(Store::open(&options(url.into())), Err(StoreError::Url)), "{url}");
    }
}
