//! The cases on the gRPC door.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::ensure;
use tollgate_envoy::auth::v3::authorization_client::AuthorizationClient;
use tollgate_envoy::auth::v3::{CheckRequest, check_response::HttpResponse};
use tonic::transport::Channel;

use crate::load::{Call, IN_FLIGHT, Measured, closed, open};
use crate::rig::{Rig, check_request};

/// One line of the report.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// One call at a time.
    pub alone: Measured,
    /// Closed loop.
    pub closed: Measured,
    /// Open loop.
    pub open: Measured,
    /// The row's throughput is compared with that of this row.
    pub floor: Option<String>,
}

/// Calls a second of the open loop: about a quarter of what two shared cores can do.
pub const OPEN_RATE: f64 = 5_000.0;
/// Connections to the server under test.
const CONNECTIONS: usize = 4;
/// Tokens of the "seen before" case.
pub const SEEN: usize = 10_000;

/// Checks of one server, with these requests in turn.
#[derive(Clone)]
pub struct Checks {
    clients: Arc<[AuthorizationClient<Channel>]>,
    requests: Arc<[CheckRequest]>,
    next_client: Arc<AtomicUsize>,
    expect_permit: bool,
    offset: u64,
}

impl Checks {
    /// Connects; every answer must be a permit, or none.
    pub async fn to(port: u16, requests: Arc<[CheckRequest]>, expect_permit: bool) -> anyhow::Result<Self> {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let channel =
                Channel::from_shared(format!("http://127.0.0.1:{port}"))?.tcp_nodelay(true).connect().await?;
            clients.push(AuthorizationClient::new(channel));
        }
        Ok(Self { clients: clients.into(), requests, next_client: Arc::default(), expect_permit, offset: 0 })
    }
}

impl Call for Checks {
    async fn call(&self, n: u64) -> anyhow::Result<()> {
        let at = usize::try_from(n + self.offset)? % self.requests.len();
        let request = self.requests[at].clone();
        let client = self.next_client.fetch_add(1, Ordering::Relaxed) % self.clients.len();
        let answer = self.clients[client].clone().check(request).await?.into_inner();
        let permit = matches!(answer.http_response, Some(HttpResponse::OkResponse(_)));
        ensure!(permit == self.expect_permit, "expected permit={}, got {answer:?}", self.expect_permit);
        Ok(())
    }
}

/// Measures one kind of call under every load.
pub async fn measure<C: Call>(
    name: &str,
    call: &C,
    rate: f64,
    phase: Duration,
    floor: Option<&str>,
) -> anyhow::Result<Row> {
    eprintln!("measuring: {name}");
    closed(call, IN_FLIGHT, Duration::from_millis(500), u64::MAX).await?;
    let alone = closed(call, 1, phase / 2, u64::MAX).await?;
    let full = closed(call, IN_FLIGHT, phase, u64::MAX).await?;
    let open = open(call, rate, phase, u64::MAX).await?;
    Ok(Row { name: name.into(), alone, closed: full, open, floor: floor.map(Into::into) })
}

/// Measures every case of the gRPC door.
pub async fn grpc(rig: &Rig, phase: Duration) -> anyhow::Result<Vec<Row>> {
    let one: Arc<[CheckRequest]> = vec![check_request(Some(&rig.token(0)))].into();
    let none: Arc<[CheckRequest]> = vec![check_request(None)].into();
    let mut rows = Vec::new();
    let floor = Checks::to(rig.floor_port, Arc::clone(&one), true).await?;
    rows.push(measure("floor: constant answer", &floor, OPEN_RATE, phase, None).await?);

    let repeated = Checks::to(rig.grpc_port, Arc::clone(&one), true).await?;
    rows.push(
        measure("one repeated JWT", &repeated, OPEN_RATE, phase, Some("floor: constant answer")).await?,
    );

    let logged = Checks::to(rig.logging_grpc_port, one, true).await?;
    let name = "one repeated JWT, decision lines written";
    rows.push(measure(name, &logged, OPEN_RATE, phase, Some("floor: constant answer")).await?);

    let seen: Arc<[CheckRequest]> = rig.tokens(0, SEEN).iter().map(|t| check_request(Some(t))).collect();
    let seen = Checks::to(rig.grpc_port, seen, true).await?;
    closed(&seen, IN_FLIGHT, Duration::from_secs(60), SEEN as u64).await?;
    rows.push(
        measure("10 000 JWTs seen before", &seen, OPEN_RATE, phase, Some("floor: constant answer")).await?,
    );

    let denial = Checks::to(rig.grpc_port, none, false).await?;
    rows.push(
        measure("denial: no credential", &denial, OPEN_RATE, phase, Some("floor: constant answer")).await?,
    );

    rows.push(never_seen(rig, phase).await?);
    // The floor again: the two show how much the machine moved during the run.
    rows.push(measure("floor, again", &floor, OPEN_RATE, phase, Some("floor: constant answer")).await?);
    Ok(rows)
}

/// Every call carries a token that the server has never met.
async fn never_seen(rig: &Rig, phase: Duration) -> anyhow::Result<Row> {
    let name = "never-seen JWTs (RS256)";
    let part = (rig.fresh_tokens / 4) as u64;
    eprintln!("measuring: {name}");
    let fresh: Arc<[CheckRequest]> =
        rig.tokens(SEEN, rig.fresh_tokens).iter().map(|t| check_request(Some(t))).collect();
    let mut checks = Checks::to(rig.grpc_port, fresh, true).await?;
    let alone = closed(&checks, 1, phase, part).await?;
    checks.offset = part;
    let full = closed(&checks, IN_FLIGHT, phase, part * 2).await?;
    checks.offset = part * 3;
    let open = open(&checks, OPEN_RATE, phase, part).await?;
    Ok(Row { name: name.into(), alone, closed: full, open, floor: Some("floor: constant answer".into()) })
}
