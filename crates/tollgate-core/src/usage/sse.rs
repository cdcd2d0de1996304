//! Server-sent events (HTML standard, section 9.2.6) in pieces of any size: the bytes of every event's data are handed
//! on as they come, so that an event may be larger than memory. Line ends are LF, CR or CRLF.

/// What listens to the events.
pub trait Events {
    /// The next bytes of the event's data; lines are joined by LF.
    fn data(&mut self, bytes: &[u8]);
    /// The event has ended. `whole` is false when its data was over the bound, of which no more than the bound was
    /// handed on.
    fn event(&mut self, whole: bool);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first bytes, which may be a byte order mark: so many of it were seen.
    Mark(usize),
    /// In the name of a field: so many bytes of `data` matched, or `None` for another name.
    Name(Option<usize>),
    /// After the colon of `data`, where one space is left out.
    Space,
    Data,
    Ignored,
}

const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
const NAME: &[u8] = b"data";

/// The reader.
#[derive(Clone, Debug)]
pub struct SseReader {
    state: State,
    line_is_empty: bool,
    after_cr: bool,
    has_data: bool,
    length: u64,
    bound: u64,
}

impl SseReader {
    /// A reader that hands on at most `bound` bytes of data of one event.
    pub const fn new(bound: u64) -> Self {
        Self {
            state: State::Mark(0),
            line_is_empty: true,
            after_cr: false,
            has_data: false,
            length: 0,
            bound,
        }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8], to: &mut impl Events) {
        while let Some(byte) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && *byte == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            if matches!(self.state, State::Data | State::Ignored) {
                let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
                if self.state == State::Data {
                    self.hand_on(part, to);
                }
                bytes = rest;
                if bytes.is_empty() {
                    return;
                }
            }
            if self.byte(bytes[0], to) {
                bytes = &bytes[1..];
            }
        }
    }

    /// The end of the stream. Its last event counts, although no empty line ended it: a provider that forgets the line
    /// has still billed what the event says.
    pub fn end(&mut self, to: &mut impl Events) {
        if self.state == State::Name(Some(NAME.len())) {
            self.begin_data(to);
        }
        self.dispatch(to);
    }

    /// Takes one byte that is none of a value; false when it is to be looked at again.
    fn byte(&mut self, byte: u8, to: &mut impl Events) -> bool {
        match (self.state, byte) {
            (State::Mark(seen), _) => {
                if byte == MARK[seen] {
                    self.state = if seen == 2 { State::Name(Some(0)) } else { State::Mark(seen + 1) };
                    return true;
                }
                // Half a mark is the beginning of some other field's name.
                self.state = State::Name((seen == 0).then_some(0));
                self.line_is_empty = seen == 0;
                false
            }
            (_, b'\r' | b'\n') => {
                self.after_cr = byte == b'\r';
                self.line(to);
                true
            }
            (State::Name(matched), b':') => {
                self.line_is_empty = false;
                if matched == Some(NAME.len()) {
                    self.begin_data(to);
                    self.state = State::Space;
                } else {
                    self.state = State::Ignored;
                }
                true
            }
            (State::Name(matched), _) => {
                self.line_is_empty = false;
                let next = matched.filter(|seen| NAME.get(*seen) == Some(&byte));
                self.state = State::Name(next.map(|seen| seen + 1));
                true
            }
            (State::Space, _) => {
                self.state = State::Data;
                byte == b' '
            }
            (State::Data | State::Ignored, _) => false,
        }
    }

    fn line(&mut self, to: &mut impl Events) {
        if self.line_is_empty {
            self.dispatch(to);
        } else if self.state == State::Name(Some(NAME.len())) {
            // A line that is the name alone is a line of data that is empty.
            self.begin_data(to);
        }
        self.state = State::Name(Some(0));
        self.line_is_empty = true;
    }

    fn begin_data(&mut self, to: &mut impl Events) {
        if std::mem::replace(&mut self.has_data, true) {
            self.hand_on(b"\n", to);
        }
    }

    fn hand_on(&mut self, bytes: &[u8], to: &mut impl Events) {
        let left = usize::try_from(self.bound.saturating_sub(self.length)).unwrap_or(usize::MAX);
        self.length += bytes.len() as u64;
        let part = bytes.get(..left.min(bytes.len())).unwrap_or_default();
        if !part.is_empty() {
            to.data(part);
        }
    }

    fn dispatch(&mut self, to: &mut impl Events) {
        if std::mem::take(&mut self.has_data) {
            to.event(self.length <= self.bound);
        }
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Log(Vec<(String, bool)>, Vec<u8>);
    impl Events for Log {
        fn data(&mut self, bytes: &[u8]) {
            self.1.extend_from_slice(bytes);
        }
        fn event(&mut self, whole: bool) {
            self.0.push((String::from_utf8_lossy(&std::mem::take(&mut self.1)).into_owned(), whole));
        }
    }

    fn read(pieces: &[&[u8]], bound: u64) -> Vec<(String, bool)> {
        let (mut reader, mut log) = (SseReader::new(bound), Log::default());
        for piece in pieces {
            reader.feed(piece, &mut log);
        }
        reader.end(&mut log);
        log.0
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        type Line<'a> = (&'a str, &'a [&'a str]);
        let table: &[Line<'_>] = &[
            ("data: a\n\n", &["a"]),
            ("data: a\r\n\r\n", &["a"]),
            ("data: a\r\r", &["a"]),
            ("data: a\r\n\ndata: b\n\r\n", &["a", "b"]),
            ("data:a\n\ndata:  b\n\n", &["a", " b"]),
            ("data: a\ndata: b\n\n", &["a\nb"]),
            ("data\ndata\n\n", &["\n"]),
            ("data\n\n", &[""]),
            (": comment\n\nevent: x\nid: 1\nretry: 5\n\ndata: a\n\n", &["a"]),
            ("event: usage\ndata: a\nid: 1\n\n", &["a"]),
            ("\u{feff}data: a\n\n", &["a"]),
            ("\u{feff}\u{feff}data: a\n\n", &[]),
            ("dat: a\ndatax: b\n data: c\nDATA: d\n\n", &[]),
            ("data: a", &["a"]),
            ("data: a\n", &["a"]),
            ("data", &[""]),
            ("\n\n\r\r\n", &[]),
            ("data: a\n\n\n\ndata: b\n\n", &["a", "b"]),
            ("", &[]),
        ];
        for (text, expected) in table {
            let events = read(&[text.as_bytes()], 100);
            assert!(events.iter().all(|(_, whole)| *whole));
            let events: Vec<_> = events.iter().map(|(data, _)| data.as_str()).collect();
            assert_eq!(events, *expected, "{text:?}");
        }
    }

    #[test]
    fn an_event_over_the_bound_is_cut_and_the_next_is_not() {
        let text = format!("data: {}\ndata: {}\n\ndata: b\n\n", "a".repeat(9), "a".repeat(9));
        let cut = format!("{}\n", "a".repeat(9));
        assert_eq!(read(&[text.as_bytes()], 10), [(cut, false), ("b".to_owned(), true)]);
    }

    proptest! {
        #[test]
        fn any_split_reads_the_same(
            text in "(data|event|:|id|\u{feff})?(:|: )?[ab\r\n]{0,3}(\r\n|\n|\r|\n\n|\r\n\r\n)(data: [a-c\n]{0,4}\r?\n|\r|\n){0,5}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let whole = read(&[text.as_bytes()], 5);
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            prop_assert_eq!(&read(&bytes, 5), &whole);
            let mut cuts: Vec<_> = cuts.iter().map(|at| at.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut rest = text.as_bytes();
            let mut at = 0;
            for cut in cuts {
                let (front, back) = rest.split_at(cut - at);
                pieces.push(front);
                (rest, at) = (back, cut);
            }
            pieces.push(rest);
            prop_assert_eq!(&read(&pieces, 5), &whole);
        }
    }
}
