//! `tollgate check`: one decision, step by step, by the same code that decides behind a gateway.

mod request;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::app::explain::{Wishes, explain};
use crate::config::{EXIT_CONFIG, Sources, load};

/// What to explain.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// A request in a file ('-' is standard input): raw HTTP/1.1 text, or JSON with method, host, path, headers. Keeps
    /// credentials out of the process list.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// The method.
    #[arg(long, default_value = "GET", conflicts_with = "request")]
    method: String,
    /// The host.
    #[arg(long, default_value = "localhost", conflicts_with = "request")]
    host: String,
    /// Path with query.
    #[arg(long, default_value = "/", conflicts_with = "request")]
    path: String,
    /// A header line, such as 'authorization: Bearer …'. May be repeated.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The policy that the gateway would name (context extension tollgate.policy).
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// The keys of an issuer, from a file, instead of fetching them. May be repeated.
    #[arg(long, value_name = "ISSUER=FILE")]
    jwks: Vec<String>,
    /// Decide as of this Unix time instead of now.
    #[arg(long, value_name = "SECONDS")]
    at: Option<i64>,
    /// The form of the explanation.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Explains; exits with 0 for a permit and 1 for a denial.
///
/// # Errors
/// The request or a key file cannot be read.
pub fn run(path: Option<&Path>, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let loaded = match load(&Sources::of_process(path)) {
        Ok(loaded) => loaded,
        Err(error) => {
            writeln!(std::io::stderr(), "{error}")?;
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    let request = request::read(args)?;
    let wishes = Wishes { policy: args.policy.clone(), jwks: args.jwks.clone(), at: args.at };
    let explanation = super::runtime()?.block_on(explain(loaded, &request, &wishes))?;
    let text = match args.output {
        Output::Text => explanation.to_text(),
        Output::Json => serde_json::to_string_pretty(&explanation)?,
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(if explanation.permitted() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
