//! Changes to a key that may be written: whatever gives it more than it had takes a proof of who is there.

use tollgate_core::caller::KeyState;
use tollgate_core::widening::ends_later;

use super::{ApiKey, Revocation};
use crate::store::FreshAuthor;

/// A change to a key that may be written: it gives the key nothing, or somebody has just proved who they are.
#[derive(Clone, Debug)]
pub struct KeyEdit(ApiKey);

impl KeyEdit {
    /// The key after it.
    pub(super) const fn after(&self) -> &ApiKey {
        &self.0
    }
}

impl ApiKey {
    /// The change that makes this key be `after`. `proof` is asked for when `after` may do more, longer, or again.
    ///
    /// # Errors
    /// There is no proof.
    pub fn edit<E>(&self, after: Self, proof: impl FnOnce() -> Result<FreshAuthor, E>) -> Result<KeyEdit, E> {
        if self.is_widened_by(&after) {
            proof()?;
        }
        Ok(KeyEdit(after))
    }

    /// The change that switches a live key off; any other stays as it is, with another version.
    pub fn switched_off(&self) -> KeyEdit {
        let state = if self.state == KeyState::Live { KeyState::Disabled } else { self.state };
        KeyEdit(Self { state, ..self.clone() })
    }

    /// The change that ends the key for good.
    pub(super) fn ended(&self, revocation: Revocation) -> KeyEdit {
        KeyEdit(Self { state: KeyState::Revoked, revoked: Some(revocation), ..self.clone() })
    }

    fn is_widened_by(&self, after: &Self) -> bool {
        let again =
            after.state != self.state && (after.state == KeyState::Live || self.state == KeyState::Revoked);
        again || ends_later(self.expires_at, after.expires_at) || !self.limits.covers(&after.limits)
    }
}
