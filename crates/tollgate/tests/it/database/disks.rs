//! A disk that is full: writes fail aloud, reads and checks go on, and everything is well again once there is room.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use tollgate::store::{Store, StoreError};

use super::{at, options};
use crate::harness::postgres::Postgres;
use crate::harness::skip;
use crate::harness::tollgate::{Tollgate, run};
use crate::stand::Stand;

/// A file system of its own, small enough to be filled.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` is a visible skip.
    fn mount(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=777"), "tmpfs"]).arg(dir.path());
        match mount.output() {
            Ok(done) if done.status.success() => Some(Self(dir)),
            _ => {
                skip("only root can mount the small file system that this fills");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes whatever room is left, but for so many bytes.
    fn fill(&self, leave: usize) {
        let filler = self.path().join("filler");
        let block = vec![7; 4096];
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(leave as u64)).unwrap();
    }

    fn clear(&self) {
        std::fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Also while somebody still has a file open in it.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// A document that cannot be pressed into less room.
fn document(number: usize) -> String {
    let mut state = number as u64 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:08x}", state >> 32)
    };
    (0..4000).map(|_| next()).collect()
}

async fn put(store: &Store, number: usize) -> Result<(), StoreError> {
    store.put_key_set(("issuer", &number.to_string()), &document(number), at(1)).await
}

async fn fills_up_and_heals(store: &Store, disk: &SmallDisk) {
    for number in 0..3 {
        put(store, number).await.unwrap();
    }
    disk.fill(64 << 10);
    let mut number = 3;
    let error = loop {
        match put(store, number).await {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 500, "the disk is never full");
    };
    assert!(matches!(error, StoreError::NoWrites(_)), "{error:?}");
    for known in 0..number {
        let kept = store.find_key_set(("issuer", &known.to_string())).await.unwrap();
        assert_eq!(kept.unwrap().document, document(known), "reads go on");
    }
    store.health().await.unwrap();
    disk.clear();
    put(store, number).await.unwrap();
    let kept = store.find_key_set(("issuer", &number.to_string())).await.unwrap();
    assert_eq!(kept.unwrap().document, document(number));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_postgres() {
    let Some(postgres) = Postgres::anywhere() else { return };
    let Some(disk) = SmallDisk::mount(8) else { return };
    let space = disk.path().join("space");
    std::fs::create_dir(&space).unwrap();
    assert!(Command::new("chown").arg("nobody").arg(&space).status().unwrap().success());
    let store = Store::open(&options(postgres.url())).unwrap();
    store.health().await.unwrap();
    // Its own log of changes has to stay elsewhere: without room for that one, Postgres stops as a whole.
    postgres.query(&format!("CREATE TABLESPACE small LOCATION '{}'", space.display())).unwrap();
    postgres.query("ALTER TABLE key_sets SET TABLESPACE small").unwrap();
    fills_up_and_heals(&store, &disk).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_sqlite() {
    let Some(disk) = SmallDisk::mount(8) else { return };
    let url = format!("sqlite://{}", disk.path().join("tollgate.db").display());
    let store = Store::open(&options(url.clone())).unwrap();
    store.health().await.unwrap();
    fills_up_and_heals(&store, &disk).await;
    store.close().await;
    // It is looked through when it is opened.
    let again = Store::open(&options(url)).unwrap();
    again.examine().await.unwrap();
    again.health().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_that_nothing_can_be_written_and_checks_go_on() {
    let Some(disk) = SmallDisk::mount(8) else { return };
    let url = format!("sqlite://{}", disk.path().join("tollgate.db").display());
    let stand = Stand::with(&json!({"database": {"url": url}})).await;
    let api = format!("http://127.0.0.1:{}/api/v1", stand.tollgate.ports.http);
    let client = crate::harness::client::http();
    let create =
        || client.post(format!("{api}/api-keys")).bearer_auth(stand.token()).json(&json!({"metadata": {}}));
    let made: serde_json::Value = create().send().await.unwrap().json().await.unwrap();
    let secret = made["key"].as_str().unwrap();
    disk.fill(0);
    let begun = std::time::Instant::now();
    let refused = loop {
        let answer = create().send().await.unwrap();
        if answer.status() == 503 {
            break answer;
        }
        assert!(begun.elapsed().as_secs() < 60, "{answer:?}");
    };
    assert!(refused.headers().contains_key("retry-after"));
    let problem: serde_json::Value = refused.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("takes no writes"), "{problem}");
    // An operator sees it.
    stand.tollgate.logs("could not be written").await;
    let checker = crate::harness::grpc::Checker::connect(stand.tollgate.ports.grpc).await;
    assert!(checker.bearer(secret).await.permitted());
    let listed = client.get(format!("{api}/api-keys")).bearer_auth(stand.token()).send().await.unwrap();
    assert_eq!(listed.status(), 200, "reading goes on");
    disk.clear();
    assert_eq!(create().send().await.unwrap().status(), 201);
}

/// Writes over some pages in the middle of a file.
fn spoil(file: &PathBuf) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 8192].fill(0x5a);
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_refused_at_the_start_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tollgate.db");
    let url = format!("sqlite://{}", file.display());
    let mut stand = Stand::with(&json!({"database": {"url": url}})).await;
    let store = Store::open(&options(url.clone())).unwrap();
    for number in 0..5 {
        put(&store, number).await.unwrap();
    }
    store.close().await;
    assert!(stand.tollgate.terminate().await.success());
    spoil(&file);
    let config = dir.path().join("tollgate.yaml");
    std::fs::write(
        &config,
        crate::stand::settings(&stand.issuer, &json!({"database": {"url": url}})).to_string(),
    )
    .unwrap();
    let ended = run(&["serve", "--config", config.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    assert!(!ended.status.success(), "{said}");
    assert!(said.contains("damaged") && said.contains("restore a backup"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_process_holds_for_a_while_is_waited_for_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("tollgate.db").display());
    let store = Store::open(&options(url.clone())).unwrap();
    store.health().await.unwrap();
    let held = store.begin().await.unwrap();
    let key = tollgate_core::testing::TestKey::generate(tollgate_core::jwt::Algorithm::ES256, "k1");
    let issuer = Arc::new(crate::harness::issuer::Issuer::start(&[key.jwk()]).await);
    let database = json!({"database": {"url": url, "statement_timeout_ms": 500}});
    let mut tollgate = Tollgate::spawn(&crate::stand::settings(&issuer, &database));
    tollgate.ready().await;
    drop(held);
    store.close().await;
}
