//! `tollgate keys revoke`: some by id, or many by what they have in common after a look at which.

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

use super::super::table::text;
use super::super::{Output, Session, act, confirm, note};
use super::LIST;
use super::limits::since;
use crate::client::Call;

/// Which keys.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Their ids.
    #[arg(value_name = "ID", conflicts_with_all = ["owner", "tag", "unused_since", "all"])]
    ids: Vec<String>,
    /// Those that act for: me, or the id of a person or service account.
    #[arg(long)]
    owner: Option<String>,
    /// Those with this tag.
    #[arg(long)]
    tag: Option<String>,
    /// Those not used since: a moment such as 2030-01-31T12:00:00Z, or a number of days such as 90d.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    unused_since: Option<String>,
    /// Every key of the project.
    #[arg(long, conflicts_with_all = ["owner", "tag", "unused_since"])]
    all: bool,
    /// Only show which keys it would be.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Ends them.
///
/// # Errors
/// In words for the person at the terminal.
pub async fn run(session: &Session, project: &str, args: RevokeArgs) -> anyhow::Result<()> {
    if !args.ids.is_empty() {
        return by_id(session, project, &args).await;
    }
    let mut body = json!({"dry_run": true});
    let said = [("owner", args.owner), ("tag", args.tag), ("unused_since", args.unused_since)];
    for (name, value) in said {
        if let Some(value) = value {
            body[name] = value.into();
        }
    }
    if args.all {
        body["all"] = true.into();
    } else if body.as_object().is_none_or(|body| body.len() == 1) {
        bail!("say which keys: by id, or by --owner, --tag or --unused-since, or --all");
    }
    let path = ["projects", project, "keys", "revoke"];
    let look = session.call(&Call::post(&path, body.clone())).await?.body;
    let count = look["count"].as_u64().unwrap_or(0);
    let more = if look["more"] == true { "more than " } else { "" };
    if args.dry_run || count == 0 {
        return show(session, &look, &format!("{more}{count} would be revoked"));
    }
    if session.output == Output::Table {
        session.list(look["items"].as_array().cloned().unwrap_or_default(), LIST)?;
    }
    confirm(&format!("{more}{count} of these end for good."), args.yes)?;
    body["dry_run"] = false.into();
    let mut done = session.call(&Call::post(&path, body.clone())).await?.body;
    while done["more"] == true {
        let next = session.call(&Call::post(&path, body.clone())).await?.body;
        let items = next["items"].as_array().cloned().unwrap_or_default();
        if let Some(all) = done["items"].as_array_mut() {
            all.extend(items);
            done["count"] = all.len().into();
        }
        done["more"] = next["more"].clone();
    }
    match session.output {
        Output::Table => session.done(&format!("Revoked: {}.", text(&done["count"])), &done),
        Output::Json => super::super::print_json(&done),
    }
}

async fn by_id(session: &Session, project: &str, args: &RevokeArgs) -> anyhow::Result<()> {
    let mut ended = Vec::new();
    for id in &args.ids {
        if args.dry_run {
            ended.push(session.call(&Call::get(&["projects", project, "keys", id])).await?.body);
            continue;
        }
        ended.push(session.call(&act(&["projects", project, "keys", id, "revoke"])).await?.body);
        if session.output == Output::Table {
            session.done(&format!("Key {id} is revoked."), &Value::Null)?;
        }
    }
    if session.output == Output::Json || args.dry_run {
        session.list(ended, LIST)?;
    }
    Ok(())
}

fn show(session: &Session, look: &Value, said: &str) -> anyhow::Result<()> {
    if session.output == Output::Json {
        return super::super::print_json(look);
    }
    session.list(look["items"].as_array().cloned().unwrap_or_default(), LIST)?;
    note(said)
}
