//! Tokens that our own issuer signs correctly and that must be refused for what they say; and honest ones in every
//! spelling, which must pass. Names begin with the group of the project's catalogue of bad input: A structure,
//! B signatures, C header, D claims, E wrong kind of token, F JSON and size.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use tollgate_core::jwt::Algorithm;
use tollgate_core::testing::TestKey;

/// A named token.
pub type Case = (String, String);

/// What the tokens are made with.
pub struct Maker<'k> {
    /// Signs as `kid`.
    pub key: &'k TestKey,
    /// Its `kid`.
    pub kid: &'k str,
    /// The issuer.
    pub iss: &'k str,
    /// The audience.
    pub aud: &'k str,
    /// The present, in Unix seconds.
    pub now: i64,
}

impl Maker<'_> {
    /// Claims that pass.
    pub fn claims(&self) -> Map<String, Value> {
        let claims = json!({
            "iss": self.iss, "aud": self.aud, "sub": "user-1", "exp": self.now + 300, "iat": self.now - 5,
            "typ": "Bearer", "azp": "cli", "jti": "t-1", "preferred_username": "testuser",
        });
        claims.as_object().cloned().unwrap_or_default()
    }

    fn header(&self) -> Value {
        json!({"alg": self.key.algorithm().to_string(), "kid": self.kid, "typ": "JWT"})
    }

    /// A token that passes.
    pub fn good(&self) -> String {
        self.key.sign(&self.header(), &Value::Object(self.claims()))
    }

    fn with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims.insert(name.to_owned(), value);
        self.key.sign(&self.header(), &Value::Object(claims))
    }

    fn without(&self, name: &str) -> String {
        let mut claims = self.claims();
        claims.remove(name);
        self.key.sign(&self.header(), &Value::Object(claims))
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header();
        header[name] = value;
        self.key.sign(&header, &Value::Object(self.claims()))
    }

    fn raw_payload(&self, payload: &[u8]) -> String {
        self.key.sign_raw(self.header().to_string().as_bytes(), payload)
    }

    fn raw_header(&self, header: &[u8]) -> String {
        self.key.sign_raw(header, Value::Object(self.claims()).to_string().as_bytes())
    }

    /// Every hostile token.
    pub fn hostile(&self) -> Vec<Case> {
        let groups =
            [self.structure(), self.signatures(), self.headers(), self.times(), self.names(), self.json()];
        groups.into_iter().flatten().collect()
    }

    fn structure(&self) -> Vec<Case> {
        let good = self.good();
        let parts: Vec<&str> = good.split('.').collect();
        let (h, p, s) = (parts[0], parts[1], parts[2]);
        let mut cases = Vec::new();
        let mut add = |name: &str, token: String| cases.push((format!("A-{name}"), token));
        for (name, token) in [
            ("trailing-dot", format!("{good}.")),
            ("fourth-part", format!("{good}.x")),
            ("leading-dot", format!(".{good}")),
            ("five-parts", format!("{h}.{p}.{s}.{p}.{s}")),
            ("only-dots", "..".into()),
            ("four-dots", "....".into()),
            ("no-header", format!(".{p}.{s}")),
            ("no-payload", format!("{h}..{s}")),
            ("no-signature", format!("{h}.{p}.")),
            ("detached", format!("{h}..{s}")),
            ("two-parts", format!("{h}.{p}")),
            ("one-part", h.to_owned()),
            ("swapped", format!("{p}.{h}.{s}")),
            ("doubled", format!("{good}{good}")),
            ("json-serialisation", json!({"payload": p, "protected": h, "signature": s}).to_string()),
            ("wrapped", json!({ "token": good }).to_string()),
            ("quoted", format!("\"{good}\"")),
            ("url-encoded-dots", good.replace('.', "%2E")),
            ("full-width-dots", good.replace('.', "\u{ff0e}")),
            ("byte-order-mark", format!("\u{feff}{good}")),
            ("question-mark", format!("{good}?x")),
            ("hash", format!("{good}#x")),
        ] {
            add(name, token);
        }
        for (at, part) in [h, p, s].into_iter().enumerate() {
            let decoded = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
            let put = |text: String| {
                let mut all = [h.to_owned(), p.to_owned(), s.to_owned()];
                all[at] = text;
                all.join(".")
            };
            let padded =
                URL_SAFE.encode([decoded.as_slice(), &[0][..usize::from(decoded.len() % 3 == 0)]].concat());
            add(&format!("padding-{at}"), put(format!("{}=", padded.trim_end_matches('='))));
            add(&format!("standard-alphabet-{at}"), put(STANDARD.encode([0xfb, 0xff, 0xfe, 0xff, 0xbf])));
            add(
                &format!("impossible-length-{at}"),
                put(format!("{part}{}", "A".repeat((5 - part.len() % 4) % 4))),
            );
            for (name, inner) in [
                ("space", " "),
                ("newline", "\r\n"),
                ("tab", "\t"),
                ("nul", "\0"),
                ("zero-width", "\u{200b}"),
            ] {
                let middle = part.len() / 2;
                add(&format!("{name}-{at}"), put(format!("{}{inner}{}", &part[..middle], &part[middle..])));
            }
        }
        cases
    }

    fn signatures(&self) -> Vec<Case> {
        let good = self.good();
        let (input, signature) = good.rsplit_once('.').unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        let token = |bytes: &[u8]| format!("{input}.{}", URL_SAFE_NO_PAD.encode(bytes));
        let mut cases = Vec::new();
        for at in 0..bytes.len().min(64) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            cases.push((format!("B-flipped-{at}"), token(&flipped)));
        }
        let zero_first = [vec![0], bytes.clone()].concat();
        let (half, last) = (&bytes[..bytes.len() / 2], &bytes[..bytes.len() - 1]);
        for (name, bytes) in [
            ("truncated", last),
            ("halved", half),
            ("extended", &[bytes.as_slice(), &[0]].concat()),
            ("doubled", &bytes.repeat(2)),
            ("padded-left", &zero_first),
            ("zeros", &vec![0; bytes.len()]),
            ("ones", &vec![0xff; bytes.len()]),
            ("der", b"\x30\x06\x02\x01\x00\x02\x01\x00"),
        ] {
            cases.push((format!("B-{name}"), token(bytes)));
        }
        let stranger = TestKey::generate(self.key.algorithm(), self.kid);
        cases.push(("B-another-key".into(), stranger.sign(&self.header(), &Value::Object(self.claims()))));
        let mut claims = self.claims();
        claims.insert("sub".into(), "root".into());
        let other = self.key.sign(&self.header(), &Value::Object(claims));
        let (other_input, _) = other.rsplit_once('.').unwrap_or_default();
        cases.push(("B-payload-exchanged".into(), format!("{other_input}.{signature}")));
        cases
    }

    fn headers(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        let mut add = |name: String, token: String| cases.push((format!("C-{name}"), token));
        let own = self.key.algorithm().to_string();
        for alg in [
            json!("none"),
            json!("None"),
            json!("NONE"),
            json!("nOnE"),
            json!("none "),
            json!("HS256"),
            json!("HS384"),
            json!("HS512"),
            json!("HS1"),
            json!("RS257"),
            json!("ES256K"),
            json!("ML-DSA-44"),
            json!(""),
            json!(null),
            json!(1),
            json!(["RS256"]),
            json!({"alg": "RS256"}),
            json!(own.to_lowercase()),
            json!(format!("{own} ")),
            json!(format!("{own}\u{0}")),
        ] {
            add(format!("alg-{alg}"), self.with_header("alg", alg));
        }
        for other in Algorithm::ALL.into_iter().filter(|a| *a != self.key.algorithm()) {
            add(format!("alg-other-{other}"), self.with_header("alg", json!(other.to_string())));
        }
        let jwk = TestKey::generate(Algorithm::ES256, self.kid).jwk();
        for (name, value) in [
            ("crit", json!(["exp"])),
            ("crit", json!(["x-pol"])),
            ("crit", json!([])),
            ("crit", json!("exp")),
            ("crit", json!(null)),
            ("crit", json!(["b64"])),
            ("b64", json!(false)),
            ("b64", json!(true)),
            ("jwk", jwk),
            ("jwk", json!("broken")),
            ("jku", json!("http://169.254.169.254/")),
            ("jku", json!("file:///etc/passwd")),
            ("x5u", json!("https://evil.example/")),
            ("x5c", json!(["MIIB"])),
            ("x5c", json!([])),
            ("cty", json!("JWT")),
            ("enc", json!("A256GCM")),
            ("zip", json!("DEF")),
            ("kid", json!(1)),
            ("kid", json!(true)),
            ("kid", json!(null)),
            ("kid", json!([self.kid])),
            ("kid", json!({})),
            ("kid", json!("")),
            ("kid", json!("unknown")),
            ("kid", json!(format!("{} ", self.kid))),
            ("kid", json!(self.kid.to_uppercase())),
            ("kid", json!(format!("{}\u{0}", self.kid))),
            ("kid", json!("../../../../dev/null")),
            ("kid", json!("x' UNION SELECT '1';--")),
            ("kid", json!("$(sleep 10)")),
            ("kid", json!("${jndi:ldap://x}")),
            ("kid", json!("k".repeat(3000))),
            ("typ", json!("logout+jwt")),
            ("typ", json!("dpop+jwt")),
            ("typ", json!("secevent+jwt")),
            ("typ", json!("kb+jwt")),
            ("typ", json!("oauth-authz-req+jwt")),
            ("typ", json!("application/logout+jwt")),
            ("typ", json!(1)),
            ("typ", json!(["JWT"])),
            ("typ", json!(null)),
        ] {
            add(
                format!("{name}-{}", value.to_string().chars().take(24).collect::<String>()),
                self.with_header(name, value),
            );
        }
        let own = self.header().to_string();
        let inner = &own[1..own.len() - 1];
        for (name, text) in [
            ("duplicate-alg", format!("{{\"alg\":\"none\",{inner}}}")),
            ("duplicate-kid", format!("{{{inner},\"kid\":\"x\"}}")),
            ("duplicate-escaped", format!("{{{inner},\"\\u006bid\":\"x\"}}")),
            ("duplicate-private", format!("{{{inner},\"x\":1,\"x\":2}}")),
        ] {
            add(name.into(), self.raw_header(text.as_bytes()));
        }
        cases
    }

    fn times(&self) -> Vec<Case> {
        let now = self.now;
        let mut cases = vec![("D-exp-missing".to_owned(), self.without("exp"))];
        let mut add = |name: &str, value: Value| {
            cases.push((format!("D-{name}-{value}"), self.with(name, value)));
        };
        for value in [
            json!("9999999999"),
            json!((now + 300).to_string()),
            json!(true),
            json!(null),
            json!([now + 300]),
            json!({}),
            json!(-1),
            json!(0),
            json!(-0.0),
            json!(now - 3600),
            json!(now - 31),
            json!(1e18),
            json!(1.8e19),
            json!(1e300),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(9_007_199_254_740_993_i64),
            json!(253_402_300_800_i64),
        ] {
            add("exp", value);
        }
        for value in [
            json!(now + 3600),
            json!(now + 3600),
            json!((now + 900) as f64 + 0.5),
            json!("0"),
            json!(null),
            json!([0]),
            json!(true),
            json!({}),
            json!(-5),
            json!(1e18),
            json!(now + 400),
        ] {
            add("nbf", value.clone());
            add("iat", value);
        }
        cases
    }

    fn names(&self) -> Vec<Case> {
        let iss = self.iss;
        let mut cases: Vec<Case> =
            ["iss", "aud", "sub", "typ"].map(|n| (format!("D-{n}-missing"), self.without(n))).into();
        let mut add = |name: &str, value: Value| {
            let shown: String = value.to_string().chars().take(40).collect();
            cases.push((format!("D-{name}-{shown}"), self.with(name, value)));
        };
        for value in [
            json!(null),
            json!(1),
            json!(true),
            json!({}),
            json!([]),
            json!([iss]),
            json!(["https://evil.example", iss]),
            json!(""),
            json!(format!("{iss}/")),
            json!(format!("{iss}#")),
            json!(format!("{iss}?x")),
            json!(iss.to_uppercase()),
            json!(format!(" {iss}")),
            json!(format!("{iss} ")),
            json!(format!("{iss}-evil")),
            json!(iss.replace("://", ":///")),
            json!(iss.replacen("//", "//evil@", 1)),
            json!(format!("{iss}\u{0}")),
            json!("https://evil.example"),
        ] {
            add("iss", value);
        }
        let aud = self.aud;
        for value in [
            json!(null),
            json!(1),
            json!({}),
            json!([]),
            json!(""),
            json!([aud, 5]),
            json!([[aud]]),
            json!({ aud: true }),
            json!(format!("{aud}2")),
            json!(aud[..aud.len() - 1]),
            json!(format!("{aud} ")),
            json!(aud.to_uppercase()),
            json!("account"),
            json!(["account", "other"]),
            json!(format!("{aud} other")),
            json!("*"),
            json!([null]),
        ] {
            add("aud", value);
        }
        for value in [
            json!(null),
            json!(1),
            json!([]),
            json!(["user-1"]),
            json!({}),
            json!(""),
            json!("   "),
            json!("a\u{0}b"),
            json!("a\nb"),
            json!("a\r\nx-injected: 1"),
            json!("u".repeat(10_000)),
            json!("\u{7f}"),
            json!("\u{85}"),
        ] {
            add("sub", value);
        }
        for value in [
            json!("ID"),
            json!("Refresh"),
            json!("Offline"),
            json!("Logout"),
            json!("bearer"),
            json!("BEARER"),
            json!(""),
            json!(null),
            json!(1),
            json!(["Bearer"]),
            json!({}),
            json!("Bearer "),
            json!("logout+jwt"),
        ] {
            add("typ", value);
        }
        for (name, value) in [
            ("cnf", json!({"jkt": "x"})),
            ("cnf", json!({"x5t#S256": "x"})),
            ("cnf", json!(null)),
            ("events", json!({"http://schemas.openid.net/event/backchannel-logout": {}})),
            ("events", json!([])),
            ("at_hash", json!("x")),
            ("c_hash", json!("x")),
        ] {
            add(name, value);
        }
        cases
    }

    fn json(&self) -> Vec<Case> {
        let claims = Value::Object(self.claims()).to_string();
        let header = self.header().to_string();
        let mut cases = Vec::new();
        for (part, text) in [("payload", &claims), ("header", &header)] {
            let inner = &text[1..text.len() - 1];
            let sign = |bytes: &[u8]| {
                if part == "payload" { self.raw_payload(bytes) } else { self.raw_header(bytes) }
            };
            let member = |raw: &str| format!("{{{inner},\"x\":{raw}}}").into_bytes();
            let mut add = |name: &str, bytes: &[u8]| cases.push((format!("F-{part}-{name}"), sign(bytes)));
            for raw in [
                "NaN",
                "Infinity",
                "-Infinity",
                "0x1",
                "01",
                "+1",
                "1.",
                ".5",
                "1e",
                "1e400",
                "-",
                "--1",
                "'a'",
                "\"\\x41\"",
                "\"\\u12\"",
                "\"\\ud800\"",
                "\"\\udc00\\ud800\"",
                "\"a\tb\"",
                "\"a\nb\"",
                "[1,]",
                "[,1]",
                "[1 2]",
                "{\"a\":1,}",
                "{\"a\" 1}",
                "{a:1}",
                "{\"a\":1,\"a\":2}",
                "[{\"a\":{\"b\":1,\"b\":1}}]",
                "tru",
                "True",
                "nul",
                "undefined",
                "//c\n1",
                "/*c*/1",
                "",
                "]",
                "\"",
                "{\"a\":",
                "[",
                "\u{a0}1",
                "1\u{feff}",
            ] {
                add(raw, &member(raw));
            }
            for depth in [40_usize, 126, 127, 128, 1000] {
                add(
                    &format!("depth-{depth}"),
                    &member(&format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
                );
            }
            for (name, bytes) in [
                ("empty", b"".as_slice()),
                ("null", b"null"),
                ("number", b"1"),
                ("string", b"\"x\""),
                ("true", b"true"),
                ("array", b"[]"),
                ("space", b" "),
                ("brace", b"{"),
                ("not-utf8", b"{\"a\":\"\xff\"}"),
                ("overlong", b"{\"a\":\"\xc0\xaf\"}"),
            ] {
                add(name, bytes);
            }
            add("garbage-after", format!("{text}{{}}").as_bytes());
            add("word-after", format!("{text} x").as_bytes());
            add("byte-order-mark", format!("\u{feff}{text}").as_bytes());
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            add("utf-16", &wide);
            add("trailing-comma", format!("{{{inner},}}").as_bytes());
            add("array-of-it", format!("[{text}]").as_bytes());
            add("unclosed", &text.as_bytes()[..text.len() - 1]);
        }
        let inner = &claims[1..claims.len() - 1];
        for (name, more) in [
            ("sub-twice", "\"sub\":\"root\""),
            ("sub-escaped", "\"\\u0073ub\":\"root\""),
            ("exp-twice", "\"exp\":9999999999"),
            ("private-twice", "\"role\":\"a\",\"role\":\"b\""),
        ] {
            cases.push((format!("D-{name}"), self.raw_payload(format!("{{{inner},{more}}}").as_bytes())));
        }
        let positional = json!([self.now + 300, 0, "user-1", self.iss, self.aud]).to_string();
        cases.push(("D-positional-array".into(), self.raw_payload(positional.as_bytes())));
        cases.push(("F-too-large".into(), self.with("x", json!("x".repeat(20_000)))));
        cases.push(("F-too-many".into(), self.with("x", json!(vec![0; 30_000]))));
        cases
    }

    /// Honest tokens in every spelling that the standards allow.
    pub fn valid(&self) -> Vec<Case> {
        let alg = self.key.algorithm().to_string();
        let headers = [
            format!("{{\"alg\":\"{alg}\",\"kid\":\"{}\"}}", self.kid),
            format!("{{\"kid\":\"{}\",\"alg\":\"{alg}\"}}", self.kid),
            format!("{{ \"alg\" : \"{alg}\" ,\n\t\"kid\" : \"{}\", \"typ\":\"JWT\" }}", self.kid),
            format!("{{\"typ\":\"at+jwt\",\"alg\":\"{alg}\",\"kid\":\"{}\"}}", self.kid),
            format!("{{\"typ\":\"application/at+jwt\",\"alg\":\"{alg}\",\"kid\":\"{}\"}}", self.kid),
            format!("{{\"typ\":\"jwt\",\"alg\":\"{alg}\",\"kid\":\"{}\",\"x\":[1],\"y\":\"z\"}}", self.kid),
        ];
        let audiences = [json!(self.aud), json!([self.aud]), json!(["account", self.aud, "other"])];
        let times = [
            json!({"exp": self.now + 300}),
            json!({"exp": self.now as f64 + 300.7}),
            json!({"exp": self.now + 300, "nbf": self.now, "iat": self.now}),
            json!({"exp": self.now + 300, "nbf": self.now as f64 - 0.5}),
        ];
        let extras = [
            json!({}),
            json!({"realm_access": {"roles": ["a", "b"]}, "groups": ["/x"]}),
            json!({"preferred_username": "M\u{fc}ller \u{202e}", "email": "m@example.com"}),
            json!({"act": {"sub": "s"}, "EXP": 1, "Sub": 2, "deep": {"a": [{"b": [null, true, 1.5, "\u{1f600}"]}]}}),
            json!({"realm_access": "not a list", "groups": 5, "preferred_username": ["x"]}),
        ];
        let mut cases = Vec::new();
        for (h, header) in headers.iter().enumerate() {
            for (a, audience) in audiences.iter().enumerate() {
                for (t, time) in times.iter().enumerate() {
                    for (x, extra) in extras.iter().enumerate() {
                        let mut claims =
                            json!({"iss": self.iss, "aud": audience, "sub": "user-1", "typ": "Bearer"});
                        for (name, value) in time.as_object().into_iter().chain(extra.as_object()).flatten() {
                            claims[name] = value.clone();
                        }
                        let payload =
                            if x % 2 == 0 { claims.to_string() } else { format!(" {claims:#}\r\n") };
                        let token = self.key.sign_raw(header.as_bytes(), payload.as_bytes());
                        cases.push((format!("valid-{alg}-{h}{a}{t}{x}"), token));
                    }
                }
            }
        }
        cases
    }
}
