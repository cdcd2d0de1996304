//! What each HTTP door answers. Exactly 200 permits; a denial is never anything that some proxy takes for a permit. Pure.

use axum::body::Body;
use axum::response::Response;
use http::header::HeaderMap;
use http::{HeaderName, HeaderValue, StatusCode};
use tollgate_core::denial::DenialClass;
use tollgate_core::reply::{Allow, Deny, Reply};

/// Read by Envoy: request headers that the backend must not see.
const ENVOY_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");
/// The code of a denial, for proxies that cannot pass its body on.
const DENIAL: HeaderName = HeaderName::from_static("x-tollgate-denial");

/// For Envoy's HTTP ext_authz. `unavailable` replaces 5xx, which Envoy would take for a failure of ours.
pub fn envoy(reply: &Reply<'_>, unavailable: StatusCode) -> Response {
    match reply {
        Reply::Allow(allow) => permit(allow, &[(ENVOY_REMOVE, allow.remove().join(", "))]),
        Reply::Deny(deny) => {
            let undecided = deny.code().class() == DenialClass::Unavailable;
            refuse(deny, if undecided { unavailable } else { deny.status() })
        }
    }
}

/// For nginx, which passes 401 and 403 on and turns everything else into a 500: 400 and 429 become 403, 503 stays what
/// it is, and `x-tollgate-denial` says the code for an `error_page` to show.
pub fn nginx(reply: &Reply<'_>) -> Response {
    match reply {
        Reply::Allow(allow) => permit(allow, &[]),
        Reply::Deny(deny) => refuse(
            deny,
            match deny.code().class() {
                DenialClass::Unauthenticated | DenialClass::Unavailable => deny.status(),
                DenialClass::Malformed | DenialClass::Forbidden | DenialClass::Limited => {
                    StatusCode::FORBIDDEN
                }
            },
        ),
    }
}

/// For Traefik and Caddy, which pass every answer but 2xx on as it is.
pub fn forward_auth(reply: &Reply<'_>) -> Response {
    match reply {
        Reply::Allow(allow) => permit(allow, &[]),
        Reply::Deny(deny) => refuse(deny, deny.status()),
    }
}

fn permit(allow: &Allow<'_>, more: &[(HeaderName, String)]) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let own = allow.set().iter().map(|(name, value)| (*name, value.as_str()));
    let whole = own.chain(more.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    for (name, value) in whole {
        if !put(headers, name, value) {
            // Values are encoded to plain ASCII and names were checked with the configuration, so this is a bug; the
            // backend must not be told half of who calls.
            let mut refused = Response::new(Body::empty());
            *refused.status_mut() = StatusCode::FORBIDDEN;
            return refused;
        }
    }
    response
}

fn refuse(deny: &Deny<'_>, status: StatusCode) -> Response {
    let mut response = Response::new(Body::from(deny.body().to_owned()));
    *response.status_mut() = status;
    for (name, value) in deny.headers() {
        put(response.headers_mut(), name, value);
    }
    put(response.headers_mut(), DENIAL.as_str(), deny.code().public().as_str());
    response
}

fn put(headers: &mut HeaderMap, name: &str, value: &str) -> bool {
    match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        (Ok(name), Ok(value)) => {
            headers.insert(name, value);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use tollgate_core::denial::{Denial, DenialCode};
    use tollgate_core::input::CheckId;
    use tollgate_core::policy::Policy;

    use super::*;

    #[test]
    fn no_denial_looks_like_a_permit_on_any_door() {
        let policy = Policy::new(vec![], vec![]).unwrap();
        for code in DenialCode::ALL {
            let verdict = Err(Denial::new(code, "test"));
            let reply = Reply::new(&verdict, None, &policy, CheckId::from_bits(1));
            let statuses = [envoy(&reply, StatusCode::FORBIDDEN), nginx(&reply), forward_auth(&reply)]
                .map(|response| response.status().as_u16());
            assert!(statuses.iter().all(|s| *s >= 400), "{code}: {statuses:?}");
            assert!(statuses[0] < 500, "{code}: Envoy takes {} for a failure", statuses[0]);
            assert!(
                [401, 403, 503].contains(&statuses[1]),
                "{code}: nginx knows 401 and 403, not {}",
                statuses[1]
            );
        }
    }
}
