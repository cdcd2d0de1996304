//! The two pages a person sees. No script, no request to anywhere, every value escaped.

use std::fmt::Write as _;

use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};

use super::users::sha256;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f6f7f9;color:#1b1f24}\
main{max-width:22rem;margin:12vh auto 0;padding:2rem;background:#fff;border:1px solid #d0d7de;border-radius:8px}\
h1{font-size:1.3rem;margin:0 0 .5rem}label{display:block;margin:1rem 0 .25rem;font-weight:600}\
input{box-sizing:border-box;width:100%;padding:.5rem;font:inherit;border:1px solid #57606a;border-radius:6px}\
button{margin-top:1.5rem;width:100%;padding:.6rem;font:inherit;font-weight:600;color:#fff;background:#0b57a4;\
border:0;border-radius:6px;cursor:pointer}\
.problem{margin:1rem 0 0;padding:.5rem .75rem;border-left:4px solid #b42318;background:#fef3f2}\
:focus-visible{outline:3px solid #0b57a4;outline-offset:2px}\
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}main{background:#161b22;border-color:#30363d}\
input{background:#0d1117;color:inherit;border-color:#8b949e}.problem{background:#3a1614}}";

/// What the login page shows and carries.
pub(super) struct LoginPage<'a> {
    pub action: &'a str,
    pub client_id: &'a str,
    pub username: &'a str,
    pub hidden: &'a [(&'a str, &'a str)],
    /// Where the form's answer redirects; browsers hold `form-action` against it.
    pub redirect_origin: &'a str,
    pub problem: Option<&'a str>,
}

/// The login form.
pub(super) fn login(page: &LoginPage<'_>) -> Response {
    let mut fields = String::new();
    for (name, value) in page.hidden {
        let _infallible =
            write!(fields, r#"<input type="hidden" name="{}" value="{}">"#, escape(name), escape(value));
    }
    let problem = page
        .problem
        .map(|text| format!(r#"<p class="problem" id="problem" role="alert">{}</p>"#, escape(text)));
    let described = if problem.is_some() { r#" aria-describedby="problem" aria-invalid="true""# } else { "" };
    let body = format!(
        r#"<h1>Sign in</h1><p>to <strong>{client}</strong>, with a user of the development issuer.</p>{problem}
<form method="post" action="{action}">{fields}
<label for="username">User name</label>
<input id="username" name="username" value="{username}" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus{described}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required{described}>
<button type="submit">Sign in</button></form>"#,
        client = escape(page.client_id),
        problem = problem.unwrap_or_default(),
        action = escape(page.action),
        username = escape(page.username),
    );
    let status = if page.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    respond(status, "Sign in", &body, page.redirect_origin)
}

/// What the page for a device's code shows.
pub(super) struct DevicePage<'a> {
    pub action: &'a str,
    /// Who waits under the code, when it is known.
    pub client_id: Option<&'a str>,
    pub user_code: &'a str,
    pub username: &'a str,
    pub problem: Option<&'a str>,
}

/// The form for a device's code. Nothing is granted by following a link: the person compares the code and signs in.
pub(super) fn device(page: &DevicePage<'_>) -> Response {
    let problem = page
        .problem
        .map(|text| format!(r#"<p class="problem" id="problem" role="alert">{}</p>"#, escape(text)));
    let who = page.client_id.map_or_else(
        || "<p>Type the code that the program shows.</p>".to_owned(),
        |client| {
            format!(
                "<p>The program <strong>{}</strong> asks to act as you. Go on only if it shows this code, and you started \
                 it yourself.</p>",
                escape(client)
            )
        },
    );
    let body = format!(
        r#"<h1>Sign in a program</h1>{who}{problem}
<form method="post" action="{action}">
<label for="user_code">Code</label>
<input id="user_code" name="user_code" value="{code}" autocomplete="off" autocapitalize="characters" spellcheck="false" required>
<label for="username">User name</label>
<input id="username" name="username" value="{username}" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit" name="answer" value="allow">Sign in</button>
<button type="submit" name="answer" value="refuse">Refuse</button></form>"#,
        problem = problem.unwrap_or_default(),
        action = escape(page.action),
        code = escape(page.user_code),
        username = escape(page.username),
    );
    let status = if page.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    respond(status, "Sign in a program", &body, "")
}

/// A page that says one thing.
pub(super) fn note(title: &str, text: &str) -> Response {
    respond(StatusCode::OK, title, &format!("<h1>{}</h1><p>{}</p>", escape(title), escape(text)), "")
}

/// A page that says what is wrong.
pub(super) fn error(status: StatusCode, text: &str) -> Response {
    respond(status, "Cannot sign in", &format!("<h1>Cannot sign in</h1><p>{}</p>", escape(text)), "")
}

/// The page after a logout that names no address to go to.
pub(super) fn signed_out() -> Response {
    respond(StatusCode::OK, "Signed out", "<h1>Signed out</h1><p>You can close this page.</p>", "")
}

fn respond(status: StatusCode, title: &str, body: &str, form_target: &str) -> Response {
    let html = format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head><body><main>{body}</main></body></html>"#
    );
    let style_hash = STANDARD.encode(sha256(&[STYLE.as_bytes()]));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style_hash}'; form-action 'self' {form_target}; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Text made safe inside elements and double-quoted attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
