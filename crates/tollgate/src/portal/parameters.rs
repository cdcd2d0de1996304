//! Parameters of OAuth requests, from a query or a form: each at most once (RFC 6749 section 3.1), empty means absent.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::Portal;
use super::body::{self, Unopened};
use super::problem::{Code, Problem};

/// Parameters of one request at most.
const MAX_FIELDS: usize = 64;

/// Parsed parameters. No `Debug` of the values: tokens and codes are among them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(HashMap<String, String>);

impl Parameters {
    /// Parses a query or an `application/x-www-form-urlencoded` body.
    ///
    /// # Errors
    /// A parameter is given twice, or there are too many.
    pub fn parse(text: &[u8]) -> Result<Self, Problem> {
        let mut fields = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            if fields.len() >= MAX_FIELDS {
                return Err(Problem::new(Code::Invalid, "There are too many parameters."));
            }
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Problem::new(Code::Invalid, "A parameter is given twice. Give each once."));
            }
        }
        Ok(Self(fields))
    }

    /// The value of `name`; empty counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// A form that was not read yet: first comes who sends it.
#[derive(Clone, Debug)]
pub struct UnreadForm {
    body: Unopened,
    is_form: bool,
    says_nothing: bool,
}

impl UnreadForm {
    /// The body of a request: a form, or nothing at all.
    ///
    /// # Errors
    /// It is no form, too large, or did not arrive.
    pub async fn read(&self, portal: &Portal) -> Result<Parameters, Problem> {
        let body = self.body.read(portal, portal.options().max_body_bytes).await?;
        if self.is_form {
            Parameters::parse(&body)
        } else if body.is_empty() && self.says_nothing {
            Ok(Parameters::default())
        } else {
            let detail =
                "Send the parameters as a form, with 'content-type: application/x-www-form-urlencoded'.";
            Err(Problem::new(Code::UnsupportedMediaType, detail))
        }
    }
}

impl FromRequestParts<Portal> for UnreadForm {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Infallible> {
        let is_form = body::has_media_type(&parts.headers, "application/x-www-form-urlencoded");
        let says_nothing = !parts.headers.contains_key(header::CONTENT_TYPE);
        let body = Unopened::from_request_parts(parts, portal).await?;
        Ok(Self { body, is_form, says_nothing })
    }
}

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
