//! `tollgate admin` and `tollgate audit`, the real binary on a SQLite of its own: first steps without a server, the audit
//! chain, and what a restored backup forgets.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use tollgate::store::{Store, StoreOptions};

/// A directory with a configuration and its database.
struct Desk {
    dir: TempDir,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "database:\n  url: sqlite://{}\n  statement_timeout_ms: 5000\nissuers:\n  - name: keycloak\n    \
             issuer: https://issuer.example/realms/ai\n    audiences: [api]\nkeys:\n  max_lifetime_days: 90\n",
            dir.path().join("tollgate.db").display()
        );
        std::fs::write(dir.path().join("tollgate.yaml"), text).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.env_clear().env("USER", "root").arg("--config").arg(self.path("tollgate.yaml"));
        command.args(arguments).output().unwrap()
    }

    /// What a command printed, when it succeeded.
    fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command complained of, when it failed.
    fn bad(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// An answer as JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.good(&[arguments, &["--output", "json"]].concat())).unwrap()
    }

    /// The id of what a command made.
    fn made(&self, arguments: &[&str]) -> String {
        self.json(arguments)["id"].as_str().unwrap().to_owned()
    }

    async fn store(&self) -> std::sync::Arc<Store> {
        let timeout = std::time::Duration::from_secs(5);
        let url = format!("sqlite://{}", self.path("tollgate.db"));
        let options =
            StoreOptions { url, pool_size: 1, connect_timeout: timeout, statement_timeout: timeout };
        let store = Store::open(&options).unwrap();
        store.health().await.unwrap();
        store
    }
}

const ALICE: [&str; 4] = ["--issuer", "keycloak", "--subject", "alice"];
const BOB: [&str; 4] = ["--issuer", "keycloak", "--subject", "bob"];

fn with<'a>(first: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [first, rest].concat()
}

#[test]
fn a_deployment_begins_without_a_server() {
    let desk = Desk::new();
    let organization = desk.made(&with(&["admin", "create-organization", "acme"], &ALICE));
    let project =
        desk.made(&with(&["admin", "create-project", "research", "--organization", &organization], &ALICE));
    let member = with(&["admin", "add-member", "--project", &project, "--role", "developer"], &BOB);
    assert_eq!(desk.json(&member)["role"], "developer");
    let account = desk.made(&["admin", "create-service-account", "ci", "--project", &project]);
    let create = |name, project| {
        vec!["admin", "create-key", name, "--project", project, "--service-account", account.as_str()]
    };
    let key = desk.json(&create("first", &project));
    let secret = key["secret"].as_str().unwrap();
    assert!(secret.starts_with("tgk_") && key["expires_at"].is_string(), "{key}");
    let id = key["id"].as_str().unwrap();
    assert!(secret.contains(id));
    let text = desk.good(&["admin", "revoke-key", id]);
    assert!(text.contains("is revoked"), "{text}");
    assert!(desk.good(&["admin", "revoke-key", id]).contains("was revoked before"));
    assert!(desk.good(&with(&["admin", "suspend", "person"], &BOB)).contains("'bob' is suspended"));
    assert!(desk.good(&with(&["admin", "resume", "person"], &BOB)).contains("is active"));
    assert!(desk.good(&["admin", "suspend", "project", &project]).contains("is suspended"));
    let refused = desk.bad(&create("second", &project));
    assert!(refused.contains("the project is suspended"), "{refused}");
    assert!(desk.good(&["admin", "resume", "project", &project]).contains("is active"));
    assert!(desk.good(&["admin", "suspend", "organization", &organization]).contains("is suspended"));
    let refused = desk.bad(&create("third", &project));
    assert!(refused.contains("the organization is suspended"), "{refused}");
    assert!(desk.good(&["admin", "resume", "organization", &organization]).contains("is active"));
    // V1: an operator makes no secret that acts as a person.
    let output = desk.run(&with(&["admin", "create-key", "x", "--project", &project], &BOB));
    assert_eq!(output.status.code(), Some(2));
    let mut person = create("x", &project);
    person[6] = "per_00000000000000000000000000";
    assert!(desk.bad(&person).contains("not the id of a service account"));

    // Mistakes say what would be right, and change nothing.
    for (arguments, words) in [
        (
            vec!["admin", "create-organization", "x", "--issuer", "other", "--subject", "a"],
            "there are: keycloak",
        ),
        (vec!["admin", "create-organization", "x", "--person", "per_1"], "no person"),
        (with(&["admin", "create-organization", " "], &ALICE), "characters"),
        (
            with(&["admin", "add-member", "--project", &project, "--role", "boss"], &ALICE),
            "viewer, developer",
        ),
        (with(&["admin", "add-member", "--project", "prj_1", "--role", "owner"], &ALICE), "no such project"),
        ([create("x", &project), vec!["--expires-in-days", "91"]].concat(), "at most 90"),
        (create("x", "prj_1"), "no such project"),
        (vec!["admin", "revoke-key", "nonsense"], "not the id of a key"),
        (vec!["admin", "suspend", "project", "prj_1"], "no such project"),
    ] {
        let error = desk.bad(&arguments);
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    let whole = desk.good(&["audit", "verify"]);
    assert!(whole.contains("is whole"), "{whole}");
    let lines = desk.good(&["audit", "export"]);
    assert!(!lines.contains(secret.rsplit('_').next().unwrap()), "no secret in the log");
    let actors: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let made = actors
        .iter()
        .find(|entry| entry["action"] == "organization.create" && entry["target_id"] == organization[..]);
    assert_eq!(
        made.unwrap()["actor"],
        serde_json::json!({"kind": "operator", "id": "operator", "name": "root"})
    );
    let of_project = desk.good(&["audit", "export", "--project", &project]);
    assert!(of_project.lines().count() < lines.lines().count() && of_project.contains("key.revoke"));
}

#[tokio::test]
async fn a_log_that_was_touched_is_shown() {
    let desk = Desk::new();
    desk.made(&with(&["admin", "create-organization", "acme"], &ALICE));
    let head = desk.good(&["audit", "verify"]);
    let head = head.lines().find_map(|line| line.strip_prefix("head ")).unwrap().to_owned();
    desk.made(&with(&["admin", "create-organization", "beta"], &BOB));
    desk.good(&["audit", "verify", "--head", &head]);
    let other = format!("{}:{}", head.split(':').next().unwrap(), "0".repeat(64));
    let output = desk.run(&["audit", "verify", "--head", &other]);
    assert_eq!(output.status.code(), Some(1));
    assert!(desk.bad(&["audit", "verify", "--head", "7"]).contains("SEQ:HASH"));
    // A name behind the log's back: the file has it as plain text of the same length.
    let file = desk.path("tollgate.db");
    let store = desk.store().await;
    store.close().await;
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(19).rposition(|window| window == b"organization.create").unwrap();
    bytes[at..at + 19].copy_from_slice(b"organization.suspen");
    std::fs::write(&file, bytes).unwrap();
    let output = desk.run(&["audit", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("not as it was written"), "{text}");
}

#[tokio::test]
async fn what_was_ended_after_a_backup_is_ended_again() {
    let desk = Desk::new();
    let organization = desk.made(&with(&["admin", "create-organization", "acme"], &ALICE));
    let project =
        desk.made(&with(&["admin", "create-project", "research", "--organization", &organization], &ALICE));
    let account = desk.made(&["admin", "create-service-account", "ci", "--project", &project]);
    let create = ["admin", "create-key", "first", "--project", &project, "--service-account", &account];
    let key = desk.made(&create);
    let store = desk.store().await;
    let before = store.change_position().await.unwrap();
    store.close().await;
    let copy = |from: &str, to: &str| {
        for end in ["", "-wal", "-shm"] {
            let (from, to) = (desk.path(&format!("{from}{end}")), desk.path(&format!("{to}{end}")));
            let _ = std::fs::remove_file(&to);
            if Path::new(&from).exists() {
                std::fs::copy(from, to).unwrap();
            }
        }
    };
    copy("tollgate.db", "backup.db");
    desk.good(&["admin", "revoke-key", &key]);
    desk.good(&with(&["admin", "suspend", "person"], &BOB));
    desk.good(&["admin", "suspend", "person", "--issuer", "keycloak", "--subject", "alice"]);
    std::fs::write(desk.path("log.ndjson"), desk.good(&["audit", "export"])).unwrap();

    copy("backup.db", "tollgate.db");
    let text = desk.good(&["admin", "bump-epoch", "--exported", &desk.path("log.ndjson")]);
    assert!(text.contains("every replica reads everything anew"), "{text}");
    assert!(text.contains(&format!("{key}: key 'first' of ci is revoked")), "{text}");
    assert!(text.contains("'alice' is suspended"), "{text}");
    assert!(text.contains("skipped: there is no person"), "bob came after the backup: {text}");
    let store = desk.store().await;
    let after = store.change_position().await.unwrap();
    assert!(after.epoch > before.epoch);
    store.close().await;
    assert!(desk.good(&["audit", "verify"]).contains("is whole"));
    assert!(desk.good(&["audit", "export"]).contains("store.restore"));
    // The same backup once more: the epoch is another one.
    copy("backup.db", "tollgate.db");
    desk.good(&["admin", "bump-epoch"]);
    let store = desk.store().await;
    assert_ne!(store.change_position().await.unwrap().epoch, after.epoch);
    store.close().await;
    assert!(desk.bad(&["admin", "bump-epoch", "--exported", &desk.path("tollgate.yaml")]).contains("line 1"));
}
