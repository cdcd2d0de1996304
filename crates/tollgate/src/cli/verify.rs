//! `tollgate verify`: tries a gateway from outside. Exit codes: 0 nothing failed, 1 something did.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use http::HeaderName;

use super::gateway::{GatewayArgs, Output, TokenArgs, read_token};
use crate::clock::SystemClock;
use crate::ops::token::Token;
use crate::ops::verify::{VerifyOptions, run as verify};

/// What to try.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    token: TokenArgs,
    /// A file with a token that was valid once, for the case expired-token.
    #[arg(long, value_name = "FILE")]
    expired_token_file: Option<PathBuf>,
    /// The status that refused callers must get; without it 401 and 403 are both right.
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..=499))]
    expect_status: Option<u16>,
    /// A path that a valid token opens.
    #[arg(long, default_value = "/")]
    path: String,
    /// A path that takes chat completions.
    #[arg(long, value_name = "PATH", default_value = "/v1/chat/completions")]
    chat_path: String,
    /// The model to ask for.
    #[arg(long, default_value = "tollgate-demo")]
    model: String,
    /// A header by which the backend learns who calls; may be repeated. Tollgate's own without it.
    #[arg(long = "identity-header", value_name = "NAME")]
    identity_headers: Vec<HeaderName>,
    /// The backend may see the caller's credential.
    #[arg(long)]
    credential_may_pass: bool,
    /// Run this case only; may be repeated.
    #[arg(long, value_name = "CASE")]
    only: Vec<String>,
    /// Leave this case out; may be repeated.
    #[arg(long, value_name = "CASE")]
    skip: Vec<String>,
    /// Seconds that one request may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout_secs: u64,
    /// The form of the result.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Tries the gateway; exits with 0 when nothing failed and 1 otherwise.
///
/// # Errors
/// There is nothing to try with.
pub fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let expired_token = args.expired_token_file.as_deref().map(read_token).transpose()?.map(Token::new);
    let mut identity_headers = args.identity_headers;
    if identity_headers.is_empty() {
        let names = tollgate_core::identity::IdentityHeaders::default();
        let ours = tollgate_core::identity::Fact::ALL.map(|fact| names.name(fact).to_owned());
        identity_headers = ours.iter().filter_map(|name| name.parse().ok()).collect();
    }
    let options = VerifyOptions {
        gateway: args.gateway.gateway()?,
        token: args.token.source()?,
        expired_token,
        expect_status: args.expect_status,
        path: args.path,
        chat_path: args.chat_path,
        model: args.model,
        identity_headers,
        credential_may_pass: args.credential_may_pass,
        only: args.only,
        skip: args.skip,
        timeout: Duration::from_secs(args.timeout_secs),
    };
    let terminal = std::io::stderr().is_terminal();
    let mut progress = |id: &str| {
        if terminal {
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(std::io::stderr(), "\r\x1b[K{id}");
        }
    };
    let report = super::runtime()?.block_on(verify(options, Arc::new(SystemClock), &mut progress))?;
    if terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let text = match args.output {
        Output::Table => report.to_text(),
        Output::Json => serde_json::to_string_pretty(&report)?,
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
