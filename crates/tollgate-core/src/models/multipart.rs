//! The `model` part of a `multipart/form-data` body (RFC 7578), in one pass: audio and image endpoints name it there.
//!
//! Readers of multipart differ in what they forgive, and what one forgives can hide a part from another. So only the form
//! that every client writes is read: CRLF line ends, nothing before the first boundary, the boundary's text nowhere but
//! in boundaries, plain `Content-Disposition` lines. Anything else has no answer.

use std::borrow::Cow;

use super::member::{Member, member};
use super::request::Undecidable;

/// Bytes of one part's header lines.
const MAX_HEAD_BYTES: usize = 8 << 10;
/// Parts of one body.
const MAX_PARTS: usize = 1000;

/// The value of the one part `model`; `None` when there is no such part. `boundary` has 1 to 70 bytes.
///
/// # Errors
/// [`Undecidable`] when the body is not in the form that this module reads, or readers could differ on the model.
pub fn model<'a>(body: &'a [u8], boundary: &str) -> Result<Option<Cow<'a, str>>, Undecidable> {
    let broken = Undecidable::NotMultipart;
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let search = Search::new(&delimiter);
    let mut rest = body.strip_prefix(delimiter.as_slice()).ok_or(broken)?;
    let mut model = None;
    for _ in 0..MAX_PARTS {
        // Behind a delimiter: two dashes and the end, or a line end and a part.
        match rest {
            b"--" | b"--\r\n" => return Ok(model),
            _ => rest = rest.strip_prefix(b"\r\n").ok_or(broken)?,
        }
        let end = search.find(rest).ok_or(broken)?;
        let (part, after) =
            (rest.get(..end).ok_or(broken)?, rest.get(end + delimiter.len()..).ok_or(broken)?);
        let part = part.strip_suffix(b"\r\n").ok_or(broken)?;
        if let Some(value) = named(part)? {
            if model.is_some() {
                return Err(Undecidable::Twice);
            }
            model = Some(Cow::Borrowed(value));
        }
        rest = after;
    }
    Err(broken)
}

/// The value of a part, if it is the model.
fn named(part: &[u8]) -> Result<Option<&str>, Undecidable> {
    let broken = Undecidable::NotMultipart;
    let window = part.get(..part.len().min(MAX_HEAD_BYTES)).ok_or(broken)?;
    let end = window.windows(4).position(|four| four == b"\r\n\r\n").ok_or(broken)?;
    let head = std::str::from_utf8(part.get(..end).ok_or(broken)?).map_err(|_| broken)?;
    let (mut disposition, mut others) = (None, false);
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or(broken)?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty()
            || !name.bytes().all(token)
            || value.bytes().any(|byte| byte < b' ' && byte != b'\t')
        {
            return Err(broken);
        }
        if !name.eq_ignore_ascii_case("content-disposition") {
            others |= !is_plain_text(name, value);
        } else if disposition.replace(value).is_some() {
            return Err(broken);
        }
    }
    let (field, is_file) = field(disposition.ok_or(broken)?)?;
    let base = field.split(['[', '\0']).next().unwrap_or_default();
    if base.eq_ignore_ascii_case("_charset_") {
        return Err(broken);
    }
    match member(base) {
        Member::Other => return Ok(None),
        Member::Further => return Err(Undecidable::Further),
        Member::Model if field == "model" => {}
        Member::Model | Member::AlmostModel => return Err(Undecidable::Twice),
    }
    if is_file || others {
        return Err(Undecidable::NotText);
    }
    std::str::from_utf8(part.get(end + 4..).ok_or(broken)?).map(Some).map_err(|_| Undecidable::NotText)
}

/// Whether a header line of a part leaves its content what it is: text in UTF-8, not encoded.
fn is_plain_text(name: &str, value: &str) -> bool {
    let value: String = value.chars().filter(|c| !matches!(c, ' ' | '\t' | '"')).collect();
    let is = |known: &[&str]| known.iter().any(|known| value.eq_ignore_ascii_case(known));
    if name.eq_ignore_ascii_case("content-type") {
        return is(&["text/plain", "text/plain;charset=utf-8", "text/plain;charset=us-ascii"]);
    }
    if name.eq_ignore_ascii_case("content-transfer-encoding") {
        return is(&["binary", "8bit", "7bit"]);
    }
    name.eq_ignore_ascii_case("content-length")
}

/// The field's name in `form-data; name="…"; filename="…"`, and whether it is a file.
///
/// A backslash is an escape to some readers and a character to others, and `name*` is read by some only.
fn field(disposition: &str) -> Result<(&str, bool), Undecidable> {
    let broken = Undecidable::NotMultipart;
    let rest = disposition.trim_matches([' ', '\t']);
    let kind = rest.get(..9).filter(|kind| kind.eq_ignore_ascii_case("form-data")).ok_or(broken)?;
    let mut rest = rest.get(kind.len()..).ok_or(broken)?;
    if rest.contains('\\') {
        return Err(broken);
    }
    let (mut name, mut is_file) = (None, false);
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return name.map(|name| (name, is_file)).ok_or(broken);
        }
        let parameter = rest.strip_prefix(';').ok_or(broken)?.trim_start_matches([' ', '\t']);
        let (key, after) = parameter.split_once('=').ok_or(broken)?;
        let value;
        (value, rest) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(broken)?,
            None => after.split_at(after.find([';', ' ', '\t', '"']).unwrap_or(after.len())),
        };
        if key.eq_ignore_ascii_case("name") {
            if name.replace(value).is_some() {
                return Err(broken);
            }
        } else if key.eq_ignore_ascii_case("filename") || key.eq_ignore_ascii_case("filename*") {
            is_file = true;
        } else {
            return Err(broken);
        }
    }
}

/// Finds a delimiter by its last byte (Horspool): a body is mostly passed over in steps of the delimiter's length.
struct Search<'n> {
    needle: &'n [u8],
    step: [u8; 256],
}

impl<'n> Search<'n> {
    /// `needle` has fewer than 256 bytes.
    fn new(needle: &'n [u8]) -> Self {
        let whole = u8::try_from(needle.len()).unwrap_or(u8::MAX);
        let mut step = [whole; 256];
        for (byte, left) in needle.iter().zip((1..whole).rev()) {
            step[usize::from(*byte)] = left;
        }
        Self { needle, step }
    }

    fn find(&self, text: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let window = text.get(at..at + self.needle.len())?;
            if window == self.needle {
                return Some(at);
            }
            at += usize::from(self.step[usize::from(*window.last()?)]);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"a;b.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n\0\u{fc}\r\n--bx";
    const MODEL: &str = "Content-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1";

    fn body(parts: &[&str]) -> String {
        let parts: String = parts.iter().map(|part| format!("--b0und\r\n{part}\r\n")).collect();
        format!("{parts}--b0und--\r\n")
    }

    #[test]
    fn the_form_that_clients_write() {
        for (parts, expected) in [
            (vec![MODEL], Some("whisper-1")),
            (vec![FILE, MODEL], Some("whisper-1")),
            (vec![MODEL, FILE], Some("whisper-1")),
            (vec![FILE], None),
            (vec!["content-disposition:form-data;name=model\r\n\r\nm"], Some("m")),
            (
                vec![
                    "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm",
                ],
                Some("m"),
            ),
            (vec!["Content-Disposition: form-data; name=\"model\"\r\n\r\n"], Some("")),
            (vec!["Content-Disposition: form-data; name=\"x\"; filename*=UTF-8''model\r\n\r\nm"], None),
        ] {
            assert_eq!(
                model(body(&parts).as_bytes(), "b0und").as_ref().map(Option::as_deref),
                Ok(expected),
                "{parts:?}"
            );
        }
        assert!(model(body(&[MODEL]).trim_end().as_bytes(), "b0und").is_ok());
    }

    #[test]
    fn what_readers_could_differ_on_has_no_answer() {
        use Undecidable::{NotMultipart, NotText, Twice};
        let disposition = |text: &str| format!("Content-Disposition: {text}\r\n\r\nm");
        let hidden = format!("{FILE}\n--b0und\n{}", MODEL.replace("\r\n", "\n"));
        let with_crlf = format!("{FILE}\r\n--b0und \r\n{MODEL}");
        for (part, expected) in [
            (MODEL.replace("model", "Model"), Twice),
            (MODEL.replace("model", "model[]"), Twice),
            (MODEL.replace("\"model\"", "\"model\"; filename=\"x\""), NotText),
            (format!("Content-Type: application/json\r\n{MODEL}"), NotText),
            (format!("Content-Type: text/plain; charset=utf-16\r\n{MODEL}"), NotText),
            (format!("Content-Transfer-Encoding: base64\r\n{MODEL}"), NotText),
            (MODEL.replace("model", "_charset_"), NotMultipart),
            (disposition("form-data; name=\"model\"; name=\"x\""), NotMultipart),
            (disposition("form-data; name=\"x\"; name=\"model\""), NotMultipart),
            (disposition("form-data; filename=\"a\\\"; name=\"model\""), NotMultipart),
            (disposition("form-data; name*=utf-8''model"), NotMultipart),
            (disposition("form-data; name=\"model"), NotMultipart),
            (disposition("form-data; name =\"model\""), NotMultipart),
            (disposition("form-data"), NotMultipart),
            (disposition("attachment; name=\"model\""), NotMultipart),
            (format!("Content-Disposition: form-data; name=\"x\"\r\n{MODEL}"), NotMultipart),
            (format!("Content-Disposition : form-data; name=\"x\"\r\n{MODEL}"), NotMultipart),
            ("Content-Disposition: form-data;\r\n name=\"model\"\r\n\r\nm".to_owned(), NotMultipart),
            ("Content-Disposition: form-data; name=\"model\"\n\nm".to_owned(), NotMultipart),
            ("\r\nm".to_owned(), NotMultipart),
            (hidden, NotMultipart),
            (with_crlf, NotMultipart),
        ] {
            assert_eq!(model(body(&[FILE, &part]).as_bytes(), "b0und"), Err(expected), "{part:?}");
        }
        assert_eq!(model(body(&[MODEL, MODEL]).as_bytes(), "b0und"), Err(Twice));
        let whole = body(&[MODEL]);
        for text in [
            format!("preamble\r\n{whole}"),
            format!("\r\n{whole}"),
            format!("{whole}--b0und\r\n{MODEL}\r\n--b0und--"),
            whole.replace("--b0und--", "--b0und"),
            whole.replace("\r\n", "\n"),
            String::new(),
            "{\"model\":\"m\"}".to_owned(),
        ] {
            assert_eq!(model(text.as_bytes(), "b0und"), Err(NotMultipart), "{text:?}");
        }
        assert_eq!(model(body(&vec![FILE; MAX_PARTS + 1]).as_bytes(), "b0und"), Err(NotMultipart));
    }

    proptest! {
        #[test]
        fn the_search_finds_the_first(text in "[ab-]{0,40}", needle in "[ab-]{1,5}") {
            prop_assert_eq!(Search::new(needle.as_bytes()).find(text.as_bytes()), text.find(&needle));
        }

        #[test]
        fn any_content_leaves_the_model_alone(content in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = b"--b0und\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n".to_vec();
            bytes.extend(&content);
            bytes.extend(format!("\r\n--b0und\r\n{MODEL}\r\n--b0und--\r\n").bytes());
            prop_assert_eq!(model(&bytes, "b0und").unwrap().unwrap(), "whisper-1");
        }
    }
}
