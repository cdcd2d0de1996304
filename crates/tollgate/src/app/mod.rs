//! The whole process, put together once and in order: log, store, views, doors, ports. Holds no rules.

mod directories;
pub mod explain;
mod login;
mod options;
mod reload;

pub use options::{key_policy, logs as log_options, store as store_options};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{Compiled, ConfigError, Loaded, Settings};
use crate::directory::DirectoryDeps;
use crate::doors::gate::{Door, Gate, GateParts};
use crate::doors::{grpc, http};
use crate::entropy::Entropy;
use crate::health::Health;
use crate::lifecycle::Stop;
use crate::listener::Listener;
use crate::portal::{self, Portal, PortalParts};
use crate::store::Store;
use crate::telemetry::{DecisionLog, Logs, Metrics, Traces, metrics_router};
use crate::views::{
    ApiKeysView, CurrentRulebook, Jitter, KeysView, LastUsed, Rulebook, TokenCache, ViewDeps,
};

/// Where the ports of a running process are.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Health; later the portal and the API.
    pub http: SocketAddr,
    /// Envoy's gRPC door.
    pub grpc: SocketAddr,
    /// The HTTP doors.
    pub check: SocketAddr,
    /// Prometheus.
    pub metrics: SocketAddr,
}

/// Configurations as they come in while the process runs.
pub type Reloads = tokio::sync::mpsc::Receiver<Result<Loaded, ConfigError>>;

/// A rulebook without a process around it, for tools that decide once. Must be called within the runtime.
///
/// # Errors
/// A CA file cannot be used.
pub fn start_rulebook(
    settings: &Settings,
    compiled: Compiled,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Rulebook> {
    let metrics = Arc::new(Metrics::new(&[], clock.now()));
    let jitter = Arc::new(Jitter::new(0));
    let deps = ViewDeps {
        store: None,
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
        jitter: Arc::clone(&jitter),
    };
    let keys = KeysView::start(options::sources(&compiled)?, None, &deps)?;
    let store = options::store(settings)?.map(|options| Store::open(&options)).transpose()?;
    let api_keys = store.map(|store| {
        let view = ApiKeysView::new(options::api_keys(settings), metrics);
        tokio::spawn(view.clone().run(store, clock, jitter));
        view
    });
    Ok(options::rulebook(settings, compiled.policy, keys, api_keys))
}

/// What the process is given from outside, so that tests can give something else.
pub struct World {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Random bits of the operating system.
    pub seed: u128,
    /// Random bytes for ids and secrets.
    pub entropy: Arc<dyn Entropy>,
    /// The running log, when this process has one whose level can change.
    pub logs: Option<Logs>,
}

/// A running process.
#[derive(Debug)]
pub struct App {
    /// Where it listens.
    pub addresses: Addresses,
    /// Judges readiness.
    pub health: Health,
    stop: Stop,
    tasks: TaskTracker,
    traces: Traces,
    store: Option<Arc<Store>>,
    last_used: Option<Arc<LastUsed>>,
    logs: Option<Logs>,
}

impl App {
    /// Starts everything and returns once all ports are open. Checks are answered from then on; whether they can be
    /// decided is what readiness says.
    ///
    /// # Errors
    /// A port is taken, a certificate cannot be used, or the store's URL is wrong; in words that say what to do.
    pub async fn start(
        settings: Settings,
        compiled: Compiled,
        reloads: Option<Reloads>,
        world: World,
        stop: Stop,
    ) -> anyhow::Result<Self> {
        let World { clock, seed, entropy, logs } = world;
        const DOORS: [&str; 4] =
            [Door::ALL[0].as_str(), Door::ALL[1].as_str(), Door::ALL[2].as_str(), Door::ALL[3].as_str()];
        let metrics = Arc::new(Metrics::new(&DOORS, clock.now()));
        if let Some(logs) = &logs {
            logs.count_dropped(metrics.log_lines_dropped(), stop.closing.clone());
        }
        let store = options::store(&settings)?.map(|options| Store::open(&options)).transpose()?;
        if let Some(store) = &store {
            store.examine().await.context("database.url")?;
        }
        let traces = Traces::start(options::otlp(&settings)?).context("telemetry.otlp")?;
        // Two halves of the seed for two purposes, so that one tells nothing of the other.
        let (low, high) = (seed as u64, (seed >> 64) as u64);
        let jitter = Arc::new(Jitter::new(low));
        let deps = ViewDeps {
            store: store.clone(),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            jitter: Arc::clone(&jitter),
        };
        let keys = KeysView::start(options::sources(&compiled)?, None, &deps)?;
        let login = login::login(&settings, &compiled)?;
        let directories = match &store {
            None => Vec::new(),
            Some(store) => {
                let deps = DirectoryDeps {
                    store: Arc::clone(store),
                    clock: Arc::clone(&clock),
                    metrics: Arc::clone(&metrics),
                };
                directories::directories(&settings, &compiled, &deps, &entropy)?
            }
        };
        let api_keys =
            store.as_ref().map(|_| ApiKeysView::new(options::api_keys(&settings), Arc::clone(&metrics)));
        let last_used = store.as_ref().map(|_| Arc::new(LastUsed::new(Arc::clone(&metrics))));
        let rulebook =
            CurrentRulebook::new(options::rulebook(&settings, compiled.policy, keys, api_keys.clone()));
        let tokens = TokenCache::new(settings.token_cache.max_bytes);
        let gate = Arc::new(Gate::new(GateParts {
            rulebook: rulebook.clone(),
            tokens,
            last_used: last_used.clone(),
            clock: Arc::clone(&clock),
            seed: u128::from(high) << 64 | u128::from(low.rotate_left(32)),
            metrics: Arc::clone(&metrics),
            decisions: DecisionLog::new(options::decisions(&settings)),
            traces: traces.clone(),
        }));
        let health = Health {
            rulebook: rulebook.clone(),
            store: store.clone(),
            clock: Arc::clone(&clock),
            draining: stop.draining.clone(),
        };
        let portal = Portal::new(PortalParts {
            store: store.clone(),
            rulebook: rulebook.clone(),
            clock: Arc::clone(&clock),
            entropy,
            login,
            introspection: login::introspection(&settings),
            metrics: Arc::clone(&metrics),
            options: options::portal(&settings)?,
        });
        let tasks = TaskTracker::new();
        if let (Some(view), Some(store)) = (api_keys, &store) {
            let following = view.run(Arc::clone(store), Arc::clone(&clock), Arc::clone(&jitter));
            tasks.spawn(stop.closing.clone().run_until_cancelled_owned(following));
        }
        if let (Some(last_used), Some(store)) = (last_used.clone(), store.clone()) {
            let writing = async move { last_used.write_behind(&store).await };
            tasks.spawn(stop.closing.clone().run_until_cancelled_owned(writing));
        }
        for directory in directories {
            tasks.spawn(stop.closing.clone().run_until_cancelled_owned(directory.run()));
        }

        let [http_port, grpc_port, check_port, metrics_port] = options::listeners(&settings);
        let http_port = Listener::bind(http_port).await?;
        let grpc_port = Listener::bind(grpc_port).await?;
        let check_port = Listener::bind(check_port).await?;
        let metrics_port = Listener::bind(metrics_port).await?;
        let addresses = Addresses {
            http: http_port.local_addr()?,
            grpc: grpc_port.local_addr()?,
            check: check_port.local_addr()?,
            metrics: metrics_port.local_addr()?,
        };
        let (grpc_router, grpc_health) = grpc::router(
            Arc::clone(&gate),
            options::client_source(&settings.server.grpc.client_address),
            options::check_timeout(&settings),
        );
        let http_doors = http::router(Arc::clone(&gate), options::http_doors(&settings));
        for (port, router) in [
            (http_port, health.clone().router().merge(portal::router(portal.clone()))),
            (grpc_port, grpc_router),
            (check_port, http_doors),
            (metrics_port, metrics_router(Arc::clone(&metrics)).merge(health.clone().details_router())),
        ] {
            let jitter = Arc::clone(&jitter);
            tasks
                .spawn(port.serve(router, Arc::clone(&metrics), stop.closing.clone(), move || jitter.next()));
        }
        tasks.spawn(stop.closing.clone().run_until_cancelled_owned(forget(portal)));
        tasks.spawn(follow_readiness(health.clone(), grpc_health, stop.clone()));
        tasks.spawn(
            stop.closing.clone().run_until_cancelled_owned(measure(Arc::clone(&gate), Arc::clone(&metrics))),
        );
        if let Some(reloads) = reloads {
            let reloader = reload::Reloader { settings, rulebook, deps, metrics };
            tasks.spawn(stop.closing.clone().run_until_cancelled_owned(reloader.follow(reloads)));
        }
        tasks.close();
        Ok(Self { addresses, health, stop, tasks, traces, store, last_used, logs })
    }

    /// Waits until everything has ended after a stop, and flushes what is queued.
    pub async fn finished(self) {
        self.stop.closing.cancelled().await;
        self.tasks.wait().await;
        if let Some(store) = &self.store {
            if let Some(last_used) = &self.last_used {
                last_used.flush(store).await;
            }
            store.close().await;
        }
        let traces = self.traces;
        // The exporter waits for its collector; that must not hold a worker of the runtime.
        let _ = tokio::task::spawn_blocking(move || traces.flush()).await;
        tracing::info!("stopped");
        drop(self.logs);
    }

    /// Announces the stop and waits for its end; for callers that do not wait for signals.
    pub async fn stop(self) {
        self.stop.draining.cancel();
        self.stop.closing.cancel();
        self.finished().await;
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// Keeps the gRPC health service in step with readiness.
async fn follow_readiness(health: Health, grpc: grpc::GrpcHealth, stop: Stop) {
    let mut serving = None;
    loop {
        let report = health.report().await;
        let ready = report.is_ready();
        if serving != Some(ready) {
            if serving.is_some() || ready {
                tracing::info!(ready, "{}", report.summary());
            }
            grpc.set_serving(ready).await;
            serving = Some(ready);
        }
        if stop.draining.is_cancelled() {
            return;
        }
        tokio::select! {
            () = stop.draining.cancelled() => {}
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
    }
}

/// Forgets what is over, every few minutes; replicas that do the same do no harm.
async fn forget(portal: Portal) {
    loop {
        tokio::time::sleep(Duration::from_secs(300)).await;
        portal::session::sweep(&portal).await;
    }
}

/// Keeps gauges that nobody pushes in step.
async fn measure(gate: Arc<Gate>, metrics: Arc<Metrics>) {
    loop {
        let (entries, bytes) = gate.tokens().size();
        metrics.token_cache_size(entries, bytes);
        metrics.in_flight(i64::try_from(gate.in_flight()).unwrap_or(i64::MAX));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
