//! Values that several endpoints take or give: moments, ids in paths, fields that are given or left alone, and the OpenAPI
//! schemas of forms that are a word or a list.

use axum::extract::{FromRequestParts, Path, RawPathParams};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::json;
use tollgate_core::key_limits::{
    MAX_METADATA, MAX_METADATA_VALUE_CHARS, MAX_NAME_CHARS, MAX_NETWORKS, MAX_ROUTES, MAX_TAGS,
};
use tollgate_core::models::{MAX_PATTERN_BYTES, MAX_PATTERNS};
use tollgate_core::time::Timestamp;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::Portal;
use super::problem::Problem;

/// A moment: RFC 3339, written in UTC with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl Moment {
    /// From its text.
    pub fn parse(text: &str) -> Option<Self> {
        let moment: jiff::Timestamp = text.parse().ok()?;
        Some(Self(Timestamp::from_millis(moment.as_millisecond())))
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let moment = jiff::Timestamp::from_millisecond(self.0.as_millis()).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{moment:.3}")
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom("must be a moment such as 2030-01-31T12:00:00Z (RFC 3339)"))
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        moment().into()
    }
}

impl ToSchema for Moment {}

/// When a key ends: `"never"`, or a moment. Null is refused: it could mean either that or the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It does not end by itself.
    Never,
    /// At this moment.
    At(Timestamp),
}

impl<'de> Deserialize<'de> for Expiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = "must be \"never\" or a moment such as 2030-01-31T12:00:00Z (RFC 3339)";
        let text = Option::<String>::deserialize(deserializer)?.ok_or_else(|| de::Error::custom(wrong))?;
        if text == "never" {
            return Ok(Self::Never);
        }
        Moment::parse(&text).map(|moment| Self::At(moment.0)).ok_or_else(|| de::Error::custom(wrong))
    }
}

/// A field that may be left out, and that null does not leave out.
///
/// # Errors
/// What the field's own form says.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Ids in the path. One that is not even text is unknown.
#[derive(Clone, Copy, Debug)]
pub struct Ids<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Portal> for Ids<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Problem> {
        let raw = RawPathParams::from_request_parts(parts, portal).await.map_err(|_| Problem::not_found())?;
        // No id has such a character, and Postgres has no text with NUL in it.
        if raw.iter().any(|(_, value)| value.chars().any(char::is_control)) {
            return Err(Problem::not_found());
        }
        let path = Path::<T>::from_request_parts(parts, portal).await;
        path.map(|Path(ids)| Self(ids)).map_err(|_| Problem::not_found())
    }
}

fn moment() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples([json!("2030-01-31T12:00:00.000Z")])
}

fn word(words: &[&str]) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.iter().copied()))
}

fn list(item: ObjectBuilder, max: usize) -> ArrayBuilder {
    ArrayBuilder::new()
        .items(RefOr::T(Schema::from(item)))
        .min_items(Some(1))
        .max_items(Some(max))
        .unique_items(true)
}

/// `"all"`, `"none"`, or a non-empty list of model names and patterns.
pub fn models_schema() -> Schema {
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^[!-~]+$"));
    let name = name.min_length(Some(1)).max_length(Some(MAX_PATTERN_BYTES));
    OneOfBuilder::new()
        .description(Some(
            "The models that may be used: all, none, or names in which * stands for any characters.",
        ))
        .item(RefOr::T(Schema::from(word(&["all", "none"]))))
        .item(RefOr::T(Schema::from(list(name, MAX_PATTERNS))))
        .examples([json!("all"), json!(["gpt-4o", "claude-*"])])
        .into()
}

/// `"all"`, or a non-empty list of route names.
pub fn routes_schema() -> Schema {
    let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(256));
    OneOfBuilder::new()
        .description(Some(
            "The gateway routes that may be used: all, or names from Tollgate's configuration.",
        ))
        .item(RefOr::T(Schema::from(word(&["all"]))))
        .item(RefOr::T(Schema::from(list(name, MAX_ROUTES))))
        .examples([json!("all"), json!(["chat"])])
        .into()
}

/// `"any"`, or a non-empty list of addresses and networks.
pub fn addresses_schema() -> Schema {
    let network =
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::Custom("cidr".into())));
    OneOfBuilder::new()
        .description(Some("Where the key may be used from: any address, or these addresses and networks."))
        .item(RefOr::T(Schema::from(word(&["any"]))))
        .item(RefOr::T(Schema::from(list(network, MAX_NETWORKS))))
        .examples([json!("any"), json!(["192.0.2.0/24", "2001:db8::/32"])])
        .into()
}

/// `"never"`, or a moment.
pub fn expiry_schema() -> Schema {
    OneOfBuilder::new()
        .description(Some("When it ends by itself."))
        .item(RefOr::T(Schema::from(word(&["never"]))))
        .item(RefOr::T(Schema::from(moment())))
        .into()
}

/// A name that people gave.
pub fn name_schema() -> Schema {
    let name =
        ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(MAX_NAME_CHARS));
    name.description(Some("One line, not blank.")).examples([json!("CI of the billing team")]).into()
}

/// Tags.
pub fn tags_schema() -> Schema {
    let tag = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[a-z0-9._:/=@-]{1,64}$"));
    ArrayBuilder::new()
        .items(RefOr::T(Schema::from(tag)))
        .max_items(Some(MAX_TAGS))
        .unique_items(true)
        .description(Some("Words by which keys are found and revoked together."))
        .examples([json!(["ci", "team:billing"])])
        .into()
}

/// Metadata.
pub fn metadata_schema() -> Schema {
    let value = ObjectBuilder::new().schema_type(Type::String).max_length(Some(MAX_METADATA_VALUE_CHARS));
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9._:/@-]{1,64}$"));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(Schema::from(name)))
        .additional_properties(Some(RefOr::T(Schema::from(value))))
        .max_properties(Some(MAX_METADATA))
        .description(Some("What you want to remember about it; never judged."))
        .examples([json!({"ticket": "OPS-7"})])
        .into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn moments_come_back_in_utc_with_milliseconds() {
        for (text, shown) in [
            ("2030-01-31T12:00:00Z", "2030-01-31T12:00:00.000Z"),
            ("2030-01-31T12:00:00.1234+02:00", "2030-01-31T10:00:00.123Z"),
        ] {
            assert_eq!(Moment::parse(text).unwrap().to_string(), shown);
        }
        for bad in ["", "2030-01-31", "2030-02-30T00:00:00Z", "tomorrow", "1893456000"] {
            assert_eq!(Moment::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_expiry_is_a_word_or_a_moment_and_never_null() {
        let read = serde_json::from_str::<Expiry>;
        assert_eq!(read("\"never\"").unwrap(), Expiry::Never);
        assert_eq!(read("\"1970-01-01T00:00:01Z\"").unwrap(), Expiry::At(Timestamp::from_secs(1)));
        for bad in ["null", "\"\"", "0", "\"Never\""] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
