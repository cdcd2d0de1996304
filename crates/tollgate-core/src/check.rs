//! The rule, top to bottom: who calls, may they, is there room.

use crate::caller::{Caller, KeyRecord, KeyState, Standing};
use crate::denial::{Denial, DenialCode};
use crate::facts::{Evidence, Facts};
use crate::input::CheckInput;
use crate::jwt::{TokenFault, VerifiedToken, verify};
use crate::lookup::Lookup;
use crate::models::{ModelOfRequest, ModelScope};
use crate::permit::Permit;
use crate::route::{ClaimsRequirement, Requirement, Route};
use crate::time::Timestamp;
use std::net::IpAddr;
use std::sync::Arc;

/// The outcome of a check.
pub type Verdict<'p> = Result<Permit<'p>, Denial>;

/// Decides one check from what was asked and what is known. Pure: the same arguments give the same verdict.
///
/// # Errors
/// The denial; its code says why.
pub fn decide<'p>(facts: &Facts, input: &CheckInput<'p>) -> Verdict<'p> {
    let route =
        input.route.ok_or_else(|| Denial::new(DenialCode::NotAllowed, "no route matches the request"))?;
    let caller = match route.requirement {
        Requirement::Public => None,
        Requirement::Authenticated | Requirement::Claims(_) => Some(authenticate(facts, input)?),
    };
    let model = ModelOfRequest::of(input);
    match authorize(caller.as_ref(), &model, route, input) {
        Ok(()) => admit(caller, &model, route),
        Err(denial) => Err(denial.about(caller, &model)),
    }
}

/// Who calls?
fn authenticate(facts: &Facts, input: &CheckInput<'_>) -> Result<Caller, Denial> {
    if input.credential.as_ref().map_err(Clone::clone)?.is_none() {
        return Err(Denial::new(DenialCode::CredentialMissing, "no credential was presented"));
    }
    identify(facts)
}

/// Whose credential is it, given what is known about it? The whole of authentication but for the finding of a credential;
/// the API for people asks this too.
///
/// # Errors
/// The denial; its code says why.
pub fn identify(facts: &Facts) -> Result<Caller, Denial> {
    // A late answer is not decided on: what was not looked up must not read as absent.
    if facts.late {
        return Err(Denial::new(DenialCode::Deadline, "the deadline passed while facts were gathered"));
    }
    match &facts.evidence {
        Evidence::None => Err(unavailable("the credential was not looked up")),
        Evidence::Refused(fault) => Err(refused(fault)),
        Evidence::UnknownIssuer => Err(refused(&TokenFault::IssuerUnknown)),
        Evidence::Remembered(token) => {
            token.check_time(facts.now).map_err(|fault| refused(&fault))?;
            live_token(Arc::clone(token), facts)
        }
        Evidence::Token { key: Lookup::Unavailable, .. } => {
            Err(unavailable("the issuer's keys are not available"))
        }
        Evidence::Token { key: Lookup::Absent, .. } => Err(refused(&TokenFault::KeyUnknown)),
        Evidence::Token { token, rules, key: Lookup::Found(key) } => {
            let token = verify(token, rules, key, facts.now).map_err(|fault| refused(&fault))?;
            live_token(Arc::new(token), facts)
        }
        Evidence::Key(Lookup::Unavailable) => Err(unavailable("the key store is not available")),
        Evidence::Key(Lookup::Absent) => {
            Err(Denial::new(DenialCode::KeyUnknown, "no such key, or a wrong secret"))
        }
        Evidence::Key(Lookup::Found(key)) => live_key(key, facts.now),
    }
}

/// A verified token, unless something was said against it.
fn live_token(token: Arc<VerifiedToken>, facts: &Facts) -> Result<Caller, Denial> {
    let judged = facts.controls.judge(&token);
    let caller = Caller::User(token);
    match judged {
        Ok(()) => Ok(caller),
        Err(denial) => Err(denial.of(caller)),
    }
}

fn live_key(key: &Arc<KeyRecord>, now: Timestamp) -> Result<Caller, Denial> {
    let caller = Caller::Key(Arc::clone(key));
    let denial = match key.state {
        KeyState::Revoked => Denial::new(DenialCode::KeyRevoked, "the key was revoked"),
        KeyState::Disabled => Denial::new(DenialCode::KeyRevoked, "the key is disabled"),
        KeyState::Live if key.expires_at.is_some_and(|at| at <= now) => {
            Denial::new(DenialCode::KeyExpired, "the key has expired")
        }
        KeyState::Live => return Ok(caller),
    };
    Err(denial.of(caller))
}

/// May they?
fn authorize(
    caller: Option<&Caller>,
    model: &ModelOfRequest<'_>,
    route: &Route,
    input: &CheckInput<'_>,
) -> Result<(), Denial> {
    if let Some(Caller::Key(key)) = caller {
        authorize_key(key, route, input.client)?;
    }
    if let (Some(caller), Requirement::Claims(required)) = (caller, &route.requirement) {
        authorize_claims(caller, required, input)?;
    }
    ModelScope::of(caller, route).check(model)
}

/// May a caller with these groups and claims, on this request?
fn authorize_claims(
    caller: &Caller,
    required: &ClaimsRequirement,
    input: &CheckInput<'_>,
) -> Result<(), Denial> {
    required.check_groups(caller.groups()).map_err(|reason| Denial::new(DenialCode::NotAllowed, reason))?;
    let Some(condition) = &required.condition else { return Ok(()) };
    match condition.holds(caller, input) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Denial::new(DenialCode::NotAllowed, "the route's condition is false")),
        Err(why) => Err(Denial::new(DenialCode::NotAllowed, format!("the route's condition failed: {why}"))),
    }
}

/// May this key act at all, as its owner, its project and its organization stand? The part of the rule that needs no
/// request; services that ask about a key ask this too.
///
/// # Errors
/// The denial; its code says why.
pub fn check_standing(key: &KeyRecord) -> Result<(), Denial> {
    let (owner, project) = (&key.owner, &key.project);
    if project.organization_standing == Standing::Suspended {
        return Err(Denial::new(
            DenialCode::ProjectSuspended,
            "the organization of the key's project is suspended",
        ));
    }
    if project.standing == Standing::Suspended {
        return Err(Denial::new(DenialCode::ProjectSuspended, "the key's project is suspended"));
    }
    if owner.standing == Standing::Suspended {
        return Err(Denial::new(DenialCode::CallerSuspended, "the key's owner is suspended"));
    }
    Ok(())
}

/// May this key, for its owner, in its project, on this route, from this address?
fn authorize_key(key: &KeyRecord, route: &Route, client: Option<IpAddr>) -> Result<(), Denial> {
    check_standing(key)?;
    let limits = &key.limits;
    if !limits.addresses.allows(client) {
        let reason = match client {
            Some(address) => format!("the key may not be used from {address}"),
            None => "the key is bound to addresses, and the gateway did not tell the client's".to_owned(),
        };
        return Err(Denial::new(DenialCode::AddressNotAllowed, reason));
    }
    if !limits.routes.allows(&route.name) {
        let reason = format!("the key may not use the route '{}'", route.name);
        return Err(Denial::new(DenialCode::NotAllowed, reason));
    }
    Ok(())
}

/// Is there room? Budgets are the work of metering; an admitted caller is permitted.
fn admit<'p>(caller: Option<Caller>, model: &ModelOfRequest<'_>, route: &'p Route) -> Verdict<'p> {
    Ok(Permit::new(caller, model.name().map(str::to_owned), route))
}

fn unavailable(reason: &'static str) -> Denial {
    Denial::new(DenialCode::Unavailable, reason)
}

fn refused(fault: &TokenFault) -> Denial {
    let code = match fault {
        TokenFault::Expired => DenialCode::TokenExpired,
        TokenFault::IssuerUnknown => DenialCode::TokenIssuerUnknown,
        TokenFault::Lightweight { .. } => DenialCode::TokenLightweight,
        _ => DenialCode::TokenInvalid,
    };
    Denial::new(code, fault.to_string())
}
