//! One replica at a time, once an interval, and another goes on when it dies.

use std::time::Duration;

use tollgate_core::time::Timestamp;

use super::fake::{Does, Scene};
use crate::clock::Clock as _;
use crate::store::Lease;
use crate::telemetry::RoundOutcome;

#[tokio::test]
async fn three_replicas_do_the_work_of_one() {
    let scene = Scene::new().await;
    let ada = scene.person("ada").await;
    scene.fake.has(&["ada"]);
    let interval = Duration::from_millis(200);
    let replicas: Vec<_> =
        (0..3).map(|_| tokio::spawn(scene.directory(|options| options.interval = interval).run())).collect();
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let rounds = scene.rounds("done");
    assert!((5..=11).contains(&rounds), "{rounds} rounds in ten intervals and a half");
    // Those who work die one after the other; the last goes on, and the bound holds.
    replicas[0].abort();
    replicas[1].abort();
    scene.fake.has(&[]);
    let told = std::time::Instant::now();
    while scene.standing(&ada).await == "active" {
        assert!(told.elapsed() < Duration::from_secs(40), "nobody took the work over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(scene.audited().await, 1);
    replicas[2].abort();
}

#[tokio::test]
async fn a_replica_that_was_overtaken_does_nothing_more() {
    let scene = Scene::new().await;
    let ada = scene.person("ada").await;
    let (one, two) = (scene.directory(|_| {}), scene.directory(|_| {}));
    let now = scene.clock.now();
    let later = Timestamp::from_millis(now.as_millis() + 60_000);
    assert_eq!(one.hold(now, later).await.unwrap(), Lease::Ours);
    assert_eq!(two.hold(now, later).await.unwrap(), Lease::Theirs { until: later });
    assert!(!two.is_alive().await.unwrap());
    // It is not asked while another has the work.
    two.turn().await.unwrap();
    assert_eq!(scene.standing(&ada).await, "active");
    assert!(scene.fake.asked.lock().unwrap().is_empty());
    // When the time of the other is over, it is.
    scene.fake.has(&["ada"]);
    assert_eq!(one.hold(now, now).await.unwrap(), Lease::Ours);
    two.turn().await.unwrap();
    assert_eq!(scene.fake.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_database_that_is_away_is_no_word_of_the_directory() {
    let scene = Scene::new().await;
    scene.person("ada").await;
    let directory = scene.directory(|_| {});
    *scene.fake.count.lock().unwrap() = Does::Right;
    scene.store.close().await;
    assert_eq!(directory.round().await, RoundOutcome::Store);
    assert!(directory.turn().await.is_err());
    assert_eq!((scene.rounds("store"), scene.rounds("outage")), (1, 0));
}
