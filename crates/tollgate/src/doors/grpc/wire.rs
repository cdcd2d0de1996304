//! Envoy's `CheckRequest` to our request, our reply to Envoy's `CheckResponse`. Pure.
//!
//! Envoy reads an all-default `CheckResponse` as ALLOW, and a denial body beside status code 0 as well. So responses are
//! only built here, from a [`Reply`] or as a denial, and every branch sets the code.

use std::borrow::Cow;
use std::net::IpAddr;

use prost_types::{Struct, Value, value::Kind};
use tollgate_core::denial::{Denial, DenialClass, DenialCode};
use tollgate_core::headers::Headers;
use tollgate_core::input::RawRequest;
use tollgate_core::reply::{Allow, Answer, Deny, Reply};
use tollgate_envoy::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
    check_response::HttpResponse,
};
use tollgate_envoy::core::v3::{
    HeaderValue, HeaderValueOption, address, header_value_option::HeaderAppendAction,
};
use tollgate_envoy::rpc::Status;
use tollgate_envoy::types::v3::HttpStatus;

use crate::doors::client::{Client, ClientSource};
use crate::doors::origin::Origin;

/// The context extension with which a gateway's route names a policy.
pub const POLICY_EXTENSION: &str = "tollgate.policy";

/// `google.rpc.Code` values, as they stand in `CheckResponse.status`. Anything but 0 denies.
mod code {
    pub const OK: i32 = 0;
    pub const INVALID_ARGUMENT: i32 = 3;
    pub const PERMISSION_DENIED: i32 = 7;
    pub const RESOURCE_EXHAUSTED: i32 = 8;
    /// Not a denial, but not a permit to go on either: the request ends with our answer.
    pub const ABORTED: i32 = 10;
    pub const UNAVAILABLE: i32 = 14;
    pub const UNAUTHENTICATED: i32 = 16;
}

/// Reads a check.
///
/// Envoy fills either `headers` (one value a name, repeats joined by commas) or, with `encode_raw_headers`,
/// `header_map` (every line). Both are read; a name in both counts as repeated.
///
/// # Errors
/// `request_malformed` when the message describes no HTTP request.
pub fn parse<'a>(message: &'a CheckRequest, source: &ClientSource) -> Result<RawRequest<'a>, Denial> {
    let malformed = || Denial::new(DenialCode::RequestMalformed, "the check describes no HTTP request");
    let attributes = message.attributes.as_ref().ok_or_else(malformed)?;
    let http = attributes.request.as_ref().and_then(|r| r.http.as_ref()).ok_or_else(malformed)?;
    let lines = http.header_map.as_ref().map_or(&[][..], |map| &map.headers);
    let mut headers = Headers::with_capacity(http.headers.len() + lines.len());
    for (name, value) in &http.headers {
        push(&mut headers, name, value.as_bytes());
    }
    for line in lines {
        let value = if line.raw_value.is_empty() { line.value.as_bytes() } else { &line.raw_value };
        push(&mut headers, &line.key, value);
    }
    let body = if http.raw_body.is_empty() { http.body.as_bytes() } else { &http.raw_body };
    Ok(RawRequest {
        method: &http.method,
        authority: &http.host,
        path_and_query: &http.path,
        body,
        client: source.find(&headers, peer(attributes)).address(),
        headers,
        policy: attributes.context_extensions.get(POLICY_EXTENSION).map(String::as_str),
    })
}

/// Pseudo-headers stand in fields of their own.
fn push<'a>(headers: &mut Headers<'a>, name: &'a str, value: &'a [u8]) {
    if !name.starts_with(':') {
        headers.push(name, value);
    }
}

/// Where the check came from, for log and trace.
pub fn origin<'a>(
    message: &'a CheckRequest,
    request: Option<&RawRequest<'a>>,
    source: &ClientSource,
) -> Origin<'a> {
    let peer = message.attributes.as_ref().and_then(peer);
    let header = |name| request.and_then(|r| r.headers.single(name));
    Origin {
        peer,
        client: request.map_or(Client::NotTold, |request| source.find(&request.headers, peer)),
        request_id: header("x-request-id"),
        traceparent: header("traceparent"),
        tracestate: header("tracestate"),
    }
}

fn peer(attributes: &AttributeContext) -> Option<IpAddr> {
    let address = attributes.source.as_ref()?.address.as_ref()?.address.as_ref()?;
    match address {
        address::Address::SocketAddress(socket) => socket.address.parse().ok(),
        _ => None,
    }
}

/// Writes the reply. With [`last_resort`], the only maker of `CheckResponse`.
pub fn respond(reply: &Reply<'_>) -> CheckResponse {
    match reply {
        Reply::Allow(allow) => CheckResponse {
            status: Some(Status { code: code::OK, ..Status::default() }),
            dynamic_metadata: Some(metadata(allow.metadata())),
            http_response: Some(HttpResponse::OkResponse(ok(allow))),
        },
        Reply::Answer(answer) => CheckResponse {
            status: Some(Status { code: code::ABORTED, ..Status::default() }),
            dynamic_metadata: Some(metadata(answer.otherwise().metadata())),
            http_response: Some(HttpResponse::DeniedResponse(answered(answer))),
        },
        Reply::Deny(deny) => CheckResponse {
            status: Some(Status { code: status_code(deny.code()), ..Status::default() }),
            dynamic_metadata: Some(metadata(deny.metadata())),
            http_response: Some(HttpResponse::DeniedResponse(denied(deny))),
        },
    }
}

/// The answer when even the reply could not be made: a denial without detail, inside a successful call all the same.
pub fn last_resort() -> CheckResponse {
    CheckResponse {
        status: Some(Status { code: code::UNAVAILABLE, ..Status::default() }),
        dynamic_metadata: None,
        http_response: Some(HttpResponse::DeniedResponse(DeniedHttpResponse {
            status: Some(HttpStatus { code: 503 }),
            ..DeniedHttpResponse::default()
        })),
    }
}

const fn status_code(denial: DenialCode) -> i32 {
    match denial.class() {
        DenialClass::Malformed => code::INVALID_ARGUMENT,
        DenialClass::Unauthenticated => code::UNAUTHENTICATED,
        DenialClass::Forbidden => code::PERMISSION_DENIED,
        DenialClass::Limited => code::RESOURCE_EXHAUSTED,
        DenialClass::Unavailable => code::UNAVAILABLE,
    }
}

fn ok(allow: &Allow<'_>) -> OkHttpResponse {
    OkHttpResponse {
        headers: allow.set().iter().map(|(name, value)| header(name, value)).collect(),
        headers_to_remove: {
            let named = allow.remove().iter().map(ToString::to_string);
            named.chain(allow.aliases().iter().cloned()).collect()
        },
        query_parameters_to_remove: allow.remove_query().map(str::to_owned).into_iter().collect(),
        ..OkHttpResponse::default()
    }
}

/// Envoy knows one way to answer in a backend's stead, and calls it denied whatever its status.
fn answered(answer: &Answer<'_>) -> DeniedHttpResponse {
    DeniedHttpResponse {
        status: Some(HttpStatus { code: 200 }),
        headers: answer.headers().iter().map(|(name, value)| header(name, value)).collect(),
        body: answer.body().to_owned(),
    }
}

fn denied(deny: &Deny<'_>) -> DeniedHttpResponse {
    DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(deny.status().as_u16()) }),
        headers: deny.headers().iter().map(|(name, value)| header(name, value)).collect(),
        body: deny.body().to_owned(),
    }
}

/// `append: false` and the overwriting action together: some Envoy versions read one, some the other, and both must
/// replace what the client sent.
fn header(name: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), value: value.to_owned(), ..HeaderValue::default() }),
        append: Some(false),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

fn metadata(facts: &[(&'static str, Cow<'_, str>)]) -> Struct {
    let field = |(name, value): &(&'static str, Cow<'_, str>)| {
        ((*name).to_owned(), Value { kind: Some(Kind::StringValue(value.clone().into_owned())) })
    };
    Struct { fields: facts.iter().map(field).collect() }
}
