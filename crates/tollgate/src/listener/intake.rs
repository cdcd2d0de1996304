//! A request's body, read whole: bounded in bytes and in time, and charged to the port's budget while it is held.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Extensions;
use hyper::body::Body as _;
use std::future::{Future as _, poll_fn};
use tokio::time::{Instant, sleep_until};

use super::budget::{Budget, Full, Held};

/// A request's place in the budget, as an extension of every request that a port serves.
#[derive(Clone, Debug)]
pub enum Room {
    /// Its head is charged, and so is its body while it is read.
    Held(Arc<Held>),
    /// There was no room for its head. It gets an answer and nothing else.
    Full,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is longer than it may be.
    TooLarge,
    /// The connection or the stream broke, or the body is not well-formed.
    Broken,
    /// It did not arrive in time.
    Late,
    /// Too many bytes of other requests are held.
    Full,
}

impl Room {
    /// The room of this request. One that came through no port, as in tests, is alone.
    pub fn of(extensions: &Extensions) -> Self {
        let alone = || Self::Held(Arc::new(Budget::new(usize::MAX).open()));
        extensions.get::<Self>().cloned().unwrap_or_else(alone)
    }

    /// Whether there was no room for the head.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full)
    }

    /// All of a body of at most `max` bytes, which has `limit` to arrive. What it holds is charged until the request is over.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn read(&self, body: Body, max: usize, limit: Duration) -> Result<Bytes, Unread> {
        let Self::Held(held) = self else { return Err(Unread::Full) };
        let declared = body.size_hint().lower();
        if declared > max as u64 {
            return Err(Unread::TooLarge);
        }
        let end = Instant::now() + limit;
        let (mut body, mut clock) = (pin!(body), pin!(sleep_until(end)));
        let mut whole = Whole::Nothing;
        loop {
            let frame = poll_fn(|context| {
                if let Poll::Ready(frame) = body.as_mut().poll_frame(context) {
                    return Poll::Ready(Ok(frame));
                }
                held.waiting();
                if held.poll_given_up(context) {
                    return Poll::Ready(Err(Unread::Full));
                }
                clock.as_mut().poll(context).map(|()| Err(Unread::Late))
            });
            let Some(frame) = frame.await? else { break };
            let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
            if whole.len() + data.len() > max {
                return Err(Unread::TooLarge);
            }
            whole.push(data, held)?;
            // Frames that are always there, however small, would never let the clock be asked.
            if Instant::now() >= end {
                return Err(Unread::Late);
            }
        }
        held.settled();
        if held.is_given_up() { Err(Unread::Full) } else { Ok(whole.into_bytes()) }
    }
}

/// What has arrived. One frame is kept as it is, which is the usual case; several are copied together, because a small
/// frame keeps the whole buffer alive that it came in.
enum Whole {
    Nothing,
    One(Bytes),
    Several(Vec<u8>),
}

impl Whole {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Several(bytes) => bytes.len(),
        }
    }

    fn push(&mut self, data: Bytes, held: &Held) -> Result<(), Unread> {
        if data.is_empty() {
            return Ok(());
        }
        match self {
            Self::Nothing => {
                held.grow(data.len()).map_err(|Full| Unread::Full)?;
                *self = Self::One(data);
            }
            Self::One(first) => {
                let mut bytes = Vec::new();
                append(&mut bytes, first, held)?;
                append(&mut bytes, &data, held)?;
                *self = Self::Several(bytes);
            }
            Self::Several(bytes) => append(bytes, &data, held)?,
        }
        Ok(())
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Several(bytes) => bytes.into(),
        }
    }
}

/// Room is made, and charged, ahead of what comes, so that a body of many frames is not copied for each.
fn append(bytes: &mut Vec<u8>, data: &[u8], held: &Held) -> Result<(), Unread> {
    let needed = bytes.len() + data.len();
    if needed > bytes.capacity() {
        let wanted = needed.max(bytes.capacity() + bytes.capacity() / 2);
        held.grow(wanted - bytes.capacity()).map_err(|Full| Unread::Full)?;
        bytes.reserve_exact(wanted - bytes.len());
    }
    bytes.extend_from_slice(data);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, stream};
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    fn room(limit: usize) -> (Budget, Room) {
        let budget = Budget::new(limit);
        let held = Room::Held(Arc::new(budget.open()));
        (budget, held)
    }

    fn body(frames: Vec<&'static [u8]>, ends: bool) -> Body {
        let data = |data| Ok::<_, Infallible>(Frame::data(Bytes::from_static(data)));
        let frames = stream::iter(frames.into_iter().map(data));
        if ends {
            Body::new(StreamBody::new(frames))
        } else {
            Body::new(StreamBody::new(frames.chain(stream::pending())))
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn v2_a_body_comes_whole_or_not_at_all() {
        let (budget, held) = room(1000);
        let whole = held.read(body(vec![b"ab", b"", b"cd", b"e"], true), 5, LONG).await.unwrap();
        assert_eq!(whole, "abcde");
        assert!(budget.used() >= 5);
        drop(held);
        assert_eq!(budget.used(), 0);
        let (_, held) = room(1000);
        assert_eq!(held.read(body(vec![b"ab", b"cd"], true), 3, LONG).await, Err(Unread::TooLarge));
        assert_eq!(held.read(Body::from("abcd"), 3, LONG).await, Err(Unread::TooLarge));
        assert_eq!(Room::Full.read(Body::empty(), 3, LONG).await, Err(Unread::Full));
        let (_, small) = room(3);
        assert_eq!(small.read(body(vec![b"ab", b"cd"], true), 9, LONG).await, Err(Unread::Full));
    }

    #[tokio::test]
    async fn v2_a_body_that_does_not_end_is_late_or_gives_way() {
        let (_, held) = room(100);
        assert_eq!(
            held.read(body(vec![b"ab"], false), 9, Duration::from_millis(20)).await,
            Err(Unread::Late)
        );

        let (budget, held) = room(10);
        let slow = tokio::spawn(async move { held.read(body(vec![b"12345678"], false), 9, LONG).await });
        while budget.used() == 0 {
            tokio::task::yield_now().await;
        }
        let new = Room::Held(Arc::new(budget.open()));
        assert_eq!(new.read(body(vec![b"abc"], true), 9, LONG).await.unwrap(), "abc");
        assert_eq!(slow.await.unwrap(), Err(Unread::Full));
    }

    #[tokio::test]
    async fn v2_empty_frames_without_end_are_late_too() {
        let (_, held) = room(100);
        let empty = stream::repeat_with(|| Ok::<_, Infallible>(Frame::data(Bytes::from_static(b""))));
        let read = held.read(Body::new(StreamBody::new(empty)), 9, Duration::from_millis(50)).await;
        assert_eq!(read, Err(Unread::Late));
    }
}
