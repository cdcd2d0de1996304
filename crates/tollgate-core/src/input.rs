//! What a door hands over, and what the rules make of it: parsed once, and never looked at raw again.

use std::fmt;
use std::net::IpAddr;

use crate::credential::{self, Credential};
use crate::denial::Denial;
use crate::endpoints::Endpoint;
use crate::headers::Headers;
use crate::models::ModelRules;
use crate::policy::Policy;
use crate::route::{Requirement, Route};
use crate::target::Target;

/// One request as a gateway described it, the same for every door.
#[derive(Clone, Debug)]
pub struct RawRequest<'a> {
    /// The request's method.
    pub method: &'a str,
    /// `Host` or `:authority`.
    pub authority: &'a str,
    /// Path with query, exactly as the gateway sent it.
    pub path_and_query: &'a str,
    /// All header lines that the gateway forwards.
    pub headers: Headers<'a>,
    /// The body, as far as the gateway forwards it; empty when it does not.
    pub body: &'a [u8],
    /// The policy that the gateway names for this request (Envoy: context extension `tollgate.policy`). Comes from the
    /// gateway's configuration, never from the client.
    pub policy: Option<&'a str>,
    /// The client's address as the gateway reports it, for keys that are bound to networks. Never from a header that a
    /// client can write.
    pub client: Option<IpAddr>,
}

/// The id of one check: in the log, on the answer, and at the backend.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckId(u128);

impl CheckId {
    /// From 128 bits that the caller made unique.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckId({self})")
    }
}

/// A parsed request: canonical target, the route it falls under, and the credential it carries.
#[derive(Debug)]
pub struct CheckInput<'a> {
    /// What is asked for.
    pub target: Target<'a>,
    /// The rule it falls under; `None` is a denial.
    pub route: Option<&'a Route>,
    /// What is known of the endpoint.
    pub endpoint: Endpoint,
    /// The one credential, if the route asks for any; or the denial that the credential deserves.
    pub credential: Result<Option<Credential<'a>>, Denial>,
    /// The header lines, for route conditions.
    pub headers: Headers<'a>,
    /// The forwarded body, for route conditions and the model that it names.
    pub body: &'a [u8],
    /// How the request's model is found.
    pub models: &'a ModelRules,
    /// The client's address, when the gateway tells it.
    pub client: Option<IpAddr>,
}

impl<'a> CheckInput<'a> {
    /// Parses a request against the policy in force.
    ///
    /// # Errors
    /// `request_malformed` when method, host or path have no canonical form. Everything else that is wrong is kept for
    /// [`crate::check::decide`], so that there is one place that denies.
    pub fn parse(request: RawRequest<'a>, policy: &'a Policy) -> Result<Self, Denial> {
        let target = Target::parse(request.method, request.authority, request.path_and_query)?;
        let route = policy.find_route(request.policy, &target);
        let mounted = route.map_or(0, |route| route.mounted(&target.path));
        let endpoint = Endpoint::of(target.method, &target.path, mounted);
        let credential = match route {
            // A public route does not look at credentials, so a bad one cannot fail it.
            None | Some(Route { requirement: Requirement::Public, .. }) => Ok(None),
            Some(route) => credential::find(
                &request.headers,
                target.query,
                &policy.credential_headers,
                route.query_credential.as_deref(),
            ),
        };
        let RawRequest { headers, body, client, .. } = request;
        Ok(Self { target, route, endpoint, credential, headers, body, models: &policy.models, client })
    }
}
