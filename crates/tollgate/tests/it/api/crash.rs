//! SIGKILL between the writes of people: what was acknowledged is there, nothing is half there, and the audit chain holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex;
use tollgate::store::{AuditScope, ChainReport, Store, StoreOptions};

use super::ApiStand;

/// Kills, each at another moment.
const ROUNDS: u64 = 8;
/// Writers at once: makers of projects and keys, and one who rotates and revokes.
const WRITERS: usize = 3;

/// What the API has said yes to.
#[derive(Default)]
struct Acknowledged {
    projects: Vec<String>,
    /// Project, key, and its state as last acknowledged; `None` while a change of it is not answered.
    keys: Vec<(String, String, Option<&'static str>)>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_writes_loses_and_halves_nothing() {
    let mut api = ApiStand::start().await;
    let (_, me) = api.call("GET", "/me", None).await.unwrap();
    assert!(me["id"].is_string(), "{me}");
    let (_, organizations) = api.call("GET", "/organizations", None).await.unwrap();
    let organization = organizations["items"][0]["id"].as_str().unwrap().to_owned();
    let known = Arc::new(Mutex::new(Acknowledged::default()));
    for round in 0..ROUNDS {
        let stop = Arc::new(AtomicBool::new(false));
        let base = api.url("/api/v1");
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (stop, known) = (Arc::clone(&stop), Arc::clone(&known));
                let (base, token, organization) = (base.clone(), api.stand.token(), organization.clone());
                tokio::spawn(async move { write(writer, &base, &token, &organization, &known, &stop).await })
            })
            .collect();
        // A different point in the writers' cycle each time.
        tokio::time::sleep(Duration::from_millis(150 + 83 * round)).await;
        api.stand.tollgate.kill();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        inspect(&api, &known).await;
        api.stand.tollgate.restart().await;
        answers(&api, &known).await;
    }
    let known = known.lock().await;
    assert!(known.projects.len() > 10 && known.keys.len() > 10, "too little was written to prove anything");
}

/// Makes a project, a key in it, rotates and revokes it, over and over, until told to stop or the process is gone.
async fn write(
    writer: usize,
    base: &str,
    token: &str,
    organization: &str,
    known: &Mutex<Acknowledged>,
    stop: &AtomicBool,
) {
    let client = crate::harness::client::http();
    let post = async |path: String, body: Value| -> Option<Value> {
        let answer = client.post(format!("{base}{path}")).bearer_auth(token).json(&body).send().await.ok()?;
        let status = answer.status();
        let body: Value = answer.json().await.ok()?;
        assert!(status.is_success(), "{path}: {status} {body}");
        Some(body)
    };
    for n in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("crash-{writer}-{n}");
        let Some(project) =
            post("/projects".into(), json!({"organization_id": organization, "name": name})).await
        else {
            return;
        };
        let project = project["id"].as_str().unwrap().to_owned();
        known.lock().await.projects.push(project.clone());
        let Some(key) = post(format!("/projects/{project}/keys"), json!({"name": "k"})).await else { return };
        let key = key["id"].as_str().unwrap().to_owned();
        let at = {
            let mut known = known.lock().await;
            known.keys.push((project.clone(), key.clone(), Some("live")));
            known.keys.len() - 1
        };
        for (verb, body, state) in [
            ("rotate", json!({"overlap": "15m"}), "live"),
            ("disable", json!({}), "disabled"),
            ("revoke", json!({}), "revoked"),
        ] {
            known.lock().await.keys[at].2 = None;
            if post(format!("/projects/{project}/keys/{key}/{verb}"), body).await.is_none() {
                return;
            }
            known.lock().await.keys[at].2 = Some(state);
        }
    }
}

/// Looks into the database itself while nobody serves it.
async fn inspect(api: &ApiStand, known: &Mutex<Acknowledged>) {
    let timeout = Duration::from_secs(5);
    let url = format!("sqlite://{}", api.database.display());
    let store = Store::open(&StoreOptions {
        url,
        pool_size: 1,
        connect_timeout: timeout,
        statement_timeout: timeout,
    });
    let store = store.unwrap();
    let report = store.verify_audit_chain().await.unwrap();
    assert!(matches!(report, ChainReport::Whole { .. }), "{report:?}");
    let numbers: Vec<i64> =
        store.changes_since(0, 1_000_000).await.unwrap().iter().map(|(seq, ..)| *seq).collect();
    assert!(numbers.iter().copied().eq(1..=i64::try_from(numbers.len()).unwrap()), "a gap in the changes");
    assert_eq!(store.change_position().await.unwrap().seq, *numbers.last().unwrap());
    // Each acknowledged thing has its audit entry, and each key is one that somebody made.
    let records = store.audit_after(AuditScope::All, 0, 1_000_000).await.unwrap();
    let said: std::collections::HashSet<(String, String)> =
        records.into_iter().map(|record| (record.action, record.target_id)).collect();
    let known = known.lock().await;
    for project in &known.projects {
        assert!(said.contains(&("project.create".to_owned(), project.clone())), "no entry of {project}");
    }
    for (_, key, _) in &known.keys {
        assert!(said.contains(&("key.create".to_owned(), key.clone())), "no entry of {key}");
    }
    store.close().await;
}

/// What was acknowledged is what the restarted process says.
async fn answers(api: &ApiStand, known: &Mutex<Acknowledged>) {
    let known = known.lock().await;
    for project in &known.projects {
        let (status, body) = api.call("GET", &format!("/projects/{project}"), None).await.unwrap();
        assert_eq!(status, 200, "{body}");
    }
    for (project, key, state) in &known.keys {
        let (status, body) = api.call("GET", &format!("/projects/{project}/keys/{key}"), None).await.unwrap();
        assert_eq!(status, 200, "{body}");
        if let Some(state) = state {
            assert_eq!(body["state"], *state, "{body}");
        }
    }
}
