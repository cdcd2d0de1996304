//! How a backend learns who calls: header names, and values that can break nothing on their way.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest identity value in bytes after encoding. Longer group lists keep their first whole entries; any other
/// value that is longer is not sent.
pub const MAX_VALUE_BYTES: usize = 8192;

/// One fact about the caller that a backend can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// The issuer's stable id of the user, or of the key's owner.
    Subject,
    /// The name that a person recognises.
    User,
    /// E-mail address, informational: never an identity.
    Email,
    /// The token's `iss`.
    Issuer,
    /// The public id of the API key.
    KeyId,
    /// The project that pays.
    Project,
    /// The organization of the project.
    Organization,
    /// Groups and roles, comma-separated.
    Groups,
    /// The id of this check, also in log and denial.
    CheckId,
}

impl Fact {
    /// Every fact; each is set or removed on every permit.
    pub const ALL: [Self; 9] = [
        Self::Subject,
        Self::User,
        Self::Email,
        Self::Issuer,
        Self::KeyId,
        Self::Project,
        Self::Organization,
        Self::Groups,
        Self::CheckId,
    ];

    /// The name in dynamic metadata and in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::User => "user",
            Self::Email => "email",
            Self::Issuer => "issuer",
            Self::KeyId => "key_id",
            Self::Project => "project",
            Self::Organization => "organization",
            Self::Groups => "groups",
            Self::CheckId => "check_id",
        }
    }

    const fn default_header(self) -> &'static str {
        match self {
            Self::Subject => "x-tollgate-subject",
            Self::User => "x-tollgate-user",
            Self::Email => "x-tollgate-email",
            Self::Issuer => "x-tollgate-issuer",
            Self::KeyId => "x-tollgate-key-id",
            Self::Project => "x-tollgate-project",
            Self::Organization => "x-tollgate-organization",
            Self::Groups => "x-tollgate-groups",
            Self::CheckId => "x-tollgate-check-id",
        }
    }
}

/// What is known of the models that the caller may use, told under compatibility names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelFact {
    /// Whether the caller may use all models, some, or none.
    Policy,
    /// The names and patterns that the caller may use, comma-separated, unless it is all.
    Allowed,
}

/// What fills a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filling {
    /// A fact about the caller or the check.
    Caller(Fact),
    /// A fact about models.
    Models(ModelFact),
}

/// The header name of each fact, and the compatibility names if they are switched on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeaders {
    names: Vec<(Fact, String)>,
    compatibility: bool,
}

/// Names that older gateways' backends read; see [`IdentityHeaders::with_compatibility`].
const COMPATIBILITY: [(&str, Filling); 5] = [
    ("x-account-id", Filling::Caller(Fact::Subject)),
    ("x-project-id", Filling::Caller(Fact::Project)),
    ("x-api-key-id", Filling::Caller(Fact::KeyId)),
    ("x-model-policy", Filling::Models(ModelFact::Policy)),
    ("x-allowed-models", Filling::Models(ModelFact::Allowed)),
];

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            names: Fact::ALL.iter().map(|fact| (*fact, fact.default_header().to_owned())).collect(),
            compatibility: false,
        }
    }
}

impl IdentityHeaders {
    /// Renames one header. `name` must be a valid header name in lower case.
    pub fn rename(&mut self, fact: Fact, name: &str) {
        for (known, current) in &mut self.names {
            if *known == fact {
                name.clone_into(current);
            }
        }
    }

    /// Also sends the names that backends of older gateways read.
    #[must_use]
    pub const fn with_compatibility(mut self, on: bool) -> Self {
        self.compatibility = on;
        self
    }

    /// The header that carries the check id, also on denials.
    pub fn check_id_header(&self) -> &str {
        self.name(Fact::CheckId)
    }

    /// The header name of a fact.
    pub fn name(&self, fact: Fact) -> &str {
        self.names.iter().find(|(known, _)| *known == fact).map_or(fact.default_header(), |(_, name)| name)
    }

    /// Whether a backend could read this header of a request (name in lower case) as one of ours, though it is not one that is
    /// set: everything below `x-tollgate-`, and every identity header with other separators. Many frameworks fold `-`, `_` and
    /// `.` into one: CGI and WSGI make `HTTP_X_TOLLGATE_USER` of all three.
    pub fn is_alias(&self, name: &str) -> bool {
        let own = name.as_bytes().get(..OWN_PREFIX.len()).is_some_and(|start| folds(start, OWN_PREFIX));
        let known = self.headers().any(|(known, _)| known == name);
        !known && (own || self.headers().any(|(known, _)| folds(name.as_bytes(), known.as_bytes())))
    }

    /// The spellings with `.` in the place of some `-`, for a gateway whose requests are not known with all their headers.
    /// Spellings with `_` are refused by every configuration that the manual gives for such a gateway.
    pub fn dotted(&self) -> Vec<String> {
        self.headers().flat_map(|(name, _)| dotted(name)).collect()
    }

    /// Every header with what fills it. A header that nothing fills is removed.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Filling)> {
        let compatibility = if self.compatibility { COMPATIBILITY.as_slice() } else { &[] };
        let own = self.names.iter().map(|(fact, name)| (name.as_str(), Filling::Caller(*fact)));
        own.chain(compatibility.iter().copied())
    }
}

/// The beginning of every header that only this project sets, whatever the names in the configuration.
const OWN_PREFIX: &[u8] = b"x-tollgate-";
/// Separators of a name that are varied, so 32 spellings at most; those after them stay.
const MAX_VARIED: usize = 5;

/// Whether two names are one but for their separators.
fn folds(name: &[u8], known: &[u8]) -> bool {
    let separates = |byte: u8| matches!(byte, b'-' | b'_' | b'.');
    name.len() == known.len() && name.iter().zip(known).all(|(a, b)| a == b || separates(*a) && separates(*b))
}

/// Every spelling of `name` with at least one `-` as `.`.
fn dotted(name: &str) -> Vec<String> {
    let at: Vec<usize> = name.match_indices('-').map(|(at, _)| at).take(MAX_VARIED).collect();
    let spelling = |choice: usize| {
        let chosen = |here| at.iter().position(|at| *at == here).is_some_and(|nth| choice >> nth & 1 == 1);
        name.char_indices().map(|(here, c)| if chosen(here) { '.' } else { c }).collect()
    };
    (1..1 << at.len()).map(spelling).collect()
}

/// Encodes a value so that nothing raw leaves: printable ASCII stands for itself, except `%`; every other byte is
/// percent-encoded as UTF-8 (`%0D%0A`, `%C3%BC`). Standard percent-decoding gives the value back.
///
/// What needs no encoding, as nearly everything, is borrowed.
pub fn encode(value: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'%';
    if value.bytes().all(plain) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() + 16);
    encode_into(&mut out, value, false);
    Cow::Owned(out)
}

/// Encodes a list, comma-separated; a comma inside an entry is percent-encoded. Entries that would pass
/// [`MAX_VALUE_BYTES`] are left out from the first such entry on: fewer groups can only mean fewer rights.
pub fn encode_list<T: AsRef<str>>(values: &[T]) -> String {
    let mut out = String::new();
    for value in values {
        let value = value.as_ref();
        let before = out.len();
        if before > 0 {
            out.push(',');
        }
        encode_into(&mut out, value, true);
        if out.len() > MAX_VALUE_BYTES {
            out.truncate(before);
            break;
        }
    }
    out
}

fn encode_into(out: &mut String, value: &str, in_list: bool) {
    // Leading and trailing spaces would be trimmed on the way, so they are encoded too.
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        let edge_space = byte == b' ' && (at == 0 || at == last);
        if (b' '..=b'~').contains(&byte) && byte != b'%' && !(in_list && byte == b',') && !edge_space {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn decode(text: &str) -> String {
        let bytes = text.as_bytes();
        let (mut out, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            if bytes[at] == b'%' {
                out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
                at += 3;
            } else {
                out.push(bytes[at]);
                at += 1;
            }
        }
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn encoded_values_are_plain_and_come_back(value in any::<String>()) {
            let encoded = encode(&value);
            prop_assert!(encoded.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert!(!encoded.starts_with(' ') && !encoded.ends_with(' '));
            prop_assert_eq!(decode(&encoded), value);
        }

        #[test]
        fn lists_come_back(values in proptest::collection::vec("\\PC{1,10}", 1..5)) {
            let back: Vec<String> = encode_list(&values).split(',').map(decode).collect();
            prop_assert_eq!(back, values);
        }
    }

    #[test]
    fn long_lists_keep_whole_entries() {
        let groups: Vec<String> = (0..5000).map(|n| format!("group-{n}")).collect();
        let encoded = encode_list(&groups);
        assert!(encoded.len() <= MAX_VALUE_BYTES);
        assert!(encoded.split(',').zip(&groups).all(|(sent, group)| sent == group));
    }

    #[test]
    fn v8_every_other_spelling_of_an_identity_header_is_known() {
        let mut headers = IdentityHeaders::default();
        headers.rename(Fact::Email, "company-mail");
        let others = [
            "x-tollgate-user",
            "company-mail",
            "x-account-id",
            "x-api-key",
            "authorization",
            "",
            "x-tollgat\u{e9}-",
        ];
        for name in others {
            assert!(!headers.is_alias(name), "{name}");
        }
        for name in
            ["x.tollgate.user", "x_tollgate-user", "x-tollgate_key.id", "x-tollgate-anything", "company.mail"]
        {
            assert!(headers.is_alias(name), "{name}");
        }
        assert!(headers.is_alias("x-tollgate-email"), "renamed, so that nobody sets the old name");
        let headers = headers.with_compatibility(true);
        for name in ["x.account.id", "x-account_id", "x_api-key.id", "x.model-policy", "x-allowed.models"] {
            assert!(headers.is_alias(name), "{name}");
        }
        assert!(!headers.is_alias("x-account-id"));
        let dotted = headers.dotted();
        for name in ["x.tollgate.user", "x-tollgate.user", "x.tollgate-user", "x.api.key.id", "company.mail"]
        {
            assert!(dotted.iter().any(|other| other == name), "{name}: {dotted:?}");
        }
        assert!(dotted.iter().all(|name| headers.is_alias(name)), "{dotted:?}");
    }

    proptest! {
        #[test]
        fn v8_whatever_separators_are_used(separators in "[-_.]{3}", which in 0..9_usize) {
            let headers = IdentityHeaders::default();
            let name = headers.name(Fact::ALL[which]).to_owned();
            let mut separators = separators.chars();
            let other: String = name.chars().map(|c| if c == '-' { separators.next().unwrap() } else { c }).collect();
            prop_assert_eq!(headers.is_alias(&other), other != name);
        }
    }

    #[test]
    fn every_fact_has_its_own_header() {
        let headers = IdentityHeaders::default();
        let names: std::collections::HashSet<_> = headers.headers().map(|(name, _)| name).collect();
        assert_eq!(names.len(), Fact::ALL.len());
    }
}
