//! The way through Envoy: what a request costs without a check, and with one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use axum::Router;
use axum::routing::any;
use tollgate::dev::envoy::{
    Backend, BootstrapOptions, Door, EnvoyProcess, FindOptions, Gateway, bootstrap, free_loopback_address,
    locate,
};

use crate::load::Call;
use crate::rig::Rig;
use crate::scenario::{Row, measure};

/// Requests a second of the open loop through Envoy.
pub const OPEN_RATE: f64 = 1_000.0;

#[derive(Clone)]
struct Requests {
    client: reqwest::Client,
    url: Arc<str>,
    token: Arc<str>,
}

impl Call for Requests {
    async fn call(&self, _: u64) -> anyhow::Result<()> {
        let answer = self.client.get(&*self.url).bearer_auth(&self.token).send().await?;
        let status = answer.status();
        answer.bytes().await?;
        ensure!(status == 200, "the gateway answered {status}");
        Ok(())
    }
}

/// Measures both ways.
pub async fn through_envoy(rig: &Rig, phase: Duration) -> anyhow::Result<Vec<Row>> {
    let backend = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let backend_port = backend.local_addr()?.port();
    let router = Router::new().fallback(any(async || "ok"));
    tokio::spawn(async move { axum::serve(backend, router).await });

    let program = locate(&FindOptions::from_env(), &|text| eprintln!("{text}")).await?;
    let (open, guarded) = (free_loopback_address()?, free_loopback_address()?);
    let to = Backend::plain("127.0.0.1", backend_port);
    let door = Door::grpc(SocketAddr::from(([127, 0, 0, 1], rig.grpc_port)));
    let gateways = vec![Gateway::new(open, Door::Open, to.clone()), Gateway::new(guarded, door, to)];
    let boot = bootstrap(&BootstrapOptions::new(free_loopback_address()?, gateways));
    let log = tempfile::NamedTempFile::new()?;
    let envoy = EnvoyProcess::start(&program.path, &boot, log.path()).await?;

    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(256).build()?;
    let token: Arc<str> = rig.token(0).into();
    let requests = |address: SocketAddr| Requests {
        client: client.clone(),
        url: format!("http://{address}/").into(),
        token: Arc::clone(&token),
    };
    let bare = "through Envoy, no ext_authz";
    let mut rows = vec![measure(bare, &requests(open), OPEN_RATE, phase, None).await?];
    rows.push(measure("through Envoy, Tollgate", &requests(guarded), OPEN_RATE, phase, Some(bare)).await?);
    envoy.stop().await?;
    Ok(rows)
}
