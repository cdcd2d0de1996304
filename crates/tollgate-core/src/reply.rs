//! From verdict to answer, as plain values that each door only has to copy. Fields are private: an [`Allow`] and an
//! [`Answer`] are only ever made from a [`Permit`], and a [`Deny`] always has an error status.

use std::borrow::Cow;

use http::StatusCode;

use crate::caller::Caller;
use crate::check::Verdict;
use crate::denial::{Denial, DenialClass, DenialCode};
use crate::dialect::Dialect;
use crate::identity::{self, Fact, Filling, IdentityHeaders, MAX_VALUE_BYTES, ModelFact};
use crate::input::{CheckId, CheckInput};
use crate::models::{self, ModelCatalogue, ModelScope};
use crate::permit::Permit;
use crate::policy::Policy;

/// The answer to one check.
#[derive(Debug)]
pub enum Reply<'p> {
    /// Let the request through, with these changes.
    Allow(Allow<'p>),
    /// Answer the permitted request here; the backend need not see it.
    Answer(Answer<'p>),
    /// Answer the caller instead.
    Deny(Deny<'p>),
}

/// How a permitted request is changed on its way to the backend.
#[derive(Debug)]
pub struct Allow<'p> {
    set: Vec<(&'p str, Cow<'p, str>)>,
    remove: Vec<&'p str>,
    aliases: Vec<String>,
    identity: &'p IdentityHeaders,
    remove_query: Option<&'p str>,
    metadata: Vec<(&'static str, Cow<'p, str>)>,
}

/// What a permitted caller gets from us in the backend's stead: 200, and a list of models.
#[derive(Debug)]
pub struct Answer<'p> {
    headers: Vec<(&'p str, String)>,
    body: String,
    otherwise: Allow<'p>,
}

/// What a refused caller gets.
#[derive(Debug)]
pub struct Deny<'p> {
    status: StatusCode,
    code: DenialCode,
    headers: Vec<(&'p str, String)>,
    body: String,
    metadata: Vec<(&'static str, Cow<'p, str>)>,
}

impl<'p> Allow<'p> {
    /// Headers to set for the backend, replacing every copy that the client sent. Never empty values.
    pub fn set(&self) -> &[(&'p str, Cow<'p, str>)] {
        &self.set
    }

    /// Headers to remove before the backend sees the request.
    pub fn remove(&self) -> &[&str] {
        &self.remove
    }

    /// Headers of this request that a backend could take for an identity header, because only their separators differ. To be
    /// removed too.
    pub fn aliases(&self) -> &[String] {
        &self.aliases
    }

    /// The names of identity headers, for a door that does not see all headers of a request.
    pub const fn identity(&self) -> &'p IdentityHeaders {
        self.identity
    }

    /// The query parameter to remove: the one that carried the credential.
    pub const fn remove_query(&self) -> Option<&str> {
        self.remove_query
    }

    /// Facts for the gateway's dynamic metadata; values are strings, ids included.
    pub fn metadata(&self) -> &[(&'static str, Cow<'p, str>)] {
        &self.metadata
    }
}

impl<'p> Answer<'p> {
    /// Headers of the answer.
    pub fn headers(&self) -> &[(&str, String)] {
        &self.headers
    }

    /// The body: JSON.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// What a door does that cannot answer in a backend's stead: let the request through.
    pub const fn otherwise(&self) -> &Allow<'p> {
        &self.otherwise
    }
}

impl<'p> Deny<'p> {
    /// Always a client or server error.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The true code, for doors that answer outages in a way of their own.
    pub const fn code(&self) -> DenialCode {
        self.code
    }

    /// Headers of the answer.
    pub fn headers(&self) -> &[(&str, String)] {
        &self.headers
    }

    /// The body, in the caller's dialect.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Facts for the gateway's dynamic metadata.
    pub fn metadata(&self) -> &[(&'static str, Cow<'p, str>)] {
        &self.metadata
    }
}

impl<'p> Reply<'p> {
    /// The answer to a verdict. `input` is absent when the request could not even be parsed.
    pub fn new(
        verdict: &'p Verdict<'_>,
        input: Option<&CheckInput<'_>>,
        policy: &'p Policy,
        check_id: CheckId,
    ) -> Self {
        match verdict {
            Ok(permit) => {
                let allow = allow(permit, input, policy, check_id);
                let asked = input.map(|i| &i.target).filter(|target| ModelCatalogue::is_asked_for(target));
                match (&permit.route().models.catalogue, asked) {
                    (Some(catalogue), Some(target)) => {
                        Self::Answer(answer(permit, catalogue, &target.path, policy, check_id, allow))
                    }
                    _ => Self::Allow(allow),
                }
            }
            Err(denial) => Self::Deny(deny(denial, input, policy, check_id)),
        }
    }
}

fn allow<'p>(
    permit: &'p Permit<'_>,
    input: Option<&CheckInput<'_>>,
    policy: &'p Policy,
    check_id: CheckId,
) -> Allow<'p> {
    let check_id = check_id.to_string();
    let mut set = Vec::with_capacity(Fact::ALL.len());
    let mut remove = Vec::new();
    let mut metadata = Vec::with_capacity(Fact::ALL.len() + 2);
    for (name, filling) in policy.identity.headers() {
        let value = match filling {
            Filling::Caller(fact) => value(fact, permit.caller(), &check_id),
            Filling::Models(fact) => model_value(fact, permit),
        };
        match value {
            // An empty value would leave the client's own header standing in some Envoy versions.
            Some(value) if !value.is_empty() && value.len() <= MAX_VALUE_BYTES => set.push((name, value)),
            _ => remove.push(name),
        }
    }
    for fact in Fact::ALL {
        if let Some(value) = value(fact, permit.caller(), &check_id) {
            metadata.push((fact.as_str(), value));
        }
    }
    if let Some(model) = permit.model() {
        metadata.push(("model", identity::encode(model)));
    }
    metadata.push(("route", identity::encode(&permit.route().name)));
    if !permit.route().forward_credential {
        remove.extend(policy.credential_headers.iter().map(|place| place.name.as_str()));
    }
    let names = input.into_iter().flat_map(|input| input.headers.iter()).map(|(name, _)| name);
    let aliases = names.filter(|name| policy.identity.is_alias(name)).map(str::to_owned).collect();
    let remove_query =
        permit.route().query_credential.as_deref().filter(|_| !permit.route().forward_credential);
    Allow { set, remove, aliases, identity: &policy.identity, remove_query, metadata }
}

fn value<'p>(fact: Fact, caller: Option<&'p Caller>, check_id: &str) -> Option<Cow<'p, str>> {
    let encoded = |text: &'p str| Some(identity::encode(text));
    match (fact, caller) {
        (Fact::CheckId, _) => Some(Cow::Owned(check_id.to_owned())),
        (_, None) => None,
        (Fact::Subject, Some(caller)) => encoded(caller.subject()),
        (Fact::User, Some(Caller::User(token))) => encoded(&token.username),
        (Fact::User, Some(Caller::Key(key))) => encoded(&key.owner.name),
        (Fact::Email, Some(Caller::User(token))) => token.email.as_deref().map(identity::encode),
        (Fact::Email, Some(Caller::Key(key))) => key.owner.email.as_deref().map(identity::encode),
        (Fact::Issuer, Some(Caller::User(token))) => encoded(&token.issuer_url),
        (Fact::Issuer, Some(Caller::Key(key))) => key.owner.issuer.as_deref().map(identity::encode),
        (Fact::Groups, Some(Caller::User(token))) if !token.groups.is_empty() => {
            Some(Cow::Owned(identity::encode_list(&token.groups)))
        }
        (Fact::KeyId, Some(Caller::Key(key))) => encoded(key.id.as_str()),
        (Fact::Project, Some(Caller::Key(key))) => encoded(&key.project.id),
        (Fact::Organization, Some(Caller::Key(key))) => encoded(&key.project.organization),
        (Fact::Groups, Some(_)) => None,
        (Fact::KeyId | Fact::Project | Fact::Organization, Some(_)) => None,
    }
}

fn model_value(fact: ModelFact, permit: &Permit<'_>) -> Option<Cow<'static, str>> {
    let scope = ModelScope::of(permit.caller(), permit.route());
    match fact {
        ModelFact::Policy => Some(scope.kind().into()),
        ModelFact::Allowed => scope.patterns().map(|patterns| identity::encode_list(&patterns).into()),
    }
}

/// The catalogue's models, as far as the caller may use them.
fn answer<'p>(
    permit: &Permit<'_>,
    catalogue: &ModelCatalogue,
    path: &str,
    policy: &'p Policy,
    check_id: CheckId,
    otherwise: Allow<'p>,
) -> Answer<'p> {
    let scope = ModelScope::of(permit.caller(), permit.route());
    let usable = |name: &&str| policy.models.meant((*name).into()).is_ok_and(|meant| scope.allows(&meant));
    let body = models::listing(Dialect::of_path(path), catalogue.names().filter(usable));
    Answer { headers: answer_headers(policy, "application/json", check_id), body, otherwise }
}

/// Headers of everything that we answer ourselves.
fn answer_headers<'p>(policy: &'p Policy, content_type: &str, check_id: CheckId) -> Vec<(&'p str, String)> {
    vec![
        (policy.identity.check_id_header(), check_id.to_string()),
        ("content-type", content_type.to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
    ]
}

fn deny<'p>(
    denial: &Denial,
    input: Option<&CheckInput<'_>>,
    policy: &'p Policy,
    check_id: CheckId,
) -> Deny<'p> {
    let route = input.and_then(|i| i.route);
    let unauthenticated =
        route.and_then(|r| r.unauthenticated_status).unwrap_or(policy.unauthenticated_status);
    let status = denial.code().status(unauthenticated);
    let dialect = input.map_or(Dialect::Text, |i| Dialect::of_path(&i.target.path));
    let mut headers = answer_headers(policy, dialect.content_type(), check_id);
    if denial.code().class() == DenialClass::Unauthenticated {
        headers.push(("www-authenticate", challenge(denial.code().public(), &policy.realm)));
    }
    if let Some(seconds) = denial.retry_after_secs() {
        headers.push(("retry-after", seconds.to_string()));
    }
    let metadata = vec![
        (Fact::CheckId.as_str(), Cow::Owned(check_id.to_string())),
        ("denial_code", denial.code().as_str().into()),
    ];
    let body = dialect.body(denial, status, check_id);
    Deny { status, code: denial.code(), headers, body, metadata }
}

/// RFC 6750 section 3: no `error` when nothing was presented.
fn challenge(code: DenialCode, realm: &str) -> String {
    // A realm is a quoted-string (RFC 9110 section 5.6.4): quotes and backslashes would end it early.
    let realm: String =
        realm.chars().filter(|c| (' '..='~').contains(c) && *c != '"' && *c != '\\').collect();
    let error = match code {
        DenialCode::CredentialMissing => return format!("Bearer realm=\"{realm}\""),
        DenialCode::CredentialMalformed | DenialCode::CredentialAmbiguous => "invalid_request",
        _ => "invalid_token",
    };
    let description = match code {
        DenialCode::TokenExpired => "The token has expired",
        DenialCode::TokenLightweight => "The token has no subject",
        DenialCode::CredentialAmbiguous => "More than one credential was sent",
        _ => "The credential was refused",
    };
    format!("Bearer realm=\"{realm}\", error=\"{error}\", error_description=\"{description}\"")
}
