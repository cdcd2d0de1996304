//! The meter of one answer: takes its body in pieces of any size, in bounded memory, and says at any moment what the
//! call has used as far as is known.

use super::capture::{Capture, Doc, Handler};
use super::count::Count;
use super::estimate::Assumed;
use super::eventstream::{EventStreamReader, Messages};
use super::flags::{Flag, Flags};
use super::progress::Progress;
use super::rank::{Rank, Reading};
use super::record::{Counts, Usage};
use super::scan::Scanner;
use super::select::{Format, Framing, Selected};
use super::sse::{Events, SseReader};

/// The most data of one event that is read. Longer ones are passed over and flagged; memory does not grow with them.
pub const MAX_EVENT: u64 = 256 << 20;
/// What ends OpenAI's streams.
const DONE: &[u8] = b"[DONE]";

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As it should: the gateway saw its end.
    Complete,
    /// The client or the backend broke it off, or nobody knows.
    Aborted,
}

/// What is known of an answer.
#[expect(clippy::large_enum_variant, reason = "made once or twice for an answer, and moved on")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing that could be counted or estimated, and what was odd.
    Nothing(Flags),
    /// This.
    Read(Reading),
}

/// The meter of one answer.
#[derive(Debug)]
pub struct Meter {
    framing: Body,
    documents: Documents,
    seen: u64,
}

#[derive(Debug)]
enum Body {
    Plain,
    Events(SseReader),
    EventStream(EventStreamReader),
}

/// Documents as they come, and what was read of them.
#[derive(Debug)]
struct Documents {
    format: Format,
    scanner: Scanner,
    capture: Capture,
    /// The document of an event or message that has not ended: it counts when the event is sound.
    pending: Option<Doc>,
    /// The first bytes of the event's data, and its length.
    head: [u8; 6],
    length: u64,
    progress: Progress,
}

impl Meter {
    /// A meter for an answer of this kind.
    pub fn new(selected: Selected) -> Self {
        Self::with_bound(selected, MAX_EVENT)
    }

    /// A meter that reads at most `max_event` bytes of data of one server-sent event.
    pub fn with_bound(selected: Selected, max_event: u64) -> Self {
        let Selected { format, framing } = selected;
        Self {
            framing: match framing {
                Framing::Json | Framing::JsonLines => Body::Plain,
                Framing::Events => Body::Events(SseReader::new(max_event)),
                Framing::EventStream => Body::EventStream(EventStreamReader::default()),
            },
            documents: Documents {
                format,
                scanner: Scanner::new(framing == Framing::JsonLines),
                capture: Capture::new(format.paths()),
                pending: None,
                head: [0; 6],
                length: 0,
                progress: Progress { whole: framing == Framing::Json, ..Progress::default() },
            },
            seen: 0,
        }
    }

    /// Takes the next bytes of the body.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.seen += bytes.len() as u64;
        match &mut self.framing {
            Body::Plain => self.documents.feed(bytes),
            Body::Events(reader) => reader.feed(bytes, &mut self.documents),
            Body::EventStream(reader) => {
                reader.feed(bytes, &mut self.documents);
                if reader.lost() {
                    self.documents.progress.flags.set(Flag::Checksum);
                }
            }
        }
    }

    /// Bytes of the body so far.
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether the provider's last numbers are there: nothing needs to be waited for.
    pub const fn is_settled(&self) -> bool {
        self.documents.progress.settled
    }

    /// What is known now.
    pub fn outcome(&self, assumed: &Assumed) -> Outcome {
        self.documents.outcome(None, self.seen, assumed)
    }

    /// The body has ended: what is known for good.
    pub fn finish(mut self, end: End, assumed: &Assumed) -> Outcome {
        match &mut self.framing {
            Body::Plain => self.documents.end(),
            Body::Events(reader) => reader.end(&mut self.documents),
            Body::EventStream(reader) => {
                if reader.is_open() {
                    self.documents.progress.flags.set(Flag::Truncated);
                    self.documents.drop_event();
                }
            }
        }
        self.documents.outcome(Some(end), self.seen, assumed)
    }
}

impl Documents {
    /// Bytes of documents that count as soon as they end.
    fn feed(&mut self, bytes: &[u8]) {
        let (format, progress) = (self.format, &mut self.progress);
        let absorb = |doc: &mut Doc| format.absorb(doc, progress);
        self.scanner.feed(bytes, &mut Handler { capture: &mut self.capture, absorb });
    }

    /// The end of a body of documents.
    fn end(&mut self) {
        if self.scanner.is_open() {
            self.capture.doc.cut();
            self.format.absorb(&self.capture.doc, &mut self.progress);
            self.capture.clear();
        }
    }

    /// Bytes of the document of an event, which counts when the event is sound.
    fn feed_event(&mut self, bytes: &[u8]) {
        let pending = &mut self.pending;
        let absorb = |doc: &mut Doc| *pending = Some(std::mem::take(doc));
        self.scanner.feed(bytes, &mut Handler { capture: &mut self.capture, absorb });
    }

    fn drop_event(&mut self) {
        self.scanner.reset();
        self.capture.clear();
        (self.pending, self.length) = (None, 0);
    }

    fn end_event(&mut self) {
        // Words that are no JSON are no oddity in a stream of events.
        let is_json = matches!(self.head[0], b'{' | b'[');
        if self.scanner.is_open() && is_json {
            self.progress.flags.set(Flag::Truncated);
            self.progress.text += self.capture.doc.text;
        } else if let Some(doc) = self.pending.take().filter(|_| is_json) {
            self.format.absorb(&doc, &mut self.progress);
        }
        self.drop_event();
    }

    fn outcome(&self, end: Option<End>, seen: u64, assumed: &Assumed) -> Outcome {
        let progress = &self.progress;
        let mut flags = progress.flags;
        let text = progress.text + self.capture.doc.text;
        let (rank, counts) = match progress.counts {
            Some(mut counts) => {
                flags = flags.union(progress.usage_flags);
                let last = progress.settled || (end == Some(End::Complete) && progress.last_if_ended);
                if !last && text > 0 {
                    counts.output = counts.output.plus(assumed.ratio.tokens(text));
                    flags.set(Flag::OutputEstimated);
                }
                (if last { Rank::Final } else { Rank::SoFar }, counts)
            }
            // Headers alone say nothing, and nor does the part of an answer in which no text was written yet.
            None if seen == 0 || (text == 0 && end.is_none()) => return Outcome::Nothing(flags),
            None => {
                flags.set(Flag::InputEstimated);
                if text > 0 {
                    flags.set(Flag::OutputEstimated);
                }
                if end == Some(End::Complete) {
                    flags.set(Flag::NoUsage);
                }
                let (input, output) = (assumed.input, assumed.ratio.tokens(text));
                (Rank::Estimate, Counts { input, output, requests: Count::ONE, ..Counts::default() })
            }
        };
        let tier = progress.tier.clone().unwrap_or_default();
        let usage = Usage::reconciled(counts).said(progress.total, progress.model.clone(), tier);
        Outcome::Read(Reading { rank, seen, usage, flags })
    }
}

impl Events for Documents {
    fn data(&mut self, bytes: &[u8]) {
        let at = usize::try_from(self.length).unwrap_or(usize::MAX).min(self.head.len());
        for (place, byte) in self.head[at..].iter_mut().zip(bytes) {
            *place = *byte;
        }
        self.length += bytes.len() as u64;
        self.feed_event(bytes);
    }

    fn event(&mut self, whole: bool) {
        if !whole {
            self.progress.flags.set(Flag::TooLarge);
            self.drop_event();
        } else if self.length == DONE.len() as u64 && self.head == DONE {
            self.drop_event();
            self.progress.done();
        } else {
            self.end_event();
        }
    }
}

impl Messages for Documents {
    fn payload(&mut self, bytes: &[u8]) {
        if self.length == 0 {
            self.head[0] = bytes.first().copied().unwrap_or_default();
        }
        self.length += bytes.len() as u64;
        self.feed_event(bytes);
    }

    fn message(&mut self, sound: bool) {
        if sound {
            self.end_event();
        } else {
            self.progress.flags.set(Flag::Checksum);
            self.drop_event();
        }
    }
}
