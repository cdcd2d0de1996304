//! A whole snapshot, read page by page beside whatever is in use.
//!
//! The position is read first. All that was committed up to it is in every page that is read later; what is committed
//! meanwhile has a higher number, and is read again by [`super::refresh`] before the snapshot is used. So a page that was
//! read before a key was revoked never has the last word.

use std::time::Duration;

use tollgate_core::time::Timestamp;

use super::source::Source;
use super::table::TableBuilder;
use super::within;
use super::writer::{Missing, Writer};
use crate::store::{BATCH, KeyRow, Rows, StoreError};

/// For the position: a database that is away is noticed soon.
const SHORT: Duration = Duration::from_secs(5);
/// For one page.
const PATIENCE: Duration = Duration::from_secs(60);
/// Keys that ended longer ago are left out.
const REMEMBER_ENDED_SECS: i64 = 30 * 86_400;

/// Reads everything.
pub(super) async fn fill<S: Source>(source: &S, now: Timestamp, page: i64) -> Result<Writer, StoreError> {
    let mut writer = Writer::new(within(SHORT, source.position()).await?);
    let mut builder = TableBuilder::new();
    let ended_since = now.plus_secs(-REMEMBER_ENDED_SECS);
    let mut last = String::new();
    loop {
        let after = last.clone();
        let mut rows = 0;
        let mut sink = |row: KeyRow<'_>| {
            rows += 1;
            last.clear();
            last.push_str(row.id);
            if let Some(entry) = writer.entry(&row, now) {
                builder.push(entry);
            }
        };
        within(PATIENCE, source.keys(Rows::After(&after, page), ended_since, &mut sink)).await?;
        if rows < page {
            break;
        }
    }
    // After the keys, so that whatever they name is there to be read.
    let missing = writer.take_missing();
    let few = missing.owners.len().max(missing.projects.len()) < usize::try_from(page / 100).unwrap_or(0);
    if few {
        resolve(source, &writer, missing).await?;
    } else {
        all_owners(source, &writer, page).await?;
        all_projects(source, &writer, page).await?;
    }
    against_tokens(source, &mut writer, now, page).await?;
    writer.fill(builder);
    Ok(writer)
}

/// Reads owners and projects by id.
pub(super) async fn resolve<S: Source>(
    source: &S,
    writer: &Writer,
    missing: Missing,
) -> Result<(), StoreError> {
    let (people, services): (Vec<String>, Vec<String>) =
        missing.owners.into_iter().partition(|id| id.starts_with("per_"));
    for ids in people.chunks(BATCH) {
        within(PATIENCE, source.people(Rows::Ids(ids)))
            .await?
            .into_iter()
            .for_each(|row| writer.put_owner(row));
    }
    for ids in services.chunks(BATCH) {
        let rows = within(PATIENCE, source.service_accounts(Rows::Ids(ids))).await?;
        rows.into_iter().for_each(|row| writer.put_owner(row));
    }
    for ids in missing.projects.chunks(BATCH) {
        let rows = within(PATIENCE, source.projects(Rows::Ids(ids))).await?;
        rows.into_iter().for_each(|row| writer.put_project(row));
    }
    Ok(())
}

/// Reads all pages of one kind: `$read` gives the page after an id, `$row` takes each row.
macro_rules! pages {
    ($page:expr, |$after:ident| $read:expr, |$row:ident| $take:expr) => {{
        let mut last = String::new();
        loop {
            let $after = Rows::After(&last, $page);
            let rows = within(PATIENCE, $read).await?;
            let full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= $page);
            let next = rows.last().map(|row| row.id.clone());
            for $row in rows {
                $take;
            }
            match next {
                Some(next) if full => last = next,
                _ => break,
            }
        }
    }};
}

async fn all_owners<S: Source>(source: &S, writer: &Writer, page: i64) -> Result<(), StoreError> {
    pages!(page, |after| source.people(after), |row| writer.put_owner(row));
    pages!(page, |after| source.service_accounts(after), |row| writer.put_owner(row));
    Ok(())
}

async fn all_projects<S: Source>(source: &S, writer: &Writer, page: i64) -> Result<(), StoreError> {
    pages!(page, |after| source.projects(after), |row| writer.put_project(row));
    Ok(())
}

async fn against_tokens<S: Source>(
    source: &S,
    writer: &mut Writer,
    now: Timestamp,
    page: i64,
) -> Result<(), StoreError> {
    pages!(page, |after| source.token_rules(after, now), |row| writer.put_rule(row));
    pages!(page, |after| source.standing(after), |row| {
        writer.put_standing((row.id, row.issuer, row.subject), row.active);
    });
    Ok(())
}
