//! The audit log from the database itself: whether its chain is whole, and all of it as lines of JSON.

use std::io::Write;

use crate::config::Settings;
use crate::ops::admin::open_store;
use crate::store::{AuditScope, ChainReport};

/// Entries that are read at once for an export.
const STRIDE: i64 = 500;

/// Which part of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    #[default]
    All,
    /// What was done in one project.
    Project(String),
    /// What was done in one organization.
    Organization(String),
}

/// Walks the chain from its first entry to its last. `known` is a number and hash that were noted earlier: whoever
/// rewrites the whole chain cannot rewrite that note.
///
/// # Errors
/// No database is configured, or it gave no answer.
pub async fn verify(settings: &Settings, known: Option<(i64, &str)>) -> anyhow::Result<ChainReport> {
    let store = open_store(settings)?;
    let mut report = store.verify_audit_chain().await?;
    if let (ChainReport::Whole { .. }, Some((seq, hash))) = (&report, known) {
        let entry = store.audit_after(AuditScope::All, seq - 1, 1).await?.into_iter().next();
        if entry.is_none_or(|entry| entry.seq != seq || entry.hash != hash) {
            report = ChainReport::Broken { seq, what: "not the entry that was noted" };
        }
    }
    store.close().await;
    Ok(report)
}

/// Writes entries after the number `after`, oldest first, one a line.
///
/// # Errors
/// No database is configured, it gave no answer, or nobody reads what is written.
pub async fn export(
    settings: &Settings,
    part: &Part,
    after: i64,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<i64> {
    let store = open_store(settings)?;
    let scope = match part {
        Part::All => AuditScope::All,
        Part::Project(id) => AuditScope::Project(id),
        Part::Organization(id) => AuditScope::Organization(id),
    };
    let (mut last, mut count) = (after, 0);
    loop {
        let entries = store.audit_after(scope, last, STRIDE).await?;
        let Some(end) = entries.last() else { break };
        last = end.seq;
        for entry in &entries {
            serde_json::to_writer(&mut *out, entry)?;
            out.write_all(b"\n")?;
            count += 1;
        }
    }
    out.flush()?;
    store.close().await;
    Ok(count)
}
