//! A Keycloak that answers as the test says, a store with people in it, and the work between them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_core::time::Timestamp;

use crate::clock::Clock;
use crate::directory::{Directory, DirectoryDeps, DirectoryOptions, KeycloakOptions};
use crate::entropy::SystemEntropy;
use crate::store::tests::rig::{becomes_ready, lite, options, write};
use crate::store::{Contact, Origin, State as Standing, Store, probe};
use crate::telemetry::Metrics;
use crate::views::FetchLimits;

/// The moment at which every test begins.
pub const BEGIN: i64 = 1_800_000_000_000;

/// What an endpoint does.
#[derive(Clone, Debug)]
pub enum Does {
    /// What Keycloak does.
    Right,
    /// This status, type and text.
    Says(u16, &'static str, String),
    /// Nothing, for longer than anybody waits.
    Nothing,
}

/// The fake.
pub struct Fake {
    url: String,
    /// Users by id: enabled or not.
    pub users: Mutex<BTreeMap<String, bool>>,
    pub token: Mutex<Does>,
    pub count: Mutex<Does>,
    /// What is said of one user instead, by id; `*` is everybody.
    pub said: Mutex<BTreeMap<String, Does>>,
    /// What users were asked about, in order.
    pub asked: Mutex<Vec<String>>,
    pub tokens: AtomicU64,
    /// Tokens up to this number are refused.
    pub ended: AtomicU64,
}

impl Fake {
    pub async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            users: Mutex::default(),
            token: Mutex::new(Does::Right),
            count: Mutex::new(Does::Right),
            said: Mutex::default(),
            asked: Mutex::default(),
            tokens: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        });
        let serving = Arc::clone(&fake);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let fake = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let fake = Arc::clone(&fake);
                    async move { Ok::<_, Infallible>(fake.answer(request).await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        fake
    }

    /// Has users of these ids, all enabled.
    pub fn has(&self, ids: &[&str]) {
        *self.users.lock().unwrap() = ids.iter().map(|id| ((*id).to_owned(), true)).collect();
    }

    pub fn says_of(&self, id: &str, does: Does) {
        self.said.lock().unwrap().insert(id.to_owned(), does);
    }

    fn refuses(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let number = sent.strip_prefix("Bearer t-").and_then(|number| number.parse::<u64>().ok());
        number.is_none_or(|number| number <= self.ended.load(Ordering::Relaxed))
    }
}

type Answer = Response<Full<Bytes>>;

fn answer(status: u16, kind: &str, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer.headers_mut().insert("content-type", kind.parse().unwrap());
    answer
}

fn json_answer(status: u16, body: &Value) -> Answer {
    answer(status, "application/json", body.to_string())
}

async fn done(does: Does, right: impl FnOnce() -> Answer) -> Answer {
    match does {
        Does::Right => right(),
        Does::Says(status, kind, text) => answer(status, kind, text),
        Does::Nothing => std::future::pending().await,
    }
}

impl Fake {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        if path == "/realms/ai/protocol/openid-connect/token" {
            let body = body.collect().await.unwrap().to_bytes();
            assert_eq!(
                body,
                "grant_type=client_credentials&client_id=tollgate-directory&client_secret=s3cret%26"
            );
            let does = self.token.lock().unwrap().clone();
            return done(does, || {
                let number = self.tokens.fetch_add(1, Ordering::Relaxed) + 1;
                json_answer(
                    200,
                    &json!({"access_token": format!("t-{number}"), "token_type": "Bearer", "expires_in": 60}),
                )
            })
            .await;
        }
        if self.refuses(&parts.headers) {
            return json_answer(401, &json!({"error": "HTTP 401 Unauthorized"}));
        }
        let asked =
            path.strip_prefix("/admin/realms/ai/users/").unwrap_or_else(|| panic!("asked for {path}"));
        if asked == "count" {
            let does = self.count.lock().unwrap().clone();
            return done(does, || json_answer(200, &json!(self.users.lock().unwrap().len()))).await;
        }
        self.asked.lock().unwrap().push(asked.to_owned());
        let does = {
            let said = self.said.lock().unwrap();
            said.get(asked).or_else(|| said.get("*")).cloned().unwrap_or(Does::Right)
        };
        done(does, || match self.users.lock().unwrap().get(asked) {
            Some(enabled) => {
                json_answer(200, &json!({"id": asked, "username": "x", "enabled": enabled, "attributes": {}}))
            }
            None => json_answer(404, &json!({"error": "User not found"})),
        })
        .await
    }
}

/// A clock that goes on with the runtime's own.
pub struct RunningClock(tokio::time::Instant);

impl Clock for RunningClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN + i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

/// A store, a fake, and what the work takes.
pub struct Scene {
    pub fake: Arc<Fake>,
    pub store: Arc<Store>,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<RunningClock>,
    _dir: TempDir,
}

impl Scene {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&options(lite(dir.path()))).unwrap();
        becomes_ready(&store).await;
        let clock = Arc::new(RunningClock(tokio::time::Instant::now()));
        let metrics = Arc::new(Metrics::new(&[], clock.now()));
        Self { fake: Fake::start().await, store, metrics, clock, _dir: dir }
    }

    /// The work of one replica; `change` has the last word on its options.
    pub fn directory(&self, change: impl FnOnce(&mut DirectoryOptions)) -> Directory {
        let mut options = DirectoryOptions {
            issuer: "keycloak".into(),
            interval: Duration::from_millis(100),
            requests_per_second: 1000,
            max_suspended_percent: 10,
            keycloak: KeycloakOptions {
                admin_url: format!("{}/admin/realms/ai", self.fake.url).parse().unwrap(),
                token_url: format!("{}/realms/ai/protocol/openid-connect/token", self.fake.url)
                    .parse()
                    .unwrap(),
                client_id: "tollgate-directory".into(),
                client_secret: "s3cret&".into(),
                fetch: FetchLimits {
                    timeout: Duration::from_millis(300),
                    max_bytes: 65_536,
                    allow_http: true,
                    ca_file: None,
                },
            },
        };
        change(&mut options);
        let deps = DirectoryDeps {
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            metrics: Arc::clone(&self.metrics),
        };
        Directory::new(options, deps, &SystemEntropy).unwrap()
    }

    /// Somebody with a key, known to Keycloak under this id; their own id here.
    pub async fn person(&self, subject: &str) -> String {
        self.person_of("keycloak", subject, "live").await
    }

    /// Somebody of an issuer with a key in this state.
    pub async fn person_of(&self, issuer: &str, subject: &str, key: &str) -> String {
        let contact =
            Contact { issuer, subject, username: subject, email: None, groups: None, platform_admin: false };
        let mut random = [0; 30];
        crate::entropy::Entropy::fill(&SystemEntropy, &mut random).unwrap();
        let origin = Origin::here(Timestamp::from_millis(BEGIN));
        let person = self.store.meet_person(&contact, &origin, &random).await.unwrap().id;
        let sql = format!(
            "INSERT INTO api_keys (id, project_id, person_id, name, digest, state, models, routes, addresses, tags, metadata, \
             created_by, version, created_at, updated_at) SELECT 'key-' || '{person}', project_id, '{person}', 'key', 'd', \
             '{key}', '\"all\"', '\"all\"', '\"any\"', '[]', '{{}}', 'x', 1, 1, 1 FROM project_members WHERE person_id = \
             '{person}'"
        );
        write(&self.store, &sql, None).await;
        person
    }

    /// Whether they may act, and if not why not.
    pub async fn standing(&self, person: &str) -> &'static str {
        let person = self.store.find_person(person).await.unwrap().unwrap();
        match (person.state, person.suspended_because) {
            (Standing::Active, None) => "active",
            (Standing::Suspended, None) => "administrator",
            (Standing::Suspended, Some(cause)) => cause.as_str(),
            other => panic!("{other:?}"),
        }
    }

    /// Entries in the audit log by the directory.
    pub async fn audited(&self) -> i64 {
        probe(&self.store, "SELECT COUNT(*) FROM audit WHERE actor_kind = 'system' AND actor_id = 'directory' AND actor_name = 'keycloak'")
            .await
    }

    /// A metric's value, by its name with labels.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    pub fn rounds(&self, outcome: &str) -> u64 {
        self.metric(&format!("tollgate_directory_rounds_total{{issuer=\"keycloak\",outcome=\"{outcome}\"}}"))
    }
}

/// What somebody else's server says.
pub fn html(status: u16) -> Does {
    Does::Says(status, "text/html", "<html>nginx</html>".into())
}

pub fn says(status: u16, body: &Value) -> Does {
    Does::Says(status, "application/json", body.to_string())
}
