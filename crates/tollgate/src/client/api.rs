//! Calls to the REST API: JSON in, JSON or a refusal out.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use super::ClientError;
use super::error::{Refusal, origin};
use super::http::{Http, HttpOptions};

/// Attempts of one call while the API asks for a moment's patience.
const ATTEMPTS: u32 = 3;
/// The longest pause between them.
const PATIENCE_SECS: u64 = 5;
/// Items of a list at most that are fetched page by page.
const MAX_ITEMS: usize = 100_000;

/// The API as one caller.
pub struct Api {
    base: Url,
    token: Option<SecretString>,
    http: Http,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
}

/// What a call gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The body; null when there is none.
    pub body: Value,
    /// The version, for `If-Match`.
    pub etag: Option<String>,
}

impl Call {
    /// A call to a path below `/api/v1`, given in segments, so that no id can add one.
    pub fn new(method: Method, path: &[&str]) -> Self {
        let path = path.iter().map(|segment| (*segment).to_owned()).collect();
        Self { method, path, query: Vec::new(), headers: Vec::new(), body: None }
    }

    /// A GET.
    pub fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path)
    }

    /// A POST with a body.
    pub fn post(path: &[&str], body: Value) -> Self {
        Self { body: Some(body), ..Self::new(Method::POST, path) }
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With a parameter in the query, unless there is no value.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        if let Some(value) = value {
            self.query.push((name, value.into()));
        }
        self
    }

    /// With a header, unless there is no value.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        if let Some(value) = value {
            self.headers.push((name, value.into()));
        }
        self
    }
}

impl Api {
    /// The API at `base`, which is scheme, host and port, and perhaps a path that a proxy adds.
    ///
    /// # Errors
    /// The address is not one, or a CA file cannot be used.
    pub fn new(base: &str, token: Option<SecretString>, options: &HttpOptions) -> Result<Self, ClientError> {
        let wrong =
            || ClientError::Address(format!("'{base}' is not an address such as http://localhost:3000"));
        let base: Url = base.parse().map_err(|_| wrong())?;
        if base.cannot_be_a_base() || base.query().is_some() || base.fragment().is_some() {
            return Err(wrong());
        }
        let http = Http::new(options)?;
        http.check(&base)?;
        Ok(Self { base, token, http })
    }

    /// Makes a call. While the API asks for a moment's patience it is made again: that is said only when nothing was done.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn call(&self, call: &Call) -> Result<Answer, ClientError> {
        let mut attempt = 1;
        loop {
            let answered = self.http.send(self.request(call)?).await?;
            let status = answered.status.as_u16();
            let pause = answered.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            if let (429 | 503, Some(secs @ 0..=PATIENCE_SECS), 1..ATTEMPTS) = (status, pause, attempt) {
                tokio::time::sleep(Duration::from_secs(secs)).await;
                attempt += 1;
                continue;
            }
            let body = if answered.body.is_empty() {
                Some(Value::Null)
            } else {
                serde_json::from_slice::<Value>(&answered.body).ok()
            };
            let foreign = || ClientError::Foreign { url: origin(&self.base), status };
            if answered.status.is_success() {
                let etag = answered.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
                return Ok(Answer { body: body.ok_or_else(foreign)?, etag });
            }
            let refusal: Option<Refusal> = body.and_then(|body| serde_json::from_value(body).ok());
            let refusal = refusal.filter(|refusal| !refusal.code.is_empty()).ok_or_else(foreign)?;
            return Err(ClientError::Refused(Box::new(refusal)));
        }
    }

    /// All items of a list, page by page, `limit` at most.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn items(&self, call: &Call, limit: Option<usize>) -> Result<Vec<Value>, ClientError> {
        let limit = limit.unwrap_or(MAX_ITEMS).min(MAX_ITEMS);
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        while items.len() < limit {
            let size = (limit - items.len()).min(200).to_string();
            let page = self.call(&call.clone().query("limit", Some(size)).query("cursor", cursor)).await?;
            let foreign = || ClientError::Foreign { url: origin(&self.base), status: 200 };
            items.extend(page.body["items"].as_array().ok_or_else(foreign)?.iter().cloned());
            cursor = page.body["next"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        items.truncate(limit);
        Ok(items)
    }

    fn request(&self, call: &Call) -> Result<reqwest::Request, ClientError> {
        let mut url = self.base.clone();
        {
            let wrong = |()| ClientError::Address(format!("{} has no path", self.base));
            let mut path = url.path_segments_mut().map_err(wrong)?;
            path.pop_if_empty().extend(["api", "v1"]).extend(&call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut headers = HeaderMap::new();
        let wrong =
            |what: &str| ClientError::Address(format!("{what} has characters that no header carries"));
        if let Some(token) = &self.token {
            let text = format!("Bearer {}", token.expose_secret());
            let mut value = HeaderValue::try_from(text).map_err(|_| wrong("the token"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        for (name, value) in &call.headers {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::try_from(value).map_err(|_| wrong(name))?,
            );
        }
        let mut request = self.http.client().request(call.method.clone(), url).headers(headers);
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        request.build().map_err(|error| ClientError::Address(error.without_url().to_string()))
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("base", &origin(&self.base)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn api(base: &str) -> Result<Api, ClientError> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Api::new(base, Some("S3cret".to_owned().into()), &HttpOptions::default())
    }

    #[test]
    fn an_id_is_one_segment_whatever_it_holds() {
        let api = api("http://localhost:3000/tollgate/").unwrap();
        let call = Call::get(&["projects", "../a?b#c/d", "keys"]).query("tag", Some("a&b=c"));
        let request = api.request(&call).unwrap();
        assert_eq!(
            request.url().as_str(),
            "http://localhost:3000/tollgate/api/v1/projects/..%2Fa%3Fb%23c%2Fd/keys?tag=a%26b%3Dc"
        );
        assert!(!format!("{request:?} {api:?}").contains("S3cret"));
    }

    #[test]
    fn an_address_is_checked_before_anything_is_sent() {
        for bad in
            ["", "localhost:3000", "mailto:a@b", "http://api.example.com", "https://a/?b", "https://a/#b"]
        {
            assert!(matches!(api(bad), Err(ClientError::Address(_))), "{bad}");
        }
        api("https://api.example.com").unwrap();
    }
}
