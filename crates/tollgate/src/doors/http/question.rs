//! What each HTTP door is asked: where the original request's method, host and path stand. Pure.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, Method};
use tollgate_core::denial::{Denial, DenialCode};
use tollgate_core::headers::Headers;
use tollgate_core::input::RawRequest;

use crate::doors::gate::Door;

/// Paths of nginx' `auth_request` door.
pub const NGINX_PREFIX: &str = "/nginx";
/// Paths of the forward-auth door.
pub const FORWARD_AUTH_PREFIX: &str = "/forward-auth";
/// Envoy adds this to every check it sends. Behind another prefix it gives away that a client chose the path.
const ENVOYS_OWN: &str = "x-envoy-expected-rq-timeout-ms";

/// The headers in which a proxy says what it was asked.
struct Names {
    method: &'static str,
    path: &'static str,
    host: &'static str,
}

const NGINX: Names = Names { method: "x-original-method", path: "x-original-uri", host: "x-original-host" };
const FORWARDED: Names =
    Names { method: "x-forwarded-method", path: "x-forwarded-uri", host: "x-forwarded-host" };

/// The door that a request to this port comes through.
pub fn door(parts: &Parts) -> Door {
    let below = |prefix: &str| {
        let rest = parts.uri.path().strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if below(NGINX_PREFIX) {
        Door::Nginx
    } else if below(FORWARD_AUTH_PREFIX) {
        Door::ForwardAuth
    } else {
        Door::EnvoyHttp
    }
}

/// Reads the question.
///
/// # Errors
/// `request_malformed`: from a peer that is not trusted to speak for others, or without a clear method, host and path.
pub fn parse<'a>(
    door: Door,
    parts: &'a Parts,
    body: &'a [u8],
    trusted: bool,
    envoy_prefix: Option<&str>,
) -> Result<RawRequest<'a>, Denial> {
    let names = match door {
        Door::EnvoyHttp | Door::EnvoyGrpc => return envoy(parts, body, envoy_prefix),
        Door::Nginx => NGINX,
        Door::ForwardAuth => FORWARDED,
    };
    if !trusted {
        return Err(malformed(
            "the peer is not in server.check.trusted_peers, so it cannot speak for other requests",
        ));
    }
    if parts.headers.contains_key(ENVOYS_OWN) {
        return Err(malformed(
            "Envoy sent a client's path that is another door's prefix; give Envoy a path_prefix",
        ));
    }
    Ok(RawRequest {
        method: only(&parts.headers, names.method)?
            .ok_or_else(|| malformed("the proxy does not say the original method"))?,
        // Never the check's own Host: unless told otherwise nginx and Caddy put our address there, and a rule for another
        // host would judge.
        authority: only(&parts.headers, names.host)?
            .ok_or_else(|| malformed("the proxy does not say the original host"))?,
        path_and_query: only(&parts.headers, names.path)?
            .ok_or_else(|| malformed("the proxy does not say the original path"))?,
        headers: headers(&parts.headers),
        body,
        policy: None,
        client: None,
    })
}

/// Envoy repeats the original request: same method, same path behind its prefix, same host.
fn envoy<'a>(parts: &'a Parts, body: &'a [u8], prefix: Option<&str>) -> Result<RawRequest<'a>, Denial> {
    if parts.method == Method::CONNECT {
        return Err(malformed("CONNECT has no path to judge"));
    }
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let path = match prefix {
        None => path,
        Some(prefix) => path
            .strip_prefix(prefix)
            .filter(|rest| rest.starts_with('/'))
            .ok_or_else(|| malformed("the path does not begin with server.check.envoy_prefix"))?,
    };
    Ok(RawRequest {
        method: parts.method.as_str(),
        authority: host(parts)?,
        path_and_query: path,
        headers: headers(&parts.headers),
        body,
        policy: None,
        client: None,
    })
}

/// `:authority` on HTTP/2, `Host` on HTTP/1.1; two that differ are nobody's host.
fn host(parts: &Parts) -> Result<&str, Denial> {
    let header = only(&parts.headers, "host")?;
    match (parts.uri.authority(), header) {
        (Some(authority), None) => Ok(authority.as_str()),
        (Some(authority), Some(host)) if authority.as_str() == host => Ok(host),
        (None, Some(host)) => Ok(host),
        _ => Err(malformed("the request has no host, or two")),
    }
}

/// Who is connected to the proxy, if a trusted one reports it. Our own peer is the proxy, and no client of ours.
pub fn peer(door: Door, parts: &Parts, trusted: bool) -> Option<IpAddr> {
    let reported = match door {
        Door::Nginx => "x-real-ip",
        // The last entry is the proxy's own observation; those before it are the client's to invent.
        Door::ForwardAuth | Door::EnvoyHttp | Door::EnvoyGrpc => "x-forwarded-for",
    };
    let reported = parts.headers.get_all(reported).iter().next_back().filter(|_| trusted);
    reported.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
}

/// The header lines of a check.
pub fn headers(map: &HeaderMap) -> Headers<'_> {
    let mut headers = Headers::with_capacity(map.len());
    for (name, value) in map {
        // Proxies that pass this header on to the check cannot leave it out when the client sent none (RFC 9110 section 7.8: an
        // empty list asks for nothing).
        if name == http::header::UPGRADE && value.is_empty() {
            continue;
        }
        headers.push(name.as_str(), value.as_bytes());
    }
    headers
}

fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Denial> {
    let mut lines = headers.get_all(name).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(malformed("a header that names the original request stands there twice"));
    }
    line.to_str().map(Some).map_err(|_| malformed("a header that names the original request is not ASCII"))
}

fn malformed(reason: &'static str) -> Denial {
    Denial::new(DenialCode::RequestMalformed, reason)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn parts(method: &str, uri: &str, lines: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn asked(parts: &Parts, trusted: bool, prefix: Option<&str>) -> Option<String> {
        let question = parse(door(parts), parts, b"", trusted, prefix).ok()?;
        Some(format!("{} {} {}", question.method, question.authority, question.path_and_query))
    }

    #[test]
    fn envoy_repeats_the_request() {
        let host = [("host", "ai.local.dev")];
        type Line<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Option<&'a str>, Option<&'a str>);
        let table: &[Line<'_>] = &[
            ("DELETE", "/api/v1/x?q=1", &host, None, Some("DELETE ai.local.dev /api/v1/x?q=1")),
            ("GET", "/envoy/x", &host, Some("/envoy"), Some("GET ai.local.dev /x")),
            ("GET", "/envoyx", &host, Some("/envoy"), None),
            ("GET", "/x", &host, Some("/envoy"), None),
            ("GET", "/x", &[], None, None),
            ("GET", "/x", &[("host", "a"), ("host", "b")], None, None),
            ("GET", "http://a/x", &[("host", "b")], None, None),
            ("GET", "http://a/x", &[("host", "a")], None, Some("GET a /x")),
            (
                "GET",
                "/x",
                &[("host", "a"), ("x-original-uri", "/public"), ("x-forwarded-uri", "/public")],
                None,
                Some("GET a /x"),
            ),
        ];
        for (method, uri, lines, prefix, expected) in table {
            assert_eq!(asked(&parts(method, uri, lines), true, *prefix).as_deref(), *expected, "{uri}");
        }
    }

    #[test]
    fn only_trusted_proxies_speak_for_others() {
        // The check's own method, path and host are never the answer to a header that is missing.
        let nginx = [
            ("host", "tollgate"),
            ("x-original-method", "PUT"),
            ("x-original-uri", "/a?b"),
            ("x-original-host", "h"),
        ];
        let forwarded = [
            ("host", "tollgate"),
            ("x-forwarded-method", "PUT"),
            ("x-forwarded-uri", "/a?b"),
            ("x-forwarded-host", "h"),
        ];
        for (door, lines) in [("/nginx", nginx), ("/forward-auth", forwarded)] {
            for below in ["", "/any", "?x=1"] {
                let uri = format!("{door}{below}");
                let whole = parts("GET", &uri, &lines);
                assert_eq!(asked(&whole, true, None).as_deref(), Some("PUT h /a?b"), "{uri}");
                assert_eq!(asked(&whole, false, None), None, "{uri} from a stranger");
            }
            for at in 1..lines.len() {
                let mut without = lines.to_vec();
                without.remove(at);
                assert_eq!(asked(&parts("GET", door, &without), true, None), None, "{door} without {at}");
                let mut twice = lines.to_vec();
                twice.push(lines[at]);
                assert_eq!(asked(&parts("GET", door, &twice), true, None), None, "{door} with {at} twice");
            }
        }
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        for uri in ["/nginxx", "/forward-authx/y", "/Nginx", "/x/nginx", "/%6eginx", "/", "*"] {
            assert_eq!(door(&parts("GET", uri, &[])), Door::EnvoyHttp, "{uri}");
        }
    }

    #[test]
    fn a_client_behind_envoy_cannot_pick_another_door() {
        let lines = [
            ("host", "h"),
            ("x-envoy-expected-rq-timeout-ms", "200"),
            ("x-original-method", "GET"),
            ("x-original-uri", "/public"),
        ];
        assert_eq!(asked(&parts("GET", "/nginx", &lines), true, None), None);
    }

    proptest! {
        #[test]
        fn any_headers_are_answered(uri in "/(nginx|forward-auth)?[a-z/?&=%.]{0,12}", value in "[ -~]{0,30}", trusted: bool) {
            let lines = [("host", "h"), ("x-original-uri", value.trim()), ("x-forwarded-uri", value.trim())];
            let _ = asked(&parts("GET", &uri, &lines), trusted, None);
        }
    }
}
