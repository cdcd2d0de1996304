//! Any bytes as Envoy's message, through the gRPC door's own translation to a verdict and back: never a panic, and
//! never a code of 0 for a denial.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use std::sync::OnceLock;
use tollgate_core::check::decide;
use tollgate_core::facts::{Evidence, Facts};
use tollgate_core::input::{CheckId, CheckInput};
use tollgate_core::models::RouteModels;
use tollgate_core::policy::Policy;
use tollgate_core::reply::Reply;
use tollgate_core::route::{HostPattern, PathPattern, Requirement, Route};
use tollgate_core::time::Timestamp;
use tollgate_envoy::auth::v3::CheckRequest;

// The door's own files; they depend on nothing else of the product.
#[expect(dead_code, reason = "only the gate reads whose address it is")]
#[path = "../../crates/tollgate/src/doors/client.rs"]
mod client;
#[expect(dead_code, reason = "only the gate reads what is written here")]
#[path = "../../crates/tollgate/src/doors/origin.rs"]
mod origin;
mod doors {
    pub(crate) use super::{client, origin};
}
#[path = "../../crates/tollgate/src/doors/grpc/wire.rs"]
mod wire;

use client::ClientSource;

fn policy() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(|| {
        let route = |path: &str, requirement| Route {
            name: path.into(),
            policy: None,
            hosts: vec![HostPattern::Any],
            paths: vec![PathPattern::Prefix(path.into())],
            methods: None,
            requirement,
            forward_credential: false,
            unauthenticated_status: None,
            query_credential: None,
            models: RouteModels::default(),
        };
        let routes = vec![route("/public", Requirement::Public), route("/", Requirement::Authenticated)];
        Policy::new(routes, vec![]).expect("a policy without issuers")
    })
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = CheckRequest::decode(bytes) else { return };
    for source in [ClientSource::Peer, ClientSource::Header("x-tollgate-client-address".into())] {
        check(&message, &source);
    }
});

fn check(message: &CheckRequest, source: &ClientSource) {
    let parsed = wire::parse(message, source);
    let _ = wire::origin(message, parsed.as_ref().ok(), source);
    let policy = policy();
    let input = parsed.and_then(|raw| CheckInput::parse(raw, policy));
    let facts = Facts::new(Timestamp::from_secs(1), Evidence::None);
    let verdict = match &input {
        Ok(input) => decide(&facts, input),
        Err(denial) => Err(denial.clone()),
    };
    let reply = Reply::new(&verdict, input.as_ref().ok(), policy, CheckId::from_bits(1));
    let response = wire::respond(&reply);
    let code = response.status.expect("a status is always set").code;
    assert_eq!(code == 0, verdict.is_ok());
}
