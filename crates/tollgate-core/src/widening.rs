//! Whether a change gives somebody more than they had. Where that cannot be told, it does: the cost of a wrong yes is one
//! more proof of who is there.

use crate::caller::{AddressList, KeyLimits, RouteScope};
use crate::models::ModelPolicy;
use crate::time::Timestamp;

impl KeyLimits {
    /// Whether everything that `other` allows is allowed here too.
    pub fn covers(&self, other: &Self) -> bool {
        // Named one by one, so that a further limit does not compile until it is compared here.
        let Self { models, routes, addresses } = self;
        models.covers(&other.models) && routes.covers(&other.routes) && addresses.covers(&other.addresses)
    }
}

impl RouteScope {
    /// Whether every route of `other` is one of these.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(_), Self::Only(names)) => names.iter().all(|name| self.allows(name)),
        }
    }
}

impl AddressList {
    /// Whether every address of `other` is in one of these networks.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Only(_), Self::Any) => false,
            (Self::Only(wide), Self::Only(narrow)) => {
                narrow.iter().all(|inner| wide.iter().any(|outer| outer.contains(inner)))
            }
        }
    }
}

impl ModelPolicy {
    /// Whether every model that `other` allows is allowed here too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) | (_, Self::None) => true,
            (Self::None | Self::List(_), Self::All) | (Self::None, Self::List(_)) => false,
            (Self::List(wide), Self::List(narrow)) => wide.covers(narrow),
        }
    }
}

/// Whether somebody whose time ended at `before` gets more of it by the end `after`; `None` is never.
pub fn ends_later(before: Option<Timestamp>, after: Option<Timestamp>) -> bool {
    match (before, after) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(before), Some(after)) => after > before,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn models(json: &str) -> ModelPolicy {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn model_policies_cover_what_they_hold() {
        for (wide, narrow, expected) in [
            (r#""all""#, r#""all""#, true),
            (r#""all""#, r#""none""#, true),
            (r#""all""#, r#"["a"]"#, true),
            (r#""none""#, r#""none""#, true),
            (r#""none""#, r#"["a"]"#, false),
            (r#""none""#, r#""all""#, false),
            (r#"["a"]"#, r#""all""#, false),
            (r#"["*"]"#, r#""all""#, false),
            (r#"["a"]"#, r#""none""#, true),
            (r#"["a","b"]"#, r#"["b"]"#, true),
            (r#"["a"]"#, r#"["a","b"]"#, false),
            (r#"["gpt-*"]"#, r#"["gpt-4o","gpt-4*"]"#, true),
            (r#"["gpt-4*"]"#, r#"["gpt-*"]"#, false),
            (r#"["*a","*b"]"#, r#"["xa","yb"]"#, true),
        ] {
            assert_eq!(models(wide).covers(&models(narrow)), expected, "{wide} {narrow}");
        }
    }

    #[test]
    fn routes_and_addresses_cover_what_they_hold() {
        let routes = |names: &[&str]| RouteScope::Only(names.iter().map(ToString::to_string).collect());
        assert!(RouteScope::All.covers(&RouteScope::All) && RouteScope::All.covers(&routes(&["a"])));
        assert!(routes(&["a", "b"]).covers(&routes(&["b"])) && !routes(&["a"]).covers(&routes(&["b"])));
        assert!(!routes(&["a"]).covers(&RouteScope::All));

        let nets =
            |texts: &[&str]| AddressList::Only(texts.iter().map(|text| text.parse().unwrap()).collect());
        let ten = nets(&["10.0.0.0/8"]);
        assert!(AddressList::Any.covers(&AddressList::Any) && AddressList::Any.covers(&ten));
        assert!(!ten.covers(&AddressList::Any));
        assert!(ten.covers(&ten) && ten.covers(&nets(&["10.1.0.0/16", "10.2.3.4/32"])));
        assert!(!nets(&["10.1.0.0/16"]).covers(&ten) && !ten.covers(&nets(&["10.1.0.0/16", "11.0.0.0/8"])));
        assert!(!ten.covers(&nets(&["::/0"])) && nets(&["::/0", "10.0.0.0/8"]).covers(&ten));
    }

    #[test]
    fn any_part_that_is_wider_makes_the_limits_wider() {
        let narrow = KeyLimits {
            models: models(r#"["a"]"#),
            routes: RouteScope::Only(vec!["chat".into()]),
            addresses: AddressList::Only(vec!["10.0.0.0/8".parse().unwrap()]),
        };
        assert!(
            KeyLimits::NONE.covers(&narrow) && narrow.covers(&narrow) && !narrow.covers(&KeyLimits::NONE)
        );
        for wider in [
            KeyLimits { models: ModelPolicy::All, ..narrow.clone() },
            KeyLimits { routes: RouteScope::All, ..narrow.clone() },
            KeyLimits { addresses: AddressList::Any, ..narrow.clone() },
        ] {
            assert!(!narrow.covers(&wider) && wider.covers(&narrow), "{wider:?}");
        }
    }

    #[test]
    fn a_later_end_is_more_time() {
        let at = |secs| Some(Timestamp::from_secs(secs));
        for (before, after, expected) in [
            (None, None, false),
            (None, at(5), false),
            (at(5), None, true),
            (at(5), at(5), false),
            (at(5), at(4), false),
            (at(5), at(6), true),
        ] {
            assert_eq!(ends_later(before, after), expected, "{before:?} {after:?}");
        }
    }
}
