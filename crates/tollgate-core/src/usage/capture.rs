//! What is kept of a document: the numbers below its usage objects, a few facts, and how long the generated text is.
//! Bounded, whatever the document is.

use super::flags::{Flag, Flags};
use super::scan::{Interest, Scalar, Sink};

/// The most members of usage objects, and the most facts, that are kept of one document.
const MAX_FIELDS: usize = 256;
/// The longest text that is kept, in bytes as written.
const MAX_TEXT: usize = 256;
/// The longest text of base64 that is kept.
pub const MAX_BLOB: usize = 4 << 20;

/// Where things stand in the documents of one API.
#[derive(Debug)]
pub struct Paths {
    /// Objects whose every member is kept.
    pub usage: &'static [&'static str],
    /// Single values that are kept.
    pub facts: &'static [&'static str],
    /// Texts that the model wrote: only their length counts.
    pub texts: &'static [&'static str],
    /// A text of base64 that holds another document.
    pub blob: Option<&'static str>,
    /// Whether the outermost value may be a list of documents.
    pub list: bool,
}

/// A kept value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// An object or a list.
    Open,
    Null,
    Bool(bool),
    Number(String),
    /// `None` when it is too long.
    Text(Option<String>),
}

#[derive(Clone, Debug)]
pub struct Field {
    pub path: String,
    /// Which element of a list it belongs to, counted through the document.
    pub item: u32,
    pub leaf: Leaf,
}

/// What was kept of one document.
#[derive(Clone, Debug, Default)]
pub struct Doc {
    fields: Vec<Field>,
    facts: Vec<Field>,
    items: u32,
    /// Usage objects that have begun and not ended.
    open: u32,
    /// Bytes of generated text.
    pub text: u64,
    /// Base64 of another document.
    pub blob: Option<String>,
    pub flags: Flags,
}

impl Doc {
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Field> {
        self.fields.iter().chain(&self.facts)
    }

    /// The value at a path; the last one of several.
    pub fn get(&self, path: &str) -> Option<&Leaf> {
        self.all().rev().find(|field| field.path == path).map(|field| &field.leaf)
    }

    /// The text at a path.
    pub fn text_at(&self, path: &str) -> Option<&str> {
        match self.get(path) {
            Some(Leaf::Text(text)) => text.as_deref(),
            _ => None,
        }
    }

    /// Whether any value at this path is a text that is not empty.
    pub fn any_text(&self, path: &str) -> bool {
        self.all().any(|field| {
            field.path == path && matches!(&field.leaf, Leaf::Text(text) if text.as_deref() != Some(""))
        })
    }

    /// How many values stand at a path.
    pub fn count(&self, path: &str) -> u64 {
        self.all().filter(|field| field.path == path).count() as u64
    }

    /// How many texts at a path are this one.
    pub fn count_text(&self, path: &str, text: &str) -> u64 {
        let is = |field: &&Field| field.path == path && field.leaf == Leaf::Text(Some(text.to_owned()));
        self.all().filter(is).count() as u64
    }

    /// Whether an object stands at a path.
    pub fn has(&self, path: &str) -> bool {
        self.get(path) == Some(&Leaf::Open)
    }

    fn clear(&mut self) {
        // The vectors keep their room: most documents of a stream look alike.
        self.fields.clear();
        self.facts.clear();
        (self.items, self.open, self.text, self.blob, self.flags) = (0, 0, 0, None, Flags::NONE);
    }

    /// The document is none: only that its text was written counts.
    fn spoil(&mut self, flag: Flag) {
        self.fields.clear();
        self.facts.clear();
        self.blob = None;
        self.flags.set(flag);
    }

    /// The document was cut off: a usage object that had ended counts, a number in the middle of which it was cut does
    /// not.
    pub fn cut(&mut self) {
        self.flags.set(Flag::Truncated);
        if self.open > 0 || self.fields.is_empty() {
            self.fields.clear();
            self.facts.clear();
        }
    }
}

/// Fills a [`Doc`] and hands it over when the document ends.
#[derive(Debug)]
pub struct Capture {
    paths: &'static Paths,
    pub doc: Doc,
}

impl Capture {
    pub fn new(paths: &'static Paths) -> Self {
        Self { paths, doc: Doc::default() }
    }

    /// Forgets what was kept of the document at hand.
    pub fn clear(&mut self) {
        self.doc.clear();
    }

    /// The path inside the document, when documents are elements of a list.
    fn local<'p>(&self, path: &'p str) -> &'p str {
        match path.strip_prefix("[]") {
            Some(rest) if self.paths.list => rest.strip_prefix('/').unwrap_or(rest),
            _ => path,
        }
    }

    fn in_usage(&self, path: &str) -> bool {
        self.paths
            .usage
            .iter()
            .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }

    fn keep(&mut self, path: &str, leaf: Leaf) {
        let usage = self.in_usage(path);
        if !usage && !self.paths.facts.contains(&path) {
            return;
        }
        let item = if path.contains("[]") { self.doc.items } else { 0 };
        let fields = if usage { &mut self.doc.fields } else { &mut self.doc.facts };
        if usage && fields.iter().any(|field| field.item == item && field.path == path) {
            self.doc.flags.set(Flag::Duplicated);
            if leaf == Leaf::Open || leaf == Leaf::Null {
                // The members of the first one do not mix with those of the second.
                let below = |other: &str| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
                fields.retain(|field| !below(&field.path));
            }
        }
        if fields.len() < MAX_FIELDS {
            fields.push(Field { path: path.to_owned(), item, leaf });
        } else if usage {
            self.doc.flags.set(Flag::TooLarge);
        }
    }
}

/// A [`Capture`] and what is done with each document.
pub struct Handler<'a, F: FnMut(&mut Doc)> {
    pub capture: &'a mut Capture,
    pub absorb: F,
}

impl<F: FnMut(&mut Doc)> Handler<'_, F> {
    fn hand_over(&mut self) {
        (self.absorb)(&mut self.capture.doc);
        self.capture.doc.clear();
    }
}

impl<F: FnMut(&mut Doc)> Sink for Handler<'_, F> {
    fn interest(&mut self, path: &str) -> Interest {
        let paths = self.capture.paths;
        if path.ends_with("[]") {
            self.capture.doc.items = self.capture.doc.items.saturating_add(1);
        }
        let path = self.capture.local(path);
        let leads_to =
            |to: &&str| path.is_empty() || to.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        if paths.blob == Some(path) {
            Interest::Look(MAX_BLOB)
        } else if paths.facts.contains(&path) || self.capture.in_usage(path) {
            Interest::Look(MAX_TEXT)
        } else if paths.texts.contains(&path)
            || [paths.usage, paths.facts, paths.texts].into_iter().flatten().any(leads_to)
        {
            Interest::Look(0)
        } else {
            Interest::Skip
        }
    }

    fn begin(&mut self, path: &str) {
        let path = self.capture.local(path);
        self.capture.doc.open += u32::from(self.capture.paths.usage.contains(&path));
        self.capture.keep(path, Leaf::Open);
    }

    fn end(&mut self, path: &str) {
        let path = self.capture.local(path);
        let is_usage = self.capture.paths.usage.contains(&path);
        self.capture.doc.open = self.capture.doc.open.saturating_sub(u32::from(is_usage));
    }

    fn scalar(&mut self, path: &str, value: Scalar<'_>) {
        let path = self.capture.local(path);
        let leaf = match value {
            Scalar::Text(text, length) => {
                if self.capture.paths.texts.contains(&path) {
                    self.capture.doc.text += length;
                }
                if self.capture.paths.blob == Some(path) {
                    self.capture.doc.blob = text.map(str::to_owned);
                    if text.is_none() {
                        self.capture.doc.flags.set(Flag::TooLarge);
                    }
                }
                Leaf::Text(text.map(str::to_owned))
            }
            Scalar::Null => Leaf::Null,
            Scalar::Bool(value) => Leaf::Bool(value),
            Scalar::Number(text) => Leaf::Number(text.to_owned()),
        };
        self.capture.keep(path, leaf);
    }

    fn element(&mut self) {
        if self.capture.paths.list {
            self.hand_over();
        }
    }

    fn document(&mut self) {
        self.hand_over();
    }

    fn failure(&mut self, too_deep: bool) {
        self.capture.doc.spoil(if too_deep { Flag::TooLarge } else { Flag::Malformed });
        self.hand_over();
    }
}
