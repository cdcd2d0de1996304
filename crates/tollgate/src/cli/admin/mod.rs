//! `tollgate admin`: first steps and emergencies at the database itself, without a running server. Whoever can read the
//! configuration's database URL may; every act is in the audit log.

mod whom;

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::gateway::Output;
use crate::clock::SystemClock;
use crate::config::{EXIT_CONFIG, Settings, Sources, load};
use crate::entropy::SystemEntropy;
use crate::ops::admin::{Admin, Done, KeyWish, Membership, Thing};
use whom::PersonArgs;

/// What to do at the database.
#[derive(Debug, Args)]
pub struct AdminArgs {
    #[command(subcommand)]
    command: AdminCommand,
    /// The form of the answer.
    #[arg(long, value_enum, default_value_t = Output::Table, global = true)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Make an organization with an administrator, who need not have signed in yet.
    CreateOrganization {
        /// What people call it.
        name: String,
        #[command(flatten)]
        admin: PersonArgs,
    },
    /// Make a project with an owner, who need not have signed in yet.
    CreateProject {
        /// What people call it.
        name: String,
        /// The organization (org_…).
        #[arg(long, value_name = "ORG")]
        organization: String,
        #[command(flatten)]
        owner: PersonArgs,
    },
    /// Give somebody a role in an organization or a project.
    AddMember(AddMemberArgs),
    /// Make a service account, which keys can act for.
    CreateServiceAccount {
        /// What people call it.
        name: String,
        /// The project (prj_…).
        #[arg(long, value_name = "PRJ")]
        project: String,
    },
    /// Make a key of a service account. Its text is printed once. People make their own keys.
    CreateKey {
        /// What people call it.
        name: String,
        /// The project (prj_…).
        #[arg(long, value_name = "PRJ")]
        project: String,
        /// The service account (sva_…) that it acts for.
        #[arg(long, value_name = "SVA")]
        service_account: String,
        /// In how many days it ends; without it, as the configuration says.
        #[arg(long, value_name = "DAYS")]
        expires_in_days: Option<u32>,
    },
    /// Revoke a key, for good.
    RevokeKey {
        /// The key's id: what stands between 'tgk_' and the second '_'.
        key: String,
    },
    /// Refuse everything of a person, a project or an organization, until it is resumed.
    #[command(subcommand)]
    Suspend(StandingCommand),
    /// Let something suspended act again.
    #[command(subcommand)]
    Resume(StandingCommand),
    /// Say that the database was restored from a backup: replicas read everything anew.
    BumpEpoch {
        /// An export of the audit log that was made after the backup ('tollgate audit export'): keys that it ends are
        /// revoked again, and whom or what it suspends or ends is suspended.
        #[arg(long, value_name = "FILE")]
        exported: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct AddMemberArgs {
    /// The organization (org_…).
    #[arg(long, value_name = "ORG", required_unless_present = "project")]
    organization: Option<String>,
    /// The project (prj_…).
    #[arg(long, value_name = "PRJ", conflicts_with = "organization")]
    project: Option<String>,
    /// member or admin of an organization; viewer, developer, manager or owner of a project.
    #[arg(long)]
    role: String,
    #[command(flatten)]
    person: PersonArgs,
}

#[derive(Debug, Subcommand)]
enum StandingCommand {
    /// A person with all their keys and tokens.
    Person(PersonArgs),
    /// A project with all its keys.
    Project {
        /// prj_…
        id: String,
    },
    /// An organization with all its projects.
    Organization {
        /// org_…
        id: String,
    },
}

impl StandingCommand {
    fn thing(self) -> Thing {
        match self {
            Self::Person(person) => Thing::Person(person.whom()),
            Self::Project { id } => Thing::Project(id),
            Self::Organization { id } => Thing::Organization(id),
        }
    }
}

/// Does it.
///
/// # Errors
/// In words for the person at the terminal.
pub fn run(path: Option<&Path>, args: AdminArgs) -> anyhow::Result<ExitCode> {
    let settings = match settings(path)? {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let done = super::runtime()?.block_on(async {
        let admin = Admin::open(&settings, account(), Arc::new(SystemClock), Arc::new(SystemEntropy))?;
        let done = act(&admin, args.command).await;
        admin.close().await;
        done
    })?;
    match args.output {
        Output::Table => writeln!(std::io::stdout(), "{}", done.text)?,
        Output::Json => writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&done.json)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn act(admin: &Admin, command: AdminCommand) -> anyhow::Result<Done> {
    match command {
        AdminCommand::CreateOrganization { name, admin: person } => {
            admin.create_organization(&name, &person.whom()).await
        }
        AdminCommand::CreateProject { name, organization, owner } => {
            admin.create_project(&organization, &name, &owner.whom()).await
        }
        AdminCommand::AddMember(args) => {
            let membership = match (args.organization, args.project) {
                (Some(organization), _) => Membership::Organization(organization, args.role),
                (None, project) => Membership::Project(project.unwrap_or_default(), args.role),
            };
            admin.add_member(&membership, &args.person.whom()).await
        }
        AdminCommand::CreateServiceAccount { name, project } => {
            admin.create_service_account(&project, &name).await
        }
        AdminCommand::CreateKey { name, project, service_account, expires_in_days } => {
            admin.create_key(&KeyWish { project, service_account, name, days: expires_in_days }).await
        }
        AdminCommand::RevokeKey { key } => admin.revoke_key(&key).await,
        AdminCommand::Suspend(what) => admin.set_suspended(&what.thing(), true).await,
        AdminCommand::Resume(what) => admin.set_suspended(&what.thing(), false).await,
        AdminCommand::BumpEpoch { exported: None } => admin.restored(None).await,
        AdminCommand::BumpEpoch { exported: Some(path) } => {
            let file = File::open(&path).with_context(|| format!("reading {}", path.display()))?;
            admin.restored(Some(&mut BufReader::new(file))).await
        }
    }
}

/// The settings in force; a mistake in them is written for the person at the terminal.
pub fn settings(path: Option<&Path>) -> anyhow::Result<Result<Settings, ExitCode>> {
    match load(&Sources::of_process(path)) {
        Ok(loaded) => Ok(Ok(loaded.settings)),
        Err(error) => {
            writeln!(std::io::stderr(), "{error}")?;
            Ok(Err(ExitCode::from(EXIT_CONFIG)))
        }
    }
}

/// The account on this machine, for the audit log.
#[expect(clippy::disallowed_methods, reason = "who sits at the terminal stands in the environment")]
fn account() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "operator".to_owned())
}
