//! `tollgate members …`: of a project, or of an organization.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::table::{Column, minute, text};
use super::{ApiArgs, Session, run, secret_from_stdin};
use crate::client::Call;

/// `tollgate members`
#[derive(Debug, Args)]
pub struct MemberArgs {
    #[command(subcommand)]
    command: MemberCommand,
    /// The project, by id or name; without it your only one.
    #[arg(long, global = true, env = "TOLLGATE_PROJECT", value_name = "PROJECT")]
    project: Option<String>,
    /// The organization instead of a project, by id or name.
    #[arg(long, global = true, value_name = "ORGANIZATION")]
    organization: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum MemberCommand {
    /// Who they are.
    List,
    /// Give a member another role; platform administrators add members, too. Others invite.
    Set {
        /// The person's id.
        person: String,
        /// viewer, developer, manager or owner; in an organization member or admin.
        #[arg(long)]
        role: String,
    },
    /// End a membership.
    Remove {
        /// The person's id.
        person: String,
        /// Give the person's keys to this member instead of revoking them. They stay disabled until that member has rotated
        /// them with overlap 'now'. Not for your own keys.
        #[arg(long, value_name = "PERSON")]
        hand_keys_to: Option<String>,
    },
    /// Invite somebody to a project or an organization; the token is shown once.
    Invite {
        /// viewer, developer, manager or owner; in an organization member or admin.
        #[arg(long)]
        role: String,
        /// Only this person may accept, by id; they find it with `tollgate invitations list`.
        #[arg(long, value_name = "PERSON", conflicts_with = "email")]
        person: Option<String>,
        /// Only an account with this verified address may accept.
        #[arg(long)]
        email: Option<String>,
        /// Whose verification of the address counts; needed when there are several issuers.
        #[arg(long, requires = "email")]
        issuer: Option<String>,
    },
    /// Accept an invitation; its token is read from standard input.
    Accept,
    /// Invitations that wait for their people.
    Invitations,
    /// Withdraw an invitation.
    Withdraw {
        /// Its id.
        invitation: String,
    },
}

const COLUMNS: &[Column] = &[
    ("PERSON", |member| text(&member["person_id"])),
    ("NAME", |member| text(&member["name"])),
    ("EMAIL", |member| text(&member["email"])),
    ("ROLE", |member| text(&member["role"])),
    ("BY", |member| text(&member["source"])),
    ("SINCE", |member| minute(&member["created_at"])),
];

const INVITATIONS: &[Column] = &[
    ("ID", |invitation| text(&invitation["id"])),
    ("ROLE", |invitation| text(&invitation["role"])),
    ("FOR", |invitation| match &invitation["person_id"] {
        Value::Null => text(&invitation["email"]),
        person => text(person),
    }),
    ("BY", |invitation| text(&invitation["created_by"])),
    ("ENDS", |invitation| minute(&invitation["expires_at"])),
];

/// Runs it.
///
/// # Errors
/// In words for the person at the terminal.
pub fn main(args: MemberArgs) -> anyhow::Result<ExitCode> {
    let (project, organization) = (args.project, args.organization);
    run(args.api, async |session| {
        let place = async |session: &Session| {
            anyhow::Ok(match &organization {
                Some(organization) => ("organizations", session.organization(Some(organization)).await?),
                None => ("projects", session.project(project.as_deref()).await?),
            })
        };
        match args.command {
            MemberCommand::List => {
                let (kind, id) = place(&session).await?;
                session.list(session.items(&Call::get(&[kind, &id, "members"]), None).await?, COLUMNS)
            }
            MemberCommand::Set { person, role } => {
                let (kind, id) = place(&session).await?;
                let call =
                    Call::new(Method::PUT, &[kind, &id, "members", &person]).body(json!({"role": role}));
                let answer = session.call(&call).await?.body;
                session.done(&format!("{person} is {role} now."), &answer)
            }
            MemberCommand::Remove { person, hand_keys_to } => {
                let (kind, id) = place(&session).await?;
                let keys = if hand_keys_to.is_some() { "hand_over" } else { "revoke" };
                let call = Call::new(Method::DELETE, &[kind, &id, "members", &person]);
                let call = call.query("keys", Some(keys)).query("to", hand_keys_to);
                let answer = session.call(&call).await?.body;
                session.done(&format!("{person} is no member any more."), &answer)
            }
            MemberCommand::Invite { role, person, email, issuer } => {
                let (kind, id) = place(&session).await?;
                let mut body = json!({"role": role});
                for (name, value) in [("person_id", person), ("email", email), ("issuer", issuer)] {
                    if let Some(value) = value {
                        body[name] = value.into();
                    }
                }
                let made = session.call(&Call::post(&[kind, &id, "invitations"], body)).await?.body;
                let said = format!(
                    "Invitation {} is made. Its token, shown this once: {}",
                    text(&made["id"]),
                    text(&made["token"])
                );
                session.done(&said, &made)
            }
            MemberCommand::Accept => {
                let token = secret_from_stdin("the invitation's token")?;
                let call = Call::post(&["invitations", "accept"], json!({"token": token}));
                let answer = session.call(&call).await?.body;
                session.done("You are a member now.", &answer)
            }
            MemberCommand::Invitations => {
                let (kind, id) = place(&session).await?;
                let call = Call::get(&[kind, &id, "invitations"]);
                session.list(session.items(&call, None).await?, INVITATIONS)
            }
            MemberCommand::Withdraw { invitation } => {
                let (kind, id) = place(&session).await?;
                let call = Call::new(Method::DELETE, &[kind, &id, "invitations", &invitation]);
                let answer = session.call(&call).await?.body;
                session.done(&format!("Invitation {invitation} is withdrawn."), &answer)
            }
        }
    })
}
