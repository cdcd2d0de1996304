//! `tollgate service-accounts …`: owners of keys that are no person.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::table::{Column, minute, text};
use super::{ApiArgs, act, run};
use crate::client::Call;

/// `tollgate service-accounts`
#[derive(Debug, Args)]
pub struct ServiceAccountArgs {
    #[command(subcommand)]
    command: ServiceAccountCommand,
    /// The project, by id or name; without it your only one.
    #[arg(long, global = true, env = "TOLLGATE_PROJECT", value_name = "PROJECT")]
    project: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum ServiceAccountCommand {
    /// Those of the project.
    List,
    /// Make one.
    Create {
        /// What people call it.
        name: String,
    },
    /// Refuse its keys until it is resumed.
    Suspend {
        /// Its id.
        id: String,
    },
    /// Let its keys work again.
    Resume {
        /// Its id.
        id: String,
    },
    /// End it for good, and its keys.
    Delete {
        /// Its id.
        id: String,
    },
}

const COLUMNS: &[Column] = &[
    ("ID", |account| text(&account["id"])),
    ("NAME", |account| text(&account["name"])),
    ("STATE", |account| text(&account["state"])),
    ("MADE", |account| minute(&account["created_at"])),
];

/// Runs it.
///
/// # Errors
/// In words for the person at the terminal.
pub fn main(args: ServiceAccountArgs) -> anyhow::Result<ExitCode> {
    let project = args.project;
    run(args.api, async |session| {
        let project = session.project(project.as_deref()).await?;
        let below = ["projects", project.as_str(), "service-accounts"];
        match args.command {
            ServiceAccountCommand::List => {
                session.list(session.items(&Call::get(&below), None).await?, COLUMNS)
            }
            ServiceAccountCommand::Create { name } => {
                let made = session.call(&Call::post(&below, json!({"name": name}))).await?.body;
                session.show(&made, COLUMNS)
            }
            ServiceAccountCommand::Suspend { id } => {
                let call = act(&[below[0], below[1], below[2], &id, "suspend"]);
                session.done(&format!("{id} is suspended."), &session.call(&call).await?.body)
            }
            ServiceAccountCommand::Resume { id } => {
                let call = act(&[below[0], below[1], below[2], &id, "resume"]);
                session.done(&format!("{id} works again."), &session.call(&call).await?.body)
            }
            ServiceAccountCommand::Delete { id } => {
                let call = Call::new(Method::DELETE, &[below[0], below[1], below[2], &id]);
                session.done(&format!("{id} is deleted."), &session.call(&call).await?.body)
            }
        }
    })
}
