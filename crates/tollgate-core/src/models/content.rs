//! The model that a forwarded body names, by what its headers say it is.
//!
//! A body is read as what it claims to be, and only if the claim is plain: what we read as JSON must not be a form to the
//! backend.

use std::borrow::Cow;

use super::request::Undecidable;
use super::{json, multipart};
use crate::headers::Headers;

/// Envoy's mark on a body that it cut at `max_request_bytes`.
pub const PARTIAL: &str = "x-envoy-auth-partial-body";

enum Kind<'a> {
    Json,
    Multipart { boundary: &'a str },
}

/// The model that `body`, which is not empty, names; `None` when it names none.
///
/// # Errors
/// [`Undecidable`] when it cannot be read, or readers could differ.
pub fn model<'a>(headers: &Headers<'a>, body: &'a [u8]) -> Result<Option<Cow<'a, str>>, Undecidable> {
    if is_cut(headers, body.len()) {
        return Err(Undecidable::Cut);
    }
    if headers.all("content-encoding").any(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"identity")) {
        return Err(Undecidable::Encoded);
    }
    match headers.single("content-type").and_then(kind).ok_or(Undecidable::ContentType)? {
        Kind::Json => json::model(body),
        Kind::Multipart { boundary } => multipart::model(body, boundary),
    }
}

/// Whether the gateway kept a part of the body to itself. A client that sets the mark itself only makes this stricter.
pub fn is_cut(headers: &Headers<'_>, length: usize) -> bool {
    let announced = |value: &[u8]| std::str::from_utf8(value).ok()?.trim().parse::<usize>().ok();
    headers.all(PARTIAL).any(|mark| mark != b"false")
        || headers.all("content-length").any(|value| announced(value).is_none_or(|whole| whole > length))
}

/// `None` for anything but the two kinds that are read, each in its plain form.
fn kind(content_type: &str) -> Option<Kind<'_>> {
    let (media, parameters) = match content_type.split_once(';') {
        Some((media, parameters)) => (media.trim(), Some(parameters)),
        None => (content_type.trim(), None),
    };
    let (mut boundary, mut charset) = (None, None);
    for parameter in parameters.into_iter().flat_map(|all| all.split(';')) {
        let (name, value) = parameter.trim().split_once('=')?;
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"')?,
            None => value,
        };
        let slot = if name.eq_ignore_ascii_case("boundary") {
            &mut boundary
        } else if name.eq_ignore_ascii_case("charset") {
            &mut charset
        } else {
            return None;
        };
        if slot.replace(value).is_some() {
            return None;
        }
    }
    if charset.is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8")) {
        return None;
    }
    let subtype = media.get(12..).filter(|_| media[..12].eq_ignore_ascii_case("application/"));
    let is_json = subtype.is_some_and(|subtype| {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let suffix = subtype.len().checked_sub(5).and_then(|at| subtype.get(at..));
        subtype.bytes().all(token)
            && (subtype.eq_ignore_ascii_case("json")
                || suffix.is_some_and(|s| s.eq_ignore_ascii_case("+json")))
    });
    if is_json {
        return boundary.is_none().then_some(Kind::Json);
    }
    // RFC 2046 section 5.1.1, without the space.
    let bchar = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    let boundary = boundary.filter(|b| (1..=70).contains(&b.len()) && b.bytes().all(bchar))?;
    media.eq_ignore_ascii_case("multipart/form-data").then_some(Kind::Multipart { boundary })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        lines: &[(&'static str, &'static str)],
        body: &'static str,
    ) -> Result<Option<String>, Undecidable> {
        let mut headers = Headers::default();
        for (name, value) in lines {
            headers.push(name, value.as_bytes());
        }
        model(&headers, body.as_bytes()).map(|name| name.map(Cow::into_owned))
    }

    #[test]
    fn the_content_type_decides() {
        let json = "{\"model\":\"m\"}";
        let form = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--";
        for (content_type, body, named) in [
            ("application/json", json, true),
            ("Application/JSON; charset=\"UTF-8\"", json, true),
            ("application/vnd.api+json", json, true),
            ("multipart/form-data; boundary=b", form, true),
            ("multipart/form-data; charset=utf-8; boundary=\"b\"", form, true),
            ("application/json; charset=utf-16", json, false),
            ("application/json; charset=utf-7", json, false),
            ("application/json, text/plain", json, false),
            ("application/json; boundary=b", json, false),
            ("application/json;", json, false),
            ("application/jsonl", json, false),
            ("application/x-ndjson", json, false),
            ("application/x-www-form-urlencoded", json, false),
            ("text/plain", json, false),
            ("text/json", json, false),
            ("", json, false),
            ("\u{fc}pplication/json", json, false),
            ("multipart/form-data", form, false),
            ("multipart/form-data; boundary=", form, false),
            ("multipart/form-data; boundary=b; boundary=c", form, false),
            ("multipart/form-data; boundary=\"b;c\"", form, false),
            ("multipart/form-data; boundary*=utf-8''b", form, false),
            ("multipart/form-data; boundary=b c", form, false),
            ("multipart/mixed; boundary=b", form, false),
        ] {
            let expected = if named { Ok(Some("m".to_owned())) } else { Err(Undecidable::ContentType) };
            assert_eq!(read(&[("content-type", content_type)], body), expected, "{content_type}");
        }
        assert_eq!(read(&[], json), Err(Undecidable::ContentType));
        let twice = [("content-type", "application/json"), ("content-type", "application/json")];
        assert_eq!(read(&twice, json), Err(Undecidable::ContentType));
        assert_eq!(read(&[("content-type", "application/json")], form), Err(Undecidable::NotJson));
        assert_eq!(
            read(&[("content-type", "multipart/form-data; boundary=b")], json),
            Err(Undecidable::NotMultipart)
        );
    }

    #[test]
    fn cut_and_compressed_bodies_are_not_read() {
        let json =
            |name, value| read(&[("content-type", "application/json"), (name, value)], "{\"model\":\"m\"}");
        for (name, value, expected) in [
            ("x-envoy-auth-partial-body", "false", None),
            ("content-length", "13", None),
            ("content-encoding", "identity", None),
            ("x-envoy-auth-partial-body", "true", Some(Undecidable::Cut)),
            ("x-envoy-auth-partial-body", "", Some(Undecidable::Cut)),
            ("content-length", "14", Some(Undecidable::Cut)),
            ("content-length", "x", Some(Undecidable::Cut)),
            ("content-encoding", "gzip", Some(Undecidable::Encoded)),
            ("content-encoding", "identity, gzip", Some(Undecidable::Encoded)),
            ("content-encoding", "", Some(Undecidable::Encoded)),
        ] {
            assert_eq!(json(name, value).err(), expected, "{name}: {value}");
        }
    }
}
