//! What the operator says about models: as a whole (aliases, and the header that the gateway is trusted with), and for
//! one route.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::catalogue::ModelCatalogue;
use super::policy::ModelPolicy;
use super::request::Undecidable;

/// The longest name of a model, in bytes. Bedrock's ARNs are the longest in use.
pub const MAX_NAME_BYTES: usize = 512;

/// Aliases, and who is trusted to name a request's model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelRules {
    /// Names that the gateway or backend takes for other names, with those. Policies judge what an alias stands for.
    /// One step only: what an alias stands for is no alias.
    pub aliases: BTreeMap<String, String>,
    /// A header, in lower case, that the gateway sets before it asks for a check and that no client can set. When it is
    /// there, it alone names the model.
    pub trusted_header: Option<String>,
}

/// What one route says about models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteModels {
    /// The models that requests of this route may use, whoever calls.
    pub policy: ModelPolicy,
    /// Where the models of its requests are looked for.
    pub source: ModelSource,
    /// The models behind this route: with it, the question for the list of models is answered here.
    pub catalogue: Option<ModelCatalogue>,
}

/// Where the models of a route's requests are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelSource {
    /// Where the endpoint is known to read it.
    #[default]
    Known,
    /// As [`ModelSource::Known`], and in the body at endpoints that are not known.
    Body,
    /// Nowhere: its requests use no models.
    Unused,
}

impl Default for RouteModels {
    /// Every model, and a backend that lists them itself.
    fn default() -> Self {
        Self { policy: ModelPolicy::All, source: ModelSource::Known, catalogue: None }
    }
}

/// A name that no model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAName;

impl ModelRules {
    /// No aliases, and no header is trusted.
    pub const NONE: Self = Self { aliases: BTreeMap::new(), trusted_header: None };

    /// What `name` stands for, if it is a name at all.
    ///
    /// # Errors
    /// [`Undecidable::Name`].
    pub fn meant<'a>(&'a self, name: Cow<'a, str>) -> Result<Cow<'a, str>, Undecidable> {
        check_name(&name).map_err(|NotAName| Undecidable::Name)?;
        Ok(self.aliases.get(name.as_ref()).map_or(name, |meant| Cow::Borrowed(meant)))
    }
}

/// Whether `name` can be a model's name. Commas and spaces are refused because some gateways read a list of models there,
/// and a wildcard would let the whole list pass. So are dot segments and what ends or escapes a path or a query: gateways that
/// build an address from the name would leave what a wildcard stands for.
///
/// # Errors
/// [`NotAName`].
pub fn check_name(name: &str) -> Result<(), NotAName> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || ",?#%\\;&".contains(c);
    let fits = (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains(odd);
    let dots = name.contains('.') && name.split('/').any(|part| part == "." || part == "..");
    if fits && !dots { Ok(()) } else { Err(NotAName) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_what_it_stands_for() {
        let aliases = [("fast".to_owned(), "gpt-4o-mini".to_owned())].into();
        let rules = ModelRules { aliases, trusted_header: None };
        assert_eq!(rules.meant("fast".into()), Ok("gpt-4o-mini".into()));
        for same in ["gpt-4o", "Fast", "org/name:8b", "arn:aws:bedrock:eu::m", "m\u{f6}del"] {
            assert_eq!(rules.meant(same.into()), Ok(same.into()));
        }
        let long = "m".repeat(MAX_NAME_BYTES + 1);
        for bad in
            ["a/../b", "../b", "a/..", "./a", "a/.", "a?x=", "a#b", "a%2fb", "a\\b", "a;b", "a&b", "?", "%"]
        {
            assert_eq!(rules.meant(bad.into()), Err(Undecidable::Name), "{bad:?}");
        }
        for good in ["a..b", "a.b/c", "...", "a/.b", "m:free", "@cf/meta/llama"] {
            assert_eq!(rules.meant(good.into()), Ok(good.into()));
        }
        for bad in ["", " fast", "a b", "a,b", "a\u{0}", "a\n", "a\u{a0}", "\u{85}", &long] {
            assert_eq!(rules.meant(bad.into()), Err(Undecidable::Name), "{bad:?}");
        }
    }
}
