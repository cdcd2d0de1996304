//! A store in memory that goes on being written to while it is read: between what a statement reads and what the reader
//! gets of it, and between any two statements.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use tollgate_core::apikey::{KeyDigest, KeyId};
use tollgate_core::time::Timestamp;

use super::super::source::{KeySink, Source};
use super::NOW;
use crate::store::{
    Change, Followed, KeyRow, OwnerRow, PersonStanding, Position, ProjectRow, Rows, StoreError, TokenRuleRow,
};

/// One write.
#[derive(Clone, Debug)]
pub enum Op {
    Create(u8),
    Rotate(u8, bool),
    SetState(u8, &'static str),
    Narrow(u8, u8),
    Spoil(u8),
    MoveOwner(u8, u8),
    Project(u8, bool),
    Organization(u8, bool),
    Person(u8, bool),
    Service(u8, bool),
    Rule(u8),
    RemoveRule(u8),
    /// A kind of change that this version does not know.
    Novelty,
    /// Old changes are forgotten.
    Trim,
    /// The store is restored from a backup.
    Restore,
}

/// A key as the store has it.
#[derive(Clone, Debug)]
pub struct KeyData {
    pub owner: String,
    pub project: String,
    /// Which of its secrets is the present one.
    pub secret: u32,
    pub previous: Option<(u32, i64)>,
    pub state: &'static str,
    pub models: Option<String>,
}

/// What is in the store.
#[derive(Debug, Default)]
pub struct Data {
    pub keys: BTreeMap<u8, KeyData>,
    /// By number, whether they may act; not named: they may.
    pub projects: BTreeMap<u8, bool>,
    pub organizations: BTreeMap<u8, bool>,
    pub people: BTreeMap<u8, bool>,
    pub services: BTreeMap<u8, bool>,
    pub rules: BTreeMap<u8, TokenRuleRow>,
    changes: Vec<Followed>,
    seq: i64,
    epoch: i64,
}

/// The store, with what is still to happen to it.
#[derive(Debug, Default)]
pub struct Fake {
    pub data: Mutex<Data>,
    script: Mutex<VecDeque<Vec<Op>>>,
    /// Whether it gives no answer.
    pub away: Mutex<bool>,
    /// Statements that were answered.
    pub asked: Mutex<usize>,
}

pub fn key_id(key: u8) -> KeyId {
    KeyId::make(NOW, [key; 10])
}

pub fn digest(key: u8, secret: u32) -> KeyDigest {
    KeyDigest::of(key_id(key), &secret.to_string())
}

pub fn owner_id(owner: u8) -> String {
    if owner.is_multiple_of(2) { format!("per_{owner}") } else { format!("sva_{owner}") }
}

impl Data {
    fn change(&mut self, change: Option<Change>) {
        self.seq += 1;
        self.changes.push(Followed { seq: self.seq, change, at: NOW });
    }

    fn key(&mut self, key: u8, edit: impl FnOnce(&mut KeyData)) {
        if let Some(data) = self.keys.get_mut(&key) {
            edit(data);
            self.change(Some(Change::Key(key_id(key).as_str().into())));
        }
    }

    pub fn write(&mut self, op: &Op) {
        match *op {
            Op::Create(key) => {
                self.keys.entry(key).or_insert_with(|| KeyData {
                    owner: owner_id(key % 4),
                    project: format!("prj_{}", key % 3),
                    secret: 0,
                    previous: None,
                    state: "live",
                    models: None,
                });
                self.key(key, |_| {});
            }
            Op::Rotate(key, overlap) => self.key(key, |data| {
                data.previous = Some((data.secret, NOW.as_millis() + if overlap { 1 } else { 0 }));
                data.secret += 1;
            }),
            // A revoked key stays revoked.
            Op::SetState(key, state) => self.key(key, |data| {
                if data.state != "revoked" {
                    data.state = state;
                }
            }),
            Op::Narrow(key, to) => self.key(key, |data| data.models = Some(format!("[\"m-{to}\"]"))),
            Op::Spoil(key) => self.key(key, |data| data.models = Some("[]".into())),
            Op::MoveOwner(key, to) => self.key(key, |data| data.owner = owner_id(to % 4)),
            Op::Project(project, active) => {
                self.projects.insert(project % 3, active);
                self.change(Some(Change::Project(format!("prj_{}", project % 3))));
            }
            Op::Organization(organization, active) => {
                self.organizations.insert(organization % 2, active);
                self.change(Some(Change::Organization(format!("org_{}", organization % 2))));
            }
            Op::Person(person, active) => {
                self.people.insert((person % 4) & !1, active);
                self.change(Some(Change::Person(owner_id((person % 4) & !1))));
            }
            Op::Service(service, active) => {
                self.services.insert((service % 4) | 1, active);
                self.change(Some(Change::ServiceAccount(owner_id((service % 4) | 1))));
            }
            Op::Rule(rule) => {
                let row = TokenRuleRow {
                    id: format!("trl_{rule}"),
                    issuer: "one".into(),
                    kind: ["jti", "sid", "subject", "issued_before"][usize::from(rule % 4)].into(),
                    value: format!("v{}", rule / 4),
                    issued_before: Some(NOW.plus_secs(-i64::from(rule))),
                    expires_at: rule.is_multiple_of(5).then_some(NOW),
                };
                self.rules.insert(rule, row);
                self.change(Some(Change::TokenRule(format!("trl_{rule}"))));
            }
            Op::RemoveRule(rule) => {
                self.rules.remove(&rule);
                self.change(Some(Change::TokenRule(format!("trl_{rule}"))));
            }
            Op::Novelty => self.change(None),
            Op::Trim => {
                let keep = self.seq;
                self.changes.retain(|followed| followed.seq >= keep);
            }
            Op::Restore => self.epoch += 1,
        }
    }
}

impl Fake {
    pub fn new(script: Vec<Vec<Op>>) -> Self {
        Self { script: Mutex::new(script.into()), ..Self::default() }
    }

    pub fn write(&self, op: &Op) {
        self.data.lock().unwrap().write(op);
    }

    pub fn is_done(&self) -> bool {
        self.script.lock().unwrap().is_empty()
    }

    /// Reads, while others write before and after.
    async fn read<T>(&self, read: impl FnOnce(&Data) -> T + Send) -> Result<T, StoreError> {
        self.go_on();
        let answer = read(&self.data.lock().unwrap());
        tokio::task::yield_now().await;
        self.go_on();
        if *self.away.lock().unwrap() {
            return Err(StoreError::Unavailable("away".into()));
        }
        *self.asked.lock().unwrap() += 1;
        Ok(answer)
    }

    fn go_on(&self) {
        let Some(ops) = self.script.lock().unwrap().pop_front() else { return };
        ops.iter().for_each(|op| self.write(op));
    }
}

/// The rows of a question, by the text of their ids.
fn chosen<T>(rows: Vec<T>, which: Rows<'_>, id: impl Fn(&T) -> String) -> Vec<T> {
    let mut rows: Vec<T> = rows
        .into_iter()
        .filter(|row| match which {
            Rows::After(after, _) => id(row).as_str() > after,
            Rows::Ids(ids) => ids.contains(&id(row)),
        })
        .collect();
    rows.sort_by_key(&id);
    if let Rows::After(_, limit) = which {
        rows.truncate(usize::try_from(limit).unwrap());
    }
    rows
}

fn project(data: &Data, project: u8) -> ProjectRow {
    let active = |map: &BTreeMap<u8, bool>, at| *map.get(&at).unwrap_or(&true);
    ProjectRow {
        id: format!("prj_{project}"),
        organization: format!("org_{}", project % 2),
        active: active(&data.projects, project),
        organization_active: active(&data.organizations, project % 2),
        models: "\"all\"".into(),
    }
}

fn owner(id: String, issuer: Option<String>, active: bool) -> OwnerRow {
    OwnerRow { subject: id.clone(), name: id.clone(), id, issuer, email: None, active }
}

impl Source for Fake {
    async fn position(&self) -> Result<Position, StoreError> {
        self.read(|data| Position { seq: data.seq, epoch: data.epoch }).await
    }

    async fn changes(&self, seq: i64, limit: i64) -> Result<Vec<Followed>, StoreError> {
        let limit = usize::try_from(limit).unwrap();
        self.read(|data| data.changes.iter().filter(|c| c.seq > seq).take(limit).cloned().collect()).await
    }

    async fn keys(&self, which: Rows<'_>, _: Timestamp, sink: KeySink<'_>) -> Result<(), StoreError> {
        let all = |data: &Data| data.keys.iter().map(|(key, data)| (*key, data.clone())).collect();
        let rows =
            self.read(|data| chosen(all(data), which, |(key, _)| key_id(*key).as_str().to_owned())).await?;
        for (key, data) in rows {
            let hex = digest(key, data.secret).to_hex();
            let before = data.previous.map(|(secret, until)| (digest(key, secret).to_hex(), until));
            sink(KeyRow {
                id: key_id(key).as_str(),
                project: &data.project,
                owner: &data.owner,
                digest: &hex,
                previous: before.as_ref().map(|(hex, until)| (hex.as_str(), *until)),
                state: data.state,
                expires_at: None,
                models: data.models.as_deref(),
                routes: None,
                addresses: None,
            });
        }
        Ok(())
    }

    async fn people(&self, which: Rows<'_>) -> Result<Vec<OwnerRow>, StoreError> {
        let person = |data: &Data, n: u8| {
            owner(owner_id(n), Some("one".into()), *data.people.get(&n).unwrap_or(&true))
        };
        let all = |data: &Data| [0, 2].map(|n| person(data, n)).to_vec();
        self.read(|data| chosen(all(data), which, |row| row.id.clone())).await
    }

    async fn service_accounts(&self, which: Rows<'_>) -> Result<Vec<OwnerRow>, StoreError> {
        let all = |data: &Data| {
            [1, 3].map(|n| owner(owner_id(n), None, *data.services.get(&n).unwrap_or(&true))).to_vec()
        };
        self.read(|data| chosen(all(data), which, |row| row.id.clone())).await
    }

    async fn projects(&self, which: Rows<'_>) -> Result<Vec<ProjectRow>, StoreError> {
        let all = |data: &Data| [0, 1, 2].map(|n| project(data, n)).to_vec();
        self.read(|data| chosen(all(data), which, |row| row.id.clone())).await
    }

    async fn projects_of(&self, organization: &str) -> Result<Vec<ProjectRow>, StoreError> {
        let all = |data: &Data| [0, 1, 2].map(|n| project(data, n)).to_vec();
        let mut rows = self.read(all).await?;
        rows.retain(|row| row.organization == organization);
        Ok(rows)
    }

    async fn token_rules(&self, which: Rows<'_>, _: Timestamp) -> Result<Vec<TokenRuleRow>, StoreError> {
        self.read(|data| chosen(data.rules.values().cloned().collect(), which, |row| row.id.clone())).await
    }

    async fn standing(&self, which: Rows<'_>) -> Result<Vec<PersonStanding>, StoreError> {
        // Those who may act are left out before a page is cut off, as the database does it.
        let people = |data: &Data| {
            let of = |n: u8| owner(owner_id(n), Some("one".into()), *data.people.get(&n).unwrap_or(&true));
            let mut all = [0, 2].map(of).to_vec();
            all.retain(|row| matches!(which, Rows::Ids(_)) || !row.active);
            chosen(all, which, |row| row.id.clone())
        };
        let people = self.read(people).await?;
        let standing = people.into_iter().map(|row| PersonStanding {
            id: row.id,
            issuer: "one".into(),
            subject: row.subject,
            active: row.active,
        });
        Ok(standing.collect())
    }
}
