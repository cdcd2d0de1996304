//! The integration tests, one binary: the rig's own smoke tests, the tidy rules, and the product end to end.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that meets the unexpected must stop, and loudly"
)]

mod admin;
mod api;
mod client_address;
mod database;
mod doors_envoy;
mod doors_hop;
mod doors_proxies;
mod failing;
mod floods;
mod guide;
mod harness;
mod keycloak_issuer;
mod keys_cli;
mod keys_view;
mod kube_stage;
mod login;
mod models;
mod ops;
mod same_verdict;
mod serve;
mod smoke;
mod stand;
mod tidy;
mod tokens;
