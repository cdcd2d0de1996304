//! Where a credential is looked for, and which one counts. The rule is total: every combination of headers has
//! exactly one answer, and nothing falls through from one kind of credential to another.

use crate::apikey::{self, PlainKey};
use crate::denial::{Denial, DenialCode};
use crate::headers::Headers;
use crate::jwt;

/// What the caller presented: well-formed, not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// A compact JSON Web Signature, by its shape.
    Jwt(Token<'a>),
    /// A self-service API key, by its prefix and checksum.
    Key(PlainKey<'a>),
}

/// The text of a token. Its `Debug` never shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token<'a>(&'a str);

impl<'a> Token<'a> {
    /// The whole compact text. A secret: not for logs.
    pub const fn reveal(self) -> &'a str {
        self.0
    }
}

impl std::fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({} bytes)", self.0.len())
    }
}

/// One header in which a credential may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialHeader {
    /// The header's name in lower case.
    pub name: String,
    /// How the value is written.
    pub form: CredentialForm,
}

/// How a credential is written in its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialForm {
    /// `Bearer <credential>`, the scheme in any letter case (RFC 6750 section 2.1, RFC 9110 section 11.1).
    Bearer,
    /// The credential alone.
    Bare,
}

impl CredentialHeader {
    /// The places of the design: the standard header and those of the Anthropic, Azure and Gemini SDKs.
    pub fn defaults() -> Vec<Self> {
        let bare = |name: &str| Self { name: name.into(), form: CredentialForm::Bare };
        vec![
            Self { name: "authorization".into(), form: CredentialForm::Bearer },
            bare("x-api-key"),
            bare("api-key"),
            bare("x-goog-api-key"),
        ]
    }
}

/// Finds the one credential of a request.
///
/// - none anywhere → `Ok(None)`
/// - exactly one, or the same value in several places → that one
/// - two that differ, two lines of one header, a comma or a second scheme in one header → `credential_ambiguous`
/// - a value that is neither key nor token → `credential_malformed`
///
/// `query_parameter` is the one parameter in which this route allows a credential. Anywhere else in the query a key is
/// refused, because URLs end up in logs.
///
/// # Errors
/// The denial that the caller deserves, once a credential is needed at all.
pub fn find<'a>(
    headers: &Headers<'a>,
    query: Option<&'a str>,
    places: &[CredentialHeader],
    query_parameter: Option<&str>,
) -> Result<Option<Credential<'a>>, Denial> {
    let mut found: Option<&'a str> = None;
    let mut foreign_scheme = false;
    for place in places {
        let mut lines = headers.all(&place.name);
        let Some(line) = lines.next() else { continue };
        if lines.next().is_some() {
            return Err(ambiguous("one header carries two lines"));
        }
        match read_line(line, place.form)? {
            Line::Empty => {}
            Line::ForeignScheme => foreign_scheme = true,
            Line::Value(value) => take(&mut found, value)?,
        }
    }
    for (name, value) in query.into_iter().flat_map(parameters) {
        if query_parameter == Some(name) && !value.is_empty() {
            take(&mut found, value)?;
        } else if apikey::claims_to_be_a_key(value) {
            return Err(malformed("a key stands in the query string, and this route does not allow it"));
        }
    }
    match found {
        Some(_) if foreign_scheme => Err(ambiguous("a second header carries another scheme")),
        Some(value) => classify(value).map(Some),
        None => Ok(None),
    }
}

/// What the text of a credential is: a key by its prefix and checksum, else a token by its shape. Nothing falls through
/// from one to the other.
///
/// # Errors
/// It is neither.
pub fn classify(value: &str) -> Result<Credential<'_>, Denial> {
    if apikey::claims_to_be_a_key(value) {
        return PlainKey::parse(value)
            .map(Credential::Key)
            .ok_or_else(|| malformed("the key's length, alphabet or checksum is wrong"));
    }
    if jwt::looks_like_jwt(value) {
        return Ok(Credential::Jwt(Token(value)));
    }
    Err(malformed("the credential is neither a key nor a token"))
}

enum Line<'a> {
    Empty,
    ForeignScheme,
    Value(&'a str),
}

fn read_line(line: &[u8], form: CredentialForm) -> Result<Line<'_>, Denial> {
    let text = std::str::from_utf8(line).map_err(|_| malformed("the credential header is not text"))?;
    if text.trim_ascii().is_empty() {
        return Ok(Line::Empty);
    }
    if text.contains(',') {
        return Err(ambiguous("the credential header carries a comma"));
    }
    let value = match form {
        CredentialForm::Bare => text,
        CredentialForm::Bearer => {
            let scheme = text.split([' ', '\t']).next().unwrap_or_default();
            if !scheme.eq_ignore_ascii_case("bearer") {
                return Ok(Line::ForeignScheme);
            }
            let rest = &text[scheme.len()..];
            if rest.trim_ascii().is_empty() {
                return Ok(Line::Empty);
            }
            // Exactly one space: more is not what RFC 6750 writes, and tolerance here is a parser differential.
            rest.strip_prefix(' ').ok_or_else(|| malformed("the scheme is not followed by one space"))?
        }
    };
    if value.bytes().any(|b| b.is_ascii_whitespace()) {
        let second_scheme = value.split_ascii_whitespace().skip(1).any(|w| w.eq_ignore_ascii_case("bearer"));
        return Err(if second_scheme {
            ambiguous("the credential header carries a second scheme")
        } else {
            malformed("the credential has white space in it")
        });
    }
    Ok(Line::Value(value))
}

fn take<'a>(found: &mut Option<&'a str>, value: &'a str) -> Result<(), Denial> {
    match found {
        Some(first) if *first != value => Err(ambiguous("two places carry different credentials")),
        _ => {
            *found = Some(value);
            Ok(())
        }
    }
}

/// Raw name and value pairs; nothing is decoded, since neither keys nor tokens need an escape.
fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn malformed(reason: &'static str) -> Denial {
    Denial::new(DenialCode::CredentialMalformed, reason)
}

fn ambiguous(reason: &'static str) -> Denial {
    Denial::new(DenialCode::CredentialAmbiguous, reason)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    const JWT: &str = "aa.bb.cc";
    const OTHER: &str = "aa.bb.dd";

    fn key() -> String {
        let body = format!("tgk_{}_{}", "0".repeat(22), "x".repeat(43));
        let checksum = apikey::checksum_of(body.as_bytes());
        format!("{body}{}", std::str::from_utf8(&checksum).unwrap())
    }

    fn verdict(lines: &[(&str, &str)], query: Option<&str>) -> &'static str {
        let mut headers = Headers::default();
        for (name, value) in lines {
            headers.push(name, value.as_bytes());
        }
        match find(&headers, query, &CredentialHeader::defaults(), Some("key")) {
            Ok(None) => "none",
            Ok(Some(Credential::Jwt(_))) => "jwt",
            Ok(Some(Credential::Key(_))) => "key",
            Err(denial) => denial.code().as_str(),
        }
    }

    #[test]
    fn one_header() {
        let key = key();
        let table: &[(&[(&str, &str)], &str)] = &[
            (&[], "none"),
            (&[("authorization", "")], "none"),
            (&[("authorization", "Bearer")], "none"),
            (&[("authorization", "Bearer   ")], "none"),
            (&[("authorization", "Basic dTpw")], "none"),
            (&[("authorization", "Negotiate x")], "none"),
            (&[("authorization", "Bearer aa.bb.cc")], "jwt"),
            (&[("Authorization", "bEARER aa.bb.cc")], "jwt"),
            (&[("x-api-key", JWT)], "jwt"),
            (&[("authorization", "Bearer\taa.bb.cc")], "credential_malformed"),
            (&[("authorization", "Bearer  aa.bb.cc")], "credential_malformed"),
            (&[("authorization", "Bearer aa.bb.cc ")], "credential_malformed"),
            (&[("authorization", "Bearer aa.bb.cc Bearer aa.bb.dd")], "credential_ambiguous"),
            (&[("authorization", "Bearer aa.bb.cc,Bearer aa.bb.dd")], "credential_ambiguous"),
            (
                &[("authorization", "Bearer aa.bb.cc"), ("authorization", "Bearer aa.bb.cc")],
                "credential_ambiguous",
            ),
            (&[("authorization", "Bearer \"aa.bb.cc\"")], "credential_malformed"),
            (&[("authorization", "Bearer aa.bb")], "credential_malformed"),
            (&[("authorization", "Bearer ..")], "credential_malformed"),
            (&[("authorization", "Bearer aa.bb.cc.dd")], "credential_malformed"),
            (&[("authorization", "Bearer aa.bb.c!")], "credential_malformed"),
            (&[("authorization", "Bearer a\u{200b}a.bb.cc")], "credential_malformed"),
            (&[("x-api-key", "Bearer aa.bb.cc")], "credential_malformed"),
            (&[("x-api-key", &key)], "key"),
            (&[("x-api-key", &key[..key.len() - 1])], "credential_malformed"),
            (&[("x-api-key", "tgk_aa.bb.cc")], "credential_malformed"),
            (&[("x-api-key", "sk-something-else")], "credential_malformed"),
            (&[("x-api-key", "tgk_' OR '1'='1")], "credential_malformed"),
        ];
        for (lines, expected) in table {
            assert_eq!(verdict(lines, None), *expected, "{lines:?}");
        }
    }

    #[test]
    fn query_strings() {
        let key = key();
        let header = [("x-api-key", key.as_str())];
        assert_eq!(verdict(&[], Some(&format!("key={key}"))), "key");
        assert_eq!(verdict(&header, Some(&format!("key={key}"))), "key");
        assert_eq!(verdict(&[], Some(&format!("api_key={key}"))), "credential_malformed");
        assert_eq!(verdict(&header, Some(&format!("x=1&api_key={key}"))), "credential_malformed");
        assert_eq!(verdict(&[], Some("access_token=aa.bb.cc")), "none");
        assert_eq!(verdict(&header, Some("key=aa.bb.cc")), "credential_ambiguous");
        assert_eq!(verdict(&header, Some("key=")), "key");
    }

    #[test]
    fn not_text() {
        let mut headers = Headers::default();
        headers.push("authorization", b"Bearer a\xffa.bb.cc");
        let denial = find(&headers, None, &CredentialHeader::defaults(), None).unwrap_err();
        assert_eq!(denial.code(), DenialCode::CredentialMalformed);
    }

    /// The precedence rule written a second time, as a specification over sets of values.
    fn expected(values: &[Option<&str>]) -> &'static str {
        let mut distinct: Vec<&str> = values.iter().flatten().copied().collect();
        distinct.sort_unstable();
        distinct.dedup();
        match distinct.as_slice() {
            [] => "none",
            [one] if *one == JWT || *one == OTHER => "jwt",
            [one] if one.starts_with("tgk_") && one.len() == apikey::KEY_LEN => "key",
            [_] => "credential_malformed",
            _ => "credential_ambiguous",
        }
    }

    proptest! {
        #[test]
        fn precedence_over_all_combinations(picks in proptest::array::uniform4(0..5_usize)) {
            let key = key();
            let choices = [None, Some(JWT), Some(OTHER), Some(key.as_str()), Some("garbage")];
            let names = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];
            let bearer: Vec<String> = choices.iter().map(|c| format!("Bearer {}", c.unwrap_or_default())).collect();
            let mut lines = Vec::new();
            let mut values = Vec::new();
            for (at, (pick, name)) in picks.iter().zip(names).enumerate() {
                values.push(choices[*pick]);
                if let Some(value) = choices[*pick] {
                    lines.push((name, if at == 0 { bearer[*pick].as_str() } else { value }));
                }
            }
            prop_assert_eq!(verdict(&lines, None), expected(&values));
        }

        #[test]
        fn any_bytes_are_answered(a in proptest::collection::vec(any::<u8>(), 0..40), b in "\\PC{0,40}") {
            let mut headers = Headers::default();
            headers.push("authorization", &a);
            headers.push("x-api-key", b.as_bytes());
            let _ = find(&headers, Some(&b), &CredentialHeader::defaults(), None);
        }
    }
}
