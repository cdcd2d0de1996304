//! A permit is evidence: its fields are private, and only [`crate::check::decide`] makes one.

use crate::caller::Caller;
use crate::route::Route;

/// Proof that a check was decided in the caller's favour. An answer that lets a request through can only be made from
/// one of these.
#[derive(Debug)]
pub struct Permit<'p> {
    caller: Option<Caller>,
    model: Option<String>,
    route: &'p Route,
}

impl<'p> Permit<'p> {
    pub(crate) const fn new(caller: Option<Caller>, model: Option<String>, route: &'p Route) -> Self {
        Self { caller, model, route }
    }

    /// Who calls; `None` on a public route.
    pub const fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// The model that the request asks for, aliases resolved; `None` when it uses none, or which one cannot be told.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The route that admits the request.
    pub const fn route(&self) -> &'p Route {
        self.route
    }
}
