//! `tollgate invitations …`: those that wait for you.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::table::{Column, minute, text};
use super::{ApiArgs, run, secret_from_stdin};
use crate::client::Call;

/// `tollgate invitations`
#[derive(Debug, Args)]
pub struct InvitationArgs {
    #[command(subcommand)]
    command: InvitationCommand,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum InvitationCommand {
    /// Those that name you, by your id or your verified address.
    List,
    /// Accept one that names you; without an id, the one whose token is read from standard input.
    Accept {
        /// Its id.
        invitation: Option<String>,
    },
    /// Decline one that names you.
    Decline {
        /// Its id.
        invitation: String,
    },
}

const COLUMNS: &[Column] = &[
    ("ID", |invitation| text(&invitation["id"])),
    ("TO", |invitation| match &invitation["project_name"] {
        Value::Null => text(&invitation["organization_name"]),
        project => text(project),
    }),
    ("ORGANIZATION", |invitation| text(&invitation["organization_name"])),
    ("ROLE", |invitation| text(&invitation["role"])),
    ("FROM", |invitation| text(&invitation["invited_by"])),
    ("ENDS", |invitation| minute(&invitation["expires_at"])),
];

/// Runs it.
///
/// # Errors
/// In words for the person at the terminal.
pub fn main(args: InvitationArgs) -> anyhow::Result<ExitCode> {
    run(args.api, async |session| match args.command {
        InvitationCommand::List => {
            session.list(session.items(&Call::get(&["me", "invitations"]), None).await?, COLUMNS)
        }
        InvitationCommand::Accept { invitation } => {
            let call = match invitation {
                Some(id) => Call::new(Method::POST, &["me", "invitations", &id, "accept"]),
                None => {
                    let token = secret_from_stdin("the invitation's token")?;
                    Call::post(&["invitations", "accept"], json!({"token": token}))
                }
            };
            let answer = session.call(&call).await?.body;
            session.done("You are a member now.", &answer)
        }
        InvitationCommand::Decline { invitation } => {
            let call = Call::new(Method::POST, &["me", "invitations", &invitation, "decline"]);
            let answer = session.call(&call).await?.body;
            session.done(&format!("Invitation {invitation} is declined."), &answer)
        }
    })
}
