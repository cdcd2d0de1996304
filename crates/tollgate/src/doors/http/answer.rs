//! What each HTTP door answers. Exactly 200 permits; a denial is never anything that some proxy takes for a permit. Pure.
//!
//! No proxy here can be given an answer for its client that has status 200: to it that is a permit. So what could be
//! answered in the backend's stead is let through.

use axum::body::Body;
use axum::response::Response;
use http::header::HeaderMap;
use http::{HeaderName, HeaderValue, StatusCode};
use tollgate_core::denial::{DenialClass, DenialCode};
use tollgate_core::reply::{Allow, Deny, Reply};

/// Read by Envoy: request headers that the backend must not see.
const ENVOY_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");
/// The code of a denial, for proxies that cannot pass its body on.
const DENIAL: HeaderName = HeaderName::from_static("x-tollgate-denial");

/// For Envoy's HTTP ext_authz. `unavailable` replaces 5xx, which Envoy would take for a failure of ours.
pub fn envoy(reply: &Reply<'_>, unavailable: StatusCode) -> Response {
    match outcome(reply) {
        Ok(allow) => permit(allow, &[(ENVOY_REMOVE.as_str(), &to_remove(allow))]),
        Err(deny) => {
            let undecided = deny.code().class() == DenialClass::Unavailable;
            refuse(deny, if undecided { unavailable } else { deny.status() })
        }
    }
}

/// What Envoy removes from the request. It sends a part of the headers here, so every spelling that may be there is named.
fn to_remove(allow: &Allow<'_>) -> String {
    let mut names: Vec<&str> = allow.remove().to_vec();
    let dotted = allow.identity().dotted();
    names.extend(dotted.iter().chain(allow.aliases()).map(String::as_str));
    names.join(", ")
}

/// For nginx, which passes 401 and 403 on and turns everything else into a 500: 400 and 429 become 403, 503 stays what
/// it is, and `x-tollgate-denial` says the code for an `error_page` to show. A header without a value is left out:
/// nginx' variable is then empty, and it sends no header whose value is empty.
pub fn nginx(reply: &Reply<'_>) -> Response {
    match outcome(reply) {
        Ok(allow) => permit(allow, &[]),
        Err(deny) => refuse(
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
///
/// Both copy headers that an operator lists, and neither can be told to remove one. So a header without a value is sent
/// empty: what Caddy before 2.10 copies for a missing header is the text of its own placeholder, which a backend would
/// read as a name.
pub fn forward_auth(reply: &Reply<'_>) -> Response {
    match outcome(reply) {
        Ok(allow) => {
            let empty: Vec<_> = allow.remove().iter().map(|name| (*name, "")).collect();
            permit(allow, &empty)
        }
        Err(deny) => refuse(deny, deny.status()),
    }
}

/// What is left of a reply where only yes and no can be said.
const fn outcome<'r, 'p>(reply: &'r Reply<'p>) -> Result<&'r Allow<'p>, &'r Deny<'p>> {
    match reply {
        Reply::Allow(allow) => Ok(allow),
        Reply::Answer(answer) => Ok(answer.otherwise()),
        Reply::Deny(deny) => Err(deny),
    }
}

/// The answer when even the reply could not be made: no detail, and no status that a proxy takes for a failure of ours
/// that may be overlooked.
pub fn last_resort() -> Response {
    let mut refused = Response::new(Body::empty());
    *refused.status_mut() = StatusCode::FORBIDDEN;
    put(refused.headers_mut(), DENIAL.as_str(), DenialCode::Unavailable.as_str());
    refused
}

fn permit(allow: &Allow<'_>, more: &[(&str, &str)]) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let own = allow.set().iter().map(|(name, value)| (*name, value.as_ref()));
    for (name, value) in own.chain(more.iter().copied()) {
        if !put(headers, name, value) {
            // Values are encoded to plain ASCII and names were checked with the configuration, so this is a bug; the
            // backend must not be told half of who calls.
            return last_resort();
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
    use std::collections::HashSet;
    use std::sync::Arc;

    use proptest::prelude::*;
    use tollgate_core::check::decide;
    use tollgate_core::denial::{Denial, UnauthenticatedStatus};
    use tollgate_core::facts::{Evidence, Facts};
    use tollgate_core::headers::Headers;
    use tollgate_core::identity::IdentityHeaders;
    use tollgate_core::input::{CheckId, CheckInput, RawRequest};
    use tollgate_core::lookup::Lookup;
    use tollgate_core::models::RouteModels;
    use tollgate_core::policy::Policy;
    use tollgate_core::route::{HostPattern, PathPattern, Requirement, Route};
    use tollgate_core::testing::key_record;
    use tollgate_core::time::Timestamp;

    use super::*;

    #[test]
    fn no_denial_looks_like_a_permit_on_any_door() {
        for unauthenticated in [UnauthenticatedStatus::Unauthorized, UnauthenticatedStatus::Forbidden] {
            let mut policy = Policy::new(vec![], vec![]).unwrap();
            policy.unauthenticated_status = unauthenticated;
            for code in DenialCode::ALL {
                let verdict = Err(Denial::new(code, "test"));
                let reply = Reply::new(&verdict, None, &policy, CheckId::from_bits(1));
                let answers = [envoy(&reply, StatusCode::FORBIDDEN), nginx(&reply), forward_auth(&reply)];
                let statuses = answers.each_ref().map(|answer| answer.status().as_u16());
                assert!(statuses.iter().all(|s| *s >= 400), "{code}: {statuses:?}");
                assert!(statuses[0] < 500, "{code}: Envoy takes {} for a failure", statuses[0]);
                assert!([401, 403, 503].contains(&statuses[1]), "{code}: nginx makes 500 of {}", statuses[1]);
                for answer in &answers {
                    assert_eq!(answer.headers()[DENIAL], code.public().as_str());
                }
            }
        }
        assert_eq!(last_resort().status(), StatusCode::FORBIDDEN);
    }

    /// The answer of each door to a permit for the owner of this key.
    fn permits(
        owner: [String; 3],
        forward_credential: bool,
        compatibility: bool,
    ) -> (Vec<Response>, HashSet<String>) {
        let [subject, project, organization] = owner;
        let route = Route {
            name: "all".into(),
            policy: None,
            hosts: vec![HostPattern::Any],
            paths: vec![PathPattern::prefix("/").unwrap()],
            methods: None,
            requirement: Requirement::Authenticated,
            forward_credential,
            unauthenticated_status: None,
            query_credential: None,
            models: RouteModels::default(),
        };
        let mut policy = Policy::new(vec![route], vec![]).unwrap();
        policy.identity = IdentityHeaders::default().with_compatibility(compatibility);
        let mut headers = Headers::default();
        headers.push("authorization", b"Bearer a.b.c");
        let request = RawRequest {
            method: "GET",
            authority: "h",
            path_and_query: "/",
            headers,
            body: b"",
            policy: None,
            client: None,
        };
        let input = CheckInput::parse(request, &policy).unwrap();
        let mut key = key_record(&"0".repeat(tollgate_core::apikey::ID_LEN));
        Arc::make_mut(&mut key.owner).subject = subject;
        let place = Arc::make_mut(&mut key.project);
        (place.id, place.organization) = (project, organization);
        let evidence = Evidence::Key(Lookup::Found(Arc::new(key)));
        let verdict = decide(&Facts::new(Timestamp::from_millis(0), evidence), &input);
        let reply = Reply::new(&verdict, Some(&input), &policy, CheckId::from_bits(1));
        let names = policy.identity.headers().map(|(name, _)| name.to_owned()).collect();
        (vec![envoy(&reply, StatusCode::FORBIDDEN), nginx(&reply), forward_auth(&reply)], names)
    }

    proptest! {
        #[test]
        fn a_permit_is_200_and_tells_every_identity_header(
            owner in prop::array::uniform3(any::<String>()),
            forward_credential: bool,
            compatibility: bool,
        ) {
            let (answers, names) = permits(owner, forward_credential, compatibility);
            for answer in &answers {
                prop_assert_eq!(answer.status(), StatusCode::OK);
                for value in answer.headers().values() {
                    prop_assert!(value.as_bytes().iter().all(|b| (b' '..=b'~').contains(b)), "{:?}", value);
                }
            }
            let [envoy, nginx, forward] = [0, 1, 2].map(|door: usize| answers[door].headers());
            let removed = envoy.get(ENVOY_REMOVE).map_or("", |names| names.to_str().unwrap());
            let removed: HashSet<_> = removed.split(", ").collect();
            prop_assert_eq!(removed.contains("authorization"), !forward_credential);
            prop_assert_eq!(forward.contains_key("authorization"), !forward_credential);
            for name in &names {
                let value = envoy.get(name);
                prop_assert!(value.is_some() ^ removed.contains(name.as_str()), "{} on Envoy's door", name);
                prop_assert_eq!(nginx.get(name), value);
                prop_assert_eq!(forward.get(name).filter(|v| !v.is_empty()), value);
                prop_assert!(forward.contains_key(name), "{} on the forward-auth door", name);
            }
        }
    }
}
