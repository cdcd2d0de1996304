//! What holds for every request that writes. One that the database gave up in favour of another is done again, a few times;
//! and none is answered before this replica obeys what was written, so that a new key works and a revoked one does not from
//! the answer on.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::{Instant, sleep};

use super::Portal;
use crate::entropy::bytes;

/// Tries of one request at most.
const TRIES: u32 = 4;
/// Before the second try, at most; twice as long before each further one. A part of it is left to chance, so that those who
/// met do not meet again.
const PAUSE: Duration = Duration::from_millis(40);
/// For this replica's view to contain what was written. Every replica promises as much.
const SETTLE: Duration = Duration::from_secs(1);

/// Marks an answer whose request may succeed when it is done again as it is: the database undid it whole.
#[derive(Clone, Copy, Debug)]
pub struct TryAgain;

/// Runs a request, again if need be, and waits until its writes are in force here.
pub async fn settle(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let written = || portal.0.parts.store.as_ref().map(|store| *store.published().borrow());
    let before = written();
    let response = repeat(&portal, request, next).await;
    if response.status().is_success() && written() != before {
        let view = portal.rulebook().borrow().api_keys.clone();
        if let Some(view) = view
            && !view.caught_up(Instant::now() + SETTLE).await
        {
            tracing::debug!("a write was answered before this replica's view of keys contained it");
        }
    }
    response
}

async fn repeat(portal: &Portal, request: Request, next: Next) -> Response {
    // The body stands beside the request, where each try finds it; none is read before a handler knows who calls.
    let (parts, _) = request.into_parts();
    let mut tries = 1;
    loop {
        let request = Request::from_parts(parts.clone(), Body::empty());
        let response = next.clone().run(request).await;
        if tries == TRIES || response.extensions().get::<TryAgain>().is_none() {
            return response;
        }
        let chance = bytes::<1>(portal.entropy()).map_or(u8::MAX, |[chance]| chance);
        let pause = PAUSE * (1 << (tries - 1));
        sleep(pause.mul_f64(0.5 + f64::from(chance) / 512.0)).await;
        tries += 1;
    }
}
