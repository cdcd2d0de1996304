//! Which model a request asks for: from its path, its query and its body, or from a header that the gateway is trusted
//! to set. All of them that are there must be readable and agree; a guess would be a way around a policy.

use std::borrow::Cow;

use thiserror::Error;

use super::rules::{MAX_NAME_BYTES, ModelRules, ModelSource};
use super::{content, query};
use crate::endpoints::{Endpoint, ModelPlace, Operation, only_looks};
use crate::headers::Headers;
use crate::input::CheckInput;

/// What is known of the model of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelOfRequest<'a> {
    /// This one; what an alias stands for, if the request named an alias.
    Named(Cow<'a, str>),
    /// The endpoint uses no model.
    NotAsked,
    /// The request names this one where the endpoint is not known to read it: good for a log, and nothing more.
    Claimed(Cow<'a, str>, Undecidable),
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
    /// `models`, `fallbacks` and the like.
    #[error("the request names further models, in a member such as 'models', 'fallbacks' or 'engine'")]
    Further,
    /// Empty, too long, or with characters or segments that no model's name has.
    #[error(
        "the model's name is empty, longer than {MAX_NAME_BYTES} bytes, or has a dot segment, a space or one of , ? # % \\ ; &"
    )]
    Name,
    /// Two sources name different models.
    #[error("path, query and body name different models")]
    Differ,
    /// A path of an API that names models in paths, in a form that is not known.
    #[error("the path names a model in a way that is not known")]
    Path,
    /// The endpoint is in no list, so nobody knows whether it reads the body's `model`.
    #[error("the endpoint is not known to take its model from the body; see the route's model_from")]
    Endpoint,
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
        let source = input.route.map_or(ModelSource::Known, |route| route.models.source);
        if source == ModelSource::Unused {
            return Self::NotAsked;
        }
        find(input, source).unwrap_or_else(Self::Undecidable)
    }

    /// The model's name, when the request says one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) | Self::Claimed(name, _) => Some(name),
            Self::NotAsked | Self::Undecidable(_) => None,
        }
    }
}

fn find<'a>(input: &'a CheckInput<'_>, source: ModelSource) -> Result<ModelOfRequest<'a>, Undecidable> {
    use ModelOfRequest::{Claimed, Named, NotAsked};
    let CheckInput { target, headers, body, models: rules, endpoint, .. } = input;
    if let Some(name) = trusted(headers, rules)? {
        return rules.meant(Cow::Borrowed(name)).map(Named);
    }
    let realtime = endpoint.place == ModelPlace::Query;
    if upgrades(headers) && !realtime {
        return Err(Undecidable::Elsewhere);
    }
    // Methods that only look use no model, unless something in the request names one or there is a body that might.
    let looks = only_looks(target.method) && body.is_empty() && !has_body(headers);
    let place = match endpoint.place {
        ModelPlace::Unused if only_looks(target.method) && !looks => ModelPlace::Unlisted,
        ModelPlace::Unlisted if source == ModelSource::Body => ModelPlace::Body,
        // What was made later or by a connection no word of the operator moves into the body.
        ModelPlace::Elsewhere if source == ModelSource::Body && at_once(endpoint) => ModelPlace::Body,
        place => place,
    };
    match place {
        ModelPlace::Unused => return Ok(NotAsked),
        ModelPlace::Elsewhere => return Err(Undecidable::Elsewhere),
        ModelPlace::Unlisted if below_model(&target.path) => return Err(Undecidable::Path),
        _ => {}
    }
    let said = Said::read(input, looks)?;
    match place {
        ModelPlace::Path => said.in_path.map(Named).ok_or(Undecidable::Path),
        // Who cannot see the body cannot know that the query is what counts.
        ModelPlace::Query if looks => said.in_query.map(Named).ok_or(Undecidable::Elsewhere),
        _ if looks => Ok(said.in_query.map_or(NotAsked, Named)),
        ModelPlace::Body | ModelPlace::BodyOr(_) | ModelPlace::BodyIfAny => match (said.in_body, place) {
            (Some(name), _) => Ok(Named(name)),
            (None, _) if body.is_empty() => Err(Undecidable::NoBody),
            (None, _) if said.in_query.is_some() => Err(Undecidable::Unnamed),
            (None, ModelPlace::BodyOr(name)) => rules.meant(Cow::Borrowed(name)).map(Named),
            (None, ModelPlace::BodyIfAny) => Ok(NotAsked),
            (None, _) => Err(Undecidable::Unnamed),
        },
        _ => match said.in_body.or(said.in_query) {
            Some(name) => Ok(Claimed(name, unlisted(endpoint, &target.path))),
            None if body.is_empty() && has_body(headers) => Err(Undecidable::NoBody),
            None => Err(unlisted(endpoint, &target.path)),
        },
    }
}

/// What a request says about its model, with aliases resolved.
struct Said<'a> {
    in_path: Option<Cow<'a, str>>,
    in_query: Option<Cow<'a, str>>,
    in_body: Option<Cow<'a, str>>,
}

impl<'a> Said<'a> {
    fn read(input: &'a CheckInput<'_>, looks: bool) -> Result<Self, Undecidable> {
        let CheckInput { target, headers, body, models: rules, endpoint, .. } = input;
        let in_path = match endpoint.model_in(&target.path) {
            // The canonical path keeps the escapes of reserved characters (`%3A`), each of them valid.
            Some(name) => Some(query::percent_decoded(name, false).ok_or(Undecidable::Name)?),
            None => None,
        };
        let in_query = query::model(target.query, endpoint.place == ModelPlace::Query, looks)?;
        let in_body = if body.is_empty() { None } else { content::model(headers, body)? };
        let meant = |name: Option<_>| name.map(|name| rules.meant(name)).transpose();
        let said = Self { in_path: meant(in_path)?, in_query: meant(in_query)?, in_body: meant(in_body)? };
        if said.differs() { Err(Undecidable::Differ) } else { Ok(said) }
    }

    fn differs(&self) -> bool {
        // Gemini's bodies write the resource's whole name.
        let same = |a: &str, b: &str| a == b || a.strip_prefix("models/") == Some(b);
        let differ = |a: &Option<Cow<'_, str>>, b: &Option<Cow<'_, str>>| match (a, b) {
            (Some(a), Some(b)) => !same(a, b),
            _ => false,
        };
        differ(&self.in_body, &self.in_path)
            || differ(&self.in_query, &self.in_path)
            || differ(&self.in_body, &self.in_query)
    }
}

fn at_once(endpoint: &Endpoint) -> bool {
    matches!(endpoint.operation, Operation::Inference | Operation::Count)
}

/// Why nothing is known of an endpoint's model.
fn unlisted(endpoint: &Endpoint, path: &str) -> Undecidable {
    let names = |word: &str| path.split('/').any(|part| part.eq_ignore_ascii_case(word));
    if endpoint.place == ModelPlace::Unlisted && names("models") {
        Undecidable::Path
    } else {
        Undecidable::Endpoint
    }
}

/// Whether something stands below `/model/`, as Bedrock's models do.
fn below_model(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.any(|part| part.eq_ignore_ascii_case("model")) && parts.any(|part| !part.is_empty())
}

/// Whether the client asks for another protocol on its connection. Proxies that ask over HTTP send an empty line where it does
/// not.
fn upgrades(headers: &Headers<'_>) -> bool {
    headers.all("upgrade").any(|value| !value.trim_ascii().is_empty())
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
