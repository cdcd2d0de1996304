//! Short texts of requests, and the OpenAPI schemas of the words that tenancy knows: roles, states, sources.

use serde::Deserialize;
use tollgate_core::tenancy::{OrganizationRole, ProjectRole};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::store::SuspensionCause;

/// Characters of a line at most.
const MOST_CHARS: usize = 500;

/// A text of one line that is not blank.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Line(String);

impl Line {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Line {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = text.chars().count() <= MOST_CHARS && !text.chars().any(char::is_control);
        if fits && !text.trim().is_empty() {
            Ok(Self(text))
        } else {
            Err(format!("must be 1 to {MOST_CHARS} characters on one line, not all of them blanks"))
        }
    }
}

impl PartialSchema for Line {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let text = text
            .min_length(Some(1))
            .max_length(Some(MOST_CHARS))
            .pattern(Some(r"^[^\x00-\x1f]*[^\s\x00-\x1f][^\x00-\x1f]*$"));
        RefOr::T(Schema::from(text))
    }
}

impl ToSchema for Line {}

/// An e-mail address, as far as a text shows: one `@` with something on both sides, no blanks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(String);

impl Address {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Address {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let plain = text.len() <= 254 && text.bytes().all(|byte| byte.is_ascii_graphic());
        let parts = text
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
        if plain && parts { Ok(Self(text)) } else { Err("must be an e-mail address such as ada@example.com") }
    }
}

impl PartialSchema for Address {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        RefOr::T(Schema::from(text.pattern(Some("^[!-?A-~]+@[!-?A-~]+$")).max_length(Some(254))))
    }
}

impl ToSchema for Address {}

fn one_of(words: &[&'static str], description: &str) -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    text.enum_values(Some(words.iter().copied())).into()
}

/// A role in a project.
pub fn project_role() -> Schema {
    one_of(&ProjectRole::ALL.map(ProjectRole::as_str), "A role in a project, weakest first.")
}

/// A role in an organization.
pub fn organization_role() -> Schema {
    one_of(&OrganizationRole::ALL.map(OrganizationRole::as_str), "A role in an organization, weakest first.")
}

/// A role in a project or an organization.
pub fn any_role() -> Schema {
    one_of(
        &["viewer", "developer", "manager", "owner", "member", "admin"],
        "A role in a project, or member or admin of an organization.",
    )
}

/// Whether something may act.
pub fn state() -> Schema {
    one_of(&["active", "suspended"], "Whether it may act.")
}

/// Why the issuer's directory had somebody suspended.
pub fn suspension_cause() -> Schema {
    let causes = [SuspensionCause::DirectoryAbsent, SuspensionCause::DirectoryDisabled];
    one_of(&causes.map(SuspensionCause::as_str), "Deleted at the issuer, or disabled there.")
}

/// Where a membership comes from.
pub fn source() -> Schema {
    one_of(&["manual", "group"], "Given by hand, or by a group mapping, which may change or end it.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_addresses_are_what_they_say() {
        for good in ["x", " x ", "Grüße an alle"] {
            assert!(Line::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "  ", "a\nb", "a\0b", &"x".repeat(501)] {
            assert!(Line::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(Address::try_from("ada@example.com".to_owned()).is_ok());
        for bad in ["", "ada", "@", "a@", "@b", "a@b@c", "a b@c", "ä@b", "a\0@b"] {
            assert!(Address::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
