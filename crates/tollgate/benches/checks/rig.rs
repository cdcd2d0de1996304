//! What is measured: the floor and two Tollgates, each a process of its own, and tokens that they accept.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_core::jwt::{Algorithm, KeySet};
use tollgate_core::testing::TestKey;
use tollgate_envoy::auth::v3::attribute_context::{HttpRequest, Request};
use tollgate_envoy::auth::v3::{AttributeContext, CheckRequest};

const ISSUER: &str = "https://issuer.bench.example/realms/bench";

/// Running processes; they end with it.
pub struct Rig {
    /// The constant answer.
    pub floor_port: u16,
    /// Tollgate without decision lines.
    pub grpc_port: u16,
    /// Tollgate that writes a line per decision.
    pub logging_grpc_port: u16,
    /// Tokens that are made for the never-seen case.
    pub fresh_tokens: usize,
    key: TestKey,
    tokens: Vec<String>,
    _children: Vec<Running>,
    _dir: TempDir,
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone is fine: that is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody uses.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Rig {
    /// Makes tokens, as many as are wanted, and starts everything.
    pub async fn start(seen_tokens: usize, fresh_tokens: usize) -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let key = TestKey::generate(Algorithm::RS256, "bench");
        std::fs::write(dir.path().join("jwks.json"), key.key_set())?;
        eprintln!("making tokens");
        let made = seen_tokens + fresh_tokens;
        let half =
            |range: std::ops::Range<usize>| range.map(|n| key.sign_claims(&claims(n))).collect::<Vec<_>>();
        let (first, second) = std::thread::scope(|scope| {
            let first = scope.spawn(|| half(0..made / 2));
            let second = half(made / 2..made);
            (first.join(), second)
        });
        let mut tokens = first.map_err(|_| anyhow::anyhow!("making tokens failed"))?;
        tokens.extend(second);

        let floor_port = free_port()?;
        let floor =
            Command::new(std::env::current_exe()?).arg("--floor-port").arg(floor_port.to_string()).spawn()?;
        let (quiet, grpc_port) = tollgate(&dir, "quiet", false)?;
        let (logging, logging_grpc_port) = tollgate(&dir, "logging", true)?;
        let children = vec![Running(floor), Running(quiet), Running(logging)];
        for port in [floor_port, grpc_port, logging_grpc_port] {
            answers(port).await?;
        }
        Ok(Self {
            floor_port,
            grpc_port,
            logging_grpc_port,
            fresh_tokens,
            key,
            tokens,
            _children: children,
            _dir: dir,
        })
    }

    /// One token.
    pub fn token(&self, n: usize) -> String {
        self.tokens[n].clone()
    }

    /// `count` tokens from the `from`th on.
    pub fn tokens(&self, from: usize, count: usize) -> &[String] {
        &self.tokens[from..from + count]
    }

    /// Microseconds of one bare signature check on one core.
    pub fn raw_verify_micros(&self) -> f64 {
        let token = &self.tokens[0];
        let checked = || -> Option<Duration> {
            let (keys, _) = KeySet::parse(self.key.key_set().as_bytes()).ok()?;
            let key = keys.select(Some("bench"), Algorithm::RS256).ok()?;
            let (message, _) = token.rsplit_once('.')?;
            let signature = self.key.signature(message.as_bytes());
            let begin = Instant::now();
            for _ in 0..20_000 {
                key.verify(Algorithm::RS256, std::hint::black_box(message.as_bytes()), &signature).ok()?;
            }
            Some(begin.elapsed() / 20_000)
        };
        checked().unwrap_or_default().as_secs_f64() * 1e6
    }
}

fn claims(n: usize) -> Value {
    json!({
        "iss": ISSUER, "aud": ["api", "account"], "sub": format!("f3f0a1de-0b53-4ac5-9e56-{n:012}"),
        "exp": 4_102_444_800_i64, "iat": 1_700_000_000, "jti": format!("{n:032x}"), "typ": "Bearer", "azp": "cli",
        "preferred_username": format!("user{n}"), "email": format!("user{n}@example.com"), "scope": "openid profile email",
        "realm_access": {"roles": ["default-roles-bench", "offline_access", "uma_authorization"]},
    })
}

fn tollgate(dir: &TempDir, name: &str, decisions: bool) -> anyhow::Result<(Child, u16)> {
    let grpc = free_port()?;
    let listen = |port: u16| json!({"listen": format!("127.0.0.1:{port}")});
    let configuration = json!({
        "server": {
            "http": listen(free_port()?), "grpc": listen(grpc),
            "check": listen(free_port()?), "metrics": listen(free_port()?),
        },
        "logging": {"format": "json", "decisions": decisions},
        "issuers": [{
            "name": "bench", "issuer": ISSUER, "jwks_file": dir.path().join("jwks.json"), "audiences": ["api"],
            "payload_types": ["Bearer"],
        }],
        "routes": [{"name": "all", "hosts": ["*"], "paths": [{"prefix": "/"}], "access": "authenticated"}],
    });
    let file = dir.path().join(format!("{name}.yaml"));
    std::fs::write(&file, configuration.to_string())?;
    let child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["serve", "--config"])
        .arg(&file)
        .stdout(Stdio::null())
        .spawn()
        .context("starting tollgate")?;
    Ok((child, grpc))
}

async fn answers(port: u16) -> anyhow::Result<()> {
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("nothing listens on {port}")
}

/// A check as Envoy sends it: the headers of an SDK's request.
pub fn check_request(token: Option<&str>) -> CheckRequest {
    let mut headers: std::collections::HashMap<String, String> = [
        (":authority", "ai.local.dev"),
        (":method", "POST"),
        (":path", "/v1/chat/completions"),
        (":scheme", "http"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate"),
        ("content-length", "412"),
        ("content-type", "application/json"),
        ("user-agent", "OpenAI/Python 3.57.0"),
        ("x-envoy-internal", "true"),
        ("x-forwarded-for", "10.42.0.17"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "2a3e9a2c-1f2e-4a56-9d43-9f1d3a1f5d10"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    if let Some(token) = token {
        headers.insert("authorization".into(), format!("Bearer {token}"));
    }
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Request {
                time: None,
                http: Some(HttpRequest {
                    id: "1".into(),
                    method: "POST".into(),
                    headers,
                    path: "/v1/chat/completions".into(),
                    host: "ai.local.dev".into(),
                    scheme: "http".into(),
                    protocol: "HTTP/1.1".into(),
                    size: 412,
                    ..HttpRequest::default()
                }),
            }),
            ..AttributeContext::default()
        }),
    }
}
