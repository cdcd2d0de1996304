//! Where a check came from: for log and trace only.

use std::net::IpAddr;

/// What a door knows of where a check came from. For log and trace only: nothing here takes part in the decision.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// The gateway's client, as the gateway reports it.
    pub peer: Option<IpAddr>,
    /// The gateway's own id of the request.
    pub request_id: Option<&'a str>,
    /// W3C trace context.
    pub traceparent: Option<&'a str>,
    /// W3C trace state.
    pub tracestate: Option<&'a str>,
}
