//! The one who changes a snapshot: turns rows into entries, gives shared things their numbers, and remembers what readers
//! do not need.

use std::collections::HashMap;
use std::sync::Arc;

use tollgate_core::apikey::{KeyDigest, KeyId};
use tollgate_core::caller::{KeyLimits, KeyState, OwnerRecord, ProjectRecord, Standing};
use tollgate_core::time::Timestamp;

use super::entry::{Entry, Parts};
use super::rules::{Kind, Name, Rule};
use super::snapshot::{Previous, Snapshot};
use super::table::{TableBuilder, Update};
use crate::store::{KeyRow, OwnerRow, Position, ProjectRow, TokenRuleRow};

/// Limits that no key has any more are swept when there are this many more of them than keys.
const SPARE_LIMITS: usize = 65_536;

/// A snapshot's writer.
#[derive(Debug)]
pub(super) struct Writer {
    pub snapshot: Arc<Snapshot>,
    /// The last change that the snapshot is known to contain.
    pub position: Position,
    owners: HashMap<Box<str>, u32>,
    projects: HashMap<Box<str>, u32>,
    /// The text of limits that were met; `None` for one that cannot be read.
    limits: HashMap<Box<str>, Option<u32>>,
    unlimited: u32,
    /// What the rule of an id is about, and when it is over.
    rules: HashMap<String, (Name, Option<Timestamp>)>,
    /// Owners and projects that keys name and that have not been read yet.
    missing: Missing,
    /// Overlaps that wait to be published.
    previous: Vec<(u128, Option<Previous>)>,
    text: String,
}

/// Ids to be read.
#[derive(Debug, Default)]
pub(super) struct Missing {
    pub owners: Vec<String>,
    pub projects: Vec<String>,
}

impl Writer {
    /// A writer of an empty snapshot that will contain all changes up to `position`.
    pub fn new(position: Position) -> Self {
        let snapshot = Snapshot::new();
        let unlimited = snapshot.limits.add();
        snapshot.limits.set(unlimited, Some(Arc::new(KeyLimits::NONE)));
        Self {
            snapshot: Arc::new(snapshot),
            position,
            owners: HashMap::new(),
            projects: HashMap::new(),
            limits: HashMap::new(),
            unlimited,
            rules: HashMap::new(),
            missing: Missing::default(),
            previous: Vec::new(),
            text: String::new(),
        }
    }

    /// The entry of a row. `None` for an id that is no key's: nobody can present it.
    ///
    /// A row that cannot be read in another part becomes an entry that is answered with "cannot be decided": a key is
    /// never wider than somebody meant it to be.
    pub fn entry(&mut self, row: &KeyRow<'_>, now: Timestamp) -> Option<Entry> {
        let Some(id) = KeyId::parse(row.id).and_then(KeyId::to_bits) else {
            tracing::error!(key = row.id, "a row of api_keys has an id that no key can have");
            return None;
        };
        let digest = KeyDigest::from_hex(row.digest);
        let state = match row.state {
            "live" => Some(KeyState::Live),
            "disabled" => Some(KeyState::Disabled),
            "revoked" => Some(KeyState::Revoked),
            _ => None,
        };
        let mut limits = self.limits_of(row);
        if digest.is_none() || state.is_none() {
            tracing::error!(key = row.id, "a row of api_keys has an impossible digest or state");
            limits = None;
        }
        let previous = row.previous.and_then(|(digest, until)| {
            let until = Timestamp::from_millis(until);
            KeyDigest::from_hex(digest).filter(|_| now < until).map(|digest| Previous { digest, until })
        });
        if previous.is_some() || self.snapshot.previous.load().contains_key(&id) {
            self.previous.push((id, previous));
        }
        Some(Entry::new(Parts {
            id,
            // Nothing has the digest that is all zero.
            digest: digest.unwrap_or(KeyDigest::from_bytes([0; 32])),
            expires_at: row.expires_at.map(Timestamp::from_millis),
            owner: number(&mut self.owners, &mut self.missing.owners, row.owner, || {
                self.snapshot.owners.add()
            }),
            project: number(&mut self.projects, &mut self.missing.projects, row.project, || {
                self.snapshot.projects.add()
            }),
            limits,
            state: state.unwrap_or(KeyState::Revoked),
            overlaps: previous.is_some(),
        }))
    }

    fn limits_of(&mut self, row: &KeyRow<'_>) -> Option<u32> {
        let (models, routes, addresses) = (row.models, row.routes, row.addresses);
        if models.is_none() && routes.is_none() && addresses.is_none() {
            return Some(self.unlimited);
        }
        let [models, routes, addresses] =
            [models.unwrap_or("\"all\""), routes.unwrap_or("\"all\""), addresses.unwrap_or("\"any\"")];
        self.text.clear();
        for part in [models, "\0", routes, "\0", addresses] {
            self.text.push_str(part);
        }
        if let Some(known) = self.limits.get(self.text.as_str()) {
            return *known;
        }
        let read = || -> Result<KeyLimits, serde_json::Error> {
            Ok(KeyLimits {
                models: serde_json::from_str(models)?,
                routes: serde_json::from_str(routes)?,
                addresses: serde_json::from_str(addresses)?,
            })
        };
        let slot = match read() {
            Ok(limits) => {
                let slot = self.snapshot.limits.add();
                self.snapshot.limits.set(slot, Some(Arc::new(limits)));
                Some(slot)
            }
            Err(error) => {
                tracing::error!(key = row.id, %error, "the limits of a key cannot be read; its checks are answered with 503");
                None
            }
        };
        self.limits.insert(self.text.as_str().into(), slot);
        slot
    }

    /// What has to be read before the entries made so far may be published.
    pub fn take_missing(&mut self) -> Missing {
        std::mem::take(&mut self.missing)
    }

    /// Takes a person or service account, if a key is theirs.
    pub fn put_owner(&self, row: OwnerRow) {
        let Some(slot) = self.owners.get(row.id.as_str()) else { return };
        let record = OwnerRecord {
            subject: row.subject,
            issuer: row.issuer,
            name: row.name,
            email: row.email,
            standing: standing(row.active),
        };
        self.snapshot.owners.set(*slot, Some(Arc::new(record)));
    }

    /// Takes a project, if a key is in it.
    pub fn put_project(&self, row: ProjectRow) {
        let Some(slot) = self.projects.get(row.id.as_str()) else { return };
        let record = match serde_json::from_str(&row.models) {
            Ok(models) => Some(Arc::new(ProjectRecord {
                id: row.id,
                organization: row.organization,
                standing: standing(row.active),
                organization_standing: standing(row.organization_active),
                models,
            })),
            Err(error) => {
                tracing::error!(project = row.id, %error, "the models of a project cannot be read; checks of its keys are answered with 503");
                None
            }
        };
        self.snapshot.projects.set(*slot, record);
    }

    /// Takes a token rule. One of an unknown kind is refused loudly: it cannot be obeyed.
    pub fn put_rule(&mut self, row: TokenRuleRow) {
        let Some(kind) = Kind::parse(&row.kind) else {
            tracing::error!(rule = row.id, kind = row.kind, "a token rule of an unknown kind is not obeyed");
            return;
        };
        let value = if kind == Kind::Issuer { String::new() } else { row.value };
        let name = Name { kind, issuer: row.issuer, value };
        self.remove_rule(&row.id);
        let rule = Rule { id: row.id, issued_before: row.issued_before, expires_at: row.expires_at };
        self.name_rule(name, rule);
    }

    /// Takes how a person stands, for their tokens.
    pub fn put_standing(&mut self, (id, issuer, subject): (String, String, String), active: bool) {
        self.remove_rule(&id);
        if !active {
            let name = Name { kind: Kind::Suspended, issuer, value: subject };
            self.name_rule(name, Rule { id, issued_before: None, expires_at: None });
        }
    }

    fn name_rule(&mut self, name: Name, rule: Rule) {
        let (id, expires_at) = (rule.id.clone(), rule.expires_at);
        self.snapshot.rules.put(&name, rule);
        self.rules.insert(id, (name, expires_at));
    }

    /// Takes out the rule of this id, if there is one.
    pub fn remove_rule(&mut self, id: &str) {
        if let Some((name, _)) = self.rules.remove(id) {
            self.snapshot.rules.remove(&name, id);
        }
    }

    /// Publishes the first keys of the snapshot.
    pub fn fill(&mut self, builder: TableBuilder) {
        self.publish_previous();
        self.snapshot.keys.fill(builder);
    }

    /// Publishes changed keys.
    pub fn update(&mut self, updates: &mut [Update]) {
        // First the secrets before: an entry that says it has one must find it.
        self.publish_previous();
        self.snapshot.keys.update(updates);
    }

    fn publish_previous(&mut self) {
        if self.previous.is_empty() {
            return;
        }
        let mut all = HashMap::clone(&self.snapshot.previous.load());
        for (id, previous) in self.previous.drain(..) {
            match previous {
                Some(previous) => all.insert(id, previous),
                None => all.remove(&id),
            };
        }
        self.snapshot.previous.store(Arc::new(all));
    }

    /// Forgets overlaps and token rules that are over.
    pub fn sweep(&mut self, now: Timestamp) {
        let previous = self.snapshot.previous.load_full();
        let ended = previous.iter().filter(|(_, previous)| previous.until <= now).map(|(id, _)| (*id, None));
        self.previous.extend(ended);
        self.publish_previous();
        let over = |expires_at: &Option<Timestamp>| expires_at.is_some_and(|at| at <= now);
        let ended = self.rules.iter().filter(|(_, (_, at))| over(at)).map(|(id, _)| id.clone());
        let ended: Vec<String> = ended.collect();
        for id in ended {
            self.remove_rule(&id);
        }
    }

    /// Whether so many limits have gone out of use that a new snapshot is worth its while.
    pub fn is_cluttered(&self) -> bool {
        self.snapshot.limits.len() > self.snapshot.keys.len() + SPARE_LIMITS
    }
}

/// The number of a shared thing; a new one is put on the list of what is missing.
fn number(
    numbers: &mut HashMap<Box<str>, u32>,
    missing: &mut Vec<String>,
    id: &str,
    add: impl FnOnce() -> u32,
) -> u32 {
    if let Some(known) = numbers.get(id) {
        return *known;
    }
    let slot = add();
    numbers.insert(id.into(), slot);
    missing.push(id.to_owned());
    slot
}

const fn standing(active: bool) -> Standing {
    if active { Standing::Active } else { Standing::Suspended }
}
