//! The prices of one model: rows that hold from a day on, at some hours, or for a way of being served.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::unit::{Price, Unit};
use crate::time::Timestamp;
use crate::usage::{Count, ServiceTier};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A price, which may depend on the size of the whole input: then the price of the highest tier that the input exceeds
/// holds for every unit of the call, and not only for those above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    base: Price,
    /// In order of their starts.
    tiers: Vec<(Count, Price)>,
}

/// A [`Rate`] with tiers in JSON; one without is a number.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TieredRate {
    base: Price,
    tiers: Vec<(Count, Price)>,
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.tiers.is_empty() {
            self.base.serialize(serializer)
        } else {
            TieredRate { base: self.base, tiers: self.tiers.clone() }.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Rate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number of femto-dollars, or an object with 'base' and 'tiers'")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Rate, E> {
                Price::new(value).map(Rate::flat).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Rate, E> {
                self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rate, A::Error> {
                let tiered = TieredRate::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Rate::tiered(tiered.base, tiered.tiers))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Rate {
    /// One price for every size.
    pub const fn flat(base: Price) -> Self {
        Self { base, tiers: Vec::new() }
    }

    /// A price that changes where the input exceeds a tier's start.
    pub fn tiered(base: Price, mut tiers: Vec<(Count, Price)>) -> Self {
        tiers.sort();
        Self { base, tiers }
    }

    /// The price when the whole input is so large. At a tier's start the tier below still holds.
    pub fn at(&self, input: Count) -> Price {
        let exceeded = self.tiers.iter().rev().find(|(start, _)| input > *start);
        exceeded.map_or(self.base, |(_, price)| *price)
    }

    /// The highest price of any input up to this size.
    pub fn highest_up_to(&self, input: Count) -> Price {
        let exceeded = self.tiers.iter().filter(|(start, _)| input > *start);
        exceeded.map(|(_, price)| *price).fold(self.base, Price::max)
    }
}

/// Hours of every day in UTC, in seconds since midnight. When the end is not after the start, they go past midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Daily {
    /// The first second.
    pub from: u32,
    /// The first second that is outside.
    pub until: u32,
}

/// Prices, and when they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The first moment, in milliseconds since the epoch; always, when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// The first moment at which they hold no more, in milliseconds since the epoch; never, when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// At these hours only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<Daily>,
    /// For calls that are served so: what this row prices replaces the standard prices, the rest stays.
    #[serde(default, skip_serializing_if = "is_standard")]
    pub tier: ServiceTier,
    /// What is transcribed is charged for at least so many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_audio_millis: Option<Count>,
    /// The prices.
    pub prices: BTreeMap<Unit, Rate>,
}

fn is_standard(tier: &ServiceTier) -> bool {
    *tier == ServiceTier::Standard
}

impl Row {
    /// Whether it holds at this moment.
    pub fn holds(&self, at: Timestamp) -> bool {
        let millis = at.as_millis();
        let second = at.as_secs().rem_euclid(DAY);
        let in_hours = self.daily.is_none_or(|Daily { from, until }| {
            let (from, until) = (i64::from(from), i64::from(until));
            if from < until { (from..until).contains(&second) } else { second >= from || second < until }
        });
        self.from.is_none_or(|from| millis >= from)
            && self.until.is_none_or(|until| millis < until)
            && in_hours
    }
}

/// The prices that hold for one call.
#[derive(Clone, Copy, Debug)]
pub struct Rates<'a> {
    rates: [Option<&'a Rate>; Unit::ALL.len()],
    pub(super) least_audio_millis: Option<Count>,
    /// Whether the way it was served has prices of its own, or is the standard one.
    pub(super) tier_is_priced: bool,
}

impl<'a> Rates<'a> {
    /// Those of `rows` that hold at `at` for calls that are served so. Of the standard rows the last one that holds
    /// counts; of the others the first one that prices a unit. `None` when no row holds.
    pub fn of(rows: &'a [Row], at: Timestamp, tier: &ServiceTier) -> Option<Self> {
        let standard = rows.iter().rev().find(|row| row.tier == ServiceTier::Standard && row.holds(at))?;
        let mut rates = [None; Unit::ALL.len()];
        for (unit, rate) in &standard.prices {
            rates[unit.index()] = Some(rate);
        }
        let mut of_tier = [None; Unit::ALL.len()];
        let mut tier_is_priced = *tier == ServiceTier::Standard;
        if !tier_is_priced {
            for row in rows.iter().filter(|row| row.tier == *tier && row.holds(at)) {
                tier_is_priced = true;
                for (unit, rate) in &row.prices {
                    of_tier[unit.index()].get_or_insert(rate);
                }
            }
        }
        for (rate, instead) in rates.iter_mut().zip(of_tier) {
            *rate = instead.or(*rate);
        }
        Some(Self { rates, least_audio_millis: standard.least_audio_millis, tier_is_priced })
    }

    /// The price of a unit.
    pub fn get(&self, unit: Unit) -> Option<&'a Rate> {
        self.rates[unit.index()]
    }

    /// The first of these units that has a price.
    pub(super) fn first(&self, units: &[Unit]) -> Option<&'a Rate> {
        units.iter().find_map(|unit| self.get(*unit))
    }

    /// Every unit that has a price.
    pub(super) fn priced(&self) -> impl Iterator<Item = (Unit, &'a Rate)> + use<'a> {
        let rates = self.rates;
        Unit::ALL.into_iter().zip(rates).filter_map(|(unit, rate)| Some((unit, rate?)))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn price(femto: i64) -> Price {
        Price::new(femto).unwrap()
    }

    fn count(value: i64) -> Count {
        Count::new(value).unwrap()
    }

    #[test]
    fn a_tier_begins_above_its_start() {
        let rate = Rate::tiered(price(1), vec![(count(300), price(9)), (count(200), price(5))]);
        for (input, expected) in [(0, 1), (199, 1), (200, 1), (201, 5), (300, 5), (301, 9), (1_000_000, 9)] {
            assert_eq!(rate.at(count(input)), price(expected), "{input}");
        }
        let falling = Rate::tiered(price(9), vec![(count(200), price(5))]);
        assert_eq!([falling.highest_up_to(count(200)), falling.highest_up_to(count(201))], [price(9); 2]);
        assert_eq!(rate.highest_up_to(count(250)), price(5));
        for rate in [rate, falling, Rate::flat(price(7))] {
            let json = serde_json::to_string(&rate).unwrap();
            assert_eq!(serde_json::from_str::<Rate>(&json).unwrap(), rate, "{json}");
        }
    }

    fn row(json: &str) -> Row {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn rows_hold_when_they_say_so() {
        let at = |secs| Timestamp::from_secs(secs);
        let dated = row(r#"{"from": 1000000, "until": 2000000, "prices": {}}"#);
        assert_eq!([999, 1000, 1999, 2000].map(|secs| dated.holds(at(secs))), [false, true, true, false]);
        let day = row(r#"{"daily": {"from": 3600, "until": 7200}, "prices": {}}"#);
        let hours = [0, 3599, 3600, 7199, 7200, DAY + 3600, 3600 - DAY];
        assert_eq!(hours.map(|secs| day.holds(at(secs))), [false, false, true, true, false, true, true]);
        let night = row(r#"{"daily": {"from": 82800, "until": 3600}, "prices": {}}"#);
        assert_eq!([0, 3600, 82_799, 82_800].map(|secs| night.holds(at(secs))), [true, false, false, true]);
    }

    #[test]
    fn the_last_standard_row_and_the_first_of_a_tier_count() {
        let rows: Vec<Row> = serde_json::from_str(
            r#"[{"prices": {"input": 10, "output": 100}},
                {"from": 1000, "prices": {"input": 20, "output": 200, "cached_read": 2}},
                {"from": 2000, "tier": "batch", "prices": {"input": 5}},
                {"tier": "batch", "prices": {"input": 7, "output": 70}}]"#,
        )
        .unwrap();
        let of = |millis, tier: &str| {
            let tier = ServiceTier::of(tier);
            let rates = Rates::of(&rows, Timestamp::from_millis(millis), &tier).unwrap();
            let units = [Unit::Input, Unit::Output, Unit::CachedRead];
            let prices = units.map(|unit| rates.get(unit).map(|rate| rate.at(Count::ZERO).femto_dollars()));
            (prices, rates.tier_is_priced)
        };
        assert_eq!(of(0, "standard"), ([Some(10), Some(100), None], true));
        assert_eq!(of(1000, "standard"), ([Some(20), Some(200), Some(2)], true));
        assert_eq!(of(1000, "batch"), ([Some(7), Some(70), Some(2)], true));
        assert_eq!(of(2000, "batch"), ([Some(5), Some(70), Some(2)], true));
        assert_eq!(of(2000, "priority"), ([Some(20), Some(200), Some(2)], false));
        assert!(Rates::of(&rows[1..], Timestamp::from_millis(0), &ServiceTier::Standard).is_none());
    }

    #[test]
    fn hand_edited_rows_are_refused() {
        let table = [
            (r#"{"prices": {"input": -1}}"#, "negative"),
            (r#"{"prices": {"input": 1.5}}"#, "femto-dollars"),
            (r#"{"prices": {"input": "1"}}"#, "femto-dollars"),
            (r#"{"prices": {"inputs": 1}}"#, "inputs"),
            (r#"{"prices": {"input": 1000000000000000001}}"#, "1000 dollars"),
            (r#"{"prices": {"input": 18446744073709551615}}"#, "1000 dollars"),
            (r#"{"prices": {"input": {"base": 1, "tiers": [[-1, 1]]}}}"#, "negative"),
            (r#"{"prices": {"input": {"base": 1}}}"#, "tiers"),
            (r#"{"price": {"input": 1}}"#, "price"),
            (r#"{}"#, "prices"),
        ];
        for (json, says) in table {
            let error = serde_json::from_str::<Row>(json).unwrap_err().to_string();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
