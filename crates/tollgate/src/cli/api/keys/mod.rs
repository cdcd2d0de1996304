//! `tollgate keys …`

pub mod limits;
mod revoke;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use self::limits::{LifeArgs, LimitArgs};
use self::revoke::RevokeArgs;
use super::table::{Column, end, minute, text};
use super::{ApiArgs, Output, Session, act, print, run, secret_from_stdin};
use crate::client::Call;
use crate::entropy::{SystemEntropy, bytes};

/// `tollgate keys`
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
    /// The project, by id or name; without it your only one.
    #[arg(long, global = true, env = "TOLLGATE_PROJECT", value_name = "PROJECT")]
    project: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// The keys of a project, newest first.
    List(ListArgs),
    /// Make a key. Its secret is shown once.
    Create {
        /// What people call it.
        name: String,
        /// The service account that it acts for, by id; without it the key acts for you.
        #[arg(long, value_name = "ID")]
        service_account: Option<String>,
        #[command(flatten)]
        life: LifeArgs,
        #[command(flatten)]
        limits: LimitArgs,
    },
    /// Show a key.
    Show {
        /// Its id.
        id: String,
    },
    /// Change a key. What is not said stays.
    Update {
        /// Its id.
        id: String,
        /// Another name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        life: LifeArgs,
        #[command(flatten)]
        limits: LimitArgs,
        /// Only if the key is still at this version.
        #[arg(long, value_name = "VERSION")]
        if_version: Option<i64>,
    },
    /// Give a key another secret; its id, limits and history stay. Your own, or as a manager a service account's.
    Rotate {
        /// Its id.
        id: String,
        /// How long the present secret works on: now, or 15m to 7d. A key that was handed over to you takes now.
        #[arg(long, default_value = "1d")]
        overlap: String,
    },
    /// End keys for good.
    Revoke(RevokeArgs),
    /// Switch a key off for now.
    Disable {
        /// Its id.
        id: String,
    },
    /// Switch a key on again. As a manager: take back what managers decided about another person's key.
    Enable {
        /// Its id.
        id: String,
    },
    /// Find out which key a secret belongs to; it is read from standard input.
    Lookup,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// me, or the id of the person or service account that the keys act for.
    #[arg(long)]
    owner: Option<String>,
    /// live, disabled, expired or revoked.
    #[arg(long)]
    state: Option<String>,
    /// A tag that they have.
    #[arg(long)]
    tag: Option<String>,
    /// Not used since: a moment such as 2030-01-31T12:00:00Z, or a number of days such as 90d.
    #[arg(long, value_name = "WHEN", value_parser = limits::since)]
    unused_since: Option<String>,
    /// Keys at most.
    #[arg(long)]
    limit: Option<usize>,
}

/// The state, and what is behind it: why the key is disabled, a secret that was found in public, or something suspended
/// above the key.
fn state(key: &Value) -> String {
    let state = text(&key["state"]);
    match key["disabled_because"].as_str() {
        Some("manager") => return format!("{state} (by {})", role(&key["disabled_by"]["role"])),
        Some("handed_over") => return format!("{state} (handed over)"),
        Some("role_lost") => return format!("{state} (role lost)"),
        _ => {}
    }
    match (key["leaked"].is_null(), key["held_by"].as_str()) {
        (false, _) => format!("{state} (found in public)"),
        (true, Some(by)) => format!("{state} ({by} suspended)"),
        (true, None) => state,
    }
}

/// A role in words.
fn role(role: &Value) -> String {
    text(role).replace('_', " ")
}

/// What those above its owner have left to a key: which limits, and which role set them.
fn bounds(key: &Value) -> String {
    let one = |bound: &Value| {
        let limits = ["models", "routes", "addresses", "expires_at"].into_iter();
        let limits: Vec<_> = limits.filter(|limit| !bound[limit].is_null()).collect();
        format!("{} by {}", limits.join(", "), role(&bound["role"]))
    };
    let all: Vec<_> = key["bounds"].as_array().into_iter().flatten().map(one).collect();
    if all.is_empty() { "-".to_owned() } else { all.join("; ") }
}

const LIST: &[Column] = &[
    ("ID", |key| text(&key["id"])),
    ("NAME", |key| text(&key["name"])),
    ("OWNER", |key| text(&key["owner"]["name"])),
    ("STATE", state),
    ("MODELS", |key| text(&key["models"])),
    ("EXPIRES", |key| end(&key["expires_at"])),
    ("LAST USED", |key| minute(&key["last_used"]["at"])),
    ("TAGS", |key| text(&key["tags"])),
];

const SHOW: &[Column] = &[
    ("ID", |key| text(&key["id"])),
    ("NAME", |key| text(&key["name"])),
    ("STATE", state),
    ("OWNER", |key| format!("{} ({})", text(&key["owner"]["name"]), text(&key["owner"]["id"]))),
    ("PROJECT", |key| text(&key["project_id"])),
    ("MODELS", |key| text(&key["models"])),
    ("PROJECT'S MODELS", |key| text(&key["project_models"])),
    ("ROUTES", |key| text(&key["routes"])),
    ("ADDRESSES", |key| text(&key["addresses"])),
    ("BOUNDS", bounds),
    ("DISABLED", |key| match &key["disabled_by"] {
        Value::Null => "-".to_owned(),
        by => format!(
            "{} by {}, because: {}",
            minute(&by["at"]),
            text(&by["id"]),
            text(&key["disabled_because"])
        ),
    }),
    ("TAGS", |key| text(&key["tags"])),
    ("METADATA", |key| text(&key["metadata"])),
    ("MADE", |key| format!("{} by {}", minute(&key["created_at"]), text(&key["created_by"]))),
    ("SECRET MADE", |key| minute(&key["secret_made_at"])),
    ("EXPIRES", |key| end(&key["expires_at"])),
    ("LAST USED", |key| match &key["last_used"] {
        Value::Null => "never".to_owned(),
        used => format!(
            "{} from {} with {}",
            minute(&used["at"]),
            text(&used["address"]),
            text(&used["user_agent"])
        ),
    }),
    ("SECRET BEFORE", |key| match &key["previous_secret"] {
        Value::Null => "-".to_owned(),
        before => {
            format!("works until {}, last used {}", minute(&before["until"]), minute(&before["last_used_at"]))
        }
    }),
    ("REVOKED", |key| match &key["revoked"] {
        Value::Null => "-".to_owned(),
        end => format!("{} by {}", minute(&end["at"]), text(&end["by"])),
    }),
    ("FOUND IN PUBLIC", |key| match &key["leaked"] {
        Value::Null => "-".to_owned(),
        leak => format!("{} {} ({})", minute(&leak["at"]), text(&leak["url"]), text(&leak["source"])),
    }),
    ("VERSION", |key| text(&key["version"])),
];

/// Runs it.
///
/// # Errors
/// In words for the person at the terminal.
pub fn main(args: KeyArgs) -> anyhow::Result<ExitCode> {
    let (command, wanted) = (args.command, args.project);
    run(args.api, async |session| {
        if matches!(command, KeyCommand::Lookup) {
            return lookup(&session).await;
        }
        let project = session.project(wanted.as_deref()).await?;
        let keys = ["projects", project.as_str(), "keys"];
        let one = |id: &str, verb: &'static str| act(&[keys[0], keys[1], keys[2], id, verb]);
        match command {
            KeyCommand::Lookup => lookup(&session).await,
            KeyCommand::List(list) => {
                let call = Call::get(&keys)
                    .query("owner", list.owner)
                    .query("state", list.state)
                    .query("tag", list.tag)
                    .query("unused_since", list.unused_since);
                session.list(session.items(&call, list.limit).await?, LIST)
            }
            KeyCommand::Create { name, service_account, life, limits } => {
                let mut body = json!({"name": name});
                if let Some(account) = service_account {
                    body["service_account_id"] = account.into();
                }
                life.write(&mut body);
                limits.write(&mut body)?;
                let call = Call::post(&keys, body).header("idempotency-key", Some(once()?));
                fresh(&session, &session.call(&call).await?.body, "is made")
            }
            KeyCommand::Show { id } => {
                let call = Call::get(&[keys[0], keys[1], keys[2], &id]);
                session.show(&session.call(&call).await?.body, SHOW)
            }
            KeyCommand::Update { id, name, life, limits, if_version } => {
                let mut body = json!({});
                if let Some(name) = name {
                    body["name"] = name.into();
                }
                life.write(&mut body);
                limits.write(&mut body)?;
                let call = Call::new(Method::PATCH, &[keys[0], keys[1], keys[2], &id]).body(body);
                let call = call.header("if-match", if_version.map(|version| format!("\"{version}\"")));
                session.show(&session.call(&call).await?.body, SHOW)
            }
            KeyCommand::Rotate { id, overlap } => {
                let call = one(&id, "rotate").body(json!({"overlap": overlap}));
                let call = call.header("idempotency-key", Some(once()?));
                fresh(&session, &session.call(&call).await?.body, "has another secret")
            }
            KeyCommand::Revoke(revoke) => revoke::run(&session, &project, revoke).await,
            KeyCommand::Disable { id } => {
                let key = session.call(&one(&id, "disable")).await?.body;
                session.done(&format!("Key {id} is switched off."), &key)
            }
            KeyCommand::Enable { id } => {
                let key = session.call(&one(&id, "enable")).await?.body;
                let said = match key["state"].as_str() {
                    Some("disabled") => {
                        format!("Key {id} is still {}: its owner has to enable it.", state(&key))
                    }
                    _ => format!("Key {id} works again."),
                };
                session.done(&said, &key)
            }
        }
    })
}

async fn lookup(session: &Session) -> anyhow::Result<()> {
    let secret = secret_from_stdin("the key")?;
    let found = session.call(&Call::post(&["keys", "lookup"], json!({"secret": secret}))).await?.body;
    if session.output == Output::Table && found["secret"] == "previous" {
        super::note("This is the secret before the present one.")?;
    }
    match session.output {
        Output::Table => session.show(&found["key"], SHOW),
        Output::Json => super::print_json(&found),
    }
}

/// Shows a secret, once.
fn fresh(session: &Session, key: &Value, what: &str) -> anyhow::Result<()> {
    if session.output == Output::Json {
        return super::print_json(key);
    }
    let (id, name) = (text(&key["id"]), text(&key["name"]));
    let Some(secret) = key["secret"].as_str() else {
        anyhow::bail!(
            "key {id} {what}, but its secret was in an answer that got lost; rotate the key for another one"
        );
    };
    let mut said = format!(
        "Key {id} ({}) {what}. Its secret, shown this once:\n\n  {secret}\n",
        super::table::plain(&name)
    );
    if !key["previous_secret"].is_null() {
        said += &format!("\nThe secret before works until {}.\n", minute(&key["previous_secret"]["until"]));
    }
    print(&said)
}

/// A new idempotency key, so that a call which is repeated does its work once.
fn once() -> anyhow::Result<String> {
    let random = bytes::<16>(&SystemEntropy)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
