//! The `model` of a JSON body, in one pass over its bytes: no tree is built and nothing is kept but the name.
//!
//! The grammar is RFC 8259 and no more, so that whoever reads the body after us reads the same thing. Where readers are
//! known to differ (a repeated member, a member that some readers match without case, a name with a NUL) there is no
//! answer.

use std::borrow::Cow;

use super::member::{Member, member};
use super::request::Undecidable;

/// The deepest nesting that is read, the outermost object included.
pub const MAX_DEPTH: u32 = 64;

/// The value of the one member `model` of the object that `body` is; `None` when it has no such member.
///
/// # Errors
/// [`Undecidable`] when the body is not one JSON object in UTF-8, or readers could differ on the model.
pub fn model(body: &[u8]) -> Result<Option<Cow<'_, str>>, Undecidable> {
    let text = std::str::from_utf8(body).map_err(|_| Undecidable::NotJson)?;
    Reader { text, at: 0 }.object()
}

/// A position in the text. Methods return `None` where the text is not JSON.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// A string's text between its quotes, and whether it has escapes.
struct Quoted<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Reader<'a> {
    fn object(mut self) -> Result<Option<Cow<'a, str>>, Undecidable> {
        let broken = Undecidable::NotJson;
        let mut model = None;
        if self.token() != Some(b'{') {
            return Err(broken);
        }
        if self.peek_token() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                let key = self.key().ok_or(broken)?.decode().ok_or(broken)?;
                match member(&key) {
                    Member::Model if model.is_some() => return Err(Undecidable::Twice),
                    Member::Model if self.token().ok_or(broken)? != b'"' => return Err(Undecidable::NotText),
                    Member::Model => model = Some(self.string().ok_or(broken)?.decode().ok_or(broken)?),
                    Member::AlmostModel => return Err(Undecidable::Twice),
                    Member::Further => return Err(Undecidable::Further),
                    Member::Other => self.skip_value()?,
                }
                match self.token() {
                    Some(b',') => {}
                    Some(b'}') => break,
                    _ => return Err(broken),
                }
            }
        }
        // What follows the object, some readers would read as well.
        if self.peek_token().is_some() { Err(broken) } else { Ok(model) }
    }

    /// Passes over one value, however it is nested: the kinds of the open brackets are bits of a word.
    fn skip_value(&mut self) -> Result<(), Undecidable> {
        let broken = Undecidable::NotJson;
        let (mut open, mut depth) = (0_u64, 1);
        loop {
            let opened = match self.token().ok_or(broken)? {
                b'"' => self.string().map(|_| None),
                b'{' if self.peek_token() == Some(b'}') => self.step().map(|()| None),
                b'[' if self.peek_token() == Some(b']') => self.step().map(|()| None),
                b'{' => Some(Some(1)),
                b'[' => Some(Some(0)),
                b't' => self.literal("rue").map(|()| None),
                b'f' => self.literal("alse").map(|()| None),
                b'n' => self.literal("ull").map(|()| None),
                first @ (b'-' | b'0'..=b'9') => self.number(first).map(|()| None),
                _ => None,
            };
            if let Some(kind) = opened.ok_or(broken)? {
                if depth >= MAX_DEPTH {
                    return Err(Undecidable::TooDeep);
                }
                depth += 1;
                open = open << 1 | kind;
                if kind == 1 {
                    self.key().ok_or(broken)?;
                }
                continue;
            }
            // A value has ended; so may the brackets around it.
            loop {
                if depth == 1 {
                    return Ok(());
                }
                match (self.token().ok_or(broken)?, open & 1) {
                    (b',', 0) => break,
                    (b',', _) => {
                        self.key().ok_or(broken)?;
                        break;
                    }
                    (b'}', 1) | (b']', 0) => (open, depth) = (open >> 1, depth - 1),
                    _ => return Err(broken),
                }
            }
        }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn step(&mut self) -> Option<()> {
        self.at += 1;
        Some(())
    }

    /// The next byte that is not white space, without passing it.
    fn peek_token(&mut self) -> Option<u8> {
        loop {
            match self.bytes().get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    /// The next byte that is not white space.
    fn token(&mut self) -> Option<u8> {
        let byte = self.peek_token()?;
        self.at += 1;
        Some(byte)
    }

    /// A member's name and the colon after it.
    fn key(&mut self) -> Option<Quoted<'a>> {
        (self.token()? == b'"').then_some(())?;
        let key = self.string()?;
        (self.token()? == b':').then_some(key)
    }

    fn literal(&mut self, rest: &str) -> Option<()> {
        self.bytes().get(self.at..)?.starts_with(rest.as_bytes()).then_some(())?;
        self.at += rest.len();
        Some(())
    }

    /// A number whose first byte was passed.
    fn number(&mut self, first: u8) -> Option<()> {
        let mut digit = first;
        if first == b'-' {
            digit = *self.bytes().get(self.at)?;
            self.at += 1;
        }
        match digit {
            b'0' => {}
            b'1'..=b'9' => {
                self.digits();
            }
            _ => return None,
        }
        if self.bytes().get(self.at) == Some(&b'.') {
            self.at += 1;
            (self.digits() > 0).then_some(())?;
        }
        if let Some(b'e' | b'E') = self.bytes().get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes().get(self.at) {
                self.at += 1;
            }
            (self.digits() > 0).then_some(())?;
        }
        Some(())
    }

    fn digits(&mut self) -> usize {
        let rest = self.bytes().get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// The rest of a string whose opening quote was passed.
    fn string(&mut self) -> Option<Quoted<'a>> {
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_run(self.bytes().get(self.at..)?);
            match self.bytes().get(self.at)? {
                b'"' => {
                    let raw = self.text.get(start..self.at)?;
                    self.at += 1;
                    return Some(Quoted { raw, escaped });
                }
                b'\\' => {
                    escaped = true;
                    self.at += self.escape()?;
                }
                // A control character.
                _ => return None,
            }
        }
    }

    /// The length of the escape that begins here.
    fn escape(&self) -> Option<usize> {
        match self.bytes().get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
            b'u' => {
                let digits = self.bytes().get(self.at + 2..self.at + 6)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(6)
            }
            _ => None,
        }
    }
}

impl<'a> Quoted<'a> {
    /// The string itself; `None` for escapes that spell no text (half a surrogate pair).
    fn decode(&self) -> Option<Cow<'a, str>> {
        if !self.escaped {
            return Some(Cow::Borrowed(self.raw));
        }
        serde_json::from_str::<String>(&format!("\"{}\"", self.raw)).ok().map(Cow::Owned)
    }
}

/// Bytes before the next quote, backslash or control character. Eight at a time: most of a body is prompt text.
pub(crate) fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word;
    let (words, rest) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = zero_bytes(word ^ (ONES * 0x22));
        let backslash = zero_bytes(word ^ (ONES * 0x5c));
        let found = (control | quote | backslash) & HIGH;
        if found != 0 {
            // A borrow can only mark bytes above one that is truly marked, so the lowest mark is right.
            return n * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use proptest::prelude::*;
    use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};

    use super::*;

    /// The same question to serde_json: what `model` is when it stands there once.
    fn oracle(body: &[u8]) -> Option<Option<String>> {
        struct Top;
        impl<'de> Visitor<'de> for Top {
            type Value = Option<String>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
                let mut model = None;
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "model" if model.is_some() => return Err(A::Error::custom("twice")),
                        "model" => model = Some(map.next_value()?),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(model)
            }
        }
        let mut reader = serde_json::Deserializer::from_slice(body);
        let model = reader.deserialize_map(Top).ok()?;
        reader.end().ok()?;
        Some(model)
    }

    #[test]
    fn one_reading_or_none() {
        use Undecidable::{Further, NotJson, NotText, Twice};
        let table: &[(&str, Result<Option<&str>, Undecidable>)] = &[
            (r#"{"model":"gpt-4o"}"#, Ok(Some("gpt-4o"))),
            (" {\n\t\"x\" : [1, {\"model\":\"inner\"}] , \"model\" : \"m\" }\r\n", Ok(Some("m"))),
            (r#"{"messages":[{"content":"\"model\":\"x\" \\"}],"model":"m"}"#, Ok(Some("m"))),
            (r#"{"mod\u0065l":"\u0067pt"}"#, Ok(Some("gpt"))),
            (r#"{"model":"\ud83d\ude00"}"#, Ok(Some("\u{1f600}"))),
            (r#"{"x":"\ud800","model":"m"}"#, Ok(Some("m"))),
            (r#"{"stream":true,"n":null,"t":-0.5e+3,"f":false,"model":""}"#, Ok(Some(""))),
            ("{}", Ok(None)),
            (r#"{"x":{},"y":[],"modelx":"m"}"#, Ok(None)),
            (r#"{"model":"a","model":"a"}"#, Err(Twice)),
            (r#"{"model":"a","x":1,"mod\u0065l":"b"}"#, Err(Twice)),
            (r#"{"model":"a","Model":"b"}"#, Err(Twice)),
            (r#"{"MODEL":"b"}"#, Err(Twice)),
            (r#"{"model\u0000x":"b","model":"a"}"#, Err(Twice)),
            (r#"{"model":"a","models":["b"]}"#, Err(Further)),
            (r#"{"fallbacks":[{"model":"b"}],"model":"a"}"#, Err(Further)),
            (r#"{"model":null}"#, Err(NotText)),
            (r#"{"model":["a"]}"#, Err(NotText)),
            (r#"{"model":"\ud800"}"#, Err(NotJson)),
            (r#"{"model":"a"}{"model":"b"}"#, Err(NotJson)),
            (r#"{"model":"a"} x"#, Err(NotJson)),
            (r#"{"model":"a",}"#, Err(NotJson)),
            (r#"{"model":"a""#, Err(NotJson)),
            (r#"{"model":"a"#, Err(NotJson)),
            (r#"{"model":"a" "x":1}"#, Err(NotJson)),
            (r#"{'model':'a'}"#, Err(NotJson)),
            (r#"{model:"a"}"#, Err(NotJson)),
            (r#"{"x":NaN,"model":"a"}"#, Err(NotJson)),
            (r#"{"x":01,"model":"a"}"#, Err(NotJson)),
            (r#"{"x":1.,"model":"a"}"#, Err(NotJson)),
            (r#"{"x":+1,"model":"a"}"#, Err(NotJson)),
            (r#"{"x":[1,],"model":"a"}"#, Err(NotJson)),
            (r#"{"x":[1},"model":"a"}"#, Err(NotJson)),
            (r#"{/**/"model":"a"}"#, Err(NotJson)),
            (r#"{"x":"\x41","model":"a"}"#, Err(NotJson)),
            ("{\"x\":\"a\nb\",\"model\":\"a\"}", Err(NotJson)),
            ("\u{feff}{\"model\":\"a\"}", Err(NotJson)),
            (r#"[{"model":"a"}]"#, Err(NotJson)),
            (r#""model""#, Err(NotJson)),
            ("", Err(NotJson)),
            ("model=a", Err(NotJson)),
        ];
        for (text, expected) in table {
            let got = model(text.as_bytes());
            assert_eq!(got.as_ref().map(Option::as_deref).map_err(|why| *why), *expected, "{text}");
        }
        assert_eq!(model(b"{\"x\":\"\xff\",\"model\":\"a\"}"), Err(NotJson));
        let utf16: Vec<u8> = "{\"model\":\"a\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(model(&utf16), Err(NotJson));
    }

    #[test]
    fn depth_is_bounded() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |n: usize| {
                let inner = if open == "[" { "" } else { "1" };
                format!("{{\"x\":{}{inner}{},\"model\":\"m\"}}", open.repeat(n), close.repeat(n))
            };
            assert_eq!(model(nested(60).as_bytes()), Ok(Some("m".into())));
            for deep in [65, 1000, 1_000_000] {
                assert_eq!(model(nested(deep).as_bytes()), Err(Undecidable::TooDeep), "{deep}");
            }
        }
    }

    #[test]
    fn the_end_of_a_string_is_found_at_any_offset() {
        for before in 0..20 {
            for special in ["\"", "\\n\"", "\u{1}"] {
                let text = format!("{}{special}", "\u{fc}x".repeat(before));
                assert_eq!(plain_run(text.as_bytes()), before * 3, "{text:?}");
            }
        }
        assert_eq!(plain_run("\u{7f}\u{80}!#[]".repeat(9).as_bytes()), 9 * 7);
    }

    fn json() -> impl Strategy<Value = String> {
        let key = prop_oneof![
            Just("model".to_owned()),
            Just("mod\\u0065l".to_owned()),
            Just("Model".to_owned()),
            "[a-z\\\\u0\"]{0,6}"
        ];
        let leaf = prop_oneof![
            "\"[a-z0-9 .:\\\\\"u{}\\[\\],]{0,12}\"",
            "-?[0-9]{1,4}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?",
            prop::sample::select(vec!["true", "false", "null", "nul", "\"\\ud800\"", ""])
                .prop_map(str::to_owned),
        ];
        leaf.prop_recursive(3, 12, 4, move |inner| {
            let member = (key.clone(), inner.clone()).prop_map(|(key, value)| format!("\"{key}\" : {value}"));
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(" , "))),
                prop::collection::vec(member, 0..4).prop_map(|all| format!("{{{}}}", all.join(","))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// What we name, serde_json names too; and what serde_json can read, we refuse only for a stated reason.
        #[test]
        fn never_another_model_than_serde_json(text in json(), cut in 0..40_usize, bytes in prop::collection::vec(any::<u8>(), 0..3)) {
            let mut body = text.into_bytes();
            if cut < body.len() && !bytes.is_empty() {
                body.splice(cut..cut, bytes);
            }
            match (model(&body), oracle(&body)) {
                (Ok(ours), theirs) => prop_assert_eq!(Some(ours.map(Cow::into_owned)), theirs),
                (Err(Undecidable::NotJson), theirs) => {
                    let text = std::str::from_utf8(&body);
                    prop_assert!(theirs.is_none() || text.is_err(), "{:?} is JSON", text);
                }
                (Err(_), _) => {}
            }
        }

        #[test]
        fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(ours) = model(&body) {
                prop_assert_eq!(Some(ours.map(Cow::into_owned)), oracle(&body));
            }
        }
    }
}
