//! AWS binary event streams (`application/vnd.amazon.eventstream`) in pieces of any size. A message is its total length,
//! the length of its headers, a CRC-32 of these two, headers, payload, and a CRC-32 of all before it; numbers are
//! big-endian. Payloads are handed on as they come, and count only when the message's checksum was right.

use crate::crc32::Crc32;

/// The longest message, in bytes: AWS allows payloads of 16 MiB.
pub const MAX_MESSAGE: u32 = (16 << 20) + MAX_HEADERS + 16;
/// The longest headers.
pub const MAX_HEADERS: u32 = 128 << 10;
const PRELUDE: usize = 12;

/// What listens to the messages.
pub trait Messages {
    /// The next bytes of the payload.
    fn payload(&mut self, bytes: &[u8]);
    /// The message has ended; `sound` is false when its checksum is wrong.
    fn message(&mut self, sound: bool);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Prelude,
    Headers {
        left: u32,
        payload: u32,
    },
    Payload {
        left: u32,
    },
    Checksum,
    /// The prelude was wrong: nobody knows where the next message begins.
    Lost,
}

/// The reader.
#[derive(Clone, Debug)]
pub struct EventStreamReader {
    state: State,
    buffer: [u8; PRELUDE],
    filled: usize,
    crc: Crc32,
}

impl Default for EventStreamReader {
    fn default() -> Self {
        Self { state: State::Prelude, buffer: [0; PRELUDE], filled: 0, crc: Crc32::new() }
    }
}

impl EventStreamReader {
    /// Whether a prelude was wrong, after which nothing can be read.
    pub fn lost(&self) -> bool {
        self.state == State::Lost
    }

    /// Whether the input ended inside of a message.
    pub fn is_open(&self) -> bool {
        match self.state {
            State::Prelude => self.filled > 0,
            State::Lost => false,
            _ => true,
        }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8], to: &mut impl Messages) {
        while !bytes.is_empty() && self.state != State::Lost {
            match self.state {
                State::Prelude => {
                    if self.fill(&mut bytes, PRELUDE) {
                        self.state = self.prelude();
                    }
                }
                State::Headers { left, payload } => {
                    let part = take(&mut bytes, left);
                    self.crc.update(part);
                    let left = left - length(part);
                    self.state = match left {
                        0 => Self::payload(payload),
                        _ => State::Headers { left, payload },
                    };
                }
                State::Payload { left } => {
                    let part = take(&mut bytes, left);
                    self.crc.update(part);
                    to.payload(part);
                    self.state = Self::payload(left - length(part));
                }
                State::Checksum => {
                    if self.fill(&mut bytes, 4) {
                        to.message(self.number(0) == self.crc.value());
                        self.crc = Crc32::new();
                        self.state = State::Prelude;
                    }
                }
                State::Lost => {}
            }
        }
    }

    const fn payload(left: u32) -> State {
        if left == 0 { State::Checksum } else { State::Payload { left } }
    }

    /// Collects `size` bytes; whether they are all there.
    fn fill(&mut self, bytes: &mut &[u8], size: usize) -> bool {
        let part = take(bytes, u32::try_from(size - self.filled).unwrap_or_default());
        self.buffer[self.filled..self.filled + part.len()].copy_from_slice(part);
        self.filled += part.len();
        let full = self.filled == size;
        if full {
            self.filled = 0;
        }
        full
    }

    fn number(&self, at: usize) -> u32 {
        self.buffer[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    fn prelude(&mut self) -> State {
        let (total, headers, checksum) = (self.number(0), self.number(4), self.number(8));
        let fits = total <= MAX_MESSAGE && headers <= MAX_HEADERS && headers.saturating_add(16) <= total;
        if !fits || Crc32::of(&self.buffer[..8]) != checksum {
            return State::Lost;
        }
        self.crc.update(&self.buffer);
        let payload = total - headers - 16;
        if headers == 0 { Self::payload(payload) } else { State::Headers { left: headers, payload } }
    }
}

/// Takes up to `most` bytes from the front.
fn take<'a>(bytes: &mut &'a [u8], most: u32) -> &'a [u8] {
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
    let (part, rest) = bytes.split_at(most);
    *bytes = rest;
    part
}

/// The length of a part of a message, which is never more than the message's.
fn length(part: &[u8]) -> u32 {
    u32::try_from(part.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default, Debug, PartialEq)]
    struct Log(Vec<(Vec<u8>, bool)>, Vec<u8>);
    impl Messages for Log {
        fn payload(&mut self, bytes: &[u8]) {
            self.1.extend_from_slice(bytes);
        }
        fn message(&mut self, sound: bool) {
            self.0.push((std::mem::take(&mut self.1), sound));
        }
    }

    pub fn message(headers: &[u8], payload: &[u8]) -> Vec<u8> {
        let total = u32::try_from(16 + headers.len() + payload.len()).unwrap_or_default();
        let mut out = total.to_be_bytes().to_vec();
        out.extend(u32::try_from(headers.len()).unwrap_or_default().to_be_bytes());
        out.extend(Crc32::of(&out).to_be_bytes());
        out.extend(headers);
        out.extend(payload);
        out.extend(Crc32::of(&out).to_be_bytes());
        out
    }

    fn read(pieces: &[&[u8]]) -> (Log, EventStreamReader) {
        let (mut reader, mut log) = (EventStreamReader::default(), Log::default());
        for piece in pieces {
            reader.feed(piece, &mut log);
        }
        (log, reader)
    }

    proptest! {
        #[test]
        fn messages_are_read_in_any_split(
            messages in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(any::<u8>(), 0..40)), 1..4),
            size in 1_usize..30,
        ) {
            let stream: Vec<u8> = messages.iter().flat_map(|(headers, payload)| message(headers, payload)).collect();
            let expected: Vec<_> = messages.iter().map(|(_, payload)| (payload.clone(), true)).collect();
            let (log, reader) = read(&stream.chunks(size).collect::<Vec<_>>());
            prop_assert_eq!(log.0, expected);
            prop_assert!(!reader.lost() && !reader.is_open());
        }

        #[test]
        fn no_changed_byte_goes_unseen(payload in prop::collection::vec(any::<u8>(), 0..40), at: prop::sample::Index, change in 1_u8..) {
            let mut stream = message(b"hhh", &payload);
            let at = at.index(stream.len());
            stream[at] ^= change;
            let (log, reader) = read(&[&stream]);
            prop_assert!(reader.lost() || log.0.iter().all(|(_, sound)| !sound));
            prop_assert_eq!(reader.lost(), at < PRELUDE);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = read(&[&bytes]);
        }
    }

    #[test]
    fn a_message_of_impossible_length_loses_the_stream() {
        for (total, headers) in
            [(0, 0), (15, 0), (16, 1), (u32::MAX, 0), (u32::MAX, u32::MAX), (MAX_MESSAGE + 1, 0)]
        {
            let mut stream: Vec<u8> = total.to_be_bytes().into();
            stream.extend(u32::to_be_bytes(headers));
            stream.extend(Crc32::of(&stream).to_be_bytes());
            assert!(read(&[&stream]).1.lost(), "{total} {headers}");
        }
    }

    #[test]
    fn a_wrong_checksum_spoils_one_message_only() {
        let mut stream = message(b"", b"one");
        stream[13] ^= 1;
        stream.extend(message(b"", b"two"));
        let (log, _) = read(&[&stream]);
        assert_eq!(log.0.iter().map(|(_, sound)| *sound).collect::<Vec<_>>(), [false, true]);
    }
}
