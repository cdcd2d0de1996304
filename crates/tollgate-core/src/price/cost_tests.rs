//! Money by properties: exact against fractions, monotone, bounded, rounded up by less than one.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::super::row::Row;
use super::*;
use crate::time::Timestamp;
use crate::usage::ServiceTier;

fn count(value: i64) -> Count {
    Count::new(value).unwrap()
}

fn row(json: &str) -> Row {
    serde_json::from_str(json).unwrap()
}

fn rates(row: &Row) -> Rates<'_> {
    Rates::of(std::slice::from_ref(row), Timestamp::from_millis(0), &ServiceTier::Standard).unwrap()
}

fn cost(row: &Row, counts: &Counts) -> Result<i64, CostError> {
    Cost::of(&rates(row), counts, Discount::NONE).map(|cost| cost.nano_dollars)
}

fn tokens(input: i64, output: i64) -> Counts {
    Counts { input: count(input), output: count(output), ..Counts::default() }
}

/// Any counts that fit into their wholes.
fn any_counts() -> impl Strategy<Value = Counts> {
    prop::collection::vec(0_i64..2_000, 22).prop_map(|n| {
        let mut rest = n.into_iter();
        let mut counts = Counts::default();
        for place in [
            &mut counts.input,
            &mut counts.output,
            &mut counts.cached_read,
            &mut counts.cached_audio,
            &mut counts.cached_image,
            &mut counts.cache_write,
            &mut counts.cache_write_5m,
            &mut counts.cache_write_1h,
            &mut counts.audio_input,
            &mut counts.image_input,
            &mut counts.video_input,
            &mut counts.reasoning,
            &mut counts.audio_output,
            &mut counts.image_output,
            &mut counts.video_output,
        ] {
            *place = count(rest.next().unwrap());
        }
        counts.requests = Count::ONE;
        counts.reconcile();
        counts
    })
}

/// Prices of any units, with tiers; tokens always have one.
fn any_row() -> impl Strategy<Value = Row> {
    let price = prop_oneof![Just(0_i64), 1..9_i64, 1..1_000_000_000_000_i64];
    let rate = (price.clone(), prop::option::of((0..3_000_i64, price)));
    prop::collection::vec(prop::option::of(rate), Unit::ALL.len()).prop_map(|all| {
        let mut row = Row::default();
        for (unit, rate) in Unit::ALL.into_iter().zip(all) {
            let always = matches!(unit, Unit::Input | Unit::Output).then_some((5, None));
            if let Some((base, tier)) = rate.or(always) {
                let price = |femto| Price::new(femto).unwrap();
                let tiers = tier.into_iter().map(|(start, femto)| (count(start), price(femto)));
                row.prices.insert(unit, super::super::row::Rate::tiered(price(base), tiers.collect()));
            }
        }
        row
    })
}

proptest! {
    #[test]
    fn no_count_is_lost_and_none_is_charged_twice(counts in any_counts()) {
        let lines = lines(&counts);
        let sum = |of: fn(Unit) -> bool| {
            let those = lines.iter().filter(|(_, units)| of(units[0]));
            those.map(|(count, _)| count.get()).sum::<i64>()
        };
        prop_assert_eq!(sum(Unit::is_input), counts.input.get());
        prop_assert_eq!(sum(Unit::is_output), counts.output.get());
    }

    #[test]
    fn rounding_adds_less_than_one_nano(row in any_row(), counts in any_counts()) {
        let nanos = i128::from(cost(&row, &counts).unwrap());
        // The same sum in femto-dollars, term by term.
        let rates = rates(&row);
        let exact: i128 = lines(&counts).iter().filter(|(count, _)| !count.is_zero()).map(|(count, units)| {
            let price = rates.first(units).unwrap().at(counts.input);
            i128::from(count.get()) * i128::from(price.femto_dollars())
        }).sum();
        let request = rates.get(Unit::Request).map_or(0, |rate| rate.at(counts.input).femto_dollars());
        let exact = exact + i128::from(request);
        prop_assert!(nanos * NANO >= exact, "{} < {}", nanos * NANO, exact);
        prop_assert!(nanos * NANO - exact < NANO);
    }

    #[test]
    fn more_output_never_costs_less(row in any_row(), counts in any_counts(), more in 0_i64..5_000) {
        let larger = Counts { output: counts.output.plus(count(more)), ..counts };
        prop_assert!(cost(&row, &counts).unwrap() <= cost(&row, &larger).unwrap());
    }

    #[test]
    fn more_input_never_costs_less_where_tiers_rise(a in 0_i64..1_000, b in 0_i64..1_000, start in 0_i64..2_000, input in 0_i64..2_000, more in 0_i64..2_000) {
        let (low, high) = (a.min(b), a.max(b));
        let row = row(&format!(r#"{{"prices": {{"input": {{"base": {low}, "tiers": [[{start}, {high}]]}}}}}}"#));
        prop_assert!(cost(&row, &tokens(input, 0)).unwrap() <= cost(&row, &tokens(input + more, 0)).unwrap());
    }

    #[test]
    fn the_upper_bound_is_one(row in any_row(), counts in any_counts(), more in 0_i64..5_000, points in 0_u16..=10_000) {
        let discount = Discount::basis_points(points).unwrap();
        let rates = rates(&row);
        let real = Cost::of(&rates, &counts, discount).unwrap().nano_dollars;
        let (input, output) = (counts.input.plus(count(more)), counts.output.plus(count(more)));
        prop_assert!(real <= Cost::upper_bound(&rates, input, output, discount).unwrap());
    }

    #[test]
    fn discounts_reduce_and_never_below_zero(row in any_row(), counts in any_counts(), points in 0_u16..=10_000) {
        let full = Cost::of(&rates(&row), &counts, Discount::NONE).unwrap().nano_dollars;
        let part = Cost::of(&rates(&row), &counts, Discount::basis_points(points).unwrap()).unwrap().nano_dollars;
        prop_assert!((0..=full).contains(&part));
        let expected = (i128::from(full) * i128::from(10_000 - points) + 9_999) / 10_000;
        prop_assert!((expected - i128::from(part)).abs() <= 1);
    }

    #[test]
    fn nothing_overflows(input in 0..=crate::usage::MAX_COUNT, price in 0..=1_000_000_000_000_000_000_i64, points in 0_u16..=10_000) {
        let row = row(&format!(r#"{{"prices": {{"input": {price}, "output": {price}}}}}"#));
        let discount = Discount::basis_points(points).unwrap();
        match Cost::of(&rates(&row), &tokens(input, input), discount) {
            Ok(cost) => prop_assert!(cost.nano_dollars >= 0),
            Err(error) => {
                prop_assert_eq!(error, CostError::TooLarge);
                let nanos = i128::from(input) * 2 * i128::from(price) / NANO * i128::from(10_000 - points) / 10_000;
                prop_assert!(nanos > i128::from(i64::MAX) / 2 || points == 10_000, "{}", nanos);
            }
        }
    }
}

#[test]
fn one_femto_dollar_is_one_nano_dollar() {
    let row = row(r#"{"prices": {"input": 1, "output": 1000000}}"#);
    assert_eq!(cost(&row, &tokens(0, 0)), Ok(0));
    assert_eq!(cost(&row, &tokens(1, 0)), Ok(1));
    assert_eq!(cost(&row, &tokens(1_000_000, 0)), Ok(1));
    assert_eq!(cost(&row, &tokens(1_000_001, 0)), Ok(2));
    // Rounded once, and not once for each term.
    assert_eq!(cost(&row, &tokens(1, 1)), Ok(2));
    assert_eq!(cost(&row, &tokens(999_999, 1)), Ok(2));
}

#[test]
fn a_call_of_a_known_price() {
    // $3 and $15 per million tokens, $0.30 cached, $3.75 and $6 written to the cache.
    let row = row(r#"{"prices": {"input": 3000000000, "output": 15000000000, "cached_read": 300000000,
            "cache_write": 3750000000, "cache_write_1h": 6000000000, "web_search": 10000000000000}}"#);
    let counts = Counts {
        input: count(1_600),
        cached_read: count(1_000),
        cache_write_5m: count(300),
        cache_write_1h: count(200),
        output: count(50),
        web_searches: count(2),
        ..Counts::default()
    };
    // 100×3 + 1000×0.3 + 300×3.75 + 200×6 + 50×15 = 3675 millionths; two searches are two cents.
    assert_eq!(cost(&row, &counts), Ok(3_675_000 + 20_000_000));
}

#[test]
fn tiers_hold_for_the_whole_call() {
    let row = row(r#"{"prices": {"input": {"base": 1000000, "tiers": [[200, 2000000]]},
            "output": {"base": 10000000, "tiers": [[200, 15000000]]}}}"#);
    assert_eq!(cost(&row, &tokens(200, 1)), Ok(200 + 10));
    assert_eq!(cost(&row, &tokens(201, 1)), Ok(402 + 15));
}

#[test]
fn what_has_no_price_of_its_own_has_that_of_its_kind() {
    let plain = row(r#"{"prices": {"input": 1000000, "output": 2000000}}"#);
    let counts = Counts {
        input: count(100),
        cached_read: count(40),
        cached_audio: count(10),
        cache_write_1h: count(20),
        audio_input: count(15),
        output: count(10),
        reasoning: count(5),
        ..Counts::default()
    };
    assert_eq!(cost(&plain, &counts), Ok(120));
    let cached =
        row(r#"{"prices": {"input": 1000000, "output": 2000000, "cached_read": 0, "input_audio": 3000000}}"#);
    // 60 not cached, of which 5 are audio.
    assert_eq!(cost(&cached, &counts), Ok(55 + 15 + 20));
}

#[test]
fn hours_characters_images_and_requests() {
    let hour = row(r#"{"least_audio_millis": 10000, "prices": {"audio_hour": 360000000000000}}"#);
    let millis = |millis| Counts { audio_millis: count(millis), ..Counts::default() };
    // 36 cents an hour are 100 000 nano-dollars a second.
    assert_eq!(cost(&hour, &millis(20_001)), Ok(2_000_100));
    assert_eq!(cost(&hour, &millis(1)), Ok(1_000_000));
    assert_eq!(cost(&hour, &millis(0)), Ok(0));
    let speech = row(r#"{"prices": {"character": 15000000000}}"#);
    assert_eq!(cost(&speech, &Counts { characters: count(1_000), ..Counts::default() }), Ok(15_000_000));
    let image = row(r#"{"prices": {"image": 40000000000000}}"#);
    assert_eq!(cost(&image, &Counts { images: count(2), ..Counts::default() }), Ok(80_000_000));
    let request = row(r#"{"prices": {"input": 0, "output": 0, "request": 5000000000000}}"#);
    assert_eq!(cost(&request, &Counts { requests: Count::ONE, ..tokens(1, 1) }), Ok(5_000_000));
}

#[test]
fn what_is_not_known_is_never_free() {
    let audio = row(r#"{"prices": {"audio_hour": 1000}}"#);
    assert_eq!(cost(&audio, &tokens(5, 0)), Err(CostError::NoPrice(Unit::Input)));
    assert_eq!(cost(&audio, &tokens(0, 5)), Err(CostError::NoPrice(Unit::Output)));
    let images = Counts { images: count(1), requests: Count::ONE, ..Counts::default() };
    let plain = row(r#"{"prices": {"input": 1, "output": 1}}"#);
    assert_eq!(cost(&plain, &images), Err(CostError::Nothing));
    assert_eq!(cost(&row(r#"{"prices": {}}"#), &tokens(1, 0)), Err(CostError::NoPrice(Unit::Input)));
    // Searches beside priced tokens: the tokens are charged, and the row is flagged.
    let searched = Counts { web_searches: count(1), ..tokens(5, 5) };
    let cost = Cost::of(&rates(&plain), &searched, Discount::NONE).unwrap();
    assert_eq!(cost.unpriced, [Unit::WebSearch]);
    // A price of zero is a price.
    let free = row(r#"{"prices": {"input": 0, "output": 0}}"#);
    assert_eq!(Cost::of(&rates(&free), &tokens(5, 5), Discount::NONE).unwrap().nano_dollars, 0);
}

#[test]
fn a_way_of_being_served_without_prices_is_flagged() {
    let plain = row(r#"{"prices": {"input": 1, "output": 1}}"#);
    let rows = std::slice::from_ref(&plain);
    let rates = Rates::of(rows, Timestamp::from_millis(0), &ServiceTier::Priority).unwrap();
    assert!(Cost::of(&rates, &tokens(1, 1), Discount::NONE).unwrap().tier_unpriced);
}

#[test]
fn discounts_are_bounded() {
    assert_eq!(Discount::basis_points(10_001), Err(NotADiscount));
    assert!(serde_json::from_str::<Discount>("10001").is_err());
    assert!(serde_json::from_str::<Discount>("-1").is_err());
    let row = row(r#"{"prices": {"input": 1000000, "output": 1}}"#);
    let cost = |points| {
        let discount = Discount::basis_points(points).unwrap();
        Cost::of(&rates(&row), &tokens(1_000, 0), discount).unwrap().nano_dollars
    };
    assert_eq!([0, 1, 1_500, 9_999, 10_000].map(cost), [1_000, 1_000, 850, 1, 0]);
}
