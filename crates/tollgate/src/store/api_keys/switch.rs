//! Why a key is switched off, and who may switch it on: its owner's own decision, the decision of a higher role, and a
//! hand-over are kept apart, so that undoing one never undoes another.

use tollgate_core::caller::KeyState;
use tollgate_core::key_bounds::KeyAuthority;
use tollgate_core::time::Timestamp;

use super::KeyRefusal;

/// Why a key is off. It is on when there is no reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySwitch {
    /// What its owner can undo.
    pub off: Option<SwitchedOff>,
    /// A decision of a manager or somebody above, for those of that role to undo.
    pub hold: Option<KeyHold>,
    /// Its secret was made by somebody else than its present owner: it needs another one.
    pub handed_over: Option<HandedOver>,
}

/// Why a key is off, as far as its owner can undo it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchedOff {
    /// Why.
    pub cause: OffCause,
    /// By whom: a person's id, or what acts in Tollgate.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Why a key is off, as far as its owner can undo it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffCause {
    /// Its owner wanted it.
    Owner,
    /// Its owner lost the role that keys take.
    RoleLost,
    /// Its secret was found in public.
    Leaked,
}

/// The decision of a higher role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHold {
    /// With which authority.
    pub role: KeyAuthority,
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A key that came to its owner with somebody else's secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// Who had it before.
    pub from: String,
    /// Who handed it over.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Who switches a key.
#[derive(Clone, Copy, Debug)]
pub struct Switcher<'a> {
    /// With which authority.
    pub authority: KeyAuthority,
    /// Whether the key acts for them.
    pub owns: bool,
    /// Their id.
    pub id: &'a str,
    /// When.
    pub at: Timestamp,
}

impl OffCause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Owner, Self::RoleLost, Self::Leaked];

    /// The text in API and database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::RoleLost => "role_lost",
            Self::Leaked => "leaked",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

impl KeySwitch {
    /// Live when there is no reason against it.
    pub const fn state(&self) -> KeyState {
        match self {
            Self { off: None, hold: None, handed_over: None } => KeyState::Live,
            _ => KeyState::Disabled,
        }
    }

    /// Why it is off, the reason that has to go first: `manager`, `handed_over`, `leaked`, `role_lost` or `owner`.
    pub fn because(&self) -> Option<&'static str> {
        match self {
            Self { hold: Some(_), .. } => Some("manager"),
            Self { handed_over: Some(_), .. } => Some("handed_over"),
            Self { off, .. } => off.as_ref().map(|off| off.cause.as_str()),
        }
    }

    /// Switched off. An owner's own decision stands beside those of others; a weaker role adds nothing to a stronger one.
    #[must_use]
    pub fn switched_off(&self, who: Switcher<'_>) -> Self {
        let mut switch = self.clone();
        let by = who.id.to_owned();
        if who.owns {
            switch.off.get_or_insert(SwitchedOff { cause: OffCause::Owner, by, at: who.at });
        } else if switch.hold.as_ref().is_none_or(|hold| hold.role < who.authority) {
            switch.hold = Some(KeyHold { role: who.authority, by, at: who.at });
        }
        switch
    }

    /// Switched on by its owner or, for a key of a service account, by a manager.
    ///
    /// # Errors
    /// [`KeyRefusal::DisabledAbove`], [`KeyRefusal::HandedOver`].
    pub fn switched_on(&self, who: Switcher<'_>) -> Result<Self, KeyRefusal> {
        self.may_lift(who)?;
        if self.handed_over.is_some() {
            return Err(KeyRefusal::HandedOver);
        }
        Ok(Self::default())
    }

    /// Without the decision of a higher role, by somebody who may make such: what its owner decided stays.
    ///
    /// # Errors
    /// [`KeyRefusal::DisabledAbove`]; [`KeyRefusal::OwnerAlone`] when there is none, and the key is off.
    pub fn lifted(&self, who: Switcher<'_>) -> Result<Self, KeyRefusal> {
        self.may_lift(who)?;
        if self.hold.is_none() && self.state() == KeyState::Disabled {
            return Err(KeyRefusal::OwnerAlone);
        }
        Ok(Self { hold: None, ..self.clone() })
    }

    fn may_lift(&self, who: Switcher<'_>) -> Result<(), KeyRefusal> {
        match &self.hold {
            Some(hold) if hold.role > who.authority => Err(KeyRefusal::DisabledAbove { role: hold.role }),
            _ => Ok(()),
        }
    }

    /// After a rotation by its owner: the secret is theirs, and every other reason stays.
    #[must_use]
    pub fn rotated(&self) -> Self {
        Self { handed_over: None, ..self.clone() }
    }
}
