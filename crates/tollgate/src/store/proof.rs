//! Whoever gives or widens a right, or is shown a secret, has just proved who they are. The methods that do so take a
//! [`FreshAuthor`] instead of an [`Author`], so that no caller can forget to ask.

use std::ops::Deref;

use tollgate_core::recent::RecentProof;

use super::author::{Author, Origin};
use super::fields::State;

/// An author who has just proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreshAuthor(Author);

impl FreshAuthor {
    /// A person, with their proof.
    pub const fn new(author: Author, _: RecentProof) -> Self {
        Self(author)
    }

    /// Somebody at the store itself, who needs no proof: they could write to it by themselves.
    pub fn operator(name: &str, origin: Origin) -> Self {
        Self(Author::operator(name, origin))
    }

    /// Tollgate itself.
    pub fn system(origin: Origin) -> Self {
        Self(Author::system(origin))
    }
}

impl Deref for FreshAuthor {
    type Target = Author;

    fn deref(&self) -> &Author {
        &self.0
    }
}

/// The suspension of something, which anybody who may does at once, or its end, which asks for a proof.
#[derive(Clone, Copy, Debug)]
pub enum StandingChange<'a> {
    /// It is refused from now on.
    Suspend(&'a Author),
    /// It may act again.
    Resume(&'a FreshAuthor),
}

impl<'a> StandingChange<'a> {
    pub(super) fn author(self) -> &'a Author {
        match self {
            Self::Suspend(author) => author,
            Self::Resume(author) => author,
        }
    }

    /// The state after it, and the one of these names that says what was done.
    pub(super) const fn done(self, (suspend, resume): (&'static str, &'static str)) -> (State, &'static str) {
        match self {
            Self::Suspend(_) => (State::Suspended, suspend),
            Self::Resume(_) => (State::Active, resume),
        }
    }
}
