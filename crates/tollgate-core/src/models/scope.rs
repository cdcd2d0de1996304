//! The policy in force for one check: the intersection of all that apply.

use super::policy::{ModelPolicy, covers};
use super::request::{ModelOfRequest, Undecidable};
use crate::caller::Caller;
use crate::denial::{Denial, DenialCode};
use crate::route::Route;

/// Every model policy that applies to a check. A model is allowed when each of them allows it.
#[derive(Clone, Copy, Debug)]
pub struct ModelScope<'a> {
    parts: [(&'static str, &'a ModelPolicy); 3],
}

impl<'a> ModelScope<'a> {
    /// The policies of the route and, for an API key, of the key and its project.
    pub fn of(caller: Option<&'a Caller>, route: &'a Route) -> Self {
        let (key, project) = match caller {
            Some(Caller::Key(key)) => (&key.limits.models, &key.project.models),
            Some(Caller::User(_)) | None => (&ModelPolicy::All, &ModelPolicy::All),
        };
        Self { parts: [("key", key), ("project", project), ("route", &route.models.policy)] }
    }

    /// Whether every model may be used.
    pub fn is_all(&self) -> bool {
        self.restricting().next().is_none()
    }

    /// Whether `model`, which is no alias, may be used.
    pub fn allows(&self, model: &str) -> bool {
        self.parts.iter().all(|(_, policy)| policy.allows(model))
    }

    /// Whether the request may be made with the model that it asks for.
    ///
    /// # Errors
    /// `model_not_allowed`, or `model_undecidable` for a caller who may not use all models.
    pub fn check(&self, model: &ModelOfRequest<'_>) -> Result<(), Denial> {
        if self.is_all() {
            return Ok(());
        }
        let undecidable = |why: &Undecidable| Err(Denial::new(DenialCode::ModelUndecidable, why.to_string()));
        match model {
            ModelOfRequest::NotAsked => Ok(()),
            ModelOfRequest::Undecidable(why) => undecidable(why),
            ModelOfRequest::Named(name) => self.check_name(name),
            ModelOfRequest::Claimed(name, why) => self.check_name(name).and_then(|()| undecidable(why)),
        }
    }

    fn check_name(&self, name: &str) -> Result<(), Denial> {
        match self.parts.iter().find(|(_, policy)| !policy.allows(name)) {
            None => Ok(()),
            Some((whose, _)) => Err(Denial::new(
                DenialCode::ModelNotAllowed,
                format!("the {whose}'s model policy does not allow this model"),
            )),
        }
    }

    /// `allow_all`, `allowlist` or `deny_all`, as backends of older gateways read it.
    pub fn kind(&self) -> &'static str {
        if self.is_all() {
            "allow_all"
        } else if self.patterns().is_some_and(|patterns| !patterns.is_empty()) {
            "allowlist"
        } else {
            "deny_all"
        }
    }

    /// Names and patterns that every policy allows; `None` when everything is allowed. Where two patterns overlap and
    /// neither holds the other, their overlap is left out: fewer can only mean fewer rights.
    pub fn patterns(&self) -> Option<Vec<&'a str>> {
        if self.is_all() {
            return None;
        }
        let mut allowed: Vec<&str> = Vec::new();
        for (_, policy) in self.restricting() {
            let ModelPolicy::List(list) = policy else { return Some(Vec::new()) };
            for pattern in list.patterns() {
                let everywhere = self.restricting().all(|(_, other)| match other {
                    ModelPolicy::All => true,
                    ModelPolicy::None => false,
                    ModelPolicy::List(other) => other.patterns().iter().any(|wide| covers(wide, pattern)),
                });
                if everywhere && !allowed.contains(&pattern.as_str()) {
                    allowed.push(pattern);
                }
            }
        }
        Some(allowed)
    }

    fn restricting(&self) -> impl Iterator<Item = (&'static str, &'a ModelPolicy)> {
        self.parts.into_iter().filter(|(_, policy)| **policy != ModelPolicy::All)
    }
}
