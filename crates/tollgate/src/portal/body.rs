//! JSON bodies, read strictly: the right media type, bounded, no unknown and no duplicate member, and an error that says
//! where.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::Portal;
use super::problem::{Code, Problem};

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
    read_up_to(portal.options().max_body_bytes, request).await
}

/// The same, with a bound of the endpoint's own.
pub(super) async fn read_up_to(max: usize, request: Request) -> Result<Bytes, Problem> {
    let json = has_media_type(request.headers(), "application/json");
    let bytes = whole(request.into_body(), max).await?;
    if json {
        Ok(bytes)
    } else {
        Err(Problem::new(
            Code::UnsupportedMediaType,
            "Send the body as JSON, with 'content-type: application/json'.",
        ))
    }
}

/// All of a body, or nothing of it.
pub(super) async fn whole(body: axum::body::Body, max: usize) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, max).await.map_err(|_| {
        let detail = format!("A body has at most {max} bytes here, and has to arrive whole.");
        Problem::new(Code::TooLarge, detail)
    })
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
