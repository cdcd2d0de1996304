//! `tollgate orgs …`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::table::{Column, minute, text};
use super::{ApiArgs, act, confirm, run};
use crate::client::Call;

/// `tollgate orgs`
#[derive(Debug, Args)]
pub struct OrganizationArgs {
    #[command(subcommand)]
    command: OrganizationCommand,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum OrganizationCommand {
    /// Your organizations.
    List,
    /// Make an organization.
    Create {
        /// What people call it.
        name: String,
    },
    /// Show an organization.
    Show {
        /// Its id or name; without it your only one.
        organization: Option<String>,
    },
    /// Give an organization another name.
    Rename {
        /// Its id or name.
        organization: String,
        /// The other name.
        name: String,
    },
    /// Refuse everything in an organization until it is resumed.
    Suspend {
        /// Its id or name.
        organization: String,
    },
    /// Let a suspended organization work again.
    Resume {
        /// Its id or name.
        organization: String,
    },
    /// End an organization for good, and all its projects and keys.
    Delete {
        /// Its id or name.
        organization: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

const COLUMNS: &[Column] = &[
    ("ID", |organization| text(&organization["id"])),
    ("NAME", |organization| text(&organization["name"])),
    ("STATE", |organization| text(&organization["state"])),
    ("PERSONAL", |organization| text(&organization["personal"])),
    ("YOUR ROLE", |organization| text(&organization["role"])),
    ("MADE", |organization| minute(&organization["created_at"])),
];

/// Runs it.
///
/// # Errors
/// In words for the person at the terminal.
pub fn main(args: OrganizationArgs) -> anyhow::Result<ExitCode> {
    run(args.api, async |session| match args.command {
        OrganizationCommand::List => {
            session.list(session.items(&Call::get(&["organizations"]), None).await?, COLUMNS)
        }
        OrganizationCommand::Create { name } => {
            let made = session.call(&Call::post(&["organizations"], json!({"name": name}))).await?.body;
            session.show(&made, COLUMNS)
        }
        OrganizationCommand::Show { organization } => {
            let id = session.organization(organization.as_deref()).await?;
            session.show(&session.call(&Call::get(&["organizations", &id])).await?.body, COLUMNS)
        }
        OrganizationCommand::Rename { organization, name } => {
            let id = session.organization(Some(&organization)).await?;
            let call = Call::new(Method::PATCH, &["organizations", &id]).body(json!({"name": name}));
            session.show(&session.call(&call).await?.body, COLUMNS)
        }
        OrganizationCommand::Suspend { organization } => {
            let id = session.organization(Some(&organization)).await?;
            let answer = session.call(&act(&["organizations", &id, "suspend"])).await?.body;
            session.done(&format!("Organization {id} is suspended."), &answer)
        }
        OrganizationCommand::Resume { organization } => {
            let id = session.organization(Some(&organization)).await?;
            let answer = session.call(&act(&["organizations", &id, "resume"])).await?.body;
            session.done(&format!("Organization {id} works again."), &answer)
        }
        OrganizationCommand::Delete { organization, yes } => {
            let id = session.organization(Some(&organization)).await?;
            let question =
                format!("Organization {organization} ({id}), its projects and their keys end for good.");
            confirm(&question, yes)?;
            let answer = session.call(&Call::new(Method::DELETE, &["organizations", &id])).await?.body;
            session.done(&format!("Organization {id} is deleted."), &answer)
        }
    })
}
