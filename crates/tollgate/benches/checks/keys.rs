//! API keys: what a check costs among ten, ten thousand and a million; memory and time to be ready; how long a revoked key
//! works on three replicas; and a flood of unknown keys beside a good one.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde_json::json;
use tempfile::TempDir;
use tollgate::clock::{Clock as _, SystemClock};
use tollgate::store::{Author, Origin, Store, StoreOptions};
use tollgate_core::apikey::{NewKey, PlainKey};
use tollgate_envoy::auth::v3::CheckRequest;

use crate::database::Database;
use crate::load::{Call as _, IN_FLIGHT, closed, open};
use crate::rig::{Rig, check_request, free_port};
use crate::scenario::{Checks, OPEN_RATE, Row, measure};

/// Keys that are really used, of however many there are.
const USED: usize = 10_000;
/// Revokes that are measured.
const REVOKES: usize = 1000;

/// What was measured beside the rows of the table.
pub struct Facts(pub Vec<(String, String)>);

/// A Tollgate on a database; it ends with it.
struct Replica {
    child: Child,
    grpc: u16,
    http: u16,
    metrics: u16,
    /// From its start to readiness.
    ready_after: Duration,
}

impl Drop for Replica {
    fn drop(&mut self) {
        // Already gone is fine: that is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Replica {
    async fn start(dir: &TempDir, url: &str) -> anyhow::Result<Self> {
        let (grpc, http, metrics) = (free_port()?, free_port()?, free_port()?);
        let listen = |port: u16| json!({"listen": format!("127.0.0.1:{port}")});
        let configuration = json!({
            "server": {
                "http": listen(http), "grpc": listen(grpc), "check": listen(free_port()?), "metrics": listen(metrics),
            },
            "logging": {"format": "json", "decisions": false, "level": "warn"},
            "database": {"url": url},
            "routes": [{"name": "all", "hosts": ["*"], "paths": [{"prefix": "/"}], "access": "authenticated"}],
        });
        let file = dir.path().join(format!("{grpc}.yaml"));
        std::fs::write(&file, configuration.to_string())?;
        let begun = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(["serve", "--config"])
            .arg(&file)
            .stdout(Stdio::null())
            .spawn()
            .context("starting tollgate")?;
        let mut replica = Self { child, grpc, http, metrics, ready_after: Duration::ZERO };
        while !replica.is_ready().await {
            anyhow::ensure!(begun.elapsed() < Duration::from_secs(120), "tollgate does not get ready");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        replica.ready_after = begun.elapsed();
        Ok(replica)
    }

    async fn is_ready(&self) -> bool {
        let url = format!("http://127.0.0.1:{}/health/ready", self.http);
        client().get(url).send().await.is_ok_and(|answer| answer.status() == 200)
    }

    /// One sample of its metrics.
    async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.metrics);
        let text = client().get(url).send().await?.text().await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no metric {name}"))?.parse()?)
    }

    /// Bytes of memory that it occupies, as the kernel counts.
    fn resident(&self) -> anyhow::Result<i64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<i64>()? * 1024)
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap_or_default()
}

fn requests(texts: &[String]) -> Arc<[CheckRequest]> {
    texts.iter().map(|text| check_request(Some(text))).collect()
}

async fn migrated(database: &Database, name: &str) -> anyhow::Result<Arc<Store>> {
    database.query("postgres", &format!("CREATE DATABASE {name}"))?;
    let patient = Duration::from_secs(30);
    let options = StoreOptions {
        url: database.url(name),
        pool_size: 4,
        connect_timeout: patient,
        statement_timeout: patient,
    };
    let store = Store::open(&options)?;
    store.health().await?;
    Ok(store)
}

/// Measures everything about keys; `sizes` are the numbers of keys, smallest first.
pub async fn run(
    rig: &Rig,
    bin: &Path,
    sizes: &[usize],
    phase: Duration,
) -> anyhow::Result<(Vec<Row>, Facts)> {
    let dir = TempDir::new()?;
    let database = Database::start(bin).await?;
    let floor_name = "floor, beside the keys";
    let one: Arc<[CheckRequest]> = vec![check_request(None)].into();
    let floor = Checks::to(rig.floor_port, one, true).await?;
    let mut rows = vec![measure(floor_name, &floor, OPEN_RATE, phase, None).await?];
    let mut facts = Vec::new();
    let mut empty = 0;
    for (at, size) in sizes.iter().enumerate() {
        let name = format!("keys_{size}");
        let store = migrated(&database, &name).await?;
        eprintln!("making {size} keys");
        let texts = database.seed(&name, *size, USED.min(*size), SystemClock.now())?;
        let replica = Replica::start(&dir, &database.url(&name)).await?;
        let resident = replica.resident()?;
        let fill = replica.metric("tollgate_key_view_fill_duration_seconds_sum").await?;
        facts.push((format!("{size} keys: all read in"), format!("{fill:.3} s")));
        facts.push((format!("{size} keys: ready after start in"), format!("{:.2?}", replica.ready_after)));
        if at == 0 {
            empty = resident;
        } else {
            let table = replica.metric("tollgate_key_view_size_bytes").await?;
            let per_key = (resident - empty) as f64 / *size as f64;
            facts.push((format!("{size} keys: resident memory a key"), format!("{per_key:.1} bytes")));
            facts.push((format!("{size} keys: table a key"), format!("{:.1} bytes", table / *size as f64)));
        }
        let checks = Checks::to(replica.grpc, requests(&texts), true).await?;
        rows.push(
            measure(&format!("API key among {size}"), &checks, OPEN_RATE, phase, Some(floor_name)).await?,
        );
        if at + 1 == sizes.len() {
            flood(&database, &name, &replica, &texts, phase, &mut facts).await?;
            drop(replica);
            revokes(&database, &name, &store, &dir, &texts, &mut facts).await?;
        }
        store.close().await;
    }
    Ok((rows, Facts(facts)))
}

/// Unknown keys that look just made, as fast as they are answered, and a good key beside them.
async fn flood(
    database: &Database,
    name: &str,
    replica: &Replica,
    texts: &[String],
    phase: Duration,
    facts: &mut Vec<(String, String)>,
) -> anyhow::Result<()> {
    eprintln!("measuring: a flood of unknown keys");
    let mut next = 0_u64;
    let unknown: Vec<String> = (0..20_000)
        .map(|_| {
            next += 1;
            let fill = |buffer: &mut [u8]| {
                let bytes = next.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
                buffer.iter_mut().zip(bytes.iter().cycle()).for_each(|(to, from)| *to = *from);
                Ok::<(), std::convert::Infallible>(())
            };
            NewKey::make(SystemClock.now(), fill).map(|key| key.reveal())
        })
        .collect::<Result<_, _>>()?;
    let commits = |database: &Database| -> anyhow::Result<i64> {
        let sql = format!("SELECT xact_commit FROM pg_stat_database WHERE datname = '{name}'");
        Ok(database.query("postgres", &sql)?.parse()?)
    };
    let good = Checks::to(replica.grpc, requests(texts), true).await?;
    let bad = Checks::to(replica.grpc, requests(&unknown), false).await?;
    let quiet = open(&good, OPEN_RATE / 5.0, phase, u64::MAX).await?;
    let before = commits(database)?;
    let (flooded, beside) = tokio::join!(
        closed(&bad, 4 * IN_FLIGHT, phase, u64::MAX),
        open(&good, OPEN_RATE / 5.0, phase, u64::MAX)
    );
    let (flooded, beside) = (flooded?, beside?);
    // The statistics of Postgres are a second late at most.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let asked = commits(database)? - before;
    facts.push(("flood: unknown fresh keys answered".into(), format!("{:.0} a second", flooded.rate)));
    facts.push((
        "flood: transactions in the database".into(),
        format!("{:.0} a second", asked as f64 / phase.as_secs_f64()),
    ));
    let p99 = |latency: &Histogram<u64>| latency.value_at_quantile(0.99);
    facts.push((
        "flood: a good key's p99".into(),
        format!("{} µs, without the flood {} µs", p99(&beside.latency), p99(&quiet.latency)),
    ));
    Ok(())
}

/// Revokes one key after the other, and waits for three replicas to refuse it.
async fn revokes(
    database: &Database,
    name: &str,
    store: &Store,
    dir: &TempDir,
    texts: &[String],
    facts: &mut Vec<(String, String)>,
) -> anyhow::Result<()> {
    eprintln!("measuring: revokes on three replicas");
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(Replica::start(dir, &database.url(name)).await?);
    }
    let mut lag = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    for text in texts.iter().take(REVOKES) {
        let key = PlainKey::parse(text).context("a key that is none")?;
        let now = SystemClock.now();
        let mut tx = store.begin().await?;
        let (found, _) = tx.find_key_by_secret(&key).await?.context("a key that is not there")?;
        let operator = Author::operator("bench", Origin::here(now));
        tx.revoke_key(&operator, ((&found.project_id, found.id.as_str()), None)).await?;
        tx.commit(now).await?;
        let committed = Instant::now();
        let one: Arc<[CheckRequest]> = vec![check_request(Some(text))].into();
        let denied = replicas.iter().map(|replica| {
            let one = Arc::clone(&one);
            async move {
                let denied = Checks::to(replica.grpc, one, false).await?;
                while denied.call(0).await.is_err() {
                    anyhow::ensure!(
                        committed.elapsed() < Duration::from_secs(5),
                        "a revoked key still works"
                    );
                }
                anyhow::Ok(committed.elapsed())
            }
        });
        for took in futures_util::future::try_join_all(denied).await? {
            lag.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }
    let at = |quantile| lag.value_at_quantile(quantile) as f64 / 1000.0;
    facts.push((
        format!("revoke to deny, {REVOKES} revokes × 3 replicas"),
        format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", at(0.5), at(0.99), lag.max() as f64 / 1000.0),
    ));
    Ok(())
}
