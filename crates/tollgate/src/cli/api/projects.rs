//! `tollgate projects …`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::keys::limits::models;
use super::table::{Column, minute, text};
use super::{ApiArgs, Session, act, confirm, run};
use crate::client::Call;

/// `tollgate projects`
#[derive(Debug, Args)]
pub struct ProjectArgs {
    #[command(subcommand)]
    command: ProjectCommand,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum ProjectCommand {
    /// Your projects.
    List {
        /// Only those of this organization, by id or name.
        #[arg(long, value_name = "ORGANIZATION")]
        organization: Option<String>,
    },
    /// Make a project.
    Create {
        /// What people call it.
        name: String,
        /// The organization it goes to, by id or name; without it your only one.
        #[arg(long, env = "TOLLGATE_ORGANIZATION", value_name = "ORGANIZATION")]
        organization: Option<String>,
        /// A model that anything in it may use, with * for any characters; may be said several times. `all` or `none`
        /// stand alone.
        #[arg(long = "model", value_name = "MODEL")]
        models: Vec<String>,
    },
    /// Show a project.
    Show {
        /// Its id or name; without it your only one.
        project: Option<String>,
    },
    /// Change a project's name or models.
    Update {
        /// Its id or name.
        project: String,
        /// Another name.
        #[arg(long)]
        name: Option<String>,
        /// Other models, instead of the present ones.
        #[arg(long = "model", value_name = "MODEL")]
        models: Vec<String>,
    },
    /// Refuse everything in a project until it is resumed.
    Suspend {
        /// Its id or name.
        project: String,
    },
    /// Let a suspended project work again.
    Resume {
        /// Its id or name.
        project: String,
    },
    /// End a project for good, and all its keys.
    Delete {
        /// Its id or name.
        project: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

const COLUMNS: &[Column] = &[
    ("ID", |project| text(&project["id"])),
    ("NAME", |project| text(&project["name"])),
    ("STATE", |project| text(&project["state"])),
    ("MODELS", |project| text(&project["models"])),
    ("YOUR ROLE", |project| text(&project["role"])),
    ("ORGANIZATION", |project| text(&project["organization_id"])),
    ("MADE", |project| minute(&project["created_at"])),
];

/// Runs it.
///
/// # Errors
/// In words for the person at the terminal.
pub fn main(args: ProjectArgs) -> anyhow::Result<ExitCode> {
    run(args.api, async |session| match args.command {
        ProjectCommand::List { organization } => {
            let organization = match organization {
                Some(organization) => Some(session.organization(Some(&organization)).await?),
                None => None,
            };
            let call = Call::get(&["projects"]).query("organization", organization);
            session.list(session.items(&call, None).await?, COLUMNS)
        }
        ProjectCommand::Create { name, organization, models: wanted } => {
            let organization = session.organization(organization.as_deref()).await?;
            let mut body = json!({"organization_id": organization, "name": name});
            if let Some(models) = models(&wanted)? {
                body["models"] = models;
            }
            let project = session.call(&Call::post(&["projects"], body)).await?.body;
            session.show(&project, COLUMNS)
        }
        ProjectCommand::Show { project } => {
            let id = session.project(project.as_deref()).await?;
            let project = session.call(&Call::get(&["projects", &id])).await?.body;
            session.show(&project, COLUMNS)
        }
        ProjectCommand::Update { project, name, models: wanted } => {
            let id = session.project(Some(&project)).await?;
            let mut body = json!({});
            if let Some(name) = name {
                body["name"] = name.into();
            }
            if let Some(models) = models(&wanted)? {
                body["models"] = models;
            }
            let call = Call::new(Method::PATCH, &["projects", &id]).body(body);
            session.show(&session.call(&call).await?.body, COLUMNS)
        }
        ProjectCommand::Suspend { project } => switch(&session, &project, "suspend").await,
        ProjectCommand::Resume { project } => switch(&session, &project, "resume").await,
        ProjectCommand::Delete { project, yes } => {
            let id = session.project(Some(&project)).await?;
            confirm(&format!("Project {project} ({id}) and all its keys end for good."), yes)?;
            let answer = session.call(&Call::new(Method::DELETE, &["projects", &id])).await?.body;
            session.done(&format!("Project {id} is deleted."), &answer)
        }
    })
}

async fn switch(session: &Session, project: &str, verb: &str) -> anyhow::Result<()> {
    let id = session.project(Some(project)).await?;
    let answer = session.call(&act(&["projects", &id, verb])).await?.body;
    session.done(&format!("Project {id}: {verb} done."), &answer)
}
