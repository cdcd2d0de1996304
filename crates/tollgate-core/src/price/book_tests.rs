//! The built-in catalogue, the operator's prices over it, and what is never free.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;

use super::super::catalogue::BUILT_IN;
use super::*;
use crate::usage::{Counts, ServiceTier};

fn book(overlay: &str) -> PriceBook {
    static BUILT: std::sync::LazyLock<Arc<Catalogue>> =
        std::sync::LazyLock::new(|| Arc::new(Catalogue::parse(1, BUILT_IN).unwrap()));
    PriceBook::new(Arc::clone(&BUILT), Arc::new(serde_json::from_str(overlay).unwrap()))
}

/// 1 December 2026.
fn now() -> Timestamp {
    Timestamp::from_secs(1_796_083_200)
}

fn usage(input: i64, output: i64, tier: &str) -> Usage {
    let count = |value| Count::new(value).unwrap();
    let counts =
        Counts { input: count(input), output: count(output), requests: Count::ONE, ..Counts::default() };
    Usage::new(counts, None, None, ServiceTier::of(tier)).unwrap()
}

fn asked<'a>(provider: Option<&'a str>, names: &'a [&'a str]) -> Asked<'a> {
    Asked { provider, route: None, names }
}

fn cost(book: &PriceBook, provider: Option<&str>, name: &str, tier: &str) -> Result<i64, Unpriced> {
    let cost = book.cost(&asked(provider, &[name]), &usage(1_000_000, 1_000_000, tier), now());
    cost.map(|cost| cost.nano_dollars)
}

const DOLLAR: i64 = 1_000_000_000;

#[test]
fn well_known_models_have_their_prices() {
    let book = book("{}");
    let table = [
        (None, "gpt-5", "", DOLLAR * 45 / 4),
        (None, "gpt-5-2025-08-07", "default", DOLLAR * 45 / 4),
        (None, "gpt-5", "flex", DOLLAR * 45 / 8),
        (None, "gpt-5", "batch", DOLLAR * 45 / 8),
        (None, "gpt-5", "priority", DOLLAR * 45 / 2),
        (Some("openai"), "GPT-5", "", DOLLAR * 45 / 4),
        (Some("azure"), "gpt-5", "", DOLLAR * 45 / 4),
        // A million tokens are above the tier at 200 000.
        (None, "claude-sonnet-4-5-20250929", "", DOLLAR * 57 / 2),
        (None, "gemini-2.5-pro", "", DOLLAR * 35 / 2),
        (Some("vertex"), "gemini-2.5-pro", "", DOLLAR * 35 / 2),
    ];
    for (provider, name, tier, expected) in table {
        assert_eq!(cost(&book, provider, name, tier), Ok(expected), "{provider:?} {name} {tier}");
    }
}

#[test]
fn every_model_of_the_catalogue_can_be_found_and_priced() {
    let book = book("{}");
    let (mut models, mut unpriced) = (0, 0);
    for provider in book.catalogue.providers() {
        for model in &provider.models {
            let Some(names) = model.rule.names() else { continue };
            for name in names {
                let names = [name.as_str()];
                let asked = asked(Some(&provider.id), &names);
                match book.find(&asked) {
                    Ok(found) => {
                        assert_eq!(found.provider, Some(provider.id.as_str()), "{name}");
                        assert!(Rates::of(found.rows, now(), &ServiceTier::Standard).is_some(), "{name}");
                        models += 1;
                    }
                    Err(Unpriced::Model) => unpriced += 1,
                    Err(other) => panic!("{name}: {other}"),
                }
            }
            assert!(model.rows.iter().all(|row| !row.prices.is_empty()), "{}", model.id);
        }
    }
    assert!(unpriced < models / 8, "{unpriced} of {models}");
    assert!(models > 1_500, "{models}");
    assert_eq!(book.catalogue.source().license, "MIT");
}

#[test]
fn what_is_unknown_is_never_free() {
    let book = book("{}");
    assert_eq!(cost(&book, None, "my-own-llama", ""), Err(Unpriced::Model));
    assert_eq!(cost(&book, Some("nobody"), "gpt-5", ""), Err(Unpriced::Model));
    // It is charged by the page, which nobody counts; no other model's rule means it.
    assert_eq!(cost(&book, None, "mistral-ocr-2505", ""), Err(Unpriced::Model));
    assert_eq!(cost(&book, None, "", ""), Err(Unpriced::Unnamed));
    assert_eq!(book.find(&asked(None, &[])).unwrap_err(), Unpriced::Unnamed);
}

#[test]
fn the_first_name_that_has_a_price_counts() {
    let book = book("{}");
    let find = |names: &[&str]| book.find(&asked(None, names)).map(|found| found.model.to_owned());
    assert_eq!(find(&["gpt-5-2025-08-07", "gpt-4o"]), Ok("gpt-5".to_owned()));
    assert_eq!(find(&["my-deployment", "", "gpt-4o"]), Ok("gpt-4o".to_owned()));
}

#[test]
fn own_prices_come_first_and_discounts_apply_once() {
    let book = book(
        r#"{"models": [
              {"provider": "azure", "models": ["gpt-5"], "rows": [{"prices": {"input": 1000000000, "output": 1000000000}}]},
              {"models": ["my-*"], "rows": [{"prices": {"input": 2000000000, "output": 0}}]},
              {"models": ["late"], "rows": [{"from": 2000000000000, "prices": {"input": 1}}]}],
            "discounts": [
              {"provider": "openai", "route": "chat", "basis_points": 5000},
              {"provider": "Microsoft Azure", "basis_points": 9000},
              {"provider": "openai", "basis_points": 1000},
              {"route": "chat", "basis_points": 10000}]}"#,
    );
    assert_eq!(cost(&book, Some("azure"), "gpt-5", ""), Ok(2 * DOLLAR));
    assert_eq!(cost(&book, Some("anything"), "my-llama", ""), Ok(2 * DOLLAR));
    assert_eq!(cost(&book, None, "my-llama", ""), Ok(2 * DOLLAR));
    assert_eq!(cost(&book, None, "late", ""), Err(Unpriced::Time));
    assert_eq!(cost(&book, None, "gpt-5", ""), Ok(DOLLAR * 45 / 4 / 10 * 9));
    let on_chat = Asked { provider: None, route: Some("chat"), names: &["gpt-5"] };
    let half = book.cost(&on_chat, &usage(1_000_000, 1_000_000, ""), now()).unwrap();
    assert_eq!(half.nano_dollars, DOLLAR * 45 / 8);
    let free = Asked { names: &["my-llama"], ..on_chat };
    assert_eq!(book.cost(&free, &usage(1_000, 1, ""), now()).unwrap().nano_dollars, 0);
}

#[test]
fn hand_edited_overlays_are_refused() {
    for overlay in [
        r#"{"models": [{"models": [], "rows": []}]}"#,
        r#"{"models": [{"models": ["a"], "rows": [{"prices": {"input": -1}}]}]}"#,
        r#"{"discounts": [{"basis_points": 10001}]}"#,
        r#"{"discounts": [{"basis_points": 1.5}]}"#,
        r#"{"prices": []}"#,
    ] {
        assert!(serde_json::from_str::<Overlay>(overlay).is_err(), "{overlay}");
    }
}

proptest! {
    #[test]
    fn the_upper_bound_holds_for_every_tier(
        name in prop::sample::select(vec!["gpt-5", "claude-sonnet-4-5", "gemini-2.5-pro", "gpt-4o-mini"]),
        tier in prop::sample::select(vec!["", "batch", "flex", "priority", "fast"]),
        input in 0_i64..400_000, output in 0_i64..100_000, cached in 0_i64..400_000, written in 0_i64..100_000,
    ) {
        let book = book("{}");
        let count = |value| Count::new(value).unwrap();
        let mut counts = Counts {
            input: count(input), output: count(output),
            cached_read: count(cached.min(input)), requests: Count::ONE, ..Counts::default()
        };
        counts.cache_write_1h = count(written.min(input - cached.min(input)));
        let usage = Usage::new(counts, None, None, ServiceTier::of(tier)).unwrap();
        let names = [name];
        let asked = asked(None, &names);
        let real = book.cost(&asked, &usage, now()).unwrap().nano_dollars;
        let bound = book.find(&asked).unwrap().upper_bound(counts.input, counts.output, now()).unwrap();
        prop_assert!(real <= bound);
    }
}
