//! Who asks: HTTP Basic or form fields (RFC 6749 section 2.3.1), never both, compared in constant time.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{IntrospectionClient, Refusal, sha256};
use crate::portal::Portal;
use crate::portal::origin::Origin;
use crate::portal::parameters::{Parameters, UnreadForm};
use crate::portal::problem::{Code, Problem};

/// Reads the form of a configured client. Failed attempts are counted per address, so that secrets cannot be guessed; a body
/// is read only of a client whose header proves who it is, or, when its secret stands in the body, of an address that has
/// attempts left.
///
/// # Errors
/// Nobody is configured, the client is not one of them, or too many attempts failed.
pub async fn form(
    portal: &Portal,
    origin: &Origin,
    headers: &HeaderMap,
    form: &UnreadForm,
) -> Result<Parameters, Refusal> {
    if headers.contains_key(header::AUTHORIZATION) {
        authenticate(portal, origin, headers, (None, None))?;
    } else {
        must_be_configured(portal)?;
        portal.limits().admit(origin.address)?;
    }
    let form = form.read(portal).await?;
    authenticate(portal, origin, headers, (form.get("client_id"), form.get("client_secret")))?;
    Ok(form)
}

fn must_be_configured(portal: &Portal) -> Result<(), Refusal> {
    if portal.introspection().is_empty() {
        let detail = "Nobody may ask here. An operator can list services in introspection.clients.";
        return Err(Problem::new(Code::NotConfigured, detail).into());
    }
    Ok(())
}

/// Lets a configured client through; failed attempts are counted per address.
///
/// # Errors
/// As [`form`].
pub fn authenticate(
    portal: &Portal,
    origin: &Origin,
    headers: &HeaderMap,
    in_body: (Option<&str>, Option<&str>),
) -> Result<(), Refusal> {
    must_be_configured(portal)?;
    let clients = portal.introspection();
    if presented(headers, in_body)
        .is_some_and(|offers| offers.iter().any(|(id, secret)| proves(clients, id, secret)))
    {
        return Ok(());
    }
    if let Some(address) = origin.address {
        portal.limits().address(address)?;
    }
    Err(Refusal::Client)
}

/// The id and secret that were presented, in every reading that they have: some clients escape them before they go into
/// Basic, as the RFC says, and some do not.
fn presented(headers: &HeaderMap, in_body: (Option<&str>, Option<&str>)) -> Option<Vec<(String, String)>> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    match (lines.next(), lines.next(), in_body) {
        (None, _, (Some(id), Some(secret))) => Some(vec![(id.to_owned(), secret.to_owned())]),
        (Some(line), None, (_, None)) => {
            let (scheme, encoded) = line.to_str().ok()?.split_once(' ')?;
            if !scheme.eq_ignore_ascii_case("basic") {
                return None;
            }
            let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
            let (id, secret) = text.split_once(':')?;
            if in_body.0.is_some_and(|other| other != id) {
                return None;
            }
            Some(vec![(id.to_owned(), secret.to_owned()), (unescape(id), unescape(secret))])
        }
        _ => None,
    }
}

/// Every client is compared, whichever is asked for, so that the time tells nothing.
fn proves(clients: &[IntrospectionClient], id: &str, secret: &str) -> bool {
    let digest = sha256(secret);
    clients.iter().fold(false, |proven, client| {
        let same = verify_slices_are_equal(&client.digest, &digest).is_ok();
        proven | (same & (client.id == id))
    })
}

fn unescape(text: &str) -> String {
    // One value and no name: `&` and `=` are escaped, so that the parser gives exactly one pair.
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    let mut pairs = url::form_urlencoded::parse(escaped.as_bytes());
    pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}
