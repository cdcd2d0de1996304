//! Parameters of OAuth requests, from a query or a form: each at most once (RFC 6749 section 3.1), empty means absent.

use std::collections::HashMap;

use axum::extract::{FromRequest, Request};
use axum::http::header;

use super::Portal;
use super::body;
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

impl FromRequest<Portal> for Parameters {
    type Rejection = Problem;

    /// The body of a request: a form, or nothing at all.
    async fn from_request(request: Request, portal: &Portal) -> Result<Self, Problem> {
        let is_form = body::has_media_type(request.headers(), "application/x-www-form-urlencoded");
        let says_nothing = !request.headers().contains_key(header::CONTENT_TYPE);
        let body = body::whole(request.into_body(), portal.options().max_body_bytes).await?;
        if is_form {
            Self::parse(&body)
        } else if body.is_empty() && says_nothing {
            Ok(Self::default())
        } else {
            let detail =
                "Send the parameters as a form, with 'content-type: application/x-www-form-urlencoded'.";
            Err(Problem::new(Code::UnsupportedMediaType, detail))
        }
    }
}

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
