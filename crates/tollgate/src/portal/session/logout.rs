//! `POST /logout`: ends the session here, and sends the browser on to end the issuer's (OpenID Connect RP-Initiated Logout).

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use url::Url;

use super::begin::see_other;
use super::recognise::{look_up, owner};
use super::{Login, cookies, csrf, next, page};
use crate::portal::Portal;
use crate::portal::origin::Origin;
use crate::portal::parameters::UnreadForm;
use crate::portal::problem::Answer;
use crate::store::SecretDigest;

/// For scripts, which cannot follow a redirect to another site.
#[derive(Debug, Serialize)]
struct LoggedOut {
    /// Where the browser goes to log out at the issuer too.
    next: String,
}

/// `POST /logout`
pub async fn submit(
    State(portal): State<Portal>,
    origin: Origin,
    headers: HeaderMap,
    form: UnreadForm,
) -> Response {
    let done = leave(&portal, origin, &headers, &form).await;
    done.unwrap_or_else(|problem| page::refusal(&headers, problem))
}

async fn leave(portal: &Portal, origin: Origin, headers: &HeaderMap, form: &UnreadForm) -> Answer<Response> {
    let login = portal.login()?;
    let (store, now, options, cookies) = (portal.store()?, portal.now(), &login.options, &login.cookies);
    let mut target = home(login);
    if let Some(secret) = cookies::secret(headers, cookies.session()) {
        let digest = SecretDigest::of(secret);
        // Nothing has to be protected when there is no session.
        let found = look_up(portal, login, origin.address, secret).await?;
        if found.is_none()
            && let Some(address) = origin.address
        {
            portal.limits().address(address)?;
        }
        if let Some(owned) = found {
            let form = form.read(portal).await?;
            csrf::check(headers, secret, &options.public_url, form.get("csrf_token"))?;
            let session = owned.session.id.clone();
            let author = owner(owned, portal, origin).author(now);
            let mut tx = store.begin().await?;
            tx.end_session_by_secret(&digest).await?;
            tx.audit(author.entry("session.end", "session", &session));
            tx.commit(now).await?;
            target = at_issuer(portal, login).await.unwrap_or(target);
        }
    }
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = if accepts.contains("application/json") {
        Json(LoggedOut { next: target.into() }).into_response()
    } else {
        see_other(target.as_str())?
    };
    response.headers_mut().append(header::SET_COOKIE, cookies.clear(cookies.session()));
    Ok(response)
}

/// The issuer's end of the session. The client and the way back are named; no ID token is kept that could be a hint, so
/// that some issuers ask the person once more.
async fn at_issuer(portal: &Portal, login: &Login) -> Option<Url> {
    // An issuer that cannot be asked must not keep anybody logged in here.
    let (_, provider) = login.provider(portal).await.ok()?;
    let mut target = provider.end_session.clone()?;
    let back = home(login);
    target
        .query_pairs_mut()
        .append_pair("client_id", &login.options.client_id)
        .append_pair("post_logout_redirect_uri", back.as_str());
    Some(target)
}

fn home(login: &Login) -> Url {
    let mut home = login.options.public_url.clone();
    home.set_path(next::HOME);
    home
}
