//! The scanner against serde_json: the same values at the same paths, in any split.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::Value;

use super::*;

#[derive(Default, Debug, PartialEq)]
struct Log(Vec<String>);
impl Sink for Log {
    fn interest(&mut self, _: &str) -> Interest {
        Interest::Look(1000)
    }
    fn begin(&mut self, path: &str) {
        self.0.push(format!("{path} begin"));
    }
    fn end(&mut self, path: &str) {
        self.0.push(format!("{path} end"));
    }
    fn scalar(&mut self, path: &str, value: Scalar<'_>) {
        self.0.push(match value {
            Scalar::Text(text, _) => format!("{path} = {text:?}"),
            Scalar::Number(number) => format!("{path} = {number}"),
            Scalar::Bool(value) => format!("{path} = {value}"),
            Scalar::Null => format!("{path} = null"),
        });
    }
    fn document(&mut self) {
        self.0.push("document".to_owned());
    }
    fn failure(&mut self, too_deep: bool) {
        self.0.push(if too_deep { "too deep" } else { "failure" }.to_owned());
    }
}

fn scan(pieces: &[&[u8]], many: bool) -> (Vec<String>, bool) {
    let (mut scanner, mut log) = (Scanner::new(many), Log::default());
    for piece in pieces {
        scanner.feed(piece, &mut log);
    }
    scanner.end(&mut log);
    (log.0, scanner.failed() || scanner.is_open())
}

fn expected(path: &str, value: &Value, out: &mut Vec<String>) {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    match value {
        Value::Object(members) => {
            out.push(format!("{path} begin"));
            for (name, value) in members {
                let plain = !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
                expected(&join(if plain { name } else { "?" }), value, out);
            }
            out.push(format!("{path} end"));
        }
        Value::Array(elements) => {
            out.push(format!("{path} begin"));
            for value in elements {
                expected(&join("[]"), value, out);
            }
            out.push(format!("{path} end"));
        }
        Value::String(text) => out.push(format!("{path} = {:?}", Some(text))),
        other => out.push(format!("{path} = {other}")),
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let name = prop_oneof![Just("usage".to_owned()), "[a-z_/\\[\\]\"é\\\\\n]{0,4}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}|[\"\\\\{}:,\n\t]{0,9}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_is_where_serde_says(value in any_value(), size in 1_usize..20, pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let mut want = Vec::new();
        expected("", &value, &mut want);
        want.push("document".to_owned());
        let (got, bad) = scan(&text.as_bytes().chunks(size).collect::<Vec<_>>(), false);
        prop_assert_eq!(got, want);
        prop_assert!(!bad);
    }

    #[test]
    fn any_bytes_scan_the_same_in_any_split(bytes in "[\\[\\]{}\",:\\\\u0a 1.e-tnul\n]{0,60}", size in 1_usize..7, many: bool) {
        let bytes = bytes.as_bytes();
        prop_assert_eq!(scan(&bytes.chunks(size).collect::<Vec<_>>(), many), scan(&[bytes], many));
    }

    #[test]
    fn what_serde_refuses_is_refused_where_it_is_looked_at(bytes in "[\\[\\]{}\",: 1\n]{0,30}") {
        let (log, bad) = scan(&[bytes.as_bytes()], false);
        let sound = serde_json::from_str::<Value>(&bytes).is_ok();
        // Control characters in texts are let pass: no reader is misled by them here.
        if !sound && !bad && log.last().is_some_and(|last| last == "document") {
            prop_assert!(log.iter().any(|line| line.contains("\\n") || line.ends_with("= 01") || line.ends_with("= 11")), "{:?}", log);
        }
        if sound {
            prop_assert!(!bad);
        }
    }
}

#[test]
fn names_cannot_pass_for_paths() {
    let text = br#"{"usage/prompt_tokens": 1, "usage\u002fx": 2, "[]": 3, "": 4, "\u0075sage": 5}"#;
    let (log, bad) = scan(&[text], false);
    assert!(!bad);
    assert_eq!(log, [" begin", "? = 1", "? = 2", "? = 3", "? = 4", "usage = 5", " end", "document"]);
}

#[test]
fn nesting_is_bounded_and_lines_begin_anew() {
    let deep = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    assert!(!scan(&[deep.as_bytes()], false).1);
    let deeper = "[".repeat(MAX_DEPTH + 1);
    let mut scanner = Scanner::new(false);
    let mut log = Log::default();
    scanner.feed(deeper.as_bytes(), &mut log);
    assert!(scanner.failed());
    assert_eq!(log.0.last().map(String::as_str), Some("too deep"));
    let (log, _) = scan(&[b"1 2\n{\"a\":}\n{\"b\":1}\n"], true);
    assert_eq!(
        log,
        [" = 1", "document", " = 2", "document", " begin", "failure", " begin", "b = 1", " end", "document"]
    );
    assert!(scan(&[b"{} {}"], false).1, "one document is one");
}

#[test]
fn lengths_of_texts_are_never_too_small() {
    struct Lengths(u64);
    impl Sink for Lengths {
        fn interest(&mut self, _: &str) -> Interest {
            Interest::Look(0)
        }
        fn begin(&mut self, _: &str) {}
        fn end(&mut self, _: &str) {}
        fn document(&mut self) {}
        fn failure(&mut self, _: bool) {}
        fn scalar(&mut self, _: &str, value: Scalar<'_>) {
            if let Scalar::Text(kept, length) = value {
                assert_eq!(kept, None);
                self.0 += length;
            }
        }
    }
    for (json, length) in
        [(r#""abc""#, 3), (r#""a\nb""#, 3), (r#""\u00e9""#, 3), (r#""é""#, 2), (r#""\ud83d\ude00""#, 6)]
    {
        let mut lengths = Lengths(0);
        Scanner::new(false).feed(json.as_bytes(), &mut lengths);
        assert_eq!(lengths.0, length, "{json}");
    }
}
