//! What is asked for, in one canonical spelling. What has no canonical spelling is refused, so that no rule can be
//! passed by writing a path in another way.
//!
//! The one normalisation of a path, in full:
//!
//! 1. The query (from the first `?`) is cut off; it takes no part in route rules.
//! 2. Percent-escapes of unreserved characters (RFC 3986 section 2.3) are decoded, once; all others keep their escape,
//!    with upper-case digits.
//! 3. One trailing `/` is dropped for matching, so that `/admin/` falls under the rules of `/admin`.
//! 4. In the ARN of a model at Bedrock (`/model/arn:…/invoke` and its like) an encoded `/` becomes a `/`: SDKs send it encoded,
//!    people do not, and Bedrock takes both for one name.
//!
//! Refused as malformed, because backends disagree on what they mean: a path that does not start with `/`; fragments;
//! control characters, spaces, backslashes, `;` and non-ASCII bytes; `.` and `..` segments in any spelling; empty
//! segments (`//`); any other encoded `/`, encoded `\`, `;`, `%` before hex digits, NUL and other controls; invalid escapes; escapes
//! that are not UTF-8; a segment that ends in an encoded space.

use std::borrow::Cow;

use crate::denial::{Denial, DenialCode};
use crate::endpoints::BEDROCK_OPERATIONS;

/// Method, host and path of a request, canonical.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The request's method, as sent: methods are case-sensitive (RFC 9110 section 9.1).
    pub method: &'a str,
    /// Lower case, without port and trailing dot.
    pub host: Cow<'a, str>,
    /// Canonical path, without the query; see the module's text.
    pub path: Cow<'a, str>,
    /// The raw query without `?`, when there is one. Never used by path rules.
    pub query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Reads method, authority and path-with-query as a gateway sent them.
    ///
    /// # Errors
    /// [`DenialCode::RequestMalformed`] when one of them has no canonical form.
    pub fn parse(method: &'a str, authority: &'a str, path_and_query: &'a str) -> Result<Self, Denial> {
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        if query.is_some_and(|q| q.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'#')) {
            return Err(malformed("query holds a space, control character or fragment"));
        }
        Ok(Self {
            method: check_method(method)?,
            host: canonical_host(authority)?,
            path: canonical_path(path)?,
            query,
        })
    }
}

fn malformed(reason: &'static str) -> Denial {
    Denial::new(DenialCode::RequestMalformed, reason)
}

fn check_method(method: &str) -> Result<&str, Denial> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if method.is_empty() || method.len() > 32 || !method.bytes().all(token) {
        return Err(malformed("method is not a token"));
    }
    // Echoes credentials back to scripts; no AI API uses it.
    if method.eq_ignore_ascii_case("TRACE") {
        return Err(malformed("TRACE is refused"));
    }
    Ok(method)
}

fn canonical_host(authority: &str) -> Result<Cow<'_, str>, Denial> {
    let host = if authority.starts_with('[') {
        let end = authority.find(']').ok_or_else(|| malformed("host has an unclosed bracket"))?;
        let (host, port) = authority.split_at(end + 1);
        check_port(port)?;
        if !host.bytes().all(|b| b.is_ascii_hexdigit() || b"[]:.".contains(&b)) {
            return Err(malformed("host is not an IPv6 literal"));
        }
        host
    } else {
        let (host, port) = match authority.find(':') {
            Some(at) => authority.split_at(at),
            None => (authority, ""),
        };
        check_port(port)?;
        let host = host.strip_suffix('.').unwrap_or(host);
        let label = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_';
        if !host.bytes().all(label) || host.split('.').any(str::is_empty) {
            return Err(malformed("host is not a DNS name"));
        }
        host
    };
    if host.is_empty() || host.len() > 253 {
        return Err(malformed("host is empty or too long"));
    }
    Ok(if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    })
}

fn check_port(port: &str) -> Result<(), Denial> {
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(digits) if digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        _ => Err(malformed("port is not a number")),
    }
}

/// Bytes that stand for themselves in a path and need no thought.
const fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'_'
                | b'~'
                | b'/'
                | b':'
                | b'@'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
                | b'.'
        )
}

const fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn canonical_path(path: &str) -> Result<Cow<'_, str>, Denial> {
    if !path.starts_with('/') {
        return Err(malformed("path does not start with a slash"));
    }
    let path =
        if path.bytes().all(plain) { Cow::Borrowed(path) } else { Cow::Owned(decode_unreserved(path)?) };
    let inner = path.strip_suffix('/').unwrap_or(&path);
    for segment in inner.split('/').skip(1) {
        match segment {
            "" => return Err(malformed("path has an empty segment")),
            "." | ".." => return Err(malformed("path has a dot segment")),
            s if s.ends_with("%20") => return Err(malformed("path segment ends in a space")),
            _ => {}
        }
    }
    let keep = inner.len().max(1);
    Ok(match path {
        Cow::Borrowed(path) => Cow::Borrowed(&path[..keep]),
        Cow::Owned(mut path) => {
            path.truncate(keep);
            Cow::Owned(path)
        }
    })
}

fn decode_unreserved(path: &str) -> Result<String, Denial> {
    let mut canonical = String::with_capacity(path.len());
    // The fully decoded bytes, to see whether the escapes spell UTF-8.
    let mut decoded = Vec::with_capacity(path.len());
    // Where the segment began, and whether an encoded slash was taken for a slash.
    let (mut segment, mut unescaped) = (0, false);
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            if byte == b'/' {
                segment = canonical.len() + 1;
            }
            if !plain(byte) {
                return Err(malformed("path has a character that must be escaped, or a ';'"));
            }
            canonical.push(char::from(byte));
            decoded.push(byte);
            continue;
        }
        let escape = hex(bytes.next()).zip(hex(bytes.next())).map(|(high, low)| high << 4 | low);
        let Some(value) = escape else { return Err(malformed("path has an invalid percent-escape")) };
        if value == b'/' && is_arn_of_model(&canonical, segment) {
            unescaped = true;
            canonical.push('/');
            decoded.push(value);
            continue;
        }
        let ambiguous = value < b' ' || value == 0x7f || matches!(value, b'/' | b'\\' | b';');
        if ambiguous {
            return Err(malformed("path has an escape whose meaning backends disagree on"));
        }
        decoded.push(value);
        if unreserved(value) {
            canonical.push(char::from(value));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            canonical.push('%');
            canonical.push(char::from(DIGITS[usize::from(value >> 4)]));
            canonical.push(char::from(DIGITS[usize::from(value & 15)]));
        }
    }
    // Judged on the result: decoding an escape may itself have put digits behind a "%25".
    if canonical.match_indices("%25").any(|(at, _)| {
        canonical.as_bytes()[at + 3..].iter().take(2).filter(|b| b.is_ascii_hexdigit()).count() == 2
    }) {
        return Err(malformed("path is escaped twice"));
    }
    std::str::from_utf8(&decoded).map_err(|_| malformed("path escapes are not UTF-8"))?;
    // The last segment, behind a slash that is none of the name's.
    let operation = canonical.get(segment..).unwrap_or_default();
    if unescaped && !BEDROCK_OPERATIONS.contains(&operation) {
        return Err(malformed("path has an encoded slash outside a model's ARN"));
    }
    Ok(canonical)
}

/// Whether the segment that begins at `start` is an ARN, and stands right behind `model`.
fn is_arn_of_model(canonical: &str, start: usize) -> bool {
    let (before, segment) = canonical.split_at_checked(start).unwrap_or_default();
    let arn = segment.strip_prefix("arn").unwrap_or_default();
    before.ends_with("/model/") && (arn.starts_with(':') || arn.starts_with("%3A"))
}

fn hex(byte: Option<u8>) -> Option<u8> {
    char::from(byte?).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn path(raw: &str) -> Option<String> {
        Target::parse("GET", "h", raw).ok().map(|t| t.path.into_owned())
    }

    #[test]
    fn paths() {
        let same = ["/", "/a", "/a/b.c", "/v1/models/x:y", "/a@b", "/a%20b", "/%E2%82%AC"];
        for raw in same {
            assert_eq!(path(raw).as_deref(), Some(raw));
        }
        let table = [
            ("/admin/", "/admin"),
            ("/%61dmin", "/admin"),
            ("/a%2e", "/a."),
            ("/%e2%82%ac", "/%E2%82%AC"),
            ("/a?x=/../b", "/a"),
            ("/a?path=/public", "/a"),
            ("/model/arn:aws:b:r:1:p%2Fx%2fy/invoke", "/model/arn:aws:b:r:1:p/x/y/invoke"),
            ("/b/model/arn%3aaws%3Ap%2Fx/converse-stream", "/b/model/arn%3Aaws%3Ap/x/converse-stream"),
        ];
        for (raw, canonical) in table {
            assert_eq!(path(raw).as_deref(), Some(canonical), "{raw}");
        }
        let refused = [
            "",
            "*",
            "a",
            "http://h/a",
            "/a#b",
            "/a b",
            "/a/../admin",
            "/a/%2e%2e/admin",
            "/a/.%2E/x",
            "/a%2Fadmin",
            "/model/x%2Fy/invoke",
            "/model/arn:x%2Fy/else",
            "/model/arn:x/a%2Fy/invoke",
            "/models/arn:x%2Fy/invoke",
            "/arn:x%2Fy/invoke",
            "/model/arn:x%2F..%2Fy/invoke",
            "/model/arn:x%2F%2e%2E%2Fy/invoke",
            "/model/arn:x%2F%2Fy/invoke",
            "/model/arn:x%2F/invoke",
            "/model/arn:x%252Fy/invoke",
            "/model/arn:x%2F..%2F..%2Finvoke",
            "/model/arn:x%2Finvoke",
            "/a%2fadmin",
            "/a%252fadmin",
            "/a%25%32%66admin",
            "/a%25%32fadmin",
            "/a%252%66admin",
            "//admin",
            "/a//b",
            "/admin;x=1",
            "/admin%3Bx",
            "/admin%00",
            "/admin%20",
            "/admin%20/x",
            "/a\\admin",
            "/a%5cadmin",
            "/a/./admin",
            "/a/.",
            "/a/..",
            "/%",
            "/%4",
            "/%zz",
            "/%u002f",
            "/%c0%af",
            "/%ff",
            "/\u{e9}",
            "/a\tb",
            "/a\r\nb",
            "//",
            "/a%0d%0aset",
            "/%7f",
        ];
        for raw in refused {
            assert_eq!(path(raw), None, "{raw:?} must be refused");
        }
    }

    #[test]
    fn hosts() {
        let table = [
            ("AI.Local.Dev", Some("ai.local.dev")),
            ("ai.local.dev.", Some("ai.local.dev")),
            ("ai.local.dev:80", Some("ai.local.dev")),
            ("ai.local.dev:31337", Some("ai.local.dev")),
            ("[::1]:8080", Some("[::1]")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("", None),
            (":80", None),
            (".", None),
            ("a..b", None),
            ("user@host", None),
            ("host/?", None),
            ("host#", None),
            ("host:80:80", None),
            ("host:x", None),
            ("b\u{fc}cher.example", None),
            ("[::1", None),
            ("a b", None),
            ("a,b", None),
        ];
        for (raw, expected) in table {
            let host = Target::parse("GET", raw, "/").ok().map(|t| t.host.into_owned());
            assert_eq!(host.as_deref(), expected, "{raw:?}");
        }
    }

    #[test]
    fn methods() {
        for good in ["GET", "post", "PROPFIND", "M-SEARCH"] {
            assert_eq!(Target::parse(good, "h", "/").unwrap().method, good);
        }
        for bad in ["", "GET ", "G\u{e9}T", "TRACE", "trace", "A\r\nB", &"A".repeat(33)] {
            assert!(Target::parse(bad, "h", "/").is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn canonical_paths_are_fixed_points(raw in "(/[a-zA-Z0-9%._~:@ ;\\\\/-]{0,12}){1,4}") {
            if let Some(once) = path(&raw) {
                prop_assert_eq!(path(&once), Some(once.clone()));
                prop_assert!(!once.contains("//") && !once.contains("/../") && !once.ends_with("/.."));
            }
        }

        #[test]
        fn anything_is_answered(method in "\\PC{0,8}", host in "\\PC{0,20}", path in "\\PC{0,40}") {
            let _ = Target::parse(&method, &host, &path);
        }
    }
}
