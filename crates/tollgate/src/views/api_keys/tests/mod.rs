//! The view against a store that does as it is told, and against real ones.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod fake;
mod fresh;
mod model;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use tollgate_core::time::Timestamp;

use super::{ApiKeysOptions, ApiKeysView};
use crate::clock::Clock;
use crate::telemetry::Metrics;

/// When everything happens.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Always the same moment.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }
}

fn view(page: i64) -> ApiKeysView {
    let fast = Duration::from_millis(1);
    let options = ApiKeysOptions { page, poll: fast * 2, fill_spacing: fast, ..ApiKeysOptions::default() };
    ApiKeysView::new(options, Arc::new(Metrics::new(&[], NOW)))
}

/// A view that needs no rest between looks.
fn restless(page: i64) -> ApiKeysView {
    let view = view(page);
    let options = ApiKeysOptions { spacing: Duration::ZERO, ..view.0.options };
    ApiKeysView::new(options, Arc::clone(&view.0.metrics))
}

/// Waits until the view contains everything that is committed now.
async fn catches_up(view: &ApiKeysView) {
    for _ in 0..1000 {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        if view.0.demand.wait(deadline).await == super::demand::Awaited::Present {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("the view does not catch up: {:?}", view.status(NOW));
}
