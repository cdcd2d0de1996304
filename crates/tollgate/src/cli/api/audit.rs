//! `tollgate audit list`: who did what, as the API tells it.

use std::process::ExitCode;

use clap::Args;

use super::table::{Column, minute, text};
use super::{ApiArgs, run};
use crate::client::Call;

/// `tollgate audit list`
#[derive(Debug, Args)]
pub struct AuditListArgs {
    /// The project, by id or name; without it your only one.
    #[arg(long, env = "TOLLGATE_PROJECT", value_name = "PROJECT")]
    project: Option<String>,
    /// The organization instead of a project, by id or name.
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<String>,
    /// The whole deployment; for its administrators.
    #[arg(long, conflicts_with_all = ["project", "organization"])]
    everything: bool,
    /// Entries at most.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    api: ApiArgs,
}

const COLUMNS: &[Column] = &[
    ("AT", |entry| minute(&entry["at"])),
    ("WHO", |entry| {
        let who = &entry["actor"];
        if who.is_object() { text(&who["name"]) } else { text(&entry["actor_name"]) }
    }),
    ("DID", |entry| text(&entry["action"])),
    ("TO", |entry| {
        let target = &entry["target"];
        if target.is_object() { text(&target["id"]) } else { text(&entry["target_id"]) }
    }),
    ("FROM", |entry| text(&entry["address"])),
];

/// Runs it.
///
/// # Errors
/// In words for the person at the terminal.
pub fn list(args: AuditListArgs) -> anyhow::Result<ExitCode> {
    run(args.api, async |session| {
        let call = match (args.everything, &args.organization) {
            (true, _) => Call::get(&["audit"]),
            (false, Some(organization)) => {
                Call::get(&["organizations", &session.organization(Some(organization)).await?, "audit"])
            }
            (false, None) => {
                Call::get(&["projects", &session.project(args.project.as_deref()).await?, "audit"])
            }
        };
        session.list(session.items(&call, Some(args.limit)).await?, COLUMNS)
    })
}
