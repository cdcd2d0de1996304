//! The three-valued answer of every look-up: an outage must never read as a bad credential.

/// What a look-up found.
///
/// `Absent` and `Unavailable` are different values of one type so that every `match` has to say what an outage
/// means. An absent key is a 401; an unavailable store is a 503.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// It exists, and here it is.
    Found(T),
    /// The source was asked (or is known to be fresh) and has no such thing.
    Absent,
    /// The source could not be asked, so nothing is known.
    Unavailable,
}

impl<T> Lookup<T> {
    /// The same answer, by reference.
    pub const fn as_ref(&self) -> Lookup<&T> {
        match self {
            Self::Found(value) => Lookup::Found(value),
            Self::Absent => Lookup::Absent,
            Self::Unavailable => Lookup::Unavailable,
        }
    }

    /// Applies `f` to a found value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Found(value) => Lookup::Found(f(value)),
            Self::Absent => Lookup::Absent,
            Self::Unavailable => Lookup::Unavailable,
        }
    }
}
