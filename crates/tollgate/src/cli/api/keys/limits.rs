//! Arguments for what a key is narrowed to and how long it lives, and the JSON that they become.

use std::str::FromStr as _;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::clock::{Clock as _, SystemClock};

/// How long a key lives.
#[derive(Debug, Args)]
pub struct LifeArgs {
    /// When it ends: never, or a moment such as 2030-01-31T12:00:00Z.
    #[arg(long, value_name = "WHEN", conflicts_with = "expires_in_days")]
    expires_at: Option<String>,
    /// In how many days it ends.
    #[arg(long, value_name = "DAYS")]
    expires_in_days: Option<u32>,
}

/// What a key is narrowed to, and what people write on it.
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// A model it may use, with * for any characters; may be said several times. `all` or `none` stand alone.
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// A gateway route it may use, by its name in Tollgate's configuration; may be said several times. `all` stands alone.
    #[arg(long = "route", value_name = "ROUTE")]
    routes: Vec<String>,
    /// An address or network it may be used from; may be said several times. `any` stands alone.
    #[arg(long = "address", value_name = "NETWORK")]
    addresses: Vec<String>,
    /// A word by which it is found; may be said several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Something to remember about it; may be said several times.
    #[arg(long, value_name = "NAME=VALUE")]
    metadata: Vec<String>,
}

impl LifeArgs {
    /// Into the body of a request.
    pub fn write(self, body: &mut Value) {
        if let Some(at) = self.expires_at {
            body["expires_at"] = at.into();
        }
        if let Some(days) = self.expires_in_days {
            body["expires_in_days"] = days.into();
        }
    }
}

impl LimitArgs {
    /// Into the body of a request; what was not said is not in it.
    ///
    /// # Errors
    /// A word that stands for everything beside others, or metadata that is no pair.
    pub fn write(&self, body: &mut Value) -> anyhow::Result<()> {
        if let Some(models) = models(&self.models)? {
            body["models"] = models;
        }
        if let Some(routes) = word_or_list("--route", &["all"], &self.routes)? {
            body["routes"] = routes;
        }
        if let Some(addresses) = word_or_list("--address", &["any"], &self.addresses)? {
            body["addresses"] = addresses;
        }
        if !self.tags.is_empty() {
            body["tags"] = json!(self.tags);
        }
        for pair in &self.metadata {
            let (name, value) =
                pair.split_once('=').with_context(|| format!("--metadata {pair}: write NAME=VALUE"))?;
            body["metadata"][name] = value.into();
        }
        Ok(())
    }
}

/// Models as a word or a list; `None` when nothing was said.
///
/// # Errors
/// `all` or `none` beside others.
pub fn models(said: &[String]) -> anyhow::Result<Option<Value>> {
    word_or_list("--model", &["all", "none"], said)
}

fn word_or_list(option: &str, words: &[&str], said: &[String]) -> anyhow::Result<Option<Value>> {
    let word = said.iter().find(|text| words.contains(&text.as_str()));
    match (said, word) {
        ([], _) => Ok(None),
        ([_], Some(word)) => Ok(Some(json!(word))),
        (_, Some(word)) => bail!("{option} {word} stands alone"),
        (list, None) => Ok(Some(json!(list))),
    }
}

/// A moment, or so many days ago.
///
/// # Errors
/// Neither.
pub fn since(text: &str) -> Result<String, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok());
    let moment = match days {
        Some(days @ 1..=36_500) => {
            jiff::Timestamp::from_millisecond(SystemClock.now().plus_secs(-days * 86_400).as_millis())
        }
        _ => jiff::Timestamp::from_str(text),
    };
    let moment = moment.map_err(|_| "write a moment such as 2030-01-31T12:00:00Z, or days such as 90d")?;
    Ok(moment.to_string())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_word_stands_alone_and_nothing_is_nothing() {
        let said = |texts: &[&str]| models(&texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
        assert_eq!(said(&[]).unwrap(), None);
        assert_eq!(said(&["all"]).unwrap(), Some(json!("all")));
        assert_eq!(said(&["none"]).unwrap(), Some(json!("none")));
        assert_eq!(said(&["gpt-4o", "claude-*"]).unwrap(), Some(json!(["gpt-4o", "claude-*"])));
        assert!(said(&["gpt-4o", "all"]).is_err());
    }

    #[test]
    fn since_is_a_moment_or_days_ago() {
        assert_eq!(since("2030-01-31T12:00:00+02:00").unwrap(), "2030-01-31T10:00:00Z");
        assert!(since("90d").unwrap().ends_with('Z'));
        for bad in ["", "d", "0d", "-1d", "yesterday", "99999999999d"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }
}
