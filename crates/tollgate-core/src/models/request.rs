//! Which model a request asks for: from its path, its query and its body, or from a header that the gateway is trusted
//! to set. All of them that are there must be readable and agree; a guess would be a way around a policy.

use std::borrow::Cow;

use thiserror::Error;

use super::rules::{MAX_NAME_BYTES, ModelRules};
use super::{content, path, query};
use crate::headers::Headers;
use crate::input::CheckInput;
use crate::target::Target;

/// What is known of the model of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelOfRequest<'a> {
    /// This one; what an alias stands for, if the request named an alias.
    Named(Cow<'a, str>),
    /// The endpoint uses no model.
    NotAsked,
    /// It cannot be told.
    Undecidable(Undecidable),
}

/// Why the model of a request cannot be told: a sentence for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Undecidable {
    /// The gateway forwards no body, or there is none.
    #[error("the path names no model, and no body was forwarded")]
    NoBody,
    /// `x-envoy-auth-partial-body`, or fewer bytes than `content-length` says.
    #[error("the gateway forwarded only a part of the body")]
    Cut,
    /// `content-encoding`.
    #[error("the body is compressed")]
    Encoded,
    /// `content-type` is missing, given twice, or none that is read.
    #[error("the content-type is not application/json or multipart/form-data, or was not forwarded")]
    ContentType,
    /// Not RFC 8259, or not UTF-8.
    #[error("the body is not one JSON object in UTF-8")]
    NotJson,
    /// Deeper than [`super::MAX_JSON_DEPTH`].
    #[error("the body's JSON is nested too deeply")]
    TooDeep,
    /// Not the form of multipart that all readers agree on.
    #[error("the body is not plain multipart/form-data")]
    NotMultipart,
    /// No `model`.
    #[error("neither path nor body names a model")]
    Unnamed,
    /// `model` is no text.
    #[error("'model' is not a text")]
    NotText,
    /// Two, or one in a spelling that some readers take for it.
    #[error("'model' stands there twice, or in a spelling that only some readers know")]
    Twice,
    /// `models` or `fallbacks`.
    #[error("the body names further models in 'models' or 'fallbacks'")]
    Further,
    /// Empty, too long, or with characters that no model's name has.
    #[error(
        "the model's name is empty, longer than {MAX_NAME_BYTES} bytes, or has spaces, commas or control characters"
    )]
    Name,
    /// Two sources name different models.
    #[error("path, query and body name different models")]
    Differ,
    /// A path of an API that names models in paths, in a form that is not known.
    #[error("the path names a model in a way that is not known")]
    Path,
    /// In a connection, in a file, or deeper in the body.
    #[error("requests to this endpoint name their models where they are not looked for")]
    Elsewhere,
    /// The trusted header stands there twice.
    #[error("the trusted header stands there twice, or is not text")]
    Header,
}

impl<'a> ModelOfRequest<'a> {
    /// The model that a request asks for.
    pub fn of(input: &'a CheckInput<'_>) -> Self {
        if input.route.is_some_and(|route| !route.models.in_use) {
            return Self::NotAsked;
        }
        match find(&input.target, &input.headers, input.body, input.models) {
            Ok(Some(name)) => Self::Named(name),
            Ok(None) => Self::NotAsked,
            Err(why) => Self::Undecidable(why),
        }
    }

    /// The model's name, when it is known.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::NotAsked | Self::Undecidable(_) => None,
        }
    }
}

fn find<'a>(
    target: &'a Target<'_>,
    headers: &Headers<'a>,
    body: &'a [u8],
    rules: &'a ModelRules,
) -> Result<Option<Cow<'a, str>>, Undecidable> {
    if let Some(name) = trusted(headers, rules)? {
        return rules.meant(Cow::Borrowed(name)).map(Some);
    }
    let looks = path::only_looks(target.method);
    let realtime = looks && path::is_realtime(&target.path);
    if headers.all("upgrade").next().is_some() && !realtime {
        return Err(Undecidable::Elsewhere);
    }
    let in_path = path::model(target.method, &target.path)?;
    let in_query = query::model(target.query, realtime)?;
    let in_body = if body.is_empty() { None } else { content::model(headers, body)? };
    // Who cannot see the body cannot know that the query is what counts.
    let decisive =
        in_path.is_some() || in_body.is_some() || (in_query.is_some() && looks && !has_body(headers));
    let meant = |name: Option<_>| name.map(|name| rules.meant(name)).transpose();
    let (in_path, in_query, in_body) = (meant(in_path)?, meant(in_query)?, meant(in_body)?);
    // Gemini's bodies write the resource's whole name.
    let same = |a: &str, b: &str| a == b || a.strip_prefix("models/") == Some(b);
    let differ = |a: &Option<Cow<'_, str>>, b: &Option<Cow<'_, str>>| match (a, b) {
        (Some(a), Some(b)) => !same(a, b),
        _ => false,
    };
    if differ(&in_body, &in_path) || differ(&in_query, &in_path) || differ(&in_body, &in_query) {
        return Err(Undecidable::Differ);
    }
    match in_path.or(in_body).or(in_query) {
        Some(name) if decisive => Ok(Some(name)),
        _ if !body.is_empty() => Err(Undecidable::Unnamed),
        _ if realtime => Err(Undecidable::Elsewhere),
        None if looks && !has_body(headers) => Ok(None),
        _ => Err(Undecidable::NoBody),
    }
}

/// What the gateway says in the header that the operator trusts it with.
fn trusted<'a>(headers: &Headers<'a>, rules: &ModelRules) -> Result<Option<&'a str>, Undecidable> {
    let Some(header) = rules.trusted_header.as_deref() else { return Ok(None) };
    if headers.all(header).next().is_none() {
        return Ok(None);
    }
    headers.single(header).map(Some).ok_or(Undecidable::Header)
}

/// Whether the request has a body, forwarded or not.
fn has_body(headers: &Headers<'_>) -> bool {
    headers.all("transfer-encoding").next().is_some()
        || headers.all("content-length").any(|length| length.trim_ascii() != b"0")
}
