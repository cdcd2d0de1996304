//! Keys that were made a moment ago, and floods of keys that nobody made.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tollgate_core::apikey::{KeyId, NewKey, PlainKey};
use tollgate_core::lookup::Lookup;
use tollgate_core::time::Timestamp;

use super::fake::{Fake, Op, key_id};
use super::{NOW, Still, catches_up, view};
use crate::views::{ApiKeysView, FoundApiKey, Jitter};

/// The text of a key with this id; its secret is right for no key.
fn text(id: KeyId) -> String {
    let mut next = 0_u8;
    let fill = |buffer: &mut [u8]| {
        for byte in buffer {
            next = (next + 1) % 200;
            *byte = next;
        }
        Ok::<(), std::convert::Infallible>(())
    };
    NewKey::rotate(id, fill).unwrap().reveal()
}

async fn find(view: &ApiKeysView, id: KeyId, patience: Duration) -> FoundApiKey {
    let text = text(id);
    view.find(&PlainKey::parse(&text).unwrap(), NOW, Instant::now() + patience).await
}

struct Running {
    view: ApiKeysView,
    source: Arc<Fake>,
    follower: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start() -> Self {
        let view = view(100);
        let source = Arc::new(Fake::new(vec![vec![Op::Create(1)]]));
        let follower = view.clone().follow(Arc::clone(&source), Arc::new(Still), Arc::new(Jitter::new(1)));
        let follower = tokio::spawn(follower);
        catches_up(&view).await;
        Self { view, source, follower }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn an_old_id_and_one_of_the_far_future_are_answered_at_once() {
    let running = Running::start().await;
    *running.source.away.lock().unwrap() = true;
    let overflow = KeyId::parse(&"z".repeat(22)).unwrap();
    for id in [KeyId::make(NOW.plus_secs(-61), [9; 10]), KeyId::make(NOW.plus_secs(61), [9; 10]), overflow] {
        let found = find(&running.view, id, SECOND).now_or_never().unwrap();
        assert_eq!((found.key, found.late), (Lookup::Absent, false), "{id:?}");
    }
}

#[tokio::test]
async fn a_fresh_id_waits_until_the_view_has_caught_up() {
    let running = Running::start().await;
    // Unknown, then made, then used at once: what was said before does not hide it.
    for _ in 0..3 {
        assert_eq!(find(&running.view, key_id(2), SECOND).await.key, Lookup::Absent);
    }
    assert!(running.view.look(key_id(2), super::fake::digest(2, 0), NOW).key == Lookup::Absent);
    running.source.write(&Op::Create(2));
    let begun = Instant::now();
    // The secret is a wrong one, so that nothing is found; but the key has arrived by the time of the answer.
    assert_eq!(find(&running.view, key_id(2), SECOND).await.key, Lookup::Absent);
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    assert!(matches!(running.view.look(key_id(2), super::fake::digest(2, 0), NOW).key, Lookup::Found(_)));
}

#[tokio::test]
async fn a_wrong_secret_waits_just_as_an_unknown_id_does() {
    let running = Running::start().await;
    for id in [key_id(1), key_id(7)] {
        assert!(
            find(&running.view, id, SECOND).now_or_never().is_none(),
            "{id:?} goes the way of fresh keys"
        );
        assert_eq!(find(&running.view, id, SECOND).await.key, Lookup::Absent);
    }
}

#[tokio::test]
async fn an_outage_is_unavailable_for_fresh_ids_and_a_deadline_is_a_deadline() {
    let running = Running::start().await;
    *running.source.away.lock().unwrap() = true;
    let found = find(&running.view, key_id(3), SECOND).await;
    assert_eq!((found.key, found.late), (Lookup::Unavailable, false));
    let found = find(&running.view, key_id(3), Duration::ZERO).await;
    assert_eq!((found.key, found.late), (Lookup::Unavailable, true));
}

#[tokio::test]
async fn a_flood_of_unknown_fresh_keys_costs_the_store_a_few_questions() {
    let running = Running::start().await;
    let before = *running.source.asked.lock().unwrap();
    let begun = Instant::now();
    let mut answers = 0;
    let mut refused = 0;
    while begun.elapsed() < SECOND {
        let burst = (0..1000_u32).map(|n| {
            let mut random = [0; 10];
            random[..4].copy_from_slice(&n.to_be_bytes());
            let view = running.view.clone();
            tokio::spawn(async move { find(&view, KeyId::make(NOW, random), SECOND).await.key })
        });
        for answer in burst.collect::<Vec<_>>() {
            match answer.await.unwrap() {
                Lookup::Absent => answers += 1,
                // More than may wait: nothing was looked up, and that is what is said.
                Lookup::Unavailable => refused += 1,
                Lookup::Found(record) => panic!("{record:?}"),
            }
        }
    }
    let asked = *running.source.asked.lock().unwrap() - before;
    // One question a round, and rounds are 20 ms apart.
    let bound = begun.elapsed().as_millis() / 20 + 5;
    assert!(answers > 1000 && refused > 0, "{answers} answers, {refused} refused");
    assert!(asked as u128 <= bound, "{asked} questions for {} checks", answers + refused);
}

#[tokio::test]
async fn a_view_that_was_never_filled_is_unavailable() {
    let view = view(100);
    let old = KeyId::make(Timestamp::from_millis(1), [1; 10]);
    for id in [old, key_id(1)] {
        assert_eq!(find(&view, id, SECOND).await.key, Lookup::Unavailable);
    }
}
