//! The gRPC door: Envoy's `envoy.service.auth.v3.Authorization`, beside the gRPC health service.

mod wire;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response as HttpResponse;
use futures_util::FutureExt as _;
use tollgate_envoy::auth::v3::authorization_server::{Authorization, AuthorizationServer, SERVICE_NAME};
use tollgate_envoy::auth::v3::{CheckRequest, CheckResponse};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::client::ClientSource;
use super::gate::{Door, Gate};
use super::unread::unread;
use crate::listener::{Room, Unread};

pub use wire::POLICY_EXTENSION;

/// The largest check message in bytes: Envoy's headers (60 KiB by default) and the body that a route forwards.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// The largest message of any other call: a question about health.
const MAX_OTHER_BYTES: usize = 4 << 10;
/// What stands before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// The call by which gateways check.
const CHECK_PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The services of the gRPC port, as one router, and the handle that turns health on and off. A message has `limit` to
/// arrive.
pub fn router(gate: Arc<Gate>, client: ClientSource, limit: Duration) -> (axum::Router, GrpcHealth) {
    let (reporter, health) = tonic_health::server::health_reporter();
    let service =
        AuthorizationServer::new(GrpcDoor { gate, client }).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let router = Routes::new(service).add_service(health).into_axum_router();
    (router.layer(from_fn_with_state(limit, receive)), GrpcHealth(reporter))
}

/// Reads a message before tonic does, which would wait for it without end and hold any number of them. A check whose message
/// does not come is denied inside a successful call, as ADR 0002 asks; any other call has no answer that says so, and fails.
async fn receive(State(limit): State<Duration>, request: http::Request<Body>, next: Next) -> HttpResponse {
    let is_check = request.uri().path() == CHECK_PATH;
    let (mut parts, body) = request.into_parts();
    let most = PREFIX_BYTES + if is_check { MAX_MESSAGE_BYTES } else { MAX_OTHER_BYTES };
    let body = match Room::of(&parts.extensions).read(body, most, limit).await {
        Ok(message) => Body::from(message),
        Err(why) if is_check => {
            parts.extensions.insert(why);
            parts.headers.remove("grpc-encoding");
            // An empty message, so that the call gets as far as its answer.
            Body::from([0; PREFIX_BYTES].as_slice())
        }
        Err(why) => return failed(why).into_http(),
    };
    next.run(http::Request::from_parts(parts, body)).await
}

fn failed(why: Unread) -> Status {
    match why {
        Unread::Late => Status::deadline_exceeded("the message did not arrive in time"),
        Unread::TooLarge => Status::resource_exhausted("the message is too large"),
        Unread::Full => Status::resource_exhausted("too many bytes of other requests are held"),
        Unread::Broken => Status::invalid_argument("the message is broken"),
    }
}

/// What the gRPC health service says.
#[derive(Clone, Debug)]
pub struct GrpcHealth(HealthReporter);

impl GrpcHealth {
    /// Reports the authorization service, and the server as a whole, as serving or not.
    pub async fn set_serving(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.0.set_service_status(SERVICE_NAME, status).await;
        self.0.set_service_status("", status).await;
    }
}

#[derive(Debug)]
struct GrpcDoor {
    gate: Arc<Gate>,
    client: ClientSource,
}

#[tonic::async_trait]
impl Authorization for GrpcDoor {
    /// Always `Ok`: a failed call would leave the verdict to Envoy's `failure_mode_allow`.
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let answer = AssertUnwindSafe(async {
            let message = request.get_ref();
            let parsed = match request.extensions().get::<Unread>() {
                None => wire::parse(message, &self.client),
                Some(why) => Err(unread(*why)),
            };
            let origin = wire::origin(message, parsed.as_ref().ok(), &self.client);
            self.gate.check(Door::EnvoyGrpc, parsed, origin, wire::respond).await
        });
        // A panic would end the call, and Envoy reads that as a failure which it may overlook.
        Ok(Response::new(answer.catch_unwind().await.unwrap_or_else(|_| wire::last_resort())))
    }
}

#[cfg(test)]
mod tests;
