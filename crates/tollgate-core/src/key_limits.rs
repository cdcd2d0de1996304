//! The JSON form of what a key is narrowed to beside models, and the bounds of what people write on a key: its name, tags
//! and metadata. Each form is typed, so that no missing value and no empty list can mean "everything".

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::{SerializeSeq as _, Serializer};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::caller::{AddressList, RouteScope};

/// Routes in one list at most.
pub const MAX_ROUTES: usize = 64;
/// Networks in one list at most.
pub const MAX_NETWORKS: usize = 64;
/// Characters of a key's name at most.
pub const MAX_NAME_CHARS: usize = 100;
/// Tags of one key at most.
pub const MAX_TAGS: usize = 20;
/// Bytes of one tag at most.
pub const MAX_TAG_BYTES: usize = 64;
/// Entries of a key's metadata at most.
pub const MAX_METADATA: usize = 32;
/// Bytes of a metadata entry's name at most.
pub const MAX_METADATA_NAME_BYTES: usize = 64;
/// Characters of a metadata entry's value at most.
pub const MAX_METADATA_VALUE_CHARS: usize = 500;

/// A name that people gave to something: one line, not blank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyName(String);

/// Short words by which keys are found and revoked together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Tags(Vec<String>);

/// What a key's owner wants to remember about it: names and texts, never judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Metadata(BTreeMap<String, String>);

/// Why what somebody wrote on a key was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyTextError {
    /// Blank, too long, or with control characters.
    #[error("a name has 1 to {MAX_NAME_CHARS} characters on one line, not all of them blanks")]
    Name,
    /// A tag that is none.
    #[error("'{0}' is not a tag: 1 to {MAX_TAG_BYTES} of a-z, 0-9 and . _ : / = @ -")]
    Tag(String),
    /// The same tag twice.
    #[error("the tag '{0}' stands in the list twice")]
    TagTwice(String),
    /// More than [`MAX_TAGS`].
    #[error("a key has at most {MAX_TAGS} tags")]
    TooManyTags,
    /// More than [`MAX_METADATA`].
    #[error("metadata has at most {MAX_METADATA} entries")]
    TooMuchMetadata,
    /// The name of an entry.
    #[error(
        "'{0}' is not a name in metadata: 1 to {MAX_METADATA_NAME_BYTES} of A-Z, a-z, 0-9 and . _ : / @ -"
    )]
    MetadataName(String),
    /// The value of an entry.
    #[error(
        "the value of '{0}' in metadata has at most {MAX_METADATA_VALUE_CHARS} characters and no control characters"
    )]
    MetadataValue(String),
    /// An empty list of routes could be read as "all" or as "none".
    #[error("a list of routes must not be empty; write \"all\"")]
    NoRoutes,
    /// More than [`MAX_ROUTES`].
    #[error("a list of routes has at most {MAX_ROUTES} entries")]
    TooManyRoutes,
    /// Blank or too long for a route's name.
    #[error("'{0}' is not the name of a route")]
    Route(String),
    /// The same route twice.
    #[error("the route '{0}' stands in the list twice")]
    RouteTwice(String),
    /// An empty list of networks could be read as "any" or as "none".
    #[error("a list of addresses must not be empty; write \"any\"")]
    NoNetworks,
    /// More than [`MAX_NETWORKS`].
    #[error("a list of addresses has at most {MAX_NETWORKS} entries")]
    TooManyNetworks,
    /// Neither an address nor a network.
    #[error("'{0}' is not an address or network such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32")]
    Network(String),
    /// Bits beyond the mask: one of the two is a mistake.
    #[error("'{0}' has bits beyond its mask; write {1}")]
    NetworkBits(String, IpNet),
    /// Clients at such addresses are known by their IPv4 address.
    #[error("'{0}' is an IPv4 network in IPv6 form; write it as IPv4")]
    NetworkMapped(String),
    /// The same network twice.
    #[error("the network {0} stands in the list twice")]
    NetworkTwice(IpNet),
}

impl KeyName {
    /// A name; blanks around it are cut off.
    ///
    /// # Errors
    /// [`KeyTextError::Name`].
    pub fn new(text: &str) -> Result<Self, KeyTextError> {
        let name = text.trim();
        let fits = !name.is_empty() && name.chars().count() <= MAX_NAME_CHARS;
        if !fits || name.chars().any(|c| c.is_control() || is_format_control(c)) {
            return Err(KeyTextError::Name);
        }
        Ok(Self(name.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that reorder or break lines and so could make one name look like another.
const fn is_format_control(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

impl Tags {
    /// These tags.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn new(tags: Vec<String>) -> Result<Self, KeyTextError> {
        if tags.len() > MAX_TAGS {
            return Err(KeyTextError::TooManyTags);
        }
        for (at, tag) in tags.iter().enumerate() {
            if !is_tag(tag) {
                return Err(KeyTextError::Tag(shortened(tag)));
            }
            if tags[..at].contains(tag) {
                return Err(KeyTextError::TagTwice(tag.clone()));
            }
        }
        Ok(Self(tags))
    }

    /// As they were written.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// Whether this text could be a tag. Quotes and backslashes are none, so that a tag is the same text in JSON.
pub fn is_tag(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._:/=@-".contains(&b);
    (1..=MAX_TAG_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

impl Metadata {
    /// These entries.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn new(entries: BTreeMap<String, String>) -> Result<Self, KeyTextError> {
        if entries.len() > MAX_METADATA {
            return Err(KeyTextError::TooMuchMetadata);
        }
        for (name, value) in &entries {
            let named = |b: u8| b.is_ascii_alphanumeric() || b"._:/@-".contains(&b);
            if !(1..=MAX_METADATA_NAME_BYTES).contains(&name.len()) || !name.bytes().all(named) {
                return Err(KeyTextError::MetadataName(shortened(name)));
            }
            if value.chars().count() > MAX_METADATA_VALUE_CHARS || value.chars().any(char::is_control) {
                return Err(KeyTextError::MetadataValue(name.clone()));
            }
        }
        Ok(Self(entries))
    }

    /// The entries, by name.
    pub const fn entries(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl RouteScope {
    /// Only these routes. Whether there are such routes is the configuration's to say.
    ///
    /// # Errors
    /// What is wrong with the list.
    pub fn only(names: Vec<String>) -> Result<Self, KeyTextError> {
        if names.is_empty() {
            return Err(KeyTextError::NoRoutes);
        }
        if names.len() > MAX_ROUTES {
            return Err(KeyTextError::TooManyRoutes);
        }
        for (at, name) in names.iter().enumerate() {
            if name.trim().is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
                return Err(KeyTextError::Route(shortened(name)));
            }
            if names[..at].contains(name) {
                return Err(KeyTextError::RouteTwice(name.clone()));
            }
        }
        Ok(Self::Only(names))
    }
}

impl AddressList {
    /// Only these addresses and networks.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn only(texts: &[String]) -> Result<Self, KeyTextError> {
        if texts.is_empty() {
            return Err(KeyTextError::NoNetworks);
        }
        if texts.len() > MAX_NETWORKS {
            return Err(KeyTextError::TooManyNetworks);
        }
        let mut networks = Vec::with_capacity(texts.len());
        for text in texts {
            let network = network(text)?;
            if networks.contains(&network) {
                return Err(KeyTextError::NetworkTwice(network));
            }
            networks.push(network);
        }
        Ok(Self::Only(networks))
    }
}

fn network(text: &str) -> Result<IpNet, KeyTextError> {
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| KeyTextError::Network(shortened(text)))?;
    if network.trunc() != network {
        return Err(KeyTextError::NetworkBits(text.to_owned(), network.trunc()));
    }
    if network.prefix_len() >= 96 && network.network().to_canonical() != network.network() {
        return Err(KeyTextError::NetworkMapped(text.to_owned()));
    }
    Ok(network)
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

impl TryFrom<String> for KeyName {
    type Error = KeyTextError;

    fn try_from(text: String) -> Result<Self, KeyTextError> {
        Self::new(&text)
    }
}

impl From<KeyName> for String {
    fn from(name: KeyName) -> Self {
        name.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<Vec<String>> for Tags {
    type Error = KeyTextError;

    fn try_from(tags: Vec<String>) -> Result<Self, KeyTextError> {
        Self::new(tags)
    }
}

impl From<Tags> for Vec<String> {
    fn from(tags: Tags) -> Self {
        tags.0
    }
}

impl TryFrom<BTreeMap<String, String>> for Metadata {
    type Error = KeyTextError;

    fn try_from(entries: BTreeMap<String, String>) -> Result<Self, KeyTextError> {
        Self::new(entries)
    }
}

impl From<Metadata> for BTreeMap<String, String> {
    fn from(metadata: Metadata) -> Self {
        metadata.0
    }
}

impl Serialize for RouteScope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::Only(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RouteScope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = WordOrList {
            word: "all",
            expecting: "\"all\" or a non-empty list of route names",
            max: MAX_ROUTES,
        };
        match deserializer.deserialize_any(form)? {
            None => Ok(Self::All),
            Some(names) => Self::only(names).map_err(de::Error::custom),
        }
    }
}

impl Serialize for AddressList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("any"),
            Self::Only(networks) => {
                let mut seq = serializer.serialize_seq(Some(networks.len()))?;
                for network in networks {
                    seq.serialize_element(&network.to_string())?;
                }
                seq.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for AddressList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expecting = "\"any\" or a non-empty list of addresses and networks";
        match deserializer.deserialize_any(WordOrList { word: "any", expecting, max: MAX_NETWORKS })? {
            None => Ok(Self::Any),
            Some(texts) => Self::only(&texts).map_err(de::Error::custom),
        }
    }
}

/// Reads one word as `None`, or a list of texts of which it keeps one more than the bound at most.
struct WordOrList {
    word: &'static str,
    expecting: &'static str,
    max: usize,
}

impl<'de> Visitor<'de> for WordOrList {
    type Value = Option<Vec<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == self.word { Ok(None) } else { Err(E::invalid_value(de::Unexpected::Str(text), &self)) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element::<String>()? {
            if texts.len() <= self.max {
                texts.push(text);
            }
        }
        Ok(Some(texts))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde::de::DeserializeOwned;

    use super::*;

    fn reads<T: DeserializeOwned>(json: &str) -> Result<T, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    /// Reads each and writes it again as it was; then refuses each with the words that say what is wrong.
    fn table<T: DeserializeOwned + Serialize>(good: &[&str], bad: &[(&str, &str)]) {
        for json in good {
            let value: T = reads(json).unwrap();
            assert_eq!(serde_json::to_string(&value).unwrap(), *json);
        }
        for (json, words) in bad {
            let error = reads::<T>(json).err().unwrap_or_default();
            assert!(error.contains(words), "{json}: {error}");
        }
    }

    #[test]
    fn routes() {
        let many = serde_json::to_string(&(0..65).map(|n| n.to_string()).collect::<Vec<_>>()).unwrap();
        table::<RouteScope>(
            &["\"all\"", "[\"chat\",\"models\"]"],
            &[
                ("[]", "must not be empty"),
                ("null", "\"all\" or a non-empty list"),
                ("\"ALL\"", "\"all\" or a non-empty list"),
                ("{}", "\"all\" or a non-empty list"),
                ("[\"a\",\"a\"]", "twice"),
                ("[\" \"]", "not the name of a route"),
                (many.as_str(), "at most 64"),
            ],
        );
    }

    #[test]
    fn addresses() {
        table::<AddressList>(
            &["\"any\"", "[\"10.0.0.0/8\",\"192.0.2.7/32\",\"2001:db8::/32\"]"],
            &[
                ("[]", "must not be empty"),
                ("[\"10.0.0.1/8\"]", "write 10.0.0.0/8"),
                ("[\"::ffff:10.0.0.1\"]", "write it as IPv4"),
                ("[\"10.0.0.1\",\"10.0.0.1/32\"]", "twice"),
                ("[\"localhost\"]", "not an address"),
                ("[\"10.0.0.0/33\"]", "not an address"),
                ("\"all\"", "\"any\" or a non-empty list"),
                ("[1]", "string"),
            ],
        );
        assert_eq!(reads("[\"192.0.2.7\"]"), reads::<AddressList>("[\"192.0.2.7/32\"]"));
    }

    #[test]
    fn what_people_write() {
        table::<KeyName>(
            &["\"CI of the billing team\"", "\"schlüssel\""],
            &[
                ("\"\"", "1 to 100"),
                ("\"  \"", "1 to 100"),
                ("\"a\\nb\"", "one line"),
                ("\"a\\u202eb\"", "one line"),
                ("1", "string"),
            ],
        );
        assert_eq!(reads::<KeyName>("\" a \"").unwrap().as_str(), "a");
        assert!(KeyName::new(&"é".repeat(100)).is_ok() && KeyName::new(&"é".repeat(101)).is_err());
        table::<Tags>(
            &["[]", "[\"ci\",\"team:billing\"]"],
            &[
                ("[\"CI\"]", "not a tag"),
                ("[\"a\\\"b\"]", "not a tag"),
                ("[\"a\",\"a\"]", "twice"),
                ("[\"\"]", "not a tag"),
                ("\"ci\"", "sequence"),
            ],
        );
        table::<Metadata>(
            &["{}", "{\"owner\":\"Zoë\",\"ticket\":\"OPS-7\"}"],
            &[("{\"a b\":\"\"}", "not a name"), ("{\"a\":1}", "string"), ("{\"a\":\"\\u0000\"}", "control")],
        );
    }
}
