//! Which members of a body name models, in whatever spelling a reader may take for them.
//!
//! Readers differ: Go's `encoding/json` compares names under Unicode simple case folding (`K` U+212A is `k`), others under
//! full case folding (`ﬁ` U+FB01 is `fi`) or upper case (`ı` U+0131 is `I`), some leave out `_` and `-`, and C's end them at
//! a NUL. A name is folded here under all of them at once, so that what one of them reads is never another member to us.

/// What a member means to the model policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// `model`, spelled so.
    Model,
    /// `model` to some readers.
    AlmostModel,
    /// Names further models, or something that has a model of its own.
    Further,
    /// Has nothing to do with models.
    Other,
}

/// Names, folded, whose values are models or have models of their own: at OpenAI's and Azure's older endpoints, at agents and
/// assistants, and at gateways (LiteLLM, Bifrost, OpenRouter) that take lists of models or a whole configuration.
pub const FURTHER: [&str; 20] = [
    "models",
    "modelid",
    "modelname",
    "modeluri",
    "modelarn",
    "modellist",
    "modelgroup",
    "modelversion",
    "deployment",
    "deploymentid",
    "deploymentname",
    "specificdeployment",
    "engine",
    "engineid",
    "agent",
    "agentid",
    "agentreference",
    "preset",
    "userconfig",
    "routersettingsoverride",
];

/// The end of the names under which gateways take models that they fall back to.
const FALLBACKS: &str = "fallbacks";

/// Bytes of a folded name that are kept: more than the longest name that is looked for.
const KEPT: usize = 32;

/// The end of a folded name.
pub struct Folded {
    bytes: [u8; KEPT],
    length: usize,
    whole: bool,
}

impl Folded {
    /// Folds a name.
    pub fn new(name: &str) -> Self {
        let mut folded = Self { bytes: [0; KEPT], length: 0, whole: true };
        for c in name.chars() {
            match c {
                '_' | '-' => {}
                c if c.is_ascii() => folded.push(c.to_ascii_lowercase() as u8),
                '\u{212a}' => folded.push(b'k'),
                '\u{17f}' => folded.push(b's'),
                '\u{130}' | '\u{131}' => folded.push(b'i'),
                '\u{df}' | '\u{1e9e}' => folded.extend(b"ss"),
                '\u{fb00}' => folded.extend(b"ff"),
                '\u{fb01}' => folded.extend(b"fi"),
                '\u{fb02}' => folded.extend(b"fl"),
                '\u{fb03}' => folded.extend(b"ffi"),
                '\u{fb04}' => folded.extend(b"ffl"),
                '\u{fb05}' | '\u{fb06}' => folded.extend(b"st"),
                // No other character is a letter of ASCII to anybody. This byte is in no name that is looked for.
                _ => folded.push(u8::MAX),
            }
        }
        folded
    }

    fn extend(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.push(*byte));
    }

    fn push(&mut self, byte: u8) {
        if self.length == KEPT {
            self.bytes.copy_within(1.., 0);
            self.length -= 1;
            self.whole = false;
        }
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn end(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Whether it is this name, which is folded.
    pub fn is(&self, name: &str) -> bool {
        self.whole && self.end() == name.as_bytes()
    }

    /// Whether it ends in these letters.
    pub fn ends_with(&self, name: &str) -> bool {
        self.end().ends_with(name.as_bytes())
    }
}

/// What a member of this name means.
pub fn member(name: &str) -> Member {
    if name == "model" {
        return Member::Model;
    }
    let seen = name.split('\0').next().unwrap_or_default();
    let folded = Folded::new(seen);
    if folded.is("model") {
        Member::AlmostModel
    } else if folded.ends_with(FALLBACKS)
        || FURTHER.iter().any(|further| folded.is(further))
        || (seen.len() != name.len() && Folded::new(name).ends_with(FALLBACKS))
    {
        Member::Further
    } else {
        Member::Other
    }
}
