//! `tollgate audit verify` and `tollgate audit export`, at the database itself. Exit codes of `verify`: 0 the chain is
//! whole, 1 it is broken or could not be read.

use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::admin::settings;
use super::gateway::Output;
use crate::ops::audit::{Part, export, verify};
use crate::store::ChainReport;

/// Which note to compare the chain with.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The number and hash that an earlier run printed, kept elsewhere: 'SEQ:HASH'. It shows a log that was rewritten as
    /// a whole.
    #[arg(long, value_name = "SEQ:HASH")]
    head: Option<String>,
    /// The form of the answer.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Which entries.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Those of one project (prj_…).
    #[arg(long, value_name = "PRJ")]
    project: Option<String>,
    /// Those of one organization (org_…).
    #[arg(long, value_name = "ORG", conflicts_with = "project")]
    organization: Option<String>,
    /// Those after this number, to go on where an earlier export ended.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: i64,
}

/// Checks the chain.
///
/// # Errors
/// In words for the person at the terminal.
pub fn run_verify(path: Option<&Path>, args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let settings = match settings(path)? {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let known = args.head.as_deref().map(|text| {
        let parts = text.split_once(':').and_then(|(seq, hash)| Some((seq.parse().ok()?, hash)));
        parts.context("--head takes 'SEQ:HASH', as 'tollgate audit verify' printed it")
    });
    let report = super::runtime()?.block_on(verify(&settings, known.transpose()?))?;
    let text = match (&report, args.output) {
        (report, Output::Json) => serde_json::to_string_pretty(report)?,
        (ChainReport::Whole { head }, Output::Table) => {
            format!("the audit log is whole: {} entries\nhead {}:{}", head.seq, head.seq, head.hash)
        }
        (ChainReport::Broken { seq, what }, Output::Table) => {
            format!(
                "the audit log is broken: entry {seq} is {what}. Entries before it are as they were written."
            )
        }
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(if matches!(report, ChainReport::Whole { .. }) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes entries to standard output, one a line, oldest first.
///
/// # Errors
/// In words for the person at the terminal.
pub fn run_export(path: Option<&Path>, args: ExportArgs) -> anyhow::Result<ExitCode> {
    let settings = match settings(path)? {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let part = match (args.project, args.organization) {
        (Some(project), _) => Part::Project(project),
        (None, Some(organization)) => Part::Organization(organization),
        (None, None) => Part::All,
    };
    let mut out = BufWriter::new(std::io::stdout());
    let count = super::runtime()?.block_on(export(&settings, &part, args.after, &mut out))?;
    writeln!(std::io::stderr(), "{count} entries")?;
    Ok(ExitCode::SUCCESS)
}
