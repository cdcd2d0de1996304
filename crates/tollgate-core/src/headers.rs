//! Request headers as a door received them: names compared without case, values as bytes, repeats kept.

use std::borrow::Cow;

/// The header lines of one request, borrowed from the door's message.
#[derive(Clone, Debug, Default)]
pub struct Headers<'a> {
    lines: Vec<(Cow<'a, str>, &'a [u8])>,
}

impl<'a> Headers<'a> {
    /// Room for `capacity` lines, so that filling it allocates once.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { lines: Vec::with_capacity(capacity) }
    }

    /// Adds one line. Names are kept in lower case, whatever the door sent.
    pub fn push(&mut self, name: &'a str, value: &'a [u8]) {
        let name = if name.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        };
        self.lines.push((name, value));
    }

    /// Every line of this name, in order. `name` is in lower case.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.lines.iter().filter(move |(n, _)| n == name).map(|(_, value)| *value)
    }

    /// The only line of this name as text; `None` when there is none, more than one, or it is not UTF-8.
    pub fn single(&self, name: &str) -> Option<&'a str> {
        let mut lines = self.lines.iter().filter(|(n, _)| n == name);
        let (_, value) = lines.next()?;
        if lines.next().is_some() {
            return None;
        }
        std::str::from_utf8(value).ok()
    }

    /// All lines, names in lower case.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a [u8])> {
        self.lines.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// The number of lines.
    pub const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_repeats_are_kept() {
        let mut headers = Headers::default();
        headers.push("Authorization", b"a");
        headers.push("authorization", b"b");
        headers.push("host", b"h");
        assert_eq!(headers.all("authorization").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(headers.single("authorization"), None);
        assert_eq!(headers.single("host"), Some("h"));
        assert_eq!(headers.single("absent"), None);
    }
}
