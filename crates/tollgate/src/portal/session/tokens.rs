//! From a code to a person: the exchange at the token endpoint, and the judgement of what comes back. No token is kept.

use std::sync::Arc;
use std::time::Duration;

use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthorizationCode, Client, ClientId, ClientSecret, EndpointNotSet, EndpointSet, ExtraTokenFields,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, StandardRevocableToken, StandardTokenResponse,
    TokenResponse as _,
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use tollgate_core::caller::Caller;
use tollgate_core::check::identify;
use tollgate_core::credential::{self, Credential};
use tollgate_core::jwt::{
    IdToken, IssuerRules, OpenToken, Relation, TokenFault, VerifiedToken, VerifyKey, verify_id_token,
};
use tollgate_core::time::Timestamp;

use super::provider::Provider;
use super::{Login, LoginOptions};
use crate::portal::Portal;
use crate::portal::acquaintance::Introduction;
use crate::portal::person::tells_groups;
use crate::portal::problem::{Answer, Code, Problem};
use crate::store;
use crate::views::{FetchError, FoundKey, gather_token};

/// For an issuer that has to be asked for a new key.
const PATIENCE: Duration = Duration::from_secs(3);

/// What OpenID Connect adds to a token response.
#[derive(Deserialize, Serialize)]
pub struct IdTokenField {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdTokenField {}

impl std::fmt::Debug for IdTokenField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdTokenField")
    }
}

type TokenResponse = StandardTokenResponse<IdTokenField, BasicTokenType>;
type ExchangeError = RequestTokenError<FetchError, BasicErrorResponse>;

/// The OAuth client that this deployment is.
pub type OidcClient = Client<
    BasicErrorResponse,
    TokenResponse,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Who logged in, and by which session at the issuer.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Who.
    pub who: Introduction,
    /// The issuer's session.
    pub sid: Option<String>,
    /// When they last proved who they are.
    pub authenticated_at: Timestamp,
}

/// Why a token of the issuer was not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disbelief {
    /// It is not good.
    Refused(TokenFault),
    /// Nobody can tell now.
    Unavailable,
}

/// The client for one exchange with this provider.
pub fn client(provider: &Provider, options: &LoginOptions) -> OidcClient {
    let client = Client::new(ClientId::new(options.client_id.clone()))
        .set_auth_uri(provider.authorization.clone())
        .set_token_uri(provider.token.clone())
        .set_auth_type(provider.auth_type.clone())
        .set_redirect_uri(RedirectUrl::from_url(options.callback_url()));
    match &options.client_secret {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned())),
        None => client,
    }
}

/// Exchanges a code, once, and judges what comes back.
///
/// # Errors
/// `login_failed` when the issuer or its answer is not good, `unavailable` when it is away; nothing is left behind.
pub async fn exchange(
    portal: &Portal,
    login: &Login,
    provider: &Provider,
    begun: &store::Login,
    code: &str,
) -> Answer<Arrival> {
    let fetcher = login.fetcher.clone();
    let http = move |request| {
        let fetcher = fetcher.clone();
        async move { fetcher.send(request).await }
    };
    let answer = client(provider, &login.options)
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()))
        .request_async(&http)
        .await
        .map_err(|error| failed(&error))?;
    let Some(id_token) = &answer.extra_fields().id_token else {
        tracing::warn!("the issuer's token response has no ID token; is 'openid' among the client's scopes?");
        return Err(refused());
    };
    let access_token = answer.access_token().secret();
    let id =
        judge(portal, login, id_token, access_token, &begun.nonce).await.map_err(|error| match error {
            Disbelief::Refused(fault) => {
                tracing::warn!(reason = %fault, "the issuer's ID token was refused");
                refused()
            }
            Disbelief::Unavailable => {
                Problem::new(Code::Unavailable, "The issuer's keys cannot be had. Try again shortly.")
                    .retry_after(2)
            }
        })?;
    let mut groups = id.who.groups.clone();
    let mut groups_told = tells_groups(&id.who, portal);
    if let Some(access) = good_access_token(portal, access_token, &id.who).await {
        groups_told |= tells_groups(&access, portal);
        for group in &access.groups {
            if !groups.contains(group) {
                groups.push(group.clone());
            }
        }
    }
    let leeway_secs = login.rules(&portal.rulebook().borrow()).map_or(0, |rules| rules.leeway_secs);
    let authenticated_at = proven_at(&id, begun, portal.now(), leeway_secs)?;
    let verified = id.who.claims.get("email_verified").and_then(Value::as_bool).unwrap_or(false);
    Ok(Arrival {
        sid: id.who.session_id.clone(),
        authenticated_at,
        who: Introduction {
            issuer: id.who.issuer.to_string(),
            subject: id.who.subject,
            username: id.who.username,
            email: id.who.email.map(|email| (email, verified)),
            groups,
            groups_told,
        },
    })
}

/// When the person last proved who they are: as the issuer says (`auth_time`), else the moment of the login. Never later than
/// now, and not before the moment from which on a new proof was asked for.
fn proven_at(id: &IdToken, begun: &store::Login, now: Timestamp, leeway_secs: u32) -> Answer<Timestamp> {
    let Some(after) = begun.authenticated_after else {
        return Ok(id.authenticated_at.or(id.who.issued_at).unwrap_or(now).min(now));
    };
    // `auth_time` has whole seconds.
    let after = Timestamp::from_secs(after.as_secs()).plus_secs(-i64::from(leeway_secs));
    match id.authenticated_at {
        Some(at) if at >= after => Ok(at.min(now)),
        Some(_) => {
            tracing::warn!("the issuer was asked for a new proof of who the person is, and gave an old one");
            Err(not_anew("The issuer did not ask you anew who you are. Log out there, and log in again."))
        }
        None => {
            tracing::warn!(
                "the issuer was asked for a new proof of who the person is (max_age) and does not say when it got one \
                 (auth_time)"
            );
            Err(not_anew("The issuer does not say when you last proved who you are. Ask an operator."))
        }
    }
}

fn not_anew(detail: &'static str) -> Problem {
    Problem::new(Code::LoginFailed, detail)
}

async fn judge(
    portal: &Portal,
    login: &Login,
    id_token: &str,
    access_token: &str,
    nonce: &str,
) -> Result<IdToken, Disbelief> {
    let (token, rules, key) = signed(portal, login, id_token).await?;
    let client_id = &login.options.client_id;
    let relation = Relation { client_id, nonce, access_token: Some(access_token) };
    verify_id_token(&token, &rules, relation, &key, portal.now()).map_err(Disbelief::Refused)
}

/// Opens a token that the configured issuer says it signed, and finds the key to see whether it did.
///
/// # Errors
/// It is no such token, or the key cannot be had.
pub async fn signed(
    portal: &Portal,
    login: &Login,
    text: &str,
) -> Result<(OpenToken, Arc<IssuerRules>, Arc<VerifyKey>), Disbelief> {
    let rulebook = portal.rulebook().borrow();
    let token = OpenToken::open(text, rulebook.policy.max_token_bytes).map_err(Disbelief::Refused)?;
    let rules = login.rules(&rulebook).ok_or(Disbelief::Unavailable)?;
    // Another issuer's token, and an algorithm that is not allowed, must not cause a fetch.
    if !rules.accepted_issuers.iter().any(|iss| iss == token.issuer()) {
        return Err(Disbelief::Refused(TokenFault::IssuerUnknown));
    }
    if !rules.algorithms.contains(&token.algorithm()) {
        return Err(Disbelief::Refused(TokenFault::AlgorithmNotAllowed));
    }
    let deadline = Instant::now() + PATIENCE;
    match rulebook.keys.find_key(&rules.name, token.key_id(), token.algorithm(), deadline).await {
        FoundKey::Key { key, .. } => Ok((token, rules, key)),
        FoundKey::Absent => Err(Disbelief::Refused(TokenFault::KeyUnknown)),
        FoundKey::Mismatch(fault) => Err(Disbelief::Refused(fault)),
        FoundKey::Unavailable | FoundKey::Late => Err(Disbelief::Unavailable),
    }
}

/// Many issuers write groups and roles into the access token alone. It counts when the API itself would take it, and when
/// it is the same person's.
async fn good_access_token(
    portal: &Portal,
    access_token: &str,
    who: &VerifiedToken,
) -> Option<Arc<VerifiedToken>> {
    // An issuer may give out access tokens that nobody but itself can read.
    let Ok(Credential::Jwt(token)) = credential::classify(access_token) else { return None };
    let rulebook = portal.rulebook().borrow();
    let deadline = Instant::now() + PATIENCE;
    let gathered = gather_token(token, &rulebook, portal.tokens(), portal.now(), deadline).await;
    match identify(&gathered.facts) {
        Ok(Caller::User(token)) if token.issuer == who.issuer && token.subject == who.subject => Some(token),
        _ => None,
    }
}

fn refused() -> Problem {
    Problem::new(
        Code::LoginFailed,
        "The issuer's answer was not accepted. Log in again; if it stays so, ask an operator.",
    )
}

/// What the failed exchange means. The issuer's text may hold anything, so that only its error code is logged.
fn failed(error: &ExchangeError) -> Problem {
    match error {
        RequestTokenError::ServerResponse(response) => {
            tracing::warn!(error = %response.error(), "the issuer refused to exchange a code");
            Problem::new(Code::LoginFailed, "The issuer did not accept the login. Log in again.")
        }
        RequestTokenError::Request(error) => {
            tracing::warn!(%error, "the issuer's token endpoint gave no answer");
            Problem::new(Code::Unavailable, "The issuer gave no answer. Log in again in a moment.")
                .retry_after(2)
        }
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            tracing::warn!("the issuer's token endpoint answered with something that is no token response");
            Problem::new(Code::Unavailable, "The issuer's answer makes no sense. Log in again in a moment.")
                .retry_after(2)
        }
    }
}
