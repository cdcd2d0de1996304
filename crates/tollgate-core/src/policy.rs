//! The compiled policy: what an operator configured, checked once and then only read.

use std::collections::HashMap;
use std::sync::Arc;

use thiserror::Error;

use crate::credential::CredentialHeader;
use crate::denial::UnauthenticatedStatus;
use crate::identity::IdentityHeaders;
use crate::jwt::IssuerRules;
use crate::models::ModelRules;
use crate::route::Route;
use crate::target::Target;

/// Everything that decides a check and does not come with it. Replaced whole on reload.
#[derive(Debug)]
pub struct Policy {
    routes: Vec<Route>,
    issuers: Vec<Arc<IssuerRules>>,
    by_iss: HashMap<String, usize>,
    /// Where credentials are looked for.
    pub credential_headers: Vec<CredentialHeader>,
    /// The answer to callers who did not prove who they are.
    pub unauthenticated_status: UnauthenticatedStatus,
    /// The protection space named in challenges (RFC 9110 section 11.5).
    pub realm: String,
    /// The names under which the backend learns who calls.
    pub identity: IdentityHeaders,
    /// The largest token that is looked at, in bytes.
    pub max_token_bytes: usize,
    /// How the model of a request is found.
    pub models: ModelRules,
}

/// Why the parts do not make a policy.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PolicyError {
    /// One `iss` value is claimed by two issuers: a token would have two judges.
    #[error("issuer value '{iss}' is accepted by both '{first}' and '{second}'")]
    IssuerTwice {
        /// The value.
        iss: String,
        /// The issuer listed first.
        first: String,
        /// The issuer listed second.
        second: String,
    },
}

impl Policy {
    /// A policy of these routes, in order of precedence, and these issuers.
    ///
    /// # Errors
    /// [`PolicyError::IssuerTwice`].
    pub fn new(routes: Vec<Route>, issuers: Vec<Arc<IssuerRules>>) -> Result<Self, PolicyError> {
        let mut by_iss: HashMap<String, usize> = HashMap::new();
        for (at, issuer) in issuers.iter().enumerate() {
            for iss in &issuer.accepted_issuers {
                match by_iss.insert(iss.clone(), at) {
                    Some(before) if before != at => {
                        return Err(PolicyError::IssuerTwice {
                            iss: iss.clone(),
                            first: issuers[before].name.clone(),
                            second: issuer.name.clone(),
                        });
                    }
                    _ => {}
                }
            }
        }
        Ok(Self {
            routes,
            issuers,
            by_iss,
            credential_headers: CredentialHeader::defaults(),
            unauthenticated_status: UnauthenticatedStatus::default(),
            realm: "tollgate".into(),
            identity: IdentityHeaders::default(),
            max_token_bytes: crate::jwt::DEFAULT_MAX_TOKEN_BYTES,
            models: ModelRules::NONE,
        })
    }

    /// The first route that is for this request.
    pub fn find_route(&self, policy: Option<&str>, target: &Target<'_>) -> Option<&Route> {
        self.routes.iter().find(|route| route.matches(policy, target))
    }

    /// The rules of the issuer that signs as `iss`, compared byte for byte.
    pub fn find_issuer(&self, iss: &str) -> Option<&Arc<IssuerRules>> {
        self.by_iss.get(iss).and_then(|at| self.issuers.get(*at))
    }

    /// All issuers.
    pub fn issuers(&self) -> &[Arc<IssuerRules>] {
        &self.issuers
    }

    /// All routes in order of precedence.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }
}
