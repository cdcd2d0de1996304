//! Where a check came from: for log and trace only.

use std::net::IpAddr;

use super::client::Client;

/// What a door knows of where a check came from. For log and trace only: nothing here takes part in the decision.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Who is connected to the gateway, as it reports; over HTTP, when it does not, the gateway itself.
    pub peer: Option<IpAddr>,
    /// The client whose address counts.
    pub client: Client,
    /// The gateway's own id of the request.
    pub request_id: Option<&'a str>,
    /// W3C trace context.
    pub traceparent: Option<&'a str>,
    /// W3C trace state.
    pub tracestate: Option<&'a str>,
}
