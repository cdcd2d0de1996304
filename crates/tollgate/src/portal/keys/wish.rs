//! What somebody wants of a key: its end in one of two ways, and routes that exist.

use tollgate_core::caller::RouteScope;
use tollgate_core::key_life::LifeWish;

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
