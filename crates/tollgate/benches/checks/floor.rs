//! The floor: a tonic server that answers every check with the same permit. No service can be faster on this stack.

use tollgate_envoy::auth::v3::authorization_server::{Authorization, AuthorizationServer};
use tollgate_envoy::auth::v3::{CheckRequest, CheckResponse, OkHttpResponse, check_response::HttpResponse};
use tollgate_envoy::core::v3::{HeaderValue, HeaderValueOption};
use tollgate_envoy::rpc::Status;
use tonic::{Request, Response};

struct Constant;

#[tonic::async_trait]
impl Authorization for Constant {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, tonic::Status> {
        let header = |name: &str, value: &str| HeaderValueOption {
            header: Some(HeaderValue { key: name.into(), value: value.into(), ..HeaderValue::default() }),
            append: Some(false),
            ..HeaderValueOption::default()
        };
        Ok(Response::new(CheckResponse {
            status: Some(Status::default()),
            http_response: Some(HttpResponse::OkResponse(OkHttpResponse {
                headers: vec![
                    header("x-tollgate-subject", "user-1"),
                    header("x-tollgate-user", "testuser"),
                    header("x-tollgate-check-id", "00000000000000000000000000000000"),
                ],
                ..OkHttpResponse::default()
            })),
            dynamic_metadata: None,
        }))
    }
}

/// Serves until the process is ended.
pub async fn serve(port: u16) -> anyhow::Result<()> {
    tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .add_service(AuthorizationServer::new(Constant))
        .serve(([127, 0, 0, 1], port).into())
        .await?;
    Ok(())
}
