//! Changes to a key that may be written: whatever gives it more than it had takes a proof of who is there.

use tollgate_core::caller::KeyState;
use tollgate_core::widening::ends_later;

use super::{ApiKey, KeySwitch, Revocation};
use crate::store::FreshAuthor;

/// A change to a key that may be written: it gives the key nothing, or somebody has just proved who they are.
#[derive(Clone, Debug)]
pub struct KeyChange(ApiKey);

impl KeyChange {
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
    pub(in crate::store) fn change_to<E>(
        &self,
        after: Self,
        proof: impl FnOnce() -> Result<FreshAuthor, E>,
    ) -> Result<KeyChange, E> {
        if self.is_widened_by(&after) {
            proof()?;
        }
        Ok(KeyChange(after))
    }

    /// The change that makes this key be `after`, by somebody who has proved who they are.
    pub(super) const fn proven_change(after: Self, _: &FreshAuthor) -> KeyChange {
        KeyChange(after)
    }

    /// The change that switches a live key off for these reasons; any other stays as it is, with another version.
    pub(super) fn switched_off(&self, switch: KeySwitch) -> KeyChange {
        let state = if self.state == KeyState::Live { KeyState::Disabled } else { self.state };
        KeyChange(Self { state, switch, ..self.clone() })
    }

    /// The change that ends the key for good.
    pub(super) fn ended(&self, revocation: Revocation) -> KeyChange {
        KeyChange(Self { state: KeyState::Revoked, revoked: Some(revocation), ..self.clone() })
    }

    fn is_widened_by(&self, after: &Self) -> bool {
        let again =
            after.state != self.state && (after.state == KeyState::Live || self.state == KeyState::Revoked);
        again || ends_later(self.expires_at, after.expires_at) || !self.limits.covers(&after.limits)
    }
}
