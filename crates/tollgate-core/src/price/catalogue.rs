//! A version of the catalogue: read once, never changed. A new version is another value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::row::Row;
use super::rule::{Name, Rule};

/// The form of the file that is read here.
pub const FORMAT: u32 = 1;

/// The catalogue that comes with this release, made by `cargo xtask prices`.
pub const BUILT_IN: &str = include_str!("../../data/prices.json");

/// Where prices come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence, an SPDX expression.
    pub license: String,
    /// Its home.
    pub url: String,
}

/// A catalogue as it stands in its file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueFile {
    /// [`FORMAT`].
    pub format: u32,
    /// Where it comes from.
    pub source: Source,
    /// The providers, in the order in which a model is looked for.
    pub providers: Vec<Provider>,
}

/// Who serves models.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Other names of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Rule>,
    /// Models that are its own when nobody says who serves them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Rule>,
    /// Providers whose prices count for models that it has no prices for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
    /// Its models; the first one that is meant counts.
    pub models: Vec<Model>,
}

/// A model and its prices.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Its id.
    pub id: String,
    /// The names that mean it.
    #[serde(rename = "match")]
    pub rule: Rule,
    /// The most tokens of a call, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u32>,
    /// Its prices.
    pub rows: Vec<Row>,
}

/// Why a text is no catalogue.
#[derive(Debug, Error)]
pub enum CatalogueError {
    /// Not JSON, or not of this form.
    #[error("the price catalogue cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Another form.
    #[error("the price catalogue has format {0}, this release reads format {FORMAT}")]
    Format(u32),
    /// Two things of the same id.
    #[error("the price catalogue has {0} twice")]
    Twice(String),
}

/// A catalogue that can be searched.
#[derive(Clone, Debug)]
pub struct Catalogue {
    version: i64,
    source: Source,
    providers: Vec<Indexed>,
    by_id: BTreeMap<String, usize>,
}

#[derive(Clone, Debug)]
struct Indexed {
    provider: Provider,
    /// Models by the exact names that mean them.
    exact: BTreeMap<String, usize>,
    /// Models whose rules are more than names.
    others: Vec<usize>,
}

/// A model that was found.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The id of the provider whose prices these are.
    pub provider: &'a str,
    /// The model's id there.
    pub model: &'a str,
    /// The most tokens of a call, where it is known.
    pub context: Option<u32>,
    /// Its prices.
    pub rows: &'a [Row],
}

impl Catalogue {
    /// Reads the version `version` of the catalogue.
    ///
    /// # Errors
    /// [`CatalogueError`].
    pub fn parse(version: i64, text: &str) -> Result<Self, CatalogueError> {
        Self::new(version, serde_json::from_str(text)?)
    }

    /// A catalogue of a file that was read.
    ///
    /// # Errors
    /// [`CatalogueError::Format`] and [`CatalogueError::Twice`].
    pub fn new(version: i64, file: CatalogueFile) -> Result<Self, CatalogueError> {
        if file.format != FORMAT {
            return Err(CatalogueError::Format(file.format));
        }
        let mut by_id = BTreeMap::new();
        let mut providers = Vec::new();
        for provider in file.providers {
            if by_id.insert(provider.id.to_lowercase(), providers.len()).is_some() {
                return Err(CatalogueError::Twice(format!("provider '{}'", provider.id)));
            }
            providers.push(Indexed::new(provider)?);
        }
        Ok(Self { version, source: file.source, providers, by_id })
    }

    /// Its version, which every row that it priced names.
    pub const fn version(&self) -> i64 {
        self.version
    }

    /// Where it comes from.
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// All providers.
    pub fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter().map(|indexed| &indexed.provider)
    }

    /// The model that `name` means: at this provider, by id or another name of it, or, when none is said, at the first
    /// provider whose own it is.
    pub fn find(&self, provider: Option<&str>, name: &str) -> Option<Entry<'_>> {
        let name = Name::new(name);
        let at = match provider {
            Some(provider) => self.provider(provider)?,
            None => {
                let own =
                    |indexed: &Indexed| indexed.provider.own.as_ref().is_some_and(|own| own.means(&name));
                self.providers.iter().position(own)?
            }
        };
        self.find_at(at, &name).or_else(|| {
            // Gateways write dates without dashes where providers write them with.
            let dashed = Name::new(&dashed_date(name.lower())?);
            self.find_at(at, &dashed)
        })
    }

    /// The provider of this id or name.
    fn provider(&self, name: &str) -> Option<usize> {
        let name = Name::new(name.trim());
        let named =
            |indexed: &Indexed| indexed.provider.names.as_ref().is_some_and(|names| names.means(&name));
        self.by_id.get(name.lower()).copied().or_else(|| self.providers.iter().position(named))
    }

    /// The canonical id of the provider of this id or name.
    pub fn provider_id(&self, name: &str) -> Option<&str> {
        let at = self.provider(name)?;
        Some(self.providers.get(at)?.provider.id.as_str())
    }

    fn find_at(&self, at: usize, name: &Name) -> Option<Entry<'_>> {
        let indexed = self.providers.get(at)?;
        let fallbacks = indexed.provider.fallbacks.iter().filter_map(|id| self.by_id.get(id.as_str()));
        let mut places = std::iter::once(indexed).chain(fallbacks.filter_map(|at| self.providers.get(*at)));
        places.find_map(|indexed| indexed.find(name))
    }
}

impl Indexed {
    fn new(provider: Provider) -> Result<Self, CatalogueError> {
        let (mut exact, mut others) = (BTreeMap::new(), Vec::new());
        let mut ids = std::collections::BTreeSet::new();
        for (at, model) in provider.models.iter().enumerate() {
            if !ids.insert(&model.id) {
                return Err(CatalogueError::Twice(format!("model '{}' of '{}'", model.id, provider.id)));
            }
            match model.rule.names() {
                Some(names) => {
                    for name in names {
                        exact.entry(name).or_insert(at);
                    }
                }
                None => others.push(at),
            }
        }
        Ok(Self { provider, exact, others })
    }

    /// The first model that is meant, in the order of the file.
    fn find(&self, name: &Name) -> Option<Entry<'_>> {
        let means = |at: &&usize| self.provider.models.get(**at).is_some_and(|model| model.rule.means(name));
        let exact = self.exact.get(name.lower());
        let at = exact.into_iter().chain(self.others.iter().find(means)).min()?;
        let model = self.provider.models.get(*at)?;
        Some(Entry {
            provider: &self.provider.id,
            model: &model.id,
            context: model.context,
            rows: &model.rows,
        })
    }
}

/// The name with its first date of the form `-20251231` as `-2025-12-31`.
fn dashed_date(name: &str) -> Option<String> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    for (at, _) in name.match_indices("-20") {
        let Some(date) = name.get(at + 1..at + 9).filter(|date| digits(date)) else { continue };
        let rest = name.get(at + 9..)?;
        let (month, day) = (date.get(4..6)?, date.get(6..8)?);
        let is_date = ("01"..="12").contains(&month) && ("01"..="31").contains(&day);
        if is_date && (rest.is_empty() || rest.starts_with(['-', ':'])) {
            return Some(format!("{}-{}-{month}-{day}{rest}", name.get(..at)?, date.get(..4)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const SMALL: &str = r#"{"format": 1,
        "source": {"name": "test", "version": "1", "license": "MIT", "url": "https://example.com"},
        "providers": [
          {"id": "one", "name": "One", "names": {"contains": "uno"}, "own": {"starts_with": "a-"},
           "models": [
             {"id": "a-mini", "match": {"starts_with": "a-mini"}, "rows": [{"prices": {"input": 1}}]},
             {"id": "a-exact", "match": {"one_of": ["a-mini-exact", "A-Large"]}, "rows": [{"prices": {"input": 2}}]},
             {"id": "a-any", "match": {"starts_with": "a-l"}, "rows": [{"prices": {"input": 3}}]},
             {"id": "a-dated", "match": {"equals": "a-x-2025-12-31"}, "rows": []}]},
          {"id": "two", "name": "Two", "fallbacks": ["one"], "models": [
             {"id": "b", "match": {"equals": "b"}, "context": 8, "rows": []}]}]}"#;

    #[test]
    fn the_first_model_that_is_meant_counts() {
        let catalogue = Catalogue::parse(7, SMALL).unwrap();
        assert_eq!(catalogue.version(), 7);
        let find = |provider, name| catalogue.find(provider, name).map(|entry| (entry.provider, entry.model));
        let table = [
            (Some("one"), "a-mini-exact", Some(("one", "a-mini"))),
            (Some("one"), "a-large", Some(("one", "a-exact"))),
            (Some("ONE"), "A-LARGE", Some(("one", "a-exact"))),
            (Some("one"), "a-large-2", Some(("one", "a-any"))),
            (Some("dos-uno"), "a-large", Some(("one", "a-exact"))),
            (None, "a-large", Some(("one", "a-exact"))),
            (None, "b", None),
            (Some("two"), "b", Some(("two", "b"))),
            (Some("two"), "a-large", Some(("one", "a-exact"))),
            (Some("one"), "b", None),
            (Some("three"), "b", None),
            (Some("one"), "a-x-20251231", Some(("one", "a-dated"))),
            (Some("one"), "a-x-20251331", None),
            (Some("one"), "", None),
        ];
        for (provider, name, expected) in table {
            assert_eq!(find(provider, name), expected, "{provider:?} {name}");
        }
    }

    #[test]
    fn dates_get_their_dashes() {
        let table = [
            ("gpt-5-20251211", Some("gpt-5-2025-12-11")),
            ("m-20251211:free", Some("m-2025-12-11:free")),
            ("m-20251211-x", Some("m-2025-12-11-x")),
            ("m-202512110", None),
            ("m-20251311", None),
            ("m-2025é", None),
            ("m-20", None),
        ];
        for (name, expected) in table {
            assert_eq!(dashed_date(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn broken_catalogues_are_refused_in_words() {
        let refused = |text: &str| Catalogue::parse(1, text).unwrap_err().to_string();
        assert!(refused("{").contains("cannot be read"));
        assert!(refused(&SMALL.replace("\"format\": 1", "\"format\": 2")).contains("format 2"));
        assert!(refused(&SMALL.replace("\"two\"", "\"ONE\"")).contains("provider 'ONE' twice"));
        assert!(refused(&SMALL.replace("\"a-any\"", "\"a-mini\"")).contains("'a-mini' of 'one' twice"));
        assert!(refused(&SMALL.replace("{\"input\": 3}", "{\"input\": -3}")).contains("negative"));
    }
}
