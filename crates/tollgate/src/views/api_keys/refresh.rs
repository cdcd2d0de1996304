//! Keeping a snapshot true: what the change sequence names is read again, a batch at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use tollgate_core::apikey::KeyId;
use tollgate_core::time::Timestamp;

use super::fill::resolve;
use super::source::Source;
use super::table::Update;
use super::within;
use super::writer::Writer;
use crate::store::{BATCH, Change, Followed, KeyRow, Rows, StoreError};

/// Changes that are read at once.
const CHANGES: i64 = 1000;
/// Changes behind which reading everything anew is less work.
const FAR_BEHIND: i64 = 100_000;
/// For one batch of changes, with all that they name.
const PATIENCE: Duration = Duration::from_secs(10);
/// For the position.
const SHORT: Duration = Duration::from_secs(5);

/// Where a snapshot stands after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It contains everything that was committed before the round began.
    Present,
    /// As [`Reach::Present`], but for a kind of change that only a later version knows: read everything.
    Unknown,
    /// The sequence does not continue where the snapshot stands: read everything.
    Broken(&'static str),
}

/// Brings a snapshot to the present. `applied` is told when each change that is now in force had been committed.
pub(super) async fn refresh<S: Source>(
    source: &S,
    writer: &mut Writer,
    now: impl Fn() -> Timestamp,
    mut applied: impl FnMut(&[Followed]),
) -> Result<Reach, StoreError> {
    let goal = within(SHORT, source.position()).await?;
    if goal.epoch != writer.position.epoch {
        return Ok(Reach::Broken("the store was restored from a backup"));
    }
    if goal.seq < writer.position.seq {
        return Ok(Reach::Broken("the change sequence went backwards"));
    }
    if goal.seq - writer.position.seq > FAR_BEHIND {
        return Ok(Reach::Broken("the view was far behind"));
    }
    let mut reach = Reach::Present;
    while writer.position.seq < goal.seq {
        let step = async {
            let changes = source.changes(writer.position.seq, CHANGES).await?;
            let whole = changes.first().is_some_and(|first| first.seq == writer.position.seq + 1);
            if whole {
                apply(source, writer, &changes, now()).await?;
            }
            Ok((changes, whole))
        };
        let (changes, whole) = within(PATIENCE, step).await?;
        let Some(last) = changes.last().filter(|_| whole) else {
            return Ok(Reach::Broken("changes that the view had not seen were forgotten"));
        };
        if changes.iter().any(|followed| followed.change.is_none()) {
            reach = Reach::Unknown;
        }
        writer.position.seq = last.seq;
        applied(&changes);
    }
    Ok(reach)
}

/// What has to be read again, each thing once.
#[derive(Debug, Default)]
struct Again {
    keys: BTreeSet<String>,
    projects: BTreeSet<String>,
    organizations: BTreeSet<String>,
    people: BTreeSet<String>,
    services: BTreeSet<String>,
    rules: BTreeSet<String>,
}

impl Again {
    fn of(changes: &[Followed]) -> Self {
        let mut again = Self::default();
        for change in changes.iter().filter_map(|followed| followed.change.as_ref()) {
            let (set, id) = match change {
                Change::Key(id) => (&mut again.keys, id),
                Change::Project(id) => (&mut again.projects, id),
                Change::Organization(id) => (&mut again.organizations, id),
                Change::Person(id) => (&mut again.people, id),
                Change::ServiceAccount(id) => (&mut again.services, id),
                Change::TokenRule(id) => (&mut again.rules, id),
            };
            set.insert(id.clone());
        }
        again
    }
}

fn batches(ids: BTreeSet<String>) -> Vec<Vec<String>> {
    let ids: Vec<String> = ids.into_iter().collect();
    ids.chunks(BATCH).map(<[String]>::to_vec).collect()
}

async fn apply<S: Source>(
    source: &S,
    writer: &mut Writer,
    changes: &[Followed],
    now: Timestamp,
) -> Result<(), StoreError> {
    let again = Again::of(changes);
    for ids in batches(again.keys) {
        apply_keys(source, writer, ids, now).await?;
    }
    for ids in batches(again.projects) {
        source.projects(Rows::Ids(&ids)).await?.into_iter().for_each(|row| writer.put_project(row));
    }
    for organization in again.organizations {
        source.projects_of(&organization).await?.into_iter().for_each(|row| writer.put_project(row));
    }
    for ids in batches(again.people) {
        for row in source.people(Rows::Ids(&ids)).await? {
            let issuer = row.issuer.clone().unwrap_or_default();
            writer.put_standing((row.id.clone(), issuer, row.subject.clone()), row.active);
            writer.put_owner(row);
        }
    }
    for ids in batches(again.services) {
        source.service_accounts(Rows::Ids(&ids)).await?.into_iter().for_each(|row| writer.put_owner(row));
    }
    for ids in batches(again.rules) {
        // A rule that is gone is in no row; one that changed is put in anew.
        ids.iter().for_each(|id| writer.remove_rule(id));
        source.token_rules(Rows::Ids(&ids), now).await?.into_iter().for_each(|row| writer.put_rule(row));
    }
    Ok(())
}

async fn apply_keys<S: Source>(
    source: &S,
    writer: &mut Writer,
    ids: Vec<String>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut gone: BTreeSet<u128> = ids.iter().filter_map(|id| KeyId::parse(id)?.to_bits()).collect();
    let mut updates = Vec::with_capacity(ids.len());
    let mut sink = |row: KeyRow<'_>| {
        if let Some(entry) = writer.entry(&row, now) {
            gone.remove(&entry.id());
            updates.push(Update::Put(entry));
        }
    };
    source.keys(Rows::Ids(&ids), Timestamp::from_millis(i64::MIN), &mut sink).await?;
    updates.extend(gone.into_iter().map(Update::Remove));
    // A key is published only when whatever it names is there.
    let missing = writer.take_missing();
    resolve(source, writer, missing).await?;
    writer.update(&mut updates);
    Ok(())
}
