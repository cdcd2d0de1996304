//! The configurations that are shipped: `tollgate config check` takes them, and says what the guide's keys became.

use std::process::{Command, Output};

use super::objects::{Objects, config_map, deployment};
use crate::harness::scratch;

/// `tollgate config …` on this text, with the database's URL in a file as the pod has it.
fn tollgate(text: &str, arguments: &[&str]) -> Output {
    let dir = scratch("settings");
    let (config, url) = (dir.path().join("config.yaml"), dir.path().join("database-url"));
    std::fs::write(&config, text).unwrap();
    std::fs::write(&url, "postgres://tollgate:hunter2@localhost/tollgate").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.arg("config").args(arguments).env("CONFIG_PATH", &config);
    command.env("TOLLGATE__DATABASE__URL_FILE", &url).output().unwrap()
}

#[test]
fn the_config_map_is_accepted() {
    let objects = Objects::shipped();
    let checked = tollgate(config_map(&objects), &["check"]);
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
    assert!(said.contains("OK (1 routes, 2 issuers"), "{said}");

    let shown = tollgate(config_map(&objects), &["show"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let value: serde_json::Value = serde_saphyr::from_str(&shown).unwrap();
    assert_eq!(value["server"]["http"]["listen"], "0.0.0.0:3000", "{shown}");
    assert_eq!(value["server"]["grpc"]["listen"], "0.0.0.0:3001");
    assert_eq!(value["checks"]["unauthenticated_status"], 403);
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_mistake_in_it_is_not() {
    let text = config_map(&Objects::shipped()).replace("accepted_issuers", "accepted_isuers");
    let checked = tollgate(&text, &["check"]);
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(!checked.status.success() && said.contains("accepted_issuers"), "{said}");
}

#[test]
fn so_is_the_one_for_systemd() {
    let text = std::fs::read_to_string(deployment().join("systemd/tollgate.yaml")).unwrap();
    let dir = scratch("settings");
    let config = dir.path().join("tollgate.yaml");
    std::fs::write(&config, text).unwrap();
    let checked = crate::harness::tollgate::run(&["config", "check", "--config", config.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.contains("OK (1 routes, 1 issuers"), "{said}");
}
