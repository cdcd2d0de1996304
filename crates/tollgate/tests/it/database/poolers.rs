//! A connection pooler in between. It would break what a session is for (prepared statements, the lock of migrations,
//! notifications) now and then, so it is refused at once and in words.

use std::time::{Duration, Instant};

use tollgate::store::{Store, StoreError};

use super::{options, put};
use crate::harness::postgres::Postgres;
use crate::harness::process::Process;
use crate::harness::{free_port, need};

/// A PgBouncer in front of a database; `more` are lines of its configuration.
fn pooler(postgres: &Postgres, more: &str) -> Option<(Process, u16)> {
    let program = need("TOLLGATE_TEST_PGBOUNCER")?;
    let port = free_port();
    let users = postgres.file("users.txt", "\"tollgate\" \"S3cret-pw\"\n");
    let settings = format!(
        "[databases]\ntollgate = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         auth_type = plain\nauth_file = {}\nunix_socket_dir =\n{more}\n",
        postgres.port(),
        users.display()
    );
    let settings = postgres.file("pooler.ini", &settings);
    let log = settings.with_file_name(format!("pooler-{port}.log"));
    // Like Postgres, it does not run as root.
    let mut command = postgres.unprivileged_program(&program);
    command.arg(&settings);
    let mut process = Process::start("pgbouncer", &mut command, &log);
    let end = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(process.status().is_none() && Instant::now() < end, "{}", process.log_tail());
        std::thread::sleep(Duration::from_millis(20));
    }
    Some((process, port))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_is_refused_in_words_whatever_it_is_told_to_ignore() {
    let Some(postgres) = Postgres::anywhere() else { return };
    for more in [
        "pool_mode = transaction",
        "pool_mode = transaction\nignore_startup_parameters = extra_float_digits",
        "pool_mode = transaction\nignore_startup_parameters = extra_float_digits,options",
        "pool_mode = session\nignore_startup_parameters = extra_float_digits,options",
    ] {
        let Some((_running, port)) = pooler(&postgres, more) else { return };
        let store = Store::open(&options(postgres.url_by(port))).unwrap();
        for attempt in 0..3 {
            let error = put(&store, attempt).await.unwrap_err();
            assert!(matches!(error, StoreError::Unavailable(_)), "{more}: {error:?}");
            let said = error.to_string();
            assert!(said.contains("PgBouncer") && said.contains("database.url"), "{more}: {said}");
        }
        store.close().await;
    }
    assert_eq!(
        postgres.query("SELECT to_regclass('_sqlx_migrations') IS NULL").as_deref(),
        Some("t"),
        "nothing was begun"
    );
}
