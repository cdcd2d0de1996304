//! JSON without second readings: no duplicate members at any depth, no trailing bytes, bounded depth and size.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::fault::TokenFault;

/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 32;
/// The most members and elements of one document, all levels together.
pub const MAX_NODES: usize = 20_000;

const DUPLICATE: &str = "tollgate: duplicate member";
const EXCESSIVE: &str = "tollgate: excessive";

/// Reads one JSON object.
///
/// # Errors
/// [`TokenFault::Json`], [`TokenFault::DuplicateMember`] or [`TokenFault::Excessive`], naming `part`.
pub fn object(bytes: &[u8], part: &'static str) -> Result<Map<String, Value>, TokenFault> {
    let mut nodes = MAX_NODES;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Strict { depth: MAX_DEPTH, nodes: &mut nodes }.deserialize(&mut reader);
    match read.and_then(|value| reader.end().map(|()| value)) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(TokenFault::Json(part)),
        Err(error) => {
            let text = error.to_string();
            Err(if text.starts_with(DUPLICATE) {
                TokenFault::DuplicateMember(part)
            } else if text.starts_with(EXCESSIVE) {
                TokenFault::Excessive(part)
            } else {
                TokenFault::Json(part)
            })
        }
    }
}

struct Strict<'n> {
    depth: usize,
    nodes: &'n mut usize,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(&mut self) -> Result<Strict<'_>, E> {
        match (self.depth.checked_sub(1), self.nodes.checked_sub(1)) {
            (Some(depth), Some(nodes)) => {
                *self.nodes = nodes;
                Ok(Strict { depth, nodes: self.nodes })
            }
            _ => Err(E::custom(EXCESSIVE)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self.deeper()?)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(self.deeper()?)?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reading_or_none() {
        let json = Err(TokenFault::Json("p"));
        let duplicate = Err(TokenFault::DuplicateMember("p"));
        let table: &[(&str, Result<(), TokenFault>)] = &[
            ("{}", Ok(())),
            (" {\"a\" : [1, -2, 3.5, null, true, \"\u{fc}\"] }\n", Ok(())),
            ("[]", json.clone()),
            ("1", json.clone()),
            ("null", json.clone()),
            ("", json.clone()),
            ("{}{}", json.clone()),
            ("{} x", json.clone()),
            ("\u{feff}{}", json.clone()),
            ("{\"a\":1,}", json.clone()),
            ("{\"a\":NaN}", json.clone()),
            ("{\"a\":1e400}", json.clone()),
            ("{\"a\":01}", json.clone()),
            ("{\"a\":\"\\ud800\"}", json),
            ("{\"a\":1,\"a\":1}", duplicate.clone()),
            ("{\"sub\":1,\"\\u0073ub\":2}", duplicate.clone()),
            ("{\"x\":[{\"a\":1,\"a\":2}]}", duplicate),
        ];
        for (text, expected) in table {
            assert_eq!(object(text.as_bytes(), "p").map(drop), *expected, "{text}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}", "p"), Err(TokenFault::Json("p")));
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(object(nested(MAX_DEPTH - 1).as_bytes(), "p").is_ok());
        for deep in [MAX_DEPTH, 127, 128, 1000, 100_000] {
            assert!(object(nested(deep).as_bytes(), "p").is_err(), "{deep}");
        }
        let wide = format!("{{\"a\":[{}]}}", vec!["0"; MAX_NODES + 1].join(","));
        assert_eq!(object(wide.as_bytes(), "p"), Err(TokenFault::Excessive("p")));
    }
}
