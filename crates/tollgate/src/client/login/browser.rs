//! The authorization code grant with PKCE, through the browser of this machine and back to a port of ours (RFC 8252).

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use url::Url;

use super::issuer::{Issuer, OAuthError};
use crate::client::{ClientError, SavedLogin};
use crate::clock::Clock;
use crate::entropy::{Entropy, bytes};

/// The longest that is waited for a person.
const PATIENCE: Duration = Duration::from_secs(600);
/// Where the browser comes back to.
const PATH: &str = "/callback";

/// What came back.
enum Returned {
    Code(String),
    Refused(OAuthError),
}

/// What an answer has to say to be ours.
struct Expected {
    state: String,
    issuer: Option<String>,
}

/// Signs in; `show` is told which address to open.
///
/// # Errors
/// The person refused or did not come, or the issuer did not play along.
pub async fn by_browser(
    issuer: &Issuer,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    show: &(dyn Fn(&str) + Sync),
) -> Result<SavedLogin, ClientError> {
    let failed = |what: &str| ClientError::Issuer(what.to_owned());
    let mut authorize = issuer
        .authorization_endpoint
        .clone()
        .ok_or_else(|| failed("it does not offer sign-in by browser; use --device"))?;
    let random = || bytes::<32>(entropy).map_err(|error| ClientError::Saved(error.to_string()));
    let verifier = URL_SAFE_NO_PAD.encode(random()?);
    let state = URL_SAFE_NO_PAD.encode(random()?);
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));

    let port = TcpListener::bind("127.0.0.1:0").await;
    let port = port.map_err(|error| ClientError::Address(format!("no port on this machine: {error}")))?;
    let address = port.local_addr().map_err(|error| ClientError::Address(error.to_string()))?;
    let redirect = format!("http://127.0.0.1:{}{PATH}", address.port());
    authorize
        .query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &issuer.sign_in.client_id)
        .append_pair("redirect_uri", &redirect)
        .append_pair("scope", &issuer.sign_in.scopes.join(" "))
        .append_pair("state", &state)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    show(authorize.as_str());

    let expected = Expected { state, issuer: issuer.names_itself.then(|| issuer.sign_in.issuer.clone()) };
    let returned = tokio::time::timeout(PATIENCE, wait(port, expected)).await;
    let returned = returned.map_err(|_| failed("nobody came in time; run the command again"))?;
    let code = match returned.ok_or_else(|| failed("the browser did not come back"))? {
        Returned::Code(code) => code,
        Returned::Refused(refusal) => return Err(refusal.into()),
    };
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", redirect.as_str()),
        ("code_verifier", verifier.as_str()),
    ];
    Ok(issuer.token(&fields, clock.now()).await??)
}

/// Serves the port until an answer of ours has come; anything else that comes is told so and changes nothing.
async fn wait(port: TcpListener, expected: Expected) -> Option<Returned> {
    let (sender, receiver) = oneshot::channel();
    let shared = Arc::new((expected, Mutex::new(Some(sender))));
    let serve = async {
        loop {
            let Ok((stream, _)) = port.accept().await else { continue };
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(answer(request.uri(), &shared.0, &shared.1)) }
                });
                let served = hyper::server::conn::http1::Builder::new()
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), answer);
                // A browser that hangs up early has its answer, or does not want it.
                let _ = tokio::time::timeout(Duration::from_secs(10), served).await;
            });
        }
    };
    tokio::select! {
        returned = receiver => {
            // The page is on its way to the browser: the process must not end before it is there.
            tokio::time::sleep(Duration::from_millis(200)).await;
            returned.ok()
        }
        () = serve => None,
    }
}

fn answer(
    uri: &http::Uri,
    expected: &Expected,
    sender: &Mutex<Option<oneshot::Sender<Returned>>>,
) -> http::Response<Full<Bytes>> {
    let (status, text) = match read(uri, expected) {
        None => (404, "This is not an answer to the sign-in that is under way."),
        Some(returned) => {
            let text = match returned {
                Returned::Code(_) => {
                    "You are signed in. You can close this page and go back to the terminal."
                }
                Returned::Refused(_) => "You are not signed in. The terminal says why.",
            };
            let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(sender) = sender {
                // Nobody waits any more: the command was stopped.
                let _ = sender.send(returned);
            }
            (200, text)
        }
    };
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tollgate</title><p>{text}</p></html>"
    );
    let mut response = http::Response::new(Full::new(Bytes::from(page)));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
    ] {
        response
            .headers_mut()
            .insert(http::HeaderName::from_static(name), http::HeaderValue::from_static(value));
    }
    response
}

/// What an answer says, if it is to our question: right path, our state, each parameter once, the right issuer.
fn read(uri: &http::Uri, expected: &Expected) -> Option<Returned> {
    let url = Url::parse("http://127.0.0.1").ok()?.join(&uri.to_string()).ok()?;
    if url.path() != PATH {
        return None;
    }
    let one = |name: &str| {
        let mut values =
            url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let first = values.next()?;
        values.next().is_none().then_some(first)
    };
    let state = one("state")?;
    verify_slices_are_equal(state.as_bytes(), expected.state.as_bytes()).ok()?;
    if let Some(issuer) = &expected.issuer
        && one("iss").as_deref() != Some(issuer)
    {
        return None;
    }
    match (one("code"), one("error")) {
        (Some(code), None) => Some(Returned::Code(code)),
        (None, Some(error)) => {
            Some(Returned::Refused(OAuthError { error, error_description: one("error_description") }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_an_answer_to_our_question_counts() {
        let expected = Expected { state: "S".into(), issuer: Some("https://i".into()) };
        let said = |uri: &str| match read(&uri.parse().unwrap(), &expected) {
            None => "nothing".to_owned(),
            Some(Returned::Code(code)) => format!("code {code}"),
            Some(Returned::Refused(refusal)) => format!("refused {}", refusal.error),
        };
        for (uri, expected) in [
            ("/callback?code=C&state=S&iss=https%3A%2F%2Fi", "code C"),
            ("/callback?error=access_denied&state=S&iss=https%3A%2F%2Fi", "refused access_denied"),
            ("/callback?code=C&state=T&iss=https%3A%2F%2Fi", "nothing"),
            ("/callback?code=C&iss=https%3A%2F%2Fi", "nothing"),
            ("/callback?code=C&state=S", "nothing"),
            ("/callback?code=C&state=S&iss=https%3A%2F%2Fother", "nothing"),
            ("/callback?code=C&code=D&state=S&iss=https%3A%2F%2Fi", "nothing"),
            ("/callback?code=C&state=S&state=S&iss=https%3A%2F%2Fi", "nothing"),
            ("/callback?code=C&error=e&state=S&iss=https%3A%2F%2Fi", "nothing"),
            ("/?code=C&state=S&iss=https%3A%2F%2Fi", "nothing"),
            ("/callback", "nothing"),
        ] {
            assert_eq!(said(uri), expected, "{uri}");
        }
    }
}
