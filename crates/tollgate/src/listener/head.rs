//! How long a peer may take to say what it wants. hyper bounds the head of an HTTP/1.1 request, but with one timer for
//! "has begun and does not finish" (an attack) and "has not begun" (an idle connection in a gateway's pool), and it waits
//! for the first bytes of a connection without any bound. So the first bytes are read here, and an HTTP/1.1 head that
//! has begun has a timer of its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::budget::{Full, Held};

/// What an HTTP/2 client says first (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The language that a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http1,
    Http2,
}

/// The first bytes of a connection, and what they mean.
#[derive(Debug)]
pub struct Opening {
    pub version: Version,
    bytes: Vec<u8>,
}

/// Reads until it is clear what the peer speaks. `None`: it left without a word.
///
/// # Errors
/// The connection broke.
pub async fn listen<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<Opening>> {
    let mut bytes = Vec::with_capacity(PREFACE.len());
    while bytes.len() < PREFACE.len() {
        let mut rest = [0; PREFACE.len()];
        let room = PREFACE.len() - bytes.len();
        let read = stream.read(&mut rest[..room]).await?;
        bytes.extend_from_slice(&rest[..read]);
        if read == 0 && bytes.is_empty() {
            return Ok(None);
        }
        if read == 0 || !PREFACE.starts_with(&bytes) {
            return Ok(Some(Opening { version: Version::Http1, bytes }));
        }
    }
    Ok(Some(Opening { version: Version::Http2, bytes }))
}

/// Bytes that no request came of and that are not charged: the control frames of an idle HTTP/2 connection.
const UNCHARGED_BYTES: usize = 1024;

/// What the service tells the stream: how many requests began and ended, and how many are under way.
#[derive(Debug)]
pub struct Progress {
    begun: AtomicUsize,
    ended: AtomicUsize,
    open: AtomicUsize,
    /// What a head holds that is not complete.
    held: Held,
}

/// One request under way; over when dropped.
#[derive(Debug)]
pub struct Under(Arc<Progress>);

impl Progress {
    /// Of a connection whose incomplete heads are charged here.
    pub fn new(held: Held) -> Arc<Self> {
        let none = || AtomicUsize::new(0);
        Arc::new(Self { begun: none(), ended: none(), open: none(), held })
    }

    /// A head is complete: a request begins.
    pub fn begin(self: &Arc<Self>) -> Under {
        self.held.empty();
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Under(Arc::clone(self))
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream whose reads fail when an HTTP/1.1 head has begun and is not complete in time.
#[derive(Debug)]
pub struct Patient<S> {
    inner: S,
    opening: Vec<u8>,
    /// How much of the opening is handed on.
    given: usize,
    progress: Arc<Progress>,
    /// For a head to be complete after its first byte; `None` for HTTP/2.
    limit: Option<Duration>,
    /// Runs while a head is incomplete, with the number of requests that had begun before it.
    clock: Option<(Pin<Box<Sleep>>, usize)>,
    /// Bytes since a request began or ended.
    unanswered: usize,
    /// The requests that had begun and ended by then.
    since: (usize, usize),
    /// The most that is charged: what is kept of a head that is not complete.
    most: usize,
}

impl<S> Patient<S> {
    /// `inner` after its first bytes were read.
    pub fn new(inner: S, opening: Opening, limit: Duration, most: usize, progress: Arc<Progress>) -> Self {
        let limit = (opening.version == Version::Http1).then_some(limit);
        let (unanswered, since) = (0, (0, 0));
        Self {
            inner,
            opening: opening.bytes,
            given: 0,
            progress,
            limit,
            clock: None,
            unanswered,
            since,
            most,
        }
    }

    /// Charges bytes of which no request has come. On HTTP/2 these may be a head beside requests that are under way; such a
    /// connection is not ended.
    fn charge(&mut self, read: usize) -> io::Result<()> {
        let Progress { begun, ended, open, held } = &*self.progress;
        let since = (begun.load(Ordering::Relaxed), ended.load(Ordering::Relaxed));
        if since != self.since {
            (self.since, self.unanswered) = (since, 0);
            held.empty();
        }
        self.unanswered = self.unanswered.saturating_add(read).min(self.most);
        let idle = open.load(Ordering::Relaxed) == 0;
        let due = self.unanswered.saturating_sub(held.bytes());
        if self.unanswered <= UNCHARGED_BYTES || due == 0 || (!idle && self.limit.is_some()) {
            return Ok(());
        }
        match held.grow(due) {
            Err(Full) if idle => Err(given_up()),
            Err(Full) | Ok(()) => {
                if idle {
                    held.waiting();
                }
                Ok(())
            }
        }
    }

    /// Bytes came in. Outside a request they are a head.
    fn heard(&mut self) {
        let begun = self.progress.begun.load(Ordering::Relaxed);
        let idle = self.progress.open.load(Ordering::Relaxed) == 0;
        if let (Some(limit), None, true) = (self.limit, &self.clock, idle) {
            self.clock = Some((Box::pin(sleep(limit)), begun));
        }
    }

    fn out_of_patience(&mut self, context: &mut Context<'_>) -> bool {
        let begun = self.progress.begun.load(Ordering::Relaxed);
        self.clock.take_if(|(_, before)| *before != begun);
        self.clock.as_mut().is_some_and(|(clock, _)| clock.as_mut().poll(context).is_ready())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.progress.held.poll_given_up(context) {
            return Poll::Ready(Err(given_up()));
        }
        if this.out_of_patience(context) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the head took too long")));
        }
        if let rest @ [_, ..] = &this.opening[this.given..] {
            let some = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..some]);
            this.given += some;
            this.heard();
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        if read > 0 {
            this.heard();
            this.charge(read)?;
        }
        Poll::Ready(Ok(()))
    }
}

fn given_up() -> io::Error {
    io::Error::other("a head that was not complete gave way to other requests")
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::budget::Budget;
    use super::*;

    fn progress(budget: &Budget) -> Arc<Progress> {
        Progress::new(budget.open())
    }

    #[tokio::test]
    async fn v2_heads_that_are_not_complete_are_charged_and_give_way() {
        let budget = Budget::new(10_000);
        let open = || {
            let opening = Opening { version: Version::Http1, bytes: b"GET".to_vec() };
            let progress = progress(&budget);
            let stream: &[u8] = &[b'x'; 8_000];
            (Patient::new(stream, opening, Duration::from_secs(9), 96_000, Arc::clone(&progress)), progress)
        };
        let ((mut first, before), (mut second, progress)) = (open(), open());
        let mut head = vec![0; 8_003];
        first.read_exact(&mut head).await.unwrap();
        assert!(budget.used() >= 8_000, "{}", budget.used());
        second.read_exact(&mut head).await.unwrap();
        assert!(budget.used() <= 10_000);
        assert!(first.read_u8().await.unwrap_err().to_string().contains("gave way"));
        // A head that is complete is the request's own charge from then on.
        drop((progress.begin(), first, before));
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn the_first_bytes_tell_the_language() {
        let table: [(&[u8], Option<Version>); 6] = [
            (b"", None),
            (b"GET / HTTP/1.1\r\n\r\n", Some(Version::Http1)),
            (b"PRI * HTTP/1.1\r\n\r\n", Some(Version::Http1)),
            (b"PRI", Some(Version::Http1)),
            (PREFACE, Some(Version::Http2)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore", Some(Version::Http2)),
        ];
        for (sent, version) in table {
            let opening = listen(&mut &sent[..]).await.unwrap();
            assert_eq!(opening.map(|opening| opening.version), version, "{sent:?}");
        }
    }

    #[tokio::test]
    async fn nothing_of_the_opening_is_lost() {
        let sent = b"PRI, the rest of what is not a preface".as_slice();
        let mut stream = sent;
        let opening = listen(&mut stream).await.unwrap().unwrap();
        let mut patient =
            Patient::new(stream, opening, Duration::from_secs(1), 1000, progress(&Budget::new(1000)));
        let mut heard = Vec::new();
        patient.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, sent);
    }

    #[tokio::test]
    async fn the_clock_runs_only_while_a_head_is_incomplete() {
        let (mut peer, stream) = tokio::io::duplex(64);
        let progress = progress(&Budget::new(1000));
        let limit = Duration::from_millis(100);
        let opening = Opening { version: Version::Http1, bytes: b"GET".to_vec() };
        let mut patient = Patient::new(stream, opening, limit, 1000, Arc::clone(&progress));
        let mut byte = [0; 3];
        patient.read_exact(&mut byte).await.unwrap();
        // The head is complete; a request of any length, and then idleness of any length, are no offence.
        let request = progress.begin();
        let quiet = 3 * limit;
        assert!(tokio::time::timeout(quiet, patient.read_u8()).await.is_err());
        drop(request);
        assert!(tokio::time::timeout(quiet, patient.read_u8()).await.is_err());
        // A new head that trickles in is.
        let trickle = tokio::spawn(async move {
            loop {
                sleep(limit / 10).await;
                if tokio::io::AsyncWriteExt::write_u8(&mut peer, b'x').await.is_err() {
                    return;
                }
            }
        });
        let began = tokio::time::Instant::now();
        let error = loop {
            if let Err(error) = patient.read_u8().await {
                break error;
            }
            assert!(began.elapsed() < 100 * limit, "a trickling head is never refused");
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= limit, "{:?}", began.elapsed());
        trickle.abort();
    }
}
