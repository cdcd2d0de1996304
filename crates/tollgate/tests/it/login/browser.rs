//! What a person's browser does: cookies, redirects when told, and forms.

use std::collections::BTreeMap;

use reqwest::Method;
use url::Url;

use super::{PASSWORD, USER};
use crate::harness::client;

/// A browser. Cookies are kept by name alone, since names do not meet in these tests.
pub struct Browser {
    pub cookies: BTreeMap<String, String>,
}

/// An answer, read whole.
pub struct Page {
    pub status: u16,
    pub location: Option<Url>,
    pub text: String,
}

/// A form on a page.
struct Form {
    action: Url,
    /// Names and values of hidden fields.
    hidden: Vec<(String, String)>,
    /// Names of what a person fills in or presses.
    names: Vec<String>,
}

impl Browser {
    pub const fn new() -> Self {
        Self { cookies: BTreeMap::new() }
    }

    pub async fn send(
        &mut self,
        method: Method,
        url: &Url,
        headers: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Page {
        let mut request = client::http().request(method, url.clone()).header("accept", "text/html");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header("cookie", pairs.join("; "));
        if !form.is_empty() {
            request = request.form(form);
        }
        let response = request.send().await.unwrap();
        for line in response.headers().get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() || line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = response.headers().get("location").map(|to| url.join(to.to_str().unwrap()).unwrap());
        Page { status: response.status().as_u16(), location, text: response.text().await.unwrap() }
    }

    pub async fn get(&mut self, url: &Url) -> Page {
        self.send(Method::GET, url, &[], &[]).await
    }

    /// Fills in the issuer's login form, hidden fields included; the address that it sends the browser to.
    pub async fn pass_issuer(&mut self, target: &Url, password: &str) -> Url {
        let page = self.get(target).await;
        // Who has a session there already is sent back at once.
        if let Some(back) = page.location {
            return back;
        }
        assert_eq!(page.status, 200, "{}", page.text);
        let form = page.form(target).unwrap_or_else(|| panic!("no form: {}", page.text));
        let page = self.fill(&form, &[("username", USER), ("password", password)]).await;
        page.location.unwrap_or_else(|| panic!("the issuer did not let {USER} in: {}", page.text))
    }

    /// Goes from page to page of the issuer, logs in where it is asked to, and presses the button `answer` where it has to
    /// choose; the page at which nothing is asked any more.
    pub async fn walk(&mut self, start: &Url, answer: &str) -> Page {
        let mut at = start.clone();
        let mut page = self.get(&at).await;
        for _ in 0..20 {
            if let Some(next) = page.location {
                at = next;
                page = self.get(&at).await;
                continue;
            }
            let Some(form) = page.form(&at) else { return page };
            let has = |name: &str| form.names.iter().any(|other| other == name);
            at = form.action.clone();
            page = if has("password") {
                self.fill(&form, &[("username", USER), ("password", PASSWORD)]).await
            } else if has(answer) {
                self.fill(&form, &[(answer, "pressed")]).await
            } else {
                return page;
            };
        }
        panic!("the issuer goes round in circles: {}", page.text)
    }

    async fn fill(&mut self, form: &Form, fields: &[(&str, &str)]) -> Page {
        let hidden = form.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<(&str, &str)> = hidden.chain(fields.iter().copied()).collect();
        self.send(Method::POST, &form.action, &[], &fields).await
    }
}

impl Page {
    /// The first form on this page, which was had from `at`.
    fn form(&self, at: &Url) -> Option<Form> {
        let attribute = |tag: &str, name: &str| {
            let value = tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
            Some(value.replace("&amp;", "&"))
        };
        let body = self.text.split("<form").nth(1)?;
        let body = body.split("</form").next()?;
        let action = attribute(body.split('>').next()?, "action")?;
        let tags = body.split("<input").skip(1).chain(body.split("<button").skip(1));
        let (mut hidden, mut names) = (Vec::new(), Vec::new());
        for tag in tags.map(|tag| tag.split('>').next().unwrap_or_default()) {
            let Some(name) = attribute(tag, "name") else { continue };
            if tag.contains("type=\"hidden\"") {
                hidden.push((name, attribute(tag, "value").unwrap_or_default()));
            } else {
                names.push(name);
            }
        }
        Some(Form { action: at.join(&action).ok()?, hidden, names })
    }
}
