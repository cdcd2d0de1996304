//! Writes by cookie come from our own pages alone: the browser says so, and the page proves that it can read our answers.

use aws_lc_rs::hmac;
use axum::http::{HeaderMap, HeaderName, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

use crate::portal::problem::{Answer, Code, Problem};

/// The header that carries the token.
pub const HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
/// What the token is derived for, so that it is good for nothing else.
const PURPOSE: &[u8] = b"tollgate csrf token";

/// The token of a session: derived from its secret, so that nothing has to be kept, and telling nothing of it.
pub fn token(session_secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(&key(session_secret), PURPOSE))
}

/// Whether a write by this session may be done. `in_form` is the token of a form's field.
///
/// # Errors
/// `forbidden`, with what is missing.
pub fn check(
    headers: &HeaderMap,
    session_secret: &str,
    public_url: &Url,
    in_form: Option<&str>,
) -> Answer<()> {
    same_origin(headers, public_url)?;
    let sent = headers.get(&HEADER).and_then(|value| value.to_str().ok()).or(in_form);
    let sent = sent.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    if sent.is_some_and(|tag| hmac::verify(&key(session_secret), PURPOSE, &tag).is_ok()) {
        return Ok(());
    }
    let detail = "A write by a browser's session needs the header X-CSRF-Token with the 'csrf_token' of GET /api/v1/me.";
    Err(Problem::new(Code::Forbidden, detail))
}

/// Every statement that the browser makes about where the request comes from must say: from here. A browser that makes
/// none, or something that is no browser, has to send `Origin`.
fn same_origin(headers: &HeaderMap, public_url: &Url) -> Answer<()> {
    let ours = public_url.origin().ascii_serialization();
    let only = |name: HeaderName| {
        let mut lines = headers.get_all(name).iter();
        match (lines.next(), lines.next()) {
            (None, _) => None,
            (Some(one), None) => Some(one.to_str().unwrap_or("")),
            (Some(_), Some(_)) => Some(""),
        }
    };
    let origin = only(header::ORIGIN).map(|said| said == ours);
    let site = only(HeaderName::from_static("sec-fetch-site")).map(|said| said == "same-origin");
    match (origin, site) {
        (Some(false), _) | (_, Some(false)) | (None, None) => Err(Problem::new(
            Code::Forbidden,
            format!("A write by a browser's session must come from {ours} itself."),
        )),
        _ => Ok(()),
    }
}

fn key(session_secret: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, session_secret.as_bytes())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn both_proofs_or_none() {
        let here: Url = "https://tollgate.test".parse().unwrap();
        let token = token("secret");
        let other = super::token("another");
        let (origin, site) = ("origin", "sec-fetch-site");
        let ours = "https://tollgate.test";
        let table: &[(&[(&str, &str)], bool)] = &[
            (&[(origin, ours), ("x-csrf-token", &token)], true),
            (&[(site, "same-origin"), ("x-csrf-token", &token)], true),
            (&[(origin, ours), (site, "same-origin"), ("x-csrf-token", &token)], true),
            (&[("x-csrf-token", &token)], false),
            (&[(origin, ours)], false),
            (&[(origin, ours), ("x-csrf-token", &other)], false),
            (&[(origin, ours), ("x-csrf-token", "")], false),
            (&[(origin, ours), ("x-csrf-token", "%")], false),
            (&[(origin, "null"), ("x-csrf-token", &token)], false),
            (&[(origin, "https://tollgate.test.evil"), ("x-csrf-token", &token)], false),
            (&[(origin, "http://tollgate.test"), ("x-csrf-token", &token)], false),
            (&[(origin, "https://tollgate.test:8443"), ("x-csrf-token", &token)], false),
            (&[(origin, ours), (origin, "https://evil.test"), ("x-csrf-token", &token)], false),
            (&[(origin, ours), (site, "cross-site"), ("x-csrf-token", &token)], false),
            (&[(site, "same-site"), ("x-csrf-token", &token)], false),
            (&[(site, "none"), ("x-csrf-token", &token)], false),
            (&[(origin, "https://evil.test"), (site, "same-origin"), ("x-csrf-token", &token)], false),
        ];
        for (sent, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in *sent {
                headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
            }
            assert_eq!(check(&headers, "secret", &here, None).is_ok(), *expected, "{sent:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(origin, ours.parse().unwrap());
        assert!(check(&headers, "secret", &here, Some(&token)).is_ok(), "a form's field counts too");
        assert!(check(&headers, "secret", &here, Some(&other)).is_err());
        assert!(!token.contains("secret"));
    }
}
