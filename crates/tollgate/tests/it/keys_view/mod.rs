//! API keys over three replicas on one real Postgres: what one commits, all obey, with the bus or without it.

mod leaks;
mod lives;
mod outages;
mod revokes;
mod timing;
mod tokens;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tollgate::clock::{Clock as _, SystemClock};
use tollgate::entropy::{Entropy as _, SystemEntropy};
use tollgate::store::api_keys::{ApiKey, KeyOwner, KeyPolicy, NewApiKey};
use tollgate::store::{Author, FreshAuthor, Origin, Store, StoreOptions};
use tollgate_core::apikey::NewKey;
use tollgate_core::caller::KeyLimits;
use tollgate_core::jwt::Algorithm;
use tollgate_core::key_life::{KeyLifetimes, LifeWish};
use tollgate_core::key_limits::{KeyName, Metadata, Tags};
use tollgate_core::recent::RecentProof;
use tollgate_core::testing::TestKey;
use tollgate_core::time::Timestamp;

use crate::harness::grpc::{Checker, Outcome};
use crate::harness::issuer::Issuer;
use crate::harness::postgres::Postgres;
use crate::harness::tollgate::Tollgate;
use crate::stand;

/// What no revoke may exceed, whatever is broken.
const HARD_BOUND: Duration = Duration::from_secs(5);

/// Replicas that share two cores with those of another test would measure each other.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Three replicas, their database, and a store of the test's own that writes as a fourth replica would.
pub struct Replicas {
    pub replicas: Vec<Tollgate>,
    pub checkers: Vec<Checker>,
    pub store: Arc<Store>,
    pub issuer: Issuer,
    pub signing: TestKey,
    pub postgres: Postgres,
    // Last, so that the next test begins when all this has ended.
    _alone: MutexGuard<'static, ()>,
}

/// A key and its text.
#[derive(Clone, Debug)]
pub struct Made {
    pub text: String,
    pub key: ApiKey,
}

const SEED: &str = "INSERT INTO organizations VALUES ('org_1', 'One', FALSE, 'active', 1, 0, 0); \
     INSERT INTO people (id, issuer, subject, username, email, state, version, created_at, updated_at, last_seen_at) \
             VALUES ('per_1', 'test', 'user-1', 'alice', NULL, 'active', 1, 0, 0, 0); \
     INSERT INTO projects VALUES ('prj_00000000000000000000000001', 'org_1', 'first', 'active', '\"all\"', 1, 0, 0), \
       ('prj_00000000000000000000000002', 'org_1', 'second', 'active', '\"all\"', 1, 0, 0); \
     INSERT INTO service_accounts VALUES ('sva_1', 'prj_00000000000000000000000001', 'ci', 'active', 1, 0, 0); \
     INSERT INTO project_members VALUES ('prj_00000000000000000000000001', 'per_1', 'owner', 'manual', 0), \
       ('prj_00000000000000000000000002', 'per_1', 'owner', 'manual', 0)";

const POLICY: KeyPolicy =
    KeyPolicy { max_per_project: 1_000_000, lifetimes: KeyLifetimes { max_days: None, default_days: None } };

/// The person of the seed, who owns both projects.
fn alice() -> FreshAuthor {
    let proof = RecentProof::judge(None, None, now()).unwrap();
    FreshAuthor::new(Author::person("per_1", "alice", false, Origin::here(now())), proof)
}

pub fn now() -> Timestamp {
    SystemClock.now()
}

/// The wish for this key, of the person in the first project.
fn wish(new: &NewKey) -> NewApiKey {
    NewApiKey {
        id: new.id(),
        digest: new.digest(),
        project_id: "prj_00000000000000000000000001".into(),
        owner: KeyOwner::Person("per_1".into()),
        name: KeyName::new("a key").unwrap(),
        life: LifeWish::Unsaid,
        limits: KeyLimits::NONE,
        tags: Tags::default(),
        metadata: Metadata::default(),
    }
}

impl Replicas {
    /// Starts everything; `None` is a visible skip.
    async fn start(count: usize) -> Option<Self> {
        Self::start_with(count, json!({})).await
    }

    /// With this section `api` in their configuration.
    async fn start_with(count: usize, api: Value) -> Option<Self> {
        let postgres = Postgres::anywhere()?;
        let url = postgres.url();
        // What is tested is what is answered; how fast, the benchmark says.
        let more = json!({"checks": {"deadline_ms": 5000}, "api": api});
        Some(Self::on(postgres, &url, count, &more).await)
    }

    /// Starts so many replicas that reach this database by this URL, with `more` settings.
    pub async fn on(postgres: Postgres, url: &str, count: usize, more: &Value) -> Self {
        let alone = ALONE.lock().await;
        let options = StoreOptions {
            url: postgres.url(),
            pool_size: 8,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
        };
        let store = Store::open(&options).unwrap();
        store.health().await.unwrap();
        postgres.query(SEED).unwrap();
        let signing = TestKey::generate(Algorithm::ES256, "k1");
        let issuer = Issuer::start(&[signing.jwk()]).await;
        let mut settings = stand::settings(
            &issuer,
            &json!({"database": {"url": url, "pool_size": 4, "connect_timeout_ms": 2000}}),
        );
        for (name, value) in more.as_object().unwrap() {
            settings[name] = value.clone();
        }
        let mut replicas: Vec<Tollgate> = (0..count).map(|_| Tollgate::spawn(&settings)).collect();
        let mut checkers = Vec::new();
        for replica in &mut replicas {
            replica.ready().await;
            checkers.push(Checker::connect(replica.ports.grpc).await);
        }
        Self { replicas, checkers, store, issuer, signing, postgres, _alone: alone }
    }

    /// A new key of the person in the first project, committed.
    pub async fn make(&self) -> Made {
        self.make_for(KeyOwner::Person("per_1".into()), "prj_00000000000000000000000001").await
    }

    async fn make_for(&self, owner: KeyOwner, project: &str) -> Made {
        let new = NewKey::make(now(), |buffer| SystemEntropy.fill(buffer)).unwrap();
        let wish = NewApiKey { owner, project_id: project.into(), ..wish(&new) };
        let mut tx = self.store.begin().await.unwrap();
        let key = tx.issue_key(&alice(), &wish, &POLICY).await.unwrap();
        tx.commit(now()).await.unwrap();
        Made { text: new.reveal(), key }
    }

    pub async fn revoke(&self, key: &ApiKey) {
        let mut tx = self.store.begin().await.unwrap();
        tx.revoke_key(&alice(), ((&key.project_id, key.id.as_str()), None)).await.unwrap();
        tx.commit(now()).await.unwrap();
    }

    /// Runs SQL by hand.
    fn query(&self, sql: &str) -> String {
        self.postgres.query(sql).unwrap_or_else(|| panic!("psql refuses: {sql}"))
    }

    /// Writes by hand what changes one thing, as a process would whose notification is lost.
    fn write_silently(&self, sql: &str, kind: &str, id: &str) {
        let change = format!(
            "BEGIN; {sql}; UPDATE change_counter SET seq = seq + 1; INSERT INTO changes \
             SELECT seq, '{kind}', '{id}', {} FROM change_counter; COMMIT",
            now().as_millis()
        );
        self.query(&change);
    }

    /// The same, with the notification.
    fn write(&self, sql: &str, kind: &str, id: &str) {
        self.write_silently(&format!("SELECT pg_notify('tollgate_changes', ''); {sql}"), kind, id);
    }

    /// Waits until every replica answers a credential so; how long the slowest took.
    async fn all_say(&self, credential: &str, what: &str, expected: impl Fn(&Outcome) -> bool) -> Duration {
        let begun = Instant::now();
        let mut slowest = Duration::ZERO;
        for (replica, checker) in self.checkers.iter().enumerate() {
            loop {
                let outcome = checker.bearer(credential).await;
                if expected(&outcome) {
                    break;
                }
                let took = begun.elapsed();
                assert!(took < HARD_BOUND, "replica {replica}, {what}: after {took:?} still {outcome:?}");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            slowest = slowest.max(begun.elapsed());
        }
        slowest
    }

    /// Waits until every replica permits a credential.
    pub async fn all_permit(&self, credential: &str) -> Duration {
        self.all_say(credential, "should be permitted", Outcome::permitted).await
    }

    /// Waits until every replica denies a credential with this public code.
    pub async fn all_deny(&self, credential: &str, code: &str) -> Duration {
        self.all_say(credential, code, |outcome| outcome.denial().as_deref() == Some(code)).await
    }
}
