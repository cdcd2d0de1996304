//! `GET /login`: to the issuer, with everything that the way back will be held against.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, Scope};

use super::cookies::MAX_LOGINS;
use super::{next, page, tokens};
use crate::entropy::{Entropy, EntropyError, bytes};
use crate::portal::Portal;
use crate::portal::origin::Origin;
use crate::portal::parameters::Parameters;
use crate::portal::problem::{Answer, Code, Problem};
use crate::store::{self, SecretDigest};

/// Seconds from here to the way back.
pub const LIFETIME_SECS: u64 = 600;

/// `GET /login?next=/path`, and `&again=true` to prove anew who one is.
pub async fn show(
    State(portal): State<Portal>,
    origin: Origin,
    headers: HeaderMap,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    begin(&portal, &origin, &headers, &query).await.unwrap_or_else(|problem| page::refusal(&headers, problem))
}

async fn begin(portal: &Portal, origin: &Origin, headers: &HeaderMap, query: &str) -> Answer<Response> {
    let login = portal.login()?;
    let store = portal.store()?;
    login.attempt(origin.address)?;
    let query = Parameters::parse(query.as_bytes())?;
    let options = &login.options;
    let (_, provider) = login.provider(portal).await?;
    let [state, browser, nonce, verifier] = secrets(portal.entropy())?;
    let now = portal.now();
    let again = query.get("again") == Some("true");
    let begun = store::Login {
        state: SecretDigest::of(&state),
        browser: SecretDigest::of(&browser),
        issuer: options.issuer.clone(),
        nonce: nonce.clone(),
        verifier: verifier.clone(),
        next: next::safe(query.get("next"), &options.public_url),
        authenticated_after: again.then_some(now),
        created_at: now,
        expires_at: now.plus_secs(i64::try_from(LIFETIME_SECS).unwrap_or(0)),
    };
    store.put_login(&begun).await?;
    let client = tokens::client(&provider, options);
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier));
    let mut request = client
        .authorize_url(|| CsrfToken::new(state.clone()))
        .add_scopes(options.scopes.iter().cloned().map(Scope::new))
        .set_pkce_challenge(challenge)
        .add_extra_param("nonce", nonce);
    if again {
        // `max_age` obliges the issuer to say when (OpenID Connect Core section 3.1.2.1); zero where no bound is set.
        let max_age = options.reauthenticate_after.map_or(0, |bound| bound.as_secs());
        request = request.add_extra_param("prompt", "login").add_extra_param("max_age", max_age.to_string());
    }
    let (target, _) = request.url();
    let mut response = see_other(target.as_str())?;
    let cookies = &login.cookies;
    let stale = cookies.logins(headers);
    if stale.len() >= MAX_LOGINS {
        for name in stale {
            response.headers_mut().append(header::SET_COOKIE, cookies.clear(name));
        }
    }
    let cookie = cookies.set(&cookies.login(&state), &browser, LIFETIME_SECS);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// A redirect that is followed with GET and not kept.
pub fn see_other(target: &str) -> Answer<Response> {
    let location = HeaderValue::from_str(target).map_err(|_| {
        tracing::error!("an address to redirect to cannot stand in a header");
        Problem::new(Code::Internal, "This is a bug. Log in again.")
    })?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

/// 256 bits each, in base64url: as a PKCE verifier it has the length that RFC 7636 asks for.
pub fn secrets<const N: usize>(entropy: &dyn Entropy) -> Result<[String; N], EntropyError> {
    let mut drawn = [const { String::new() }; N];
    for secret in &mut drawn {
        *secret = URL_SAFE_NO_PAD.encode(bytes::<32>(entropy)?);
    }
    Ok(drawn)
}
