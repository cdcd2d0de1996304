//! Answers on their way to the client. One that is ready and is not taken for too long ends its connection: a client that does
//! not read must not keep what it asked for in our memory.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, interval};

use super::intake::Room;

/// The answers of one connection, the oldest first.
#[derive(Debug, Default)]
pub struct Answers(Mutex<VecDeque<(Instant, Arc<AtomicBool>)>>);

/// An answer's body. Its request stays charged until the client has it.
#[derive(Debug)]
pub struct Answer {
    body: Body,
    taken: Option<Arc<AtomicBool>>,
    _room: Room,
}

impl Answers {
    /// Notes an answer that is ready.
    pub fn ready(&self, body: Body, room: Room) -> Answer {
        if body.is_end_stream() {
            return Answer { body, taken: None, _room: room };
        }
        let taken = Arc::new(AtomicBool::new(false));
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while open.front().is_some_and(|(_, taken)| taken.load(Ordering::Relaxed)) {
            open.pop_front();
        }
        open.push_back((Instant::now(), Arc::clone(&taken)));
        Answer { body, taken: Some(taken), _room: room }
    }

    /// Ends when an answer was ready for `limit` and the client did not take it.
    pub async fn overdue(&self, limit: Duration) {
        let mut look = interval((limit / 4).max(Duration::from_millis(1)));
        loop {
            look.tick().await;
            let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|(_, taken)| !taken.load(Ordering::Relaxed));
            if open.front().is_some_and(|(since, _)| since.elapsed() >= limit) {
                return;
            }
        }
    }
}

impl Answer {
    fn is_taken(&self) {
        if let Some(taken) = &self.taken {
            taken.store(true, Ordering::Relaxed);
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(context);
        if frame.is_pending() {
            // The client took all that there was; how long the source takes is not its affair.
            this.is_taken();
        }
        Poll::Ready(ready!(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.is_taken();
    }
}
