//! Parameters of OAuth requests: each at most once (RFC 6749 section 3.1), empty means absent.

use std::collections::HashMap;

use axum::body::Bytes;
use http::{HeaderMap, header};

use super::error::RequestError;

/// Parsed parameters.
#[derive(Default)]
pub(super) struct Form(HashMap<String, String>);

impl Form {
    /// Parses a query string or an `application/x-www-form-urlencoded` body.
    pub(super) fn parse(text: &[u8]) -> Result<Self, RequestError> {
        let mut fields = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(RequestError::invalid_request("a parameter is given twice"));
            }
        }
        Ok(Self(fields))
    }

    /// Parses a body, which must say that it is a form.
    pub(super) fn parse_body(headers: &HeaderMap, body: &Bytes) -> Result<Self, RequestError> {
        let is_form = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
        if is_form {
            Self::parse(body)
        } else {
            Err(RequestError::invalid_request("Content-Type must be application/x-www-form-urlencoded"))
        }
    }

    /// The value of `name`; empty counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
