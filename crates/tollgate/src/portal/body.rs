//! JSON bodies, read strictly: the right media type, bounded, no unknown and no duplicate member, and an error that says
//! where.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::Portal;
use super::problem::{Code, Problem};
use crate::listener::{Room, Unread};

/// A request's body where every try of the request finds it. It is read when a handler asks for it, which is after it asked
/// who calls, and once. As an extractor it reads nothing.
#[derive(Clone, Debug)]
pub struct Unopened(Arc<Mutex<Content>>);

#[derive(Debug)]
enum Content {
    Unread(axum::body::Body, Room),
    Whole(Bytes),
    Failed(Unread),
}

impl Unopened {
    /// Takes the body out of a request, and leaves itself there instead.
    pub(super) fn of(request: &mut Request) -> Self {
        let body = std::mem::take(request.body_mut());
        let unopened = Self(Arc::new(Mutex::new(Content::Unread(body, Room::of(request.extensions())))));
        request.extensions_mut().insert(unopened.clone());
        unopened
    }

    /// All of the body, or nothing of it.
    pub(super) async fn read(&self, portal: &Portal, max: usize) -> Result<Bytes, Problem> {
        let mut content = self.0.lock().await;
        if let Content::Unread(body, room) = &mut *content {
            let read = room.read(std::mem::take(body), max, portal.options().body_timeout).await;
            *content = read.map_or_else(Content::Failed, Content::Whole);
        }
        match &*content {
            Content::Whole(bytes) if bytes.len() <= max => Ok(bytes.clone()),
            Content::Whole(_) => Err(refused(Unread::TooLarge, max)),
            Content::Failed(why) => Err(refused(*why, max)),
            // Replaced above.
            Content::Unread(..) => Err(refused(Unread::Broken, max)),
        }
    }
}

impl FromRequestParts<Portal> for Unopened {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Portal) -> Result<Self, Infallible> {
        let empty = || Self(Arc::new(Mutex::new(Content::Whole(Bytes::new()))));
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(empty))
    }
}

/// The answer to a body that was not read.
fn refused(why: Unread, max: usize) -> Problem {
    match why {
        Unread::TooLarge | Unread::Broken => {
            let detail = format!("A body has at most {max} bytes here, and has to arrive whole.");
            Problem::new(Code::TooLarge, detail)
        }
        Unread::Late => Problem::new(Code::Timeout, "The body did not arrive in time. Send it again."),
        Unread::Full => overloaded(),
    }
}

/// There is no room for a request.
pub(super) fn overloaded() -> Problem {
    let detail = "Too many requests are under way here. Try again shortly.";
    Problem::new(Code::Unavailable, detail).retry_after(1)
}

/// A JSON body. The type must be marked `deny_unknown_fields`; duplicates are refused by serde for structs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequest<Portal> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, Problem> {
        let bytes = read(request, portal).await?;
        parse(&bytes).map(Self)
    }
}

/// The bytes of a JSON body.
pub(super) async fn read(request: Request, portal: &Portal) -> Result<Bytes, Problem> {
    read_up_to(portal.options().max_body_bytes, request, portal).await
}

/// The same, with a bound of the endpoint's own.
pub(super) async fn read_up_to(max: usize, request: Request, portal: &Portal) -> Result<Bytes, Problem> {
    let (mut parts, _) = request.into_parts();
    let json = has_media_type(&parts.headers, "application/json");
    let Ok(body) = Unopened::from_request_parts(&mut parts, portal).await;
    let bytes = body.read(portal, max).await?;
    if json {
        Ok(bytes)
    } else {
        Err(Problem::new(
            Code::UnsupportedMediaType,
            "Send the body as JSON, with 'content-type: application/json'.",
        ))
    }
}

/// Whether the body is said to be of this media type, whatever its parameters.
pub(super) fn has_media_type(headers: &HeaderMap, media_type: &str) -> bool {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
    })
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A list would be read too, its items taken for the members in the order of the code.
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|byte| *byte != b'{') {
        return Err(Problem::invalid("", "must be a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer(error.path());
        Problem::invalid(pointer, without_position(&error.into_inner().to_string()))
    })?;
    deserializer.end().map_err(|error| Problem::invalid("", without_position(&error.to_string())))?;
    Ok(value)
}

/// RFC 6901.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

/// serde_json ends its messages with a position; the pointer says it better.
fn without_position(message: &str) -> &str {
    message.rsplit_once(" at line ").map_or(message, |(before, _)| before)
}
