//! The gRPC door: Envoy's `envoy.service.auth.v3.Authorization`, beside the gRPC health service.

mod wire;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;

use tollgate_envoy::auth::v3::authorization_server::{Authorization, AuthorizationServer, SERVICE_NAME};
use tollgate_envoy::auth::v3::{CheckRequest, CheckResponse};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::client::ClientSource;
use super::gate::{Door, Gate};

pub use wire::POLICY_EXTENSION;

/// The largest check message in bytes: Envoy's headers (60 KiB by default) and the body that a route forwards.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// The services of the gRPC port, as one router, and the handle that turns health on and off.
pub fn router(gate: Arc<Gate>, client: ClientSource) -> (axum::Router, GrpcHealth) {
    let (reporter, health) = tonic_health::server::health_reporter();
    let service =
        AuthorizationServer::new(GrpcDoor { gate, client }).max_decoding_message_size(MAX_MESSAGE_BYTES);
    (Routes::new(service).add_service(health).into_axum_router(), GrpcHealth(reporter))
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
            let parsed = wire::parse(message, &self.client);
            let origin = wire::origin(message, parsed.as_ref().ok(), &self.client);
            self.gate.check(Door::EnvoyGrpc, parsed, origin, wire::respond).await
        });
        // A panic would end the call, and Envoy reads that as a failure which it may overlook.
        Ok(Response::new(answer.catch_unwind().await.unwrap_or_else(|_| wire::last_resort())))
    }
}

#[cfg(test)]
mod tests;
