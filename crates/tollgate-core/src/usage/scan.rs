//! JSON in pieces of any size, in constant memory: a machine that says what stands where, by path, and keeps nothing
//! but the value in hand.
//!
//! A path joins the members' names by `/`, and an element of a list is `[]`. Names with other characters than those of
//! plain identifiers become `?`, so that no name can pass for a path. What a text contains is never looked at: a prompt
//! that echoes `"usage"` stays a text.

use crate::models::plain_run;

/// The deepest nesting that is followed.
pub const MAX_DEPTH: usize = 1024;
/// Below this depth nothing is looked at.
const LOOKED_AT: usize = 16;
/// The longest name that is a name and not `?`, in bytes as written.
const MAX_NAME: usize = 64;
/// The longest number or word that is kept.
const MAX_WORD: usize = 64;

/// A value that is no list and no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it is written; it need not be in range, nor a number.
    Number(&'a str),
    /// A text: decoded, if it is not longer than was asked for, and its length in bytes of UTF-8.
    Text(Option<&'a str>, u64),
}

/// What is to be done with the value at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Pass over it, with all that is in it.
    Skip,
    /// Say what it is; texts are kept up to so many bytes as written.
    Look(usize),
}

/// What listens to the machine.
pub trait Sink {
    /// What is to be done with the value that begins at `path`.
    fn interest(&mut self, path: &str) -> Interest;
    /// An object or list begins.
    fn begin(&mut self, path: &str);
    /// A value without parts.
    fn scalar(&mut self, path: &str, value: Scalar<'_>);
    /// An object or list has ended.
    fn end(&mut self, path: &str);
    /// An element of the outermost list has ended.
    fn element(&mut self) {}
    /// A document has ended.
    fn document(&mut self);
    /// What was fed is not JSON, or nested too deeply: the document at hand is none.
    fn failure(&mut self, too_deep: bool);
}

/// What the scanner expects at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Value,
    /// A value or `]`.
    FirstElement,
    Key,
    /// A key or `}`.
    FirstKey,
    Colon,
    /// `,` or the container's end.
    Next,
    Text {
        key: bool,
        escape: Escape,
    },
    Word,
    Done,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    No,
    Backslash,
    Hex(u8),
}

/// The machine. Feed it, then ask whether it [`failed`](Self::failed).
#[derive(Clone, Debug)]
pub struct Scanner {
    /// One bit per open container: 1 for an object.
    kinds: [u64; MAX_DEPTH / 64],
    depth: usize,
    /// The depth outside of which things are looked at again; `usize::MAX` when nothing is passed over.
    skip: usize,
    path: String,
    /// Path lengths of the open containers that are looked at.
    bases: Vec<usize>,
    state: State,
    /// What is done with the value in hand.
    keep: usize,
    skip_value: bool,
    buffer: Vec<u8>,
    escaped: bool,
    length: u64,
    many: bool,
    started: bool,
}

impl Scanner {
    /// A scanner of one document, or of `many` that follow each other, each on lines of its own.
    pub fn new(many: bool) -> Self {
        Self {
            kinds: [0; MAX_DEPTH / 64],
            depth: 0,
            skip: usize::MAX,
            path: String::new(),
            bases: Vec::new(),
            state: State::Value,
            keep: 0,
            skip_value: false,
            buffer: Vec::new(),
            escaped: false,
            length: 0,
            many,
            started: false,
        }
    }

    /// Begins again, for the next document.
    pub fn reset(&mut self) {
        self.depth = 0;
        self.skip = usize::MAX;
        self.path.clear();
        self.bases.clear();
        self.buffer.clear();
        self.state = State::Value;
        self.started = false;
    }

    /// Whether what was fed is not JSON.
    pub fn failed(&self) -> bool {
        self.state == State::Failed
    }

    /// Whether a document has begun and not ended.
    pub fn is_open(&self) -> bool {
        self.started && !matches!(self.state, State::Done | State::Failed)
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match self.state {
                State::Text { key, escape } => {
                    at += self.text(bytes.get(at..).unwrap_or_default(), key, escape, sink);
                }
                State::Word if is_word(*byte) => {
                    if !self.skip_value && self.buffer.len() <= MAX_WORD {
                        self.buffer.push(*byte);
                    }
                    at += 1;
                }
                State::Word => self.end_word(sink),
                State::Failed if self.many => {
                    let line = bytes.get(at..).unwrap_or_default();
                    match line.iter().position(|byte| *byte == b'\n') {
                        Some(end) => {
                            at += end + 1;
                            self.reset();
                        }
                        None => return,
                    }
                }
                State::Failed => return,
                _ => {
                    if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                        self.token(*byte, sink);
                    }
                    // A byte that ended one document of many may begin the next, or the failure of this one.
                    at += 1;
                }
            }
        }
    }

    /// The end of the input: outside of objects and lists, a number that nothing delimits ends here.
    #[cfg(test)]
    pub fn end(&mut self, sink: &mut impl Sink) {
        if self.state == State::Word {
            self.end_word(sink);
        }
    }

    fn fail(&mut self, sink: &mut impl Sink) {
        self.state = State::Failed;
        sink.failure(false);
    }

    fn is_object(&self) -> bool {
        let at = self.depth.saturating_sub(1);
        self.kinds[at / 64] >> (at % 64) & 1 == 1
    }

    fn skipping(&self) -> bool {
        self.skip != usize::MAX
    }

    fn token(&mut self, byte: u8, sink: &mut impl Sink) {
        match (self.state, byte) {
            (State::Done, _) if self.many => {
                self.reset();
                self.value(byte, sink);
            }
            (State::FirstElement, b']') | (State::FirstKey, b'}') => self.close(sink),
            (State::Value | State::FirstElement, _) => self.value(byte, sink),
            (State::Key | State::FirstKey, b'"') => self.begin_text(true),
            (State::Colon, b':') => self.state = State::Value,
            (State::Next, b',') => {
                self.state = if self.is_object() { State::Key } else { State::Value };
            }
            (State::Next, b'}') if self.is_object() => self.close(sink),
            (State::Next, b']') if !self.is_object() => self.close(sink),
            _ => self.fail(sink),
        }
    }

    fn value(&mut self, byte: u8, sink: &mut impl Sink) {
        self.started = true;
        if !self.skipping() {
            if self.depth > 0 && !self.is_object() {
                self.name("[]");
            }
            let interest = if self.depth > LOOKED_AT { Interest::Skip } else { sink.interest(&self.path) };
            (self.skip_value, self.keep) = match interest {
                Interest::Skip => (true, 0),
                Interest::Look(keep) => (false, keep),
            };
        }
        match byte {
            b'{' | b'[' => self.open(byte == b'{', sink),
            b'"' => self.begin_text(false),
            byte if is_word(byte) => {
                self.buffer.clear();
                self.buffer.push(byte);
                self.state = State::Word;
            }
            _ => self.fail(sink),
        }
    }

    fn open(&mut self, object: bool, sink: &mut impl Sink) {
        if self.depth >= MAX_DEPTH {
            self.state = State::Failed;
            sink.failure(true);
            return;
        }
        if !self.skipping() {
            if self.skip_value {
                self.skip = self.depth;
            } else {
                sink.begin(&self.path);
                self.bases.push(self.path.len());
            }
        }
        let (word, bit) = (self.depth / 64, self.depth % 64);
        self.kinds[word] = self.kinds[word] & !(1 << bit) | u64::from(object) << bit;
        self.depth += 1;
        self.state = if object { State::FirstKey } else { State::FirstElement };
    }

    fn close(&mut self, sink: &mut impl Sink) {
        self.depth -= 1;
        if !self.skipping() {
            let base = self.bases.pop().unwrap_or_default();
            self.path.truncate(base);
            sink.end(&self.path);
        } else if self.skip == self.depth {
            self.skip = usize::MAX;
        }
        self.ended(sink);
    }

    /// A value has ended, with its container or without one.
    fn ended(&mut self, sink: &mut impl Sink) {
        self.state = State::Next;
        if self.depth == 0 {
            self.state = State::Done;
            sink.document();
        } else if self.depth == 1 && !self.is_object() {
            sink.element();
        }
    }

    /// Makes the path that of a member or element of the innermost container.
    fn name(&mut self, name: &str) {
        self.path.truncate(self.bases.last().copied().unwrap_or_default());
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(name);
    }

    fn begin_text(&mut self, key: bool) {
        self.buffer.clear();
        self.escaped = false;
        self.length = 0;
        self.state = State::Text { key, escape: Escape::No };
    }

    /// Takes a part of a text; how many bytes were taken.
    fn text(&mut self, bytes: &[u8], key: bool, escape: Escape, sink: &mut impl Sink) -> usize {
        let (taken, length, next) = match (escape, bytes.first()) {
            (_, None) => return 0,
            (Escape::Backslash, Some(b'u')) => (1, 0, Escape::Hex(4)),
            (Escape::Backslash, Some(_)) => (1, 1, Escape::No),
            // Three bytes at most for one unit of UTF-16, two for each half of a pair: never less than it is.
            (Escape::Hex(1), Some(_)) => (1, 3, Escape::No),
            (Escape::Hex(left), Some(_)) => (1, 0, Escape::Hex(left - 1)),
            (Escape::No, Some(b'"')) => {
                self.end_text(key, sink);
                return 1;
            }
            (Escape::No, Some(b'\\')) => (1, 0, Escape::Backslash),
            (Escape::No, Some(_)) => {
                let run = plain_run(bytes).max(1);
                (run, run, Escape::No)
            }
        };
        self.escaped |= next != Escape::No;
        self.length += length as u64;
        let room = match (key, self.skipping() || (!key && self.skip_value)) {
            (_, true) => 0,
            (true, _) => MAX_NAME,
            (false, _) => self.keep,
        };
        // One byte more than is kept shows that there was more.
        let free = (room + 1).saturating_sub(self.buffer.len()).min(taken);
        if room > 0 {
            self.buffer.extend_from_slice(bytes.get(..free).unwrap_or_default());
        }
        self.state = State::Text { key, escape: next };
        taken
    }

    fn end_text(&mut self, key: bool, sink: &mut impl Sink) {
        let room = if key { MAX_NAME } else { self.keep };
        if self.skipping() || (!key && self.skip_value) {
            // Nobody looks.
        } else {
            let buffer = std::mem::take(&mut self.buffer);
            let kept = (buffer.len() <= room).then(|| std::str::from_utf8(&buffer).ok()).flatten();
            let decoded;
            let text = match kept {
                Some(text) if self.escaped => {
                    decoded = serde_json::from_str::<String>(&format!("\"{text}\"")).ok();
                    decoded.as_deref()
                }
                other => other,
            };
            if key {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
                let name = text.filter(|name| !name.is_empty() && name.bytes().all(plain));
                self.name(name.unwrap_or("?"));
            } else {
                sink.scalar(&self.path, Scalar::Text(text.filter(|_| room > 0), self.length));
            }
            self.buffer = buffer;
        }
        if key {
            self.state = State::Colon;
        } else {
            self.ended(sink);
        }
    }

    fn end_word(&mut self, sink: &mut impl Sink) {
        if !self.skipping() && !self.skip_value {
            let buffer = std::mem::take(&mut self.buffer);
            let word = std::str::from_utf8(&buffer).unwrap_or_default();
            let number = word.starts_with(|first: char| first == '-' || first.is_ascii_digit());
            match word {
                "null" => sink.scalar(&self.path, Scalar::Null),
                "true" => sink.scalar(&self.path, Scalar::Bool(true)),
                "false" => sink.scalar(&self.path, Scalar::Bool(false)),
                // What Python's writer makes of its special numbers.
                "NaN" | "Infinity" => sink.scalar(&self.path, Scalar::Number(word)),
                _ if number => sink.scalar(&self.path, Scalar::Number(word)),
                _ => {
                    self.fail(sink);
                    return;
                }
            }
            self.buffer = buffer;
        }
        self.ended(sink);
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
