//! A gateway that speaks gRPC ext_authz, without the gateway.

use std::collections::HashMap;

use tollgate_envoy::auth::v3::attribute_context::{HttpRequest, Request};
use tollgate_envoy::auth::v3::authorization_client::AuthorizationClient;
use tollgate_envoy::auth::v3::check_response::HttpResponse;
use tollgate_envoy::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use tonic::transport::Channel;

/// A connection to the gRPC door.
#[derive(Clone, Debug)]
pub struct Checker(AuthorizationClient<Channel>);

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `google.rpc.Code`; 0 lets the request through.
    pub code: i32,
    /// The HTTP status that the client would get; 200 for a permit.
    pub status: i32,
    /// Headers set for the backend, or of the denial.
    pub headers: HashMap<String, String>,
    /// The denial's body.
    pub body: String,
}

impl Outcome {
    pub const fn permitted(&self) -> bool {
        self.code == 0
    }

    /// The denial's code, where the dialect has room for one.
    pub fn denial(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        Some(body["error"]["code"].as_str()?.to_owned())
    }
}

impl Checker {
    pub async fn connect(port: u16) -> Self {
        let channel = Channel::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
        Self(AuthorizationClient::new(channel.connect().await.unwrap()))
    }

    /// One check. Every check is answered inside a successful call, so anything else ends the test.
    pub async fn check(&self, method: &str, host: &str, path: &str, headers: &[(&str, &str)]) -> Outcome {
        let http = HttpRequest {
            method: method.into(),
            host: host.into(),
            path: path.into(),
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            ..HttpRequest::default()
        };
        let request = Request { http: Some(http), ..Request::default() };
        self.send(AttributeContext { request: Some(request), ..AttributeContext::default() }).await
    }

    /// A check of a path below `/v1` with a bearer token.
    pub async fn bearer(&self, token: &str) -> Outcome {
        self.check("GET", "ai.test", "/v1/models", &[("authorization", &format!("Bearer {token}"))]).await
    }

    pub async fn send(&self, attributes: AttributeContext) -> Outcome {
        let request = CheckRequest { attributes: Some(attributes) };
        let answer = self.0.clone().check(request).await.expect("a check is answered, whatever it holds");
        outcome(answer.into_inner())
    }
}

fn outcome(answer: CheckResponse) -> Outcome {
    let code = answer.status.expect("a code is always set").code;
    let lines = |options: Vec<tollgate_envoy::core::v3::HeaderValueOption>| {
        options.into_iter().filter_map(|o| o.header).map(|h| (h.key, h.value)).collect()
    };
    match answer.http_response.expect("an answer says what happens next") {
        HttpResponse::OkResponse(ok) => {
            Outcome { code, status: 200, headers: lines(ok.headers), body: String::new() }
        }
        HttpResponse::DeniedResponse(denied) | HttpResponse::ErrorResponse(denied) => {
            let status = denied.status.expect("a denial has a status").code;
            Outcome { code, status, headers: lines(denied.headers), body: denied.body }
        }
    }
}
