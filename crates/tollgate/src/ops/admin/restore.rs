//! After a restore: the followers start anew, and what was ended after the backup is ended again, as far as an exported
//! audit log tells.

use std::collections::BTreeSet;
use std::io::BufRead;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Admin, Done, Thing, Whom};
use crate::store::{AuditScope, rfc3339};

/// What has to be ended again.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lost {
    keys: BTreeSet<String>,
    people: BTreeSet<String>,
    projects: BTreeSet<String>,
    organizations: BTreeSet<String>,
}

impl Lost {
    /// From an entry that the restored log does not have.
    fn note(&mut self, entry: &Value) {
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        let target = text("target_id").to_owned();
        match text("action") {
            "key.revoke" | "key.disable" | "key.leak" => _ = self.keys.insert(target),
            "person.suspend" => _ = self.people.insert(target),
            "person.resume" => _ = self.people.remove(&target),
            "project.suspend" | "project.delete" => _ = self.projects.insert(target),
            "project.resume" => _ = self.projects.remove(&target),
            "organization.suspend" | "organization.delete" => _ = self.organizations.insert(target),
            "organization.resume" => _ = self.organizations.remove(&target),
            _ => {}
        }
        for list in ["keys", "revoked_keys", "disabled_keys", "keys_handed_over"] {
            let ids = entry["after"][list].as_array().into_iter().flatten();
            self.keys.extend(ids.filter_map(Value::as_str).map(str::to_owned));
        }
    }
}

impl Admin {
    /// Says that this database was restored from a backup. `exported` is an export of the log that was made after the
    /// backup: keys that it ends are revoked again; people, projects and organizations that it suspends or ends are
    /// suspended. What the backup does not know yet needs no ending.
    ///
    /// # Errors
    /// A line is not an entry, or the database gave no answer. Doing it again is safe.
    pub async fn restored(&self, exported: Option<&mut dyn BufRead>) -> anyhow::Result<Done> {
        let last = self.store.audit_page(AuditScope::All, i64::MAX, 1).await?;
        let (seq, at) = last.first().map_or((0, None), |entry| (entry.seq, Some(rfc3339(entry.at))));
        let mut lost = Lost::default();
        if let Some(lines) = exported {
            for (number, line) in lines.lines().enumerate() {
                let entry: Value = serde_json::from_str(&line?)
                    .ok()
                    .filter(|entry: &Value| entry["seq"].is_i64() && entry["action"].is_string())
                    .with_context(|| format!("line {} is not an exported audit entry", number + 1))?;
                if entry["seq"].as_i64().is_some_and(|number| number > seq) {
                    lost.note(&entry);
                }
            }
        }
        let now = self.now();
        let mut tx = self.store.begin().await?;
        tx.bump_epoch(now).await?;
        tx.audit(
            self.author(now).entry("store.restore", "store", "store").after(&json!({"last_entry": seq})),
        );
        tx.commit(now).await?;
        let mut text = vec![format!(
            "every replica reads everything anew; the last entry of the restored log is {seq}{}",
            at.map(|at| format!(" of {at}")).unwrap_or_default()
        )];
        let mut done = Vec::new();
        for id in &lost.keys {
            done.push(self.revoke_key(id).await);
        }
        for id in lost.people {
            done.push(self.set_suspended(&Thing::Person(Whom::Id(id)), true).await);
        }
        for id in lost.projects {
            done.push(self.set_suspended(&Thing::Project(id), true).await);
        }
        for id in lost.organizations {
            done.push(self.set_suspended(&Thing::Organization(id), true).await);
        }
        let mut json = Vec::new();
        for done in done {
            match done {
                Ok(done) => {
                    text.push(done.text);
                    json.push(done.json);
                }
                // Made after the backup, so that it is gone with it: there is nothing to end.
                Err(error) => text.push(format!("skipped: {error:#}")),
            }
        }
        Ok(Done { text: text.join("\n"), json: json!({"last_entry": seq, "ended_again": json}) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_ended_is_found_and_what_was_resumed_is_not() {
        let mut lost = Lost::default();
        for entry in [
            json!({"action": "key.revoke", "target_id": "k1"}),
            json!({"action": "key.create", "target_id": "k2"}),
            json!({"action": "project.member.remove", "target_id": "per_1", "after": {"revoked_keys": ["k3", "k4"]}}),
            json!({"action": "project.member.remove", "target_id": "per_4", "after": {"keys_handed_over": ["k6"], "to": "per_5"}}),
            json!({"action": "key.leak", "target_id": "k5"}),
            json!({"action": "person.suspend", "target_id": "per_2"}),
            json!({"action": "person.suspend", "target_id": "per_3"}),
            json!({"action": "person.resume", "target_id": "per_2"}),
            json!({"action": "project.delete", "target_id": "prj_1"}),
            json!({"action": "organization.suspend", "target_id": "org_1"}),
        ] {
            lost.note(&entry);
        }
        let set = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(lost.keys, set(&["k1", "k3", "k4", "k5", "k6"]));
        assert_eq!(lost.people, set(&["per_3"]));
        assert_eq!((lost.projects, lost.organizations), (set(&["prj_1"]), set(&["org_1"])));
    }
}
