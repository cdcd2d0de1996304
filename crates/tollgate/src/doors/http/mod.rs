//! The HTTP doors: Envoy's HTTP ext_authz, nginx `auth_request`, and forward auth as Traefik and Caddy speak it.
//!
//! On this port every method and every path is data. Nothing is routed but the prefix that picks the door, and nothing
//! has a side effect.

mod answer;
mod question;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::{Request, StatusCode};
use ipnet::IpNet;
use tollgate_core::input::RawRequest;

use super::client::ClientSource;
use super::gate::{Door, Gate};
use super::origin::Origin;
use super::unread::unread;
use crate::listener::{PeerAddr, Room};
pub use question::{FORWARD_AUTH_PREFIX, NGINX_PREFIX};

/// The largest body that is read; what a gateway forwards of a request.
pub const MAX_BODY_BYTES: usize = 4 << 20;

/// How the HTTP doors behave.
#[derive(Clone, Debug)]
pub struct HttpDoorOptions {
    /// Peers that may say the original method, host and path in headers (nginx and forward auth).
    pub trusted_peers: Vec<IpNet>,
    /// What Envoy's door answers when a check cannot be decided. Envoy reads every 5xx as a failure of ours and then
    /// obeys its `failure_mode_allow`, so this is 403 unless the operator knows that Envoy fails closed.
    pub unavailable_status: StatusCode,
    /// The `path_prefix` that Envoy is configured with. When set, requests without it are refused; when not, every path
    /// that is no other door's is Envoy's.
    pub envoy_prefix: Option<String>,
    /// Where the client's address is found.
    pub client: ClientSource,
    /// For a body to arrive. Gateways buffer what they forward, so it comes in one piece with the head.
    pub body_timeout: Duration,
}

#[derive(Clone, Debug)]
struct Doors {
    gate: Arc<Gate>,
    options: Arc<HttpDoorOptions>,
}

impl HttpDoorOptions {
    fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_peers.iter().any(|net| net.contains(&peer))
    }
}

/// The port's only handler.
pub fn router(gate: Arc<Gate>, options: HttpDoorOptions) -> Router {
    Router::new().fallback(check).with_state(Doors { gate, options: Arc::new(options) })
}

async fn check(State(doors): State<Doors>, request: Request<Body>) -> Response {
    // A panic would end the connection, and a gateway reads that as a failure which it may overlook.
    AssertUnwindSafe(answer(&doors, request)).catch_unwind().await.unwrap_or_else(|_| answer::last_resort())
}

async fn answer(doors: &Doors, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Doors { gate, options } = doors;
    let peer = parts.extensions.get::<PeerAddr>().map(|peer| peer.0.ip());
    let trusted = peer.is_some_and(|peer| options.trusts(peer));
    let door = question::door(&parts);
    let reported = question::peer(door, &parts, trusted);
    let client = options.client.find(&question::headers(&parts.headers), reported);
    let body = Room::of(&parts.extensions).read(body, MAX_BODY_BYTES, options.body_timeout).await;
    let body = body.map_err(unread);
    let question = match &body {
        Ok(body) => question::parse(door, &parts, body, trusted, options.envoy_prefix.as_deref())
            .map(|question| RawRequest { client: client.address(), ..question }),
        Err(denial) => Err(denial.clone()),
    };
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let origin = Origin {
        peer: reported.or(peer),
        client,
        request_id: header("x-request-id"),
        traceparent: header("traceparent"),
        tracestate: header("tracestate"),
    };
    gate.check(door, question, origin, |reply| match door {
        Door::Nginx => answer::nginx(reply),
        Door::ForwardAuth => answer::forward_auth(reply),
        Door::EnvoyHttp | Door::EnvoyGrpc => answer::envoy(reply, options.unavailable_status),
    })
    .await
}
