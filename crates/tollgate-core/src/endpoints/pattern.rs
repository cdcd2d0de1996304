//! The paths of the table: words, and places for what varies.
//!
//! `{version}` is a version such as `v1` or `v1beta`, `{id}` any one segment, `{model}` one segment that names the model,
//! `{model...}` one or more of them, `{verb}` a word of letters behind a colon, and a `**` at the end any further
//! segments or none. Words are compared without case, because some backends do so: a path must not be one endpoint to
//! the backend and none to us.

/// Segments of a path that are looked at. No API has paths of more.
pub const MAX_SEGMENTS: usize = 48;

/// A path, cut at its slashes.
#[derive(Debug)]
pub struct Segments<'a> {
    parts: [&'a str; MAX_SEGMENTS],
    count: usize,
}

/// What one segment of a path must be.
#[derive(Debug)]
enum Part {
    Word(&'static str),
    Version,
    Id,
    Model,
    Models,
    /// `{model}:verb`, or `{model}:{verb}` without a word.
    ModelVerb(Option<&'static str>),
    /// `{id}:verb`, or `{id}:{verb}` without a word.
    IdVerb(Option<&'static str>),
}

/// A row's path, ready to be compared.
#[derive(Debug)]
pub struct Pattern {
    parts: Box<[Part]>,
    /// Whether further segments may follow.
    open: bool,
}

/// Where a pattern was found in a path, as offsets of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The segments before the pattern.
    pub before: usize,
    /// The model's name, if the pattern has a place for it.
    pub model: Option<(usize, usize)>,
}

impl<'a> Segments<'a> {
    /// The segments of a canonical path; `None` when it has more than are looked at.
    pub fn of(path: &'a str) -> Option<Self> {
        let mut segments = Self { parts: [""; MAX_SEGMENTS], count: 0 };
        for part in path.strip_prefix('/').unwrap_or(path).split('/').filter(|part| !part.is_empty()) {
            *segments.parts.get_mut(segments.count)? = part;
            segments.count += 1;
        }
        Some(segments)
    }

    /// All of them.
    pub fn all(&self) -> &[&'a str] {
        &self.parts[..self.count]
    }

    /// The offset of the byte at which the segment `at` begins.
    pub fn offset(&self, at: usize) -> usize {
        // Segments are cut out of the path one after the other, with one slash between them.
        1 + self.all()[..at].iter().map(|part| part.len() + 1).sum::<usize>()
    }
}

impl Pattern {
    /// Reads a row's path.
    pub fn new(text: &'static str) -> Self {
        let (text, open) = match text.strip_suffix("/**") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let verb = |verb: &'static str| (verb != "{verb}").then_some(verb);
        let part = |text: &'static str| match text {
            "{version}" => Part::Version,
            "{id}" => Part::Id,
            "{model}" => Part::Model,
            "{model...}" => Part::Models,
            _ => match text.split_once(':') {
                Some(("{model}", word)) => Part::ModelVerb(verb(word)),
                Some(("{id}", word)) => Part::IdVerb(verb(word)),
                _ => Part::Word(text),
            },
        };
        Self { parts: text.split('/').map(part).collect(), open }
    }

    /// Where the pattern stands in a path: at its end, or for patterns that may be followed by anything, at its first
    /// place.
    pub fn find(&self, segments: &Segments<'_>) -> Option<Found> {
        let (all, fixed) = (segments.all(), self.parts.len());
        let last_start = all.len().checked_sub(fixed)?;
        let many = self.parts.iter().any(|part| matches!(part, Part::Models));
        if many {
            // The name is whatever stands between the first place of the word before it and the end.
            return (0..=last_start).find_map(|at| self.at(segments, at, all.len() - at - fixed));
        }
        if self.open {
            return (0..=last_start).find_map(|at| self.at(segments, at, 0));
        }
        self.at(segments, last_start, 0)
    }

    /// Compares the pattern with the segments from `start`, of which the model's name takes `more` besides one.
    fn at(&self, segments: &Segments<'_>, start: usize, more: usize) -> Option<Found> {
        let all = segments.all();
        let (mut at, mut model) = (start, None);
        for part in &self.parts {
            let text = *all.get(at)?;
            let mut taken = 1;
            match part {
                Part::Word(word) if text.eq_ignore_ascii_case(word) => {}
                Part::Version if is_version(text) => {}
                Part::Id => {}
                Part::Model => model = Some((at, at, text.len())),
                Part::Models => {
                    taken += more;
                    let last = *all.get(at + more)?;
                    model = Some((at, at + more, last.len()));
                }
                Part::ModelVerb(verb) => model = Some((at, at, before_verb(text, *verb)?)),
                Part::IdVerb(verb) => drop(before_verb(text, *verb)?),
                Part::Word(_) | Part::Version => return None,
            }
            at += taken;
        }
        let name =
            model.map(|(first, last, length)| (segments.offset(first), segments.offset(last) + length));
        Some(Found { before: start, model: name })
    }
}

/// Whether a segment is the version of an API: `v1`, `v2`, `v1beta`, `v1alpha`, `v1p1beta1`.
pub fn is_version(text: &str) -> bool {
    let Some((b'v' | b'V', rest)) = text.as_bytes().split_first() else { return false };
    rest.first().is_some_and(u8::is_ascii_digit)
        && text.len() <= 12
        && rest.iter().all(u8::is_ascii_alphanumeric)
}

/// The length of what stands before the verb of `name:verb`.
fn before_verb(text: &str, verb: Option<&str>) -> Option<usize> {
    let (name, word) = text.rsplit_once(':')?;
    let fits = match verb {
        Some(verb) => word.eq_ignore_ascii_case(verb),
        None => !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic()),
    };
    (fits && !name.is_empty()).then_some(name.len())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn where_a_pattern_stands() {
        type Line = (&'static str, &'static str, Option<(usize, Option<&'static str>)>);
        let table: &[Line] = &[
            ("chat/completions", "/v1/chat/completions", Some((1, None))),
            ("chat/completions", "/chat/Completions", Some((0, None))),
            ("chat/completions", "/v1/chat/completions/x", None),
            ("chat/completions", "/completions", None),
            ("{version}/messages", "/a/v1/messages", Some((1, None))),
            ("{version}/messages", "/a/x/messages", None),
            ("files/**", "/v1/files", Some((1, None))),
            ("files/**", "/v1/files/a/content", Some((1, None))),
            ("files/**", "/v1/file", None),
            ("models/{model}:{verb}", "/v1/models/llama:8b:infer", Some((1, Some("llama:8b")))),
            ("models/{model}:{verb}", "/v1/models/llama:8b", None),
            ("models/{model}:{verb}", "/v1/models/:infer", None),
            ("models/{model}:countTokens", "/v1/models/a:COUNTTOKENS", Some((1, Some("a")))),
            ("model/{model...}/invoke", "/b/model/arn:x/y/z/invoke", Some((1, Some("arn:x/y/z")))),
            ("model/{model...}/invoke", "/model/x/invoke", Some((0, Some("x")))),
            ("model/{model...}/invoke", "/model/invoke", None),
            ("models/{model...}", "/v1/models/org/name", Some((1, Some("org/name")))),
            ("models/{model...}", "/v1/models", None),
        ];
        for (pattern, path, expected) in table {
            let found = Pattern::new(pattern).find(&Segments::of(path).unwrap());
            let found = found.map(|found| (found.before, found.model.map(|(from, to)| &path[from..to])));
            assert_eq!(found, *expected, "{pattern} {path}");
        }
        assert!(Segments::of(&"/x".repeat(MAX_SEGMENTS + 1)).is_none());
    }

    #[test]
    fn versions() {
        for text in ["v1", "V2", "v1beta", "v1alpha", "v1p1beta1", "v4"] {
            assert!(is_version(text), "{text}");
        }
        for text in ["", "v", "vertex", "version", "1", "v-1", "v1.5", "voice1", "v1-my-own-model"] {
            assert!(!is_version(text), "{text}");
        }
    }
}
