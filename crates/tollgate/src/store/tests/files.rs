//! What happens to a file: it is full, damaged, read-only, held by another process, or its log is deleted or grows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use super::rig::{at, hasty, lite, options};
use super::{PLACE, Store, StoreError};
use crate::store::tx::on_tx;
use crate::store::{Change, probe};

struct Desk {
    dir: TempDir,
    store: Arc<Store>,
}

impl Desk {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&hasty(lite(dir.path()))).unwrap();
        store.health().await.unwrap();
        Self { dir, store }
    }

    fn file(&self, end: &str) -> PathBuf {
        self.dir.path().join(format!("tollgate.db{end}"))
    }

    /// A connection as another process has it.
    async fn stranger(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.file("")).connect().await.unwrap()
    }

    async fn anew(&self) -> Arc<Store> {
        let store = Store::open(&options(lite(self.dir.path()))).unwrap();
        store.health().await.unwrap();
        store
    }
}

/// Keeps a document of this many bytes under a number.
async fn put(store: &Store, number: usize, bytes: usize) -> Result<(), StoreError> {
    store.put_key_set(("issuer", &format!("place {number}")), &"x".repeat(bytes), at(1)).await
}

async fn holds(store: &Store, number: usize, bytes: usize) -> bool {
    let kept = store.find_key_set(("issuer", &format!("place {number}"))).await.unwrap();
    kept.is_some_and(|kept| kept.document == "x".repeat(bytes))
}

async fn is_whole(store: &Store) {
    assert_eq!(
        probe(store, "SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_writes_aloud_and_nothing_else() {
    let desk = Desk::new().await;
    let store = &desk.store;
    put(store, 0, 1000).await.unwrap();
    let pages = probe(store, "PRAGMA page_count").await;
    let limit = async |pages: i64| {
        let mut tx = store.begin().await.unwrap();
        let pragma = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        on_tx!(tx, conn => sqlx::query(pragma).execute(conn).await.map(drop)).unwrap();
    };
    limit(pages + 4).await;
    let mut full = None;
    for number in 1..50 {
        if let Err(error) = put(store, number, 4000).await {
            full = Some((number, error));
            break;
        }
    }
    let (first_lost, error) = full.unwrap();
    assert!(matches!(error, StoreError::NoWrites(_)) && error.to_string().contains("full"), "{error:?}");
    for number in 1..first_lost {
        assert!(holds(store, number, 4000).await, "reads go on");
    }
    store.view_position().await.unwrap();
    limit(1_000_000).await;
    put(store, first_lost, 4000).await.unwrap();

    // A unit of work is refused whole, its numbers are not taken, and its connection is not stuck in it.
    let before = store.change_position().await.unwrap();
    limit(probe(store, "PRAGMA page_count").await + 4).await;
    let mut tx = store.begin().await.unwrap();
    for n in 0..500 {
        tx.change(Change::Key(format!("{n:0>500}")));
    }
    assert!(matches!(tx.commit(at(2)).await, Err(StoreError::NoWrites(_))));
    assert_eq!(store.change_position().await.unwrap(), before);
    put(store, first_lost + 1, 4000).await.unwrap();
    is_whole(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_that_writes_is_waited_for_and_readers_do_not_notice() {
    let desk = Desk::new().await;
    let mut stranger = desk.stranger().await;
    let held = stranger.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let begun = Instant::now();
    let error = put(&desk.store, 1, 10).await.unwrap_err();
    assert!(matches!(error, StoreError::Again(_)), "{error:?}");
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(700) && waited < Duration::from_secs(5), "{waited:?}");
    desk.store.view_position().await.unwrap();
    assert!(!holds(&desk.store, 1, 10).await);
    let store = Arc::clone(&desk.store);
    let waiting = tokio::spawn(async move { put(&store, 2, 10).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    held.rollback().await.unwrap();
    waiting.await.unwrap().unwrap();
    assert!(holds(&desk.store, 2, 10).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_deleted_loses_nothing_that_was_answered() {
    let desk = Desk::new().await;
    for number in 0..5 {
        put(&desk.store, number, 100).await.unwrap();
    }
    desk.store.view_position().await.unwrap();
    std::fs::remove_file(desk.file("-wal")).unwrap();
    for number in 5..10 {
        put(&desk.store, number, 100).await.unwrap();
        assert!(holds(&desk.store, number, 100).await);
        desk.store.view_position().await.unwrap();
    }
    desk.store.close().await;
    let store = desk.anew().await;
    for number in 0..10 {
        assert!(holds(&store, number, 100).await, "{number}");
    }
    is_whole(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_a_long_reader_let_grow_is_cut_back() {
    let desk = Desk::new().await;
    let size = |end: &str| std::fs::metadata(desk.file(end)).unwrap().len();
    let mut reader = desk.stranger().await;
    // A backup, say: what it sees must not be moved into the database under its eyes.
    let mut backup = reader.begin().await.unwrap();
    let _: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM key_sets").fetch_one(&mut *backup).await.unwrap();
    for round in 0..90 {
        // Other text each time: what is the same is not written again.
        let (place, text) = (format!("place {}", round % 3), format!("{round:0>16}").repeat(1 << 16));
        desk.store.put_key_set(("issuer", &place), &text, at(1)).await.unwrap();
    }
    assert!(size("-wal") > 80 << 20, "{}", size("-wal"));
    backup.rollback().await.unwrap();
    // The first moves the log into the database, the next begins it anew and cuts it.
    for number in 0..3 {
        put(&desk.store, number, 1 << 20).await.unwrap();
    }
    assert!(size("-wal") <= 64 << 20, "{}", size("-wal"));
    assert!(size("") < 16 << 20, "the same three rows, again and again");
    is_whole(&desk.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_file_is_read_and_says_so_when_written() {
    let desk = Desk::new().await;
    put(&desk.store, 1, 10).await.unwrap();
    desk.store.close().await;
    let store = Store::open(&options(format!("{}?mode=ro", lite(desk.dir.path())))).unwrap();
    store.health().await.unwrap();
    assert!(holds(&store, 1, 10).await);
    let error = put(&store, 2, 10).await.unwrap_err();
    assert!(matches!(error, StoreError::NoWrites(_)) && error.to_string().contains("readonly"), "{error:?}");
    store.close().await;
}

/// Writes over one page, as a disk does that lost it.
fn spoil(file: &Path, page: usize, filling: u8) {
    let mut bytes = std::fs::read(file).unwrap();
    let at = page * 4096;
    bytes[at..at + 4096]
        .iter_mut()
        .enumerate()
        .for_each(|(n, byte)| *byte = filling.wrapping_add((n * 31) as u8));
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_lost_page_is_refused_and_never_half_believed() {
    let desk = Desk::new().await;
    for number in 0..40 {
        put(&desk.store, number, 3000).await.unwrap();
    }
    desk.store.close().await;
    let whole = std::fs::read(desk.file("")).unwrap();
    let pages = whole.len() / 4096;
    assert!(pages > 80, "{pages}");
    for page in (0..pages).step_by(5) {
        std::fs::write(desk.file(""), &whole).unwrap();
        spoil(&desk.file(""), page, (page * 7 % 251) as u8);
        let store = Store::open(&options(lite(desk.dir.path()))).unwrap();
        let error = store.examine().await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged(_)), "page {page}: {error:?}");
        assert!(error.to_string().contains("restore a backup"), "{error}");
        assert!(matches!(store.find_key_set(PLACE).await, Err(StoreError::Damaged(_))), "page {page}");
        store.close().await;
    }
    std::fs::write(desk.file(""), &whole).unwrap();
    let store = desk.anew().await;
    assert!(holds(&store, 39, 3000).await);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn hard_the_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let modes = |dir: &Path| -> Vec<(String, u32)> {
        let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        let mode = |file: &std::fs::DirEntry| file.metadata().unwrap().permissions().mode() & 0o777;
        files.map(|file| (file.file_name().into_string().unwrap(), mode(&file))).collect()
    };
    let desk = Desk::new().await;
    put(&desk.store, 1, 10).await.unwrap();
    let made = modes(desk.dir.path());
    assert!(made.len() >= 3, "the log and its index are there: {made:?}");
    assert!(made.iter().all(|(_, mode)| *mode == 0o600), "{made:?}");

    // One of an older release, which obeyed the umask; and it still holds what it held.
    for (name, _) in &made {
        let open = std::fs::Permissions::from_mode(0o664);
        std::fs::set_permissions(desk.dir.path().join(name), open).unwrap();
    }
    let again = desk.anew().await;
    let narrowed = modes(desk.dir.path());
    assert!(narrowed.iter().all(|(_, mode)| *mode == 0o600), "{narrowed:?}");
    assert!(holds(&again, 1, 10).await);
    again.close().await;
    desk.store.close().await;

    // A file that only its owner reads stays as it is.
    let file = desk.file("");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    drop(Store::open(&options(lite(desk.dir.path()))).unwrap());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o400);
}
