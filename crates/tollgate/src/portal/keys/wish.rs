//! What somebody wants of a key, checked against what holds for every key: lifetimes, and that the named routes exist.

use tollgate_core::caller::RouteScope;
use tollgate_core::key_life::LifeWish;
use tollgate_core::time::Timestamp;

use crate::portal::Portal;
use crate::portal::forms::Expiry;
use crate::portal::problem::{Answer, Problem};

/// The two ways to say when a key ends, of which one may be used.
pub fn life(expires_at: Option<Expiry>, expires_in_days: Option<u32>) -> Answer<LifeWish> {
    match (expires_at, expires_in_days) {
        (None, None) => Ok(LifeWish::Unsaid),
        (Some(Expiry::Never), None) => Ok(LifeWish::Never),
        (Some(Expiry::At(at)), None) => Ok(LifeWish::Until(at)),
        (None, Some(days)) => Ok(LifeWish::Days(days)),
        (Some(_), Some(_)) => {
            Err(Problem::invalid("/expires_in_days", "say either expires_at or expires_in_days, not both"))
        }
    }
}

/// When a key ends whose secret was made at `made`.
pub fn end(portal: &Portal, wish: LifeWish, made: Timestamp, now: Timestamp) -> Answer<Option<Timestamp>> {
    let field = if matches!(wish, LifeWish::Days(_)) { "/expires_in_days" } else { "/expires_at" };
    let lifetimes = &portal.options().keys.lifetimes;
    lifetimes.grant(wish, made, now).map_err(|error| Problem::invalid(field, error.to_string()))
}

/// A route that does not exist would be a key that works nowhere, and nobody would know why.
pub fn routes_exist(portal: &Portal, routes: &RouteScope) -> Answer<()> {
    let RouteScope::Only(names) = routes else { return Ok(()) };
    let rulebook = portal.rulebook().borrow();
    let known = rulebook.policy.routes();
    for (at, name) in names.iter().enumerate() {
        if !known.iter().any(|route| route.name == *name) {
            let detail = format!("there is no route '{name}' in Tollgate's configuration");
            return Err(Problem::invalid(format!("/routes/{at}"), detail));
        }
    }
    Ok(())
}
