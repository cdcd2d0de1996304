//! Changes are noticed, by content.

use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::config::ConfigWatcher;

const INTERVAL: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(20);

fn realm(received: Option<Result<Loaded, ConfigError>>) -> Result<String, String> {
    received.unwrap().map(|l| l.settings.checks.realm).map_err(|e| e.to_string())
}

#[tokio::test]
async fn a_changed_file_is_loaded_again() {
    let scratch = Scratch::new();
    let secret = scratch.write("url", "sqlite://a");
    let file = |realm: &str| format!("checks: {{realm: {realm}}}\ndatabase: {{url_file: {secret:?}}}\n");
    let path = scratch.write("c.yaml", file("one"));
    let sources = Sources { path: Some(path), environment: Vec::new() };
    let loaded = load(&sources).unwrap();
    let mut changes = ConfigWatcher::start(sources, &loaded, INTERVAL);

    scratch.write("c.yaml", file("one"));
    assert!(
        timeout(Duration::from_millis(400), changes.recv()).await.is_err(),
        "the same content is no change"
    );

    scratch.write("c.yaml", file("two"));
    assert_eq!(realm(timeout(PATIENCE, changes.recv()).await.unwrap()), Ok("two".into()));

    scratch.write("c.yaml", "checks: {realm: 5}");
    assert!(realm(timeout(PATIENCE, changes.recv()).await.unwrap()).unwrap_err().contains("checks.realm"));
    assert!(timeout(Duration::from_millis(400), changes.recv()).await.is_err(), "an error is said once");

    scratch.write("c.yaml", file("three"));
    assert_eq!(realm(timeout(PATIENCE, changes.recv()).await.unwrap()), Ok("three".into()));

    scratch.write("url", "sqlite://b");
    let received = timeout(PATIENCE, changes.recv()).await.unwrap().unwrap().unwrap();
    assert_eq!(received.settings.database.url.unwrap().reveal(), "sqlite://b");

    // Here and not in a test of its own: the signal reaches every watcher of the process.
    #[cfg(unix)]
    {
        let pid = std::process::id().to_string();
        let kill = tokio::process::Command::new("kill").args(["-HUP", &pid]).status().await.unwrap();
        assert!(kill.success());
        let received = realm(timeout(PATIENCE, changes.recv()).await.unwrap());
        assert_eq!(received, Ok("three".into()), "a hangup loads even without a change");
    }

    std::fs::remove_file(scratch.path("c.yaml")).unwrap();
    assert!(realm(timeout(PATIENCE, changes.recv()).await.unwrap()).unwrap_err().contains("cannot be read"));
}
