//! Ten thousand keys are made and used, rightly and wrongly, and none is found in anything that is written down or told.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use serde_json::{Value, json};
use tonic::{Request, Response, Status};

use crate::harness::client;
use crate::harness::postgres::Postgres;
use crate::stand::Stand;

const KEYS: usize = 10_000;
const AT_ONCE: usize = 16;
/// So many characters of a secret in a row are a leak: 95 bits.
const PART: usize = 16;

/// Keeps what it is sent, as text.
struct Collector(Arc<Mutex<String>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = format!("{:?}", request.into_inner());
        self.0.lock().unwrap().push_str(&spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Parts of secrets, and a search for them that is linear in the text.
struct Secrets(HashSet<[u8; PART]>);

impl Secrets {
    fn of(keys: &[String]) -> Self {
        let secrets = keys.iter().map(|key| &key.as_bytes()[27..70]);
        Self(secrets.flat_map(|secret| secret.windows(PART).map(|part| part.try_into().unwrap())).collect())
    }

    /// The place of the first part, with what stands around it.
    fn find(&self, text: &[u8]) -> Option<String> {
        let runs = text.split(|byte| !byte.is_ascii_alphanumeric()).filter(|run| run.len() >= PART);
        let leaks = |run: &&[u8]| run.windows(PART).any(|part| self.0.contains(part));
        runs.into_iter().find(leaks).map(|run| String::from_utf8_lossy(run).into_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_keys_leave_no_trace_of_their_secrets() {
    let Some(postgres) = Postgres::anywhere() else { return };
    let traces = Arc::new(Mutex::new(String::new()));
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let collector = format!("http://{}", socket.local_addr().unwrap());
    let service = TraceServiceServer::new(Collector(Arc::clone(&traces)));
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(socket);
    tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
    let stand = Arc::new(
        Stand::with(&json!({
            "database": {"url": postgres.url()},
            "keys": {"max_per_project": 20_000},
            "api": {"requests_per_minute": 1_000_000},
            "logging": {"level": "debug,tollgate=trace"},
            "telemetry": {"otlp": {"endpoint": collector, "sample_ratio": 1.0}},
        }))
        .await,
    );
    let api = format!("http://127.0.0.1:{}/api/v1", stand.tollgate.ports.http);
    let token = stand.token();
    let http = client::http();
    let projects: Value =
        http.get(format!("{api}/projects")).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    let project = projects["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{projects}")).to_owned();

    let workers = (0..AT_ONCE).map(|worker| {
        let (stand, api, project) = (Arc::clone(&stand), api.clone(), project.clone());
        tokio::spawn(async move { work(&stand, (&api, &project), worker).await })
    });
    let (mut keys, mut told) = (Vec::new(), String::new());
    for worker in workers.collect::<Vec<_>>() {
        let (made, answers) = worker.await.unwrap();
        keys.extend(made);
        told.push_str(&answers);
    }
    assert_eq!(keys.len(), KEYS);
    let secrets = Secrets::of(&keys);
    assert!(secrets.find(keys[7].as_bytes()).is_some(), "the search finds what is there");

    let token = stand.token();
    let get = async |path: &str| {
        http.get(format!("{api}{path}")).bearer_auth(&token).send().await.unwrap().text().await.unwrap()
    };
    told += &get(&format!("/projects/{project}/keys?limit=200")).await;
    told += &get(&format!("/projects/{project}/audit?limit=200")).await;
    told += &get(&format!("/projects/{project}/audit?format=ndjson")).await;
    let metrics = format!("http://127.0.0.1:{}/metrics", stand.tollgate.ports.metrics);
    told += &http.get(metrics).send().await.unwrap().text().await.unwrap();
    let mut stand = Arc::into_inner(stand).unwrap();
    assert!(stand.tollgate.terminate().await.success());
    let log = stand.tollgate.log();
    assert!(log.len() > KEYS * 100, "the log was off");
    let tables =
        postgres.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'");
    let mut database = String::new();
    for table in tables.unwrap().lines() {
        database += &postgres.query(&format!("SELECT t::text FROM \"{table}\" t")).unwrap();
    }
    assert!(database.len() > KEYS * 200);
    let traces = traces.lock().unwrap().clone();
    assert!(traces.contains("tollgate.check"), "no span arrived");
    for (place, text) in [("log", &log), ("database", &database), ("answers", &told), ("traces", &traces)] {
        assert_eq!(secrets.find(text.as_bytes()), None, "a secret is in the {place}");
    }
}

/// Makes and uses a share of the keys; the keys, and everything that was told beside their making.
async fn work(stand: &Stand, (api, project): (&str, &str), worker: usize) -> (Vec<String>, String) {
    let http = client::http();
    let door = format!("http://127.0.0.1:{}/v1/chat/completions", stand.tollgate.ports.check);
    let (mut keys, mut told) = (Vec::new(), String::new());
    let mut token = stand.token();
    for n in (worker..KEYS).step_by(AT_ONCE) {
        // All of it takes longer than a token lives.
        if (n / AT_ONCE).is_multiple_of(50) {
            token = stand.token();
        }
        let wish = json!({"name": format!("key {n}"), "tags": ["leaks"]});
        let make = || http.post(format!("{api}/projects/{project}/keys")).bearer_auth(&token).json(&wish);
        let mut made = make().send().await.unwrap();
        // A machine at its limits may keep the database waiting; 503 says to try again.
        for _ in 0..20 {
            if made.status() != 503 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            made = make().send().await.unwrap();
        }
        let made: Value = made.json().await.unwrap();
        let key = made["secret"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        let ask = || http.get(&door).header("host", "ai.test");
        // Rightly, and then in one of the ways in which people get it wrong.
        // A machine at its limits may answer late, which is 403 on this door; the next answer comes from memory.
        let mut tries = 0;
        while ask().bearer_auth(&key).send().await.unwrap().status() != 200 {
            tries += 1;
            assert!(tries < 100, "key {n} does not work");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let wrong = match n % 8 {
            0 => ask().header("authorization", format!("Bearer {key}x")),
            1 => ask().header("authorization", format!("Basic {key}")),
            2 => ask().header("x-api-key", format!("\"{key}\"")),
            3 => ask().header("x-api-key", &key[..75]),
            4 => ask().header("x-api-key", &key).header("api-key", "another"),
            5 => http.get(format!("{door}?key={key}&api_key={key}")).header("host", "ai.test"),
            6 => ask().header("cookie", format!("key={key}")),
            _ => ask().header("authorization", key.to_lowercase()),
        };
        let refused = wrong.send().await.unwrap();
        assert_eq!(refused.status(), 401, "key {n}");
        told += &format!("{:?}", refused.headers());
        told += &refused.text().await.unwrap();
        if n % 50 == 0 {
            // The API as well, rightly and wrongly.
            for body in [
                json!({"secret": key}),
                json!({"secret": key[..75]}),
                json!({"secret": {"text": key}}),
                json!({"sekret": key}),
            ] {
                let answer =
                    http.post(format!("{api}/keys/lookup")).bearer_auth(&token).json(&body).send().await;
                told += &answer.unwrap().text().await.unwrap();
            }
            for path in ["me", &format!("projects/{project}/keys"), &format!("projects/{key}/keys")] {
                let answer = http.get(format!("{api}/{path}")).bearer_auth(&key).send().await;
                told += &answer.unwrap().text().await.unwrap();
            }
        }
        keys.push(key);
    }
    (keys, told)
}
