//! The prices in force: a version of the catalogue, and what the operator lays over it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::catalogue::Catalogue;
use super::cost::{Cost, CostError, Discount};
use super::row::{Rates, Row};
use crate::models::ModelList;
use crate::time::Timestamp;
use crate::usage::{Count, Usage};

/// Prices of the operator, which come before the catalogue's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnPrices {
    /// The provider whose models they are; of any, when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Names and patterns (`*`), compared with case.
    pub models: ModelList,
    /// The prices.
    pub rows: Vec<Row>,
}

/// A discount of the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscountRule {
    /// For this provider only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// For requests of this route only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// How much.
    pub basis_points: Discount,
}

/// What the operator lays over the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// Prices; the first that means a model counts.
    #[serde(default)]
    pub models: Vec<OwnPrices>,
    /// Discounts; the first that applies counts, and no two add up.
    #[serde(default)]
    pub discounts: Vec<DiscountRule>,
}

/// Prices in force. Cheap to clone, never changed.
#[derive(Clone, Debug)]
pub struct PriceBook {
    catalogue: Arc<Catalogue>,
    overlay: Arc<Overlay>,
}

/// Which model was used, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The provider that the route says.
    pub provider: Option<&'a str>,
    /// The route.
    pub route: Option<&'a str>,
    /// Names of the model, the most telling first: that of the response, what it stands for as an alias, the asked one,
    /// what that stands for.
    pub names: &'a [&'a str],
}

/// Why a call has no price. It waits in a queue until somebody gives it one; it is never free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unpriced {
    /// No name of the model is known.
    #[error("neither the request nor the response names a model")]
    Unnamed,
    /// Neither the operator nor the catalogue has a price for the model.
    #[error("no price is known for the model")]
    Model,
    /// It has prices, but none at that moment.
    #[error("the model has no price at that time")]
    Time,
    /// What was counted has no price, or costs too much to be true.
    #[error(transparent)]
    Cost(#[from] CostError),
}

/// The prices of one model.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The provider's id; `None` for an own price of any provider.
    pub provider: Option<&'a str>,
    /// The model's id, or for an own price the name that it means.
    pub model: &'a str,
    /// Whether the operator said the price.
    pub own: bool,
    /// The most tokens of a call, where it is known.
    pub context: Option<u32>,
    /// What the operator takes off.
    pub discount: Discount,
    rows: &'a [Row],
}

impl PriceBook {
    /// These prices.
    pub const fn new(catalogue: Arc<Catalogue>, overlay: Arc<Overlay>) -> Self {
        Self { catalogue, overlay }
    }

    /// The catalogue's version.
    pub fn version(&self) -> i64 {
        self.catalogue.version()
    }

    /// The prices of the first name that has any.
    ///
    /// # Errors
    /// [`Unpriced::Unnamed`] and [`Unpriced::Model`].
    pub fn find<'a>(&'a self, asked: &Asked<'a>) -> Result<Found<'a>, Unpriced> {
        let mut names = asked.names.iter().copied().filter(|name| !name.is_empty()).peekable();
        if names.peek().is_none() {
            return Err(Unpriced::Unnamed);
        }
        let mut found = names.find_map(|name| self.find_name(asked.provider, name)).ok_or(Unpriced::Model)?;
        if found.rows.is_empty() {
            return Err(Unpriced::Model);
        }
        found.discount = self.discount(found.provider.or(asked.provider), asked.route);
        Ok(found)
    }

    fn find_name<'a>(&'a self, provider: Option<&'a str>, name: &'a str) -> Option<Found<'a>> {
        let entry = self.catalogue.find(provider, name);
        let of = provider.or(entry.as_ref().map(|entry| entry.provider));
        let means = |own: &&OwnPrices| {
            let same = own.provider.as_deref().is_none_or(|own| of.is_some_and(|of| self.is_same(own, of)));
            same && own.models.allows(name)
        };
        let (discount, context) = (Discount::NONE, entry.as_ref().and_then(|entry| entry.context));
        if let Some(own) = self.overlay.models.iter().find(means) {
            let provider = own.provider.as_deref().or(of);
            return Some(Found { provider, model: name, own: true, context, discount, rows: &own.rows });
        }
        let entry = entry?;
        // Who serves the model is the provider that was asked, whoever's prices count.
        let provider = provider.and_then(|name| self.catalogue.provider_id(name)).unwrap_or(entry.provider);
        Some(Found {
            provider: Some(provider),
            model: entry.model,
            own: false,
            context,
            discount,
            rows: entry.rows,
        })
    }

    /// Whether two names are the same provider's.
    fn is_same(&self, one: &str, other: &str) -> bool {
        one.eq_ignore_ascii_case(other)
            || self.catalogue.provider_id(one).is_some_and(|id| self.catalogue.provider_id(other) == Some(id))
    }

    fn discount(&self, provider: Option<&str>, route: Option<&str>) -> Discount {
        let applies = |rule: &&DiscountRule| {
            let of = |name: &str| provider.is_some_and(|provider| self.is_same(name, provider));
            rule.provider.as_deref().is_none_or(of)
                && rule.route.as_deref().is_none_or(|name| route == Some(name))
        };
        self.overlay.discounts.iter().find(applies).map_or(Discount::NONE, |rule| rule.basis_points)
    }

    /// What a call costs that began at `at`.
    ///
    /// # Errors
    /// [`Unpriced`].
    pub fn cost(&self, asked: &Asked<'_>, usage: &Usage, at: Timestamp) -> Result<Cost, Unpriced> {
        let found = self.find(asked)?;
        let rates = Rates::of(found.rows, at, usage.tier()).ok_or(Unpriced::Time)?;
        Ok(Cost::of(&rates, usage.counts(), found.discount)?)
    }
}

impl Found<'_> {
    /// No call with at most so many tokens costs more at this moment, however it is served.
    ///
    /// # Errors
    /// [`Unpriced::Time`], [`Unpriced::Cost`].
    pub fn upper_bound(&self, input: Count, output: Count, at: Timestamp) -> Result<i64, Unpriced> {
        let standard = crate::usage::ServiceTier::Standard;
        let tiers = std::iter::once(&standard).chain(self.rows.iter().map(|row| &row.tier));
        let mut highest = None;
        for tier in tiers {
            let rates = Rates::of(self.rows, at, tier).ok_or(Unpriced::Time)?;
            highest = highest.max(Some(Cost::upper_bound(&rates, input, output, self.discount)?));
        }
        highest.ok_or(Unpriced::Time)
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
