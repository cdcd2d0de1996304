//! Arguments that the tools share: which gateway, which token, which form of output.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use secrecy::SecretString;

use crate::ops::target::{Gateway, GatewayOptions};
use crate::ops::token::{Grant, TokenSource};

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// The gateway.
#[derive(Clone, Debug, Args)]
pub struct GatewayArgs {
    /// The gateway, such as http://192.168.4.35:31380.
    #[arg(long, value_name = "URL")]
    gateway: String,
    /// The host to ask for, when it is not the URL's: `Host`, and the name in the certificate.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// A PEM file of authorities that the gateway's certificate may come from, besides the machine's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// The token.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// A valid token. The process list shows arguments: prefer the variable, --token-file or --token-url.
    #[arg(long, value_name = "TOKEN", env = "TOLLGATE_TOKEN", hide_env_values = true)]
    token: Option<SecretString>,
    /// A file that holds a valid token; '-' is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// A token endpoint to ask for tokens, as often as one runs out.
    #[arg(long, value_name = "URL", conflicts_with_all = ["token", "token_file"])]
    token_url: Option<String>,
    /// The client that asks at --token-url.
    #[arg(long, value_name = "ID", default_value = "admin-cli", requires = "token_url")]
    client_id: String,
    /// Its secret. Without --username the client asks for itself.
    #[arg(long, value_name = "SECRET", env = "TOLLGATE_CLIENT_SECRET", hide_env_values = true)]
    client_secret: Option<SecretString>,
    /// The user to ask for; by default the integration guide's.
    #[arg(long, value_name = "NAME", requires = "token_url")]
    username: Option<String>,
    /// The user's password; by default the integration guide's.
    #[arg(long, value_name = "PASSWORD", env = "TOLLGATE_PASSWORD", hide_env_values = true)]
    password: Option<SecretString>,
}

impl GatewayArgs {
    /// The gateway that is meant.
    ///
    /// # Errors
    /// It cannot be reached that way.
    pub fn gateway(&self) -> anyhow::Result<Gateway> {
        let (url, host, ca_file) = (self.gateway.clone(), self.host.clone(), self.ca_file.clone());
        Gateway::new(&GatewayOptions { url, host, ca_file })
    }
}

impl TokenArgs {
    /// Where tokens come from.
    ///
    /// # Errors
    /// Nowhere, or a file cannot be read.
    pub fn source(self) -> anyhow::Result<TokenSource> {
        if let Some(url) = self.token_url {
            let user = match (self.username, self.password) {
                (None, None) if self.client_secret.is_some() => None,
                (None, None) => Some(("testuser".to_owned(), SecretString::from("testpass123"))),
                (Some(name), Some(password)) => Some((name, password)),
                (Some(_), None) => bail!("--username needs --password (or TOLLGATE_PASSWORD)"),
                (None, Some(_)) => bail!("--password needs --username"),
            };
            let (client_id, client_secret) = (self.client_id, self.client_secret);
            return Ok(TokenSource::Grant(Grant { url, client_id, client_secret, user }));
        }
        match (self.token, self.token_file) {
            (Some(token), _) => Ok(TokenSource::Given(token)),
            (None, Some(file)) => Ok(TokenSource::Given(read_token(&file)?.into())),
            (None, None) => bail!("no token: give --token-url, --token-file, --token or TOLLGATE_TOKEN"),
        }
    }
}

/// A token from a file, without the blanks around it; '-' is standard input.
///
/// # Errors
/// It cannot be read, or holds none.
pub fn read_token(file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).context("standard input")?
    } else {
        std::fs::read_to_string(file).with_context(|| format!("{shown}"))?
    };
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        bail!("{shown} must hold one token and nothing else");
    }
    Ok(token.to_owned())
}
