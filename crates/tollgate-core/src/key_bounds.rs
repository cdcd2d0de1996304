//! What a higher role decided about a key, which those below that role cannot undo: with which authority somebody acts on
//! a key, and the widest limits that each authority has left to it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::caller::{AddressList, RouteScope};
use crate::models::ModelPolicy;
use crate::time::Timestamp;

/// With which right somebody acts on the keys of a project, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyAuthority {
    /// A developer of the project, on their own keys.
    Developer,
    /// A manager of the project.
    Manager,
    /// An owner of the project.
    Owner,
    /// An administrator of the project's organization.
    OrganizationAdmin,
    /// A platform administrator, or an operator at the database.
    PlatformAdmin,
}

/// A limit of a key that people edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyLimit {
    /// The models it may use.
    Models,
    /// The routes it may use.
    Routes,
    /// The networks it may be used from.
    Addresses,
    /// When it ends.
    ExpiresAt,
}

/// The widest limits that one authority has left to a key. What is `None` was not decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyBound {
    /// With which authority it was decided.
    pub role: KeyAuthority,
    /// By whom: a person's id, or `operator`.
    pub by: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_millis: i64,
    /// At most these models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<ModelPolicy>,
    /// At most these routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<RouteScope>,
    /// At most these networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<AddressList>,
    /// No later end than this, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_millis: Option<i64>,
}

/// The bounds of one key: one for each authority at most, the strongest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyBounds(Vec<KeyBound>);

/// New limits for a key; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitEdit {
    /// Other models.
    pub models: Option<ModelPolicy>,
    /// Other routes.
    pub routes: Option<RouteScope>,
    /// Other networks.
    pub addresses: Option<AddressList>,
    /// Another end; `Some(None)` is never.
    pub expires_at: Option<Option<Timestamp>>,
}

/// Who edits a key.
#[derive(Clone, Copy, Debug)]
pub struct KeyEditor<'a> {
    /// With which authority.
    pub authority: KeyAuthority,
    /// Whether the key acts for them: their own edits bind nobody.
    pub owns: bool,
    /// Their id.
    pub id: &'a str,
    /// When.
    pub at: Timestamp,
}

/// An edit would go past what a higher role set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastBound {
    /// Which limit.
    pub limit: KeyLimit,
    /// Who set it.
    pub role: KeyAuthority,
}

impl KeyAuthority {
    /// Every authority, weakest first.
    pub const ALL: [Self; 5] =
        [Self::Developer, Self::Manager, Self::Owner, Self::OrganizationAdmin, Self::PlatformAdmin];

    /// The text in API and database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Developer => "developer",
            Self::Manager => "manager",
            Self::Owner => "owner",
            Self::OrganizationAdmin => "organization_admin",
            Self::PlatformAdmin => "platform_admin",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|authority| authority.as_str() == text)
    }

    /// Of somebody who has it, in a sentence about what they did.
    pub const fn who(self) -> &'static str {
        match self {
            Self::Developer => "a developer",
            Self::Manager => "a manager",
            Self::Owner => "an owner of the project",
            Self::OrganizationAdmin => "an administrator of the organization",
            Self::PlatformAdmin => "a platform administrator",
        }
    }

    /// Who may undo it.
    pub const fn who_may(self) -> &'static str {
        match self {
            Self::Developer => "a developer of the project",
            Self::Manager => "a manager of the project",
            other => other.who(),
        }
    }
}

impl fmt::Display for KeyAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl KeyLimit {
    /// Its name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Routes => "routes",
            Self::Addresses => "addresses",
            Self::ExpiresAt => "expires_at",
        }
    }
}

/// Whether a key that ends at `end` ends no later than `latest`.
fn ends_within(end: Option<Timestamp>, latest_millis: i64) -> bool {
    end.is_some_and(|end| end.as_millis() <= latest_millis)
}

impl KeyBound {
    fn of(editor: KeyEditor<'_>) -> Self {
        Self {
            role: editor.authority,
            by: editor.id.to_owned(),
            at_millis: editor.at.as_millis(),
            models: None,
            routes: None,
            addresses: None,
            expires_at_millis: None,
        }
    }

    const fn is_empty(&self) -> bool {
        self.models.is_none()
            && self.routes.is_none()
            && self.addresses.is_none()
            && self.expires_at_millis.is_none()
    }

    /// The first limit of an edit that goes past this bound.
    fn broken_by(&self, edit: &LimitEdit) -> [(KeyLimit, bool); 4] {
        let models = matches!((&self.models, &edit.models), (Some(wide), Some(new)) if !wide.covers(new));
        let routes = matches!((&self.routes, &edit.routes), (Some(wide), Some(new)) if !wide.covers(new));
        let addresses =
            matches!((&self.addresses, &edit.addresses), (Some(wide), Some(new)) if !wide.covers(new));
        let end = matches!(
            (self.expires_at_millis, edit.expires_at),
            (Some(latest), Some(end)) if !ends_within(end, latest)
        );
        [
            (KeyLimit::Models, models),
            (KeyLimit::Routes, routes),
            (KeyLimit::Addresses, addresses),
            (KeyLimit::ExpiresAt, end),
        ]
    }

    fn forget(&mut self, limit: KeyLimit) {
        match limit {
            KeyLimit::Models => self.models = None,
            KeyLimit::Routes => self.routes = None,
            KeyLimit::Addresses => self.addresses = None,
            KeyLimit::ExpiresAt => self.expires_at_millis = None,
        }
    }
}

impl KeyBounds {
    /// The bounds, the strongest first.
    pub fn as_slice(&self) -> &[KeyBound] {
        &self.0
    }

    /// Whether nothing was decided.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether somebody of this authority may lift what was decided about when the key ends, if anything was.
    pub fn bound_the_end(&self, authority: KeyAuthority) -> bool {
        self.0.iter().any(|bound| bound.expires_at_millis.is_some() && bound.role <= authority)
    }

    /// The bounds after an edit. An owner's edits stay within all that is above them. What somebody else sets is a bound
    /// from then on, in place of those of the same and of weaker authorities; the widest value is none.
    ///
    /// # Errors
    /// [`PastBound`]: the edit goes past what a stronger authority than the editor's has set.
    pub fn after(&self, editor: KeyEditor<'_>, edit: &LimitEdit) -> Result<Self, PastBound> {
        let mut bounds = Vec::with_capacity(self.0.len() + 1);
        for bound in &self.0 {
            let mut kept = bound.clone();
            for (limit, broken) in bound.broken_by(edit) {
                if broken && bound.role > editor.authority {
                    return Err(PastBound { limit, role: bound.role });
                }
                let replaced = !editor.owns && bound.role <= editor.authority && edit.says(limit);
                if broken || replaced {
                    kept.forget(limit);
                }
            }
            bounds.push(kept);
        }
        if !editor.owns {
            let at = bounds.iter().position(|bound| bound.role == editor.authority);
            let mut own = at.map_or_else(|| KeyBound::of(editor), |at| bounds.remove(at));
            let before = own.clone();
            own.models = edit.models.clone().filter(|new| *new != ModelPolicy::All).or(own.models);
            own.routes = edit.routes.clone().filter(|new| *new != RouteScope::All).or(own.routes);
            own.addresses = edit.addresses.clone().filter(|new| *new != AddressList::Any).or(own.addresses);
            own.expires_at_millis =
                edit.expires_at.flatten().map(Timestamp::as_millis).or(own.expires_at_millis);
            if own != before {
                (own.by, own.at_millis) = (editor.id.to_owned(), editor.at.as_millis());
            }
            bounds.push(own);
        }
        bounds.retain(|bound| !bound.is_empty());
        bounds.sort_by_key(|bound| std::cmp::Reverse(bound.role));
        Ok(Self(bounds))
    }
}

impl LimitEdit {
    const fn says(&self, limit: KeyLimit) -> bool {
        match limit {
            KeyLimit::Models => self.models.is_some(),
            KeyLimit::Routes => self.routes.is_some(),
            KeyLimit::Addresses => self.addresses.is_some(),
            KeyLimit::ExpiresAt => self.expires_at.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::models::ModelList;

    fn models(names: &[&str]) -> ModelPolicy {
        ModelPolicy::List(ModelList::new(names.iter().map(|name| (*name).to_owned()).collect()).unwrap())
    }

    fn editor(authority: KeyAuthority, owns: bool) -> KeyEditor<'static> {
        KeyEditor { authority, owns, id: "per_1", at: Timestamp::from_secs(1) }
    }

    #[test]
    fn an_owner_stays_within_and_a_higher_role_replaces() {
        use KeyAuthority::{Developer, Manager, Owner};
        let set = |names: &[&str]| LimitEdit { models: Some(models(names)), ..LimitEdit::default() };
        let all = LimitEdit { models: Some(ModelPolicy::All), ..LimitEdit::default() };
        let none = KeyBounds::default();
        assert_eq!(none.after(editor(Developer, true), &set(&["a"])), Ok(none.clone()), "binds nobody");
        let by_manager = none.after(editor(Manager, false), &set(&["a", "b"])).unwrap();
        let past = Err(PastBound { limit: KeyLimit::Models, role: Manager });
        assert_eq!(by_manager.after(editor(Developer, true), &all), past);
        assert_eq!(by_manager.after(editor(Developer, true), &set(&["a"])).as_ref(), Ok(&by_manager));
        let both = by_manager.after(editor(Owner, false), &set(&["a", "b", "c"])).unwrap();
        assert_eq!(both.as_slice().len(), 1, "a stronger word replaces a weaker one");
        let past = Err(PastBound { limit: KeyLimit::Models, role: Owner });
        assert_eq!(both.after(editor(Manager, false), &all), past);
        let both = both.after(editor(Manager, false), &set(&["a"])).unwrap();
        let roles: Vec<_> = both.as_slice().iter().map(|bound| bound.role).collect();
        assert_eq!(roles, [Owner, Manager], "the strongest first");
        assert_eq!(
            both.after(editor(Owner, true), &all),
            Ok(none.clone()),
            "an owner of the project owns the key"
        );
        assert_eq!(both.after(editor(Owner, false), &all), Ok(none));
        let other = LimitEdit { addresses: Some(AddressList::Any), ..LimitEdit::default() };
        assert_eq!(both.after(editor(Developer, true), &other).as_ref(), Ok(&both));
    }

    #[test]
    fn an_end_is_bound_too() {
        use KeyAuthority::{Developer, Manager};
        let end = |secs: Option<i64>| LimitEdit {
            expires_at: Some(secs.map(Timestamp::from_secs)),
            ..LimitEdit::default()
        };
        let bounds = KeyBounds::default().after(editor(Manager, false), &end(Some(100))).unwrap();
        assert!(bounds.bound_the_end(Manager) && !bounds.bound_the_end(Developer));
        for (secs, ok) in [(Some(100), true), (Some(1), true), (Some(101), false), (None, false)] {
            assert_eq!(bounds.after(editor(Developer, true), &end(secs)).is_ok(), ok, "{secs:?}");
        }
        assert!(bounds.after(editor(Manager, false), &end(None)).unwrap().is_empty());
    }

    #[test]
    fn authorities_come_back_from_text() {
        for authority in KeyAuthority::ALL {
            assert_eq!(KeyAuthority::parse(authority.as_str()), Some(authority));
            assert_eq!(serde_json::to_value(authority).unwrap(), authority.as_str());
        }
        assert!(KeyAuthority::ALL.is_sorted());
    }
}
