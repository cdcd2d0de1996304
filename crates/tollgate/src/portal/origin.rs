//! Where an API request came from: for the audit log and the rate limit, never for a decision about rights.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tollgate_core::time::Timestamp;

use super::Portal;
use crate::listener::PeerAddr;

/// Characters of a header that are kept.
const MAX_KEPT: usize = 256;

/// Where a request came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address: the peer's, or what a trusted proxy says.
    pub address: Option<IpAddr>,
    /// `User-Agent`, shortened.
    pub user_agent: Option<String>,
    /// `X-Request-Id`, shortened.
    pub request_id: Option<String>,
}

impl Origin {
    /// As the store writes it down, with the moment.
    pub fn stored(&self, at: Timestamp) -> crate::store::Origin {
        crate::store::Origin {
            at,
            address: self.address.map(|address| address.to_string()),
            user_agent: self.user_agent.clone(),
            request_id: self.request_id.clone(),
        }
    }

    /// Reads it from a request's head.
    pub fn of(parts: &Parts, portal: &Portal) -> Self {
        let peer = parts.extensions.get::<PeerAddr>().map(|peer| peer.0.ip().to_canonical());
        let trusted =
            peer.is_some_and(|peer| portal.options().trusted_proxies.iter().any(|net| net.contains(&peer)));
        // The last entry is the proxy's own observation; those before it are the client's to invent.
        let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back().filter(|_| trusted);
        let forwarded =
            forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        let kept = |name: &str| {
            let text = parts.headers.get(name)?.to_str().ok()?;
            Some(text.chars().take(MAX_KEPT).collect::<String>()).filter(|text| !text.is_empty())
        };
        Self { address: forwarded.or(peer), user_agent: kept("user-agent"), request_id: kept("x-request-id") }
    }
}

impl FromRequestParts<Portal> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Infallible> {
        Ok(Self::of(parts, portal))
    }
}
