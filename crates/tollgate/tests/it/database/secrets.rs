//! Certificates and passwords of the database that are replaced while everything runs.

use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use serde_json::json;
use tollgate::store::{Store, StoreError};

use super::{RECOVERY, Rig, options, put};
use crate::harness::client;
use crate::harness::postgres::Postgres;
use crate::stand::Stand;

/// An authority, and its certificate in PEM.
fn authority(name: &str) -> (CertifiedIssuer<'static, KeyPair>, String) {
    let mut parameters = CertificateParams::new(vec![]).unwrap();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let pem = authority.pem();
    (authority, pem)
}

/// Gives the server a certificate for this name, until this year.
fn install(postgres: &Postgres, authority: &CertifiedIssuer<'static, KeyPair>, name: &str, year: i32) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
    parameters.not_after = date_time_ymd(year, 1, 1);
    let certificate = parameters.signed_by(&key, authority).unwrap();
    postgres.file("server.crt", &certificate.pem());
    postgres.file("server.key", &key.serialize_pem());
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_verified_and_may_be_replaced() {
    let Some(mut postgres) = Postgres::anywhere() else { return };
    let (first, pem) = authority("first");
    let (second, other_pem) = authority("second");
    install(&postgres, &first, "127.0.0.1", 2096);
    let path = |name: &str| postgres.file("here", "").with_file_name(name).display().to_string();
    let settings =
        [format!("ssl_cert_file={}", path("server.crt")), format!("ssl_key_file={}", path("server.key"))];
    postgres.restart_with(&["ssl=on", &settings[0], &settings[1]]);
    let trusted = tempfile::tempdir().unwrap();
    let trusted = trusted.path().join("ca.pem");
    std::fs::write(&trusted, &pem).unwrap();
    let url = format!("{}?sslmode=verify-full&sslrootcert={}", postgres.url(), trusted.display());
    let store = Store::open(&options(url.clone())).unwrap();
    store.health().await.unwrap();
    let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'tollgate'";
    assert_eq!(postgres.query(encrypted).as_deref(), Some("t"));

    let end_all =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'tollgate'";
    for (authority, name, year, words) in [
        (&second, "127.0.0.1", 2096, "UnknownIssuer"),
        (&first, "db.example.com", 2096, "not valid for name"),
        (&first, "127.0.0.1", 2020, "expired"),
    ] {
        install(&postgres, authority, name, year);
        postgres.reload();
        refused(&postgres, &store, end_all, words).await;
    }
    // The authority is replaced, first here and then there; nobody restarts anything.
    std::fs::write(&trusted, format!("{pem}{other_pem}")).unwrap();
    install(&postgres, &second, "127.0.0.1", 2096);
    postgres.reload();
    let begun = Instant::now();
    while let Err(error) = put(&store, 1).await {
        assert!(begun.elapsed() < RECOVERY, "{error}");
    }
    store.close().await;
}

/// Waits until a new connection is refused with these words.
async fn refused(postgres: &Postgres, store: &Store, end_all: &str, words: &str) {
    let begun = Instant::now();
    loop {
        postgres.query(end_all).unwrap();
        match put(store, 1).await {
            Err(StoreError::Unavailable(why)) if why.contains(words) => return,
            other => assert!(begun.elapsed() < Duration::from_secs(10), "{words}: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn store_part(stand: &Stand) -> String {
    let url = format!("http://127.0.0.1:{}/health/ready", stand.tollgate.ports.metrics);
    let report: serde_json::Value = client::http().get(url).send().await.unwrap().json().await.unwrap();
    let parts = report["components"].as_array().unwrap();
    parts
        .iter()
        .filter(|part| part["name"] == "keys" || part["name"] == "store")
        .map(ToString::to_string)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_replaced_without_a_restart() {
    let Some(rig) = Rig::start().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("database-url");
    let url = rig.postgres.url_by(rig.proxy.port());
    std::fs::write(&file, &url).unwrap();
    let stand = Stand::with(&json!({"database": {"url_file": file, "connect_timeout_ms": 1000}})).await;
    let becomes = async |what: &str, good: &dyn Fn(&str) -> bool, limit: Duration| {
        let begun = Instant::now();
        loop {
            let said = store_part(&stand).await;
            if good(&said) {
                return;
            }
            assert!(begun.elapsed() < limit, "{what}: {said}\n{}", stand.tollgate.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    becomes("well", &|said| !said.contains("degraded"), RECOVERY * 2).await;

    rig.postgres.query("ALTER ROLE tollgate PASSWORD 'An0ther-pw'").unwrap();
    rig.proxy.cut();
    becomes("alarm", &|said| said.contains("password authentication failed"), RECOVERY * 2).await;
    assert!(!store_part(&stand).await.contains("S3cret-pw"));

    std::fs::write(&file, url.replace("S3cret-pw", "An0ther-pw")).unwrap();
    becomes("well again", &|said| !said.contains("degraded"), RECOVERY * 3).await;
    let log = stand.tollgate.log();
    assert!(!log.contains("wait for a restart"), "{log}");
    assert!(!log.contains("An0ther-pw") && !log.contains("S3cret-pw"), "{log}");
    let keys = format!("http://127.0.0.1:{}/api/v1/api-keys", stand.tollgate.ports.http);
    let listed = client::http().get(keys).bearer_auth(stand.token()).send().await.unwrap();
    assert_eq!(listed.status(), 200);
}
