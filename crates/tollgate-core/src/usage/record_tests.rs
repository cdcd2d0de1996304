//! Parts fit into their wholes, in Rust and in JSON.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn count(value: i64) -> Count {
    Count::new(value).unwrap()
}

/// Counts of which nothing is known but their range; few values, so that they meet often.
fn any_counts() -> impl Strategy<Value = Counts> {
    prop::collection::vec(prop_oneof![0..50_i64, Just(crate::usage::MAX_COUNT)], 22).prop_map(|n| {
        let mut rest = n.into_iter().map(count);
        let names = Counts::default().named().map(|(name, _)| name);
        let object = names.map(|name| (name.to_owned(), i64::from(rest.next().unwrap()).into()));
        serde_json::from_value(serde_json::Value::Object(object.collect())).unwrap()
    })
}

proptest! {
    #[test]
    fn reconciled_counts_fit_and_lose_nothing(counts in any_counts()) {
        let mut raised = counts;
        let changed = raised.reconcile();
        for ((name, before), (_, after)) in counts.named().zip(raised.named()) {
            prop_assert!(after >= before, "{} shrank", name);
        }
        prop_assert_eq!(changed, counts.check().is_err());
        if raised.input < Count::MAX && raised.output < Count::MAX {
            prop_assert_eq!(raised.check(), Ok(()));
        }
        prop_assert!(!raised.reconcile(), "once is enough");
    }

    #[test]
    fn a_record_survives_json(counts in any_counts(), total in prop::option::of(0..9_i64), model in prop::option::of("[a-z]{1,9}")) {
        let tier = ServiceTier::of("flex");
        if let Ok(usage) = Usage::new(counts, total.map(count), model, tier) {
            let json = serde_json::to_string(&usage).unwrap();
            prop_assert_eq!(serde_json::from_str::<Usage>(&json).unwrap(), usage);
        }
    }
}

#[test]
fn json_that_cannot_be_is_refused_in_words() {
    let table = [
        (r#"{"input": 1, "cached_read": 2}"#, "cached_read + cache writes is larger than input"),
        (r#"{"output": 1, "reasoning": 2}"#, "reasoning + media output is larger than output"),
        (r#"{"input": -1}"#, "negative"),
        (r#"{"input": 1000000000001}"#, "too large"),
        (r#"{"input": 9223372036854775808}"#, "invalid"),
        (r#"{"input": 1.5}"#, "invalid"),
        (r#"{"input": "1"}"#, "invalid"),
        (r#"{"input": null}"#, "invalid"),
        (r#"{"input": 1, "input": 2}"#, "duplicate"),
        (r#"{"inputs": 1}"#, "unknown"),
    ];
    for (json, expected) in table {
        let error = serde_json::from_str::<Usage>(json).unwrap_err().to_string();
        assert!(error.contains(expected), "{json}: {error}");
    }
}

#[test]
fn tiers_are_read_in_every_spelling() {
    let table = [
        ("default", ServiceTier::Standard),
        ("standard", ServiceTier::Standard),
        ("PRIORITY", ServiceTier::Priority),
        ("ON_DEMAND_FLEX", ServiceTier::Flex),
        ("batch", ServiceTier::Batch),
        ("scale", ServiceTier::Other("scale".to_owned())),
    ];
    for (word, tier) in table {
        assert_eq!(ServiceTier::of(word), tier);
        let json = serde_json::to_string(&tier).unwrap();
        assert_eq!(serde_json::from_str::<ServiceTier>(&json).unwrap(), tier, "{json}");
    }
}
