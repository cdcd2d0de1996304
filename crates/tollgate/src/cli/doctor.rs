//! `tollgate doctor`: what is wrong, and how to mend it. Exit codes: 0 fine, 1 something is wrong, 2 something could not be
//! looked at.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::gateway::{Output, read_token};
use crate::clock::SystemClock;
use crate::config::Sources;
use crate::ops::doctor::kube::{CONTROLLER_NAMESPACE, Cluster};
use crate::ops::doctor::{DoctorOptions, examine};
use crate::ops::token::Token;

/// What to look at.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The kubeconfig; without it KUBECONFIG, ~/.kube/config, or the pod's own account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context in it.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Leave Kubernetes out.
    #[arg(long, conflicts_with_all = ["kubeconfig", "context"])]
    no_kubernetes: bool,
    /// Tollgate's namespace.
    #[arg(long, short, default_value = CONTROLLER_NAMESPACE)]
    namespace: String,
    /// Tollgate's Service.
    #[arg(long, default_value = "self-service-svc")]
    service: String,
    /// A file with a token that should be accepted; '-' is standard input.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Warnings count as wrong.
    #[arg(long)]
    strict: bool,
    /// The form of the result.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Looks, and says what it found.
///
/// # Errors
/// The token file cannot be read.
pub fn run(path: Option<&Path>, args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let sources = Sources::of_process(path);
    let named = sources.file().is_some() || sources.environment.iter().any(|(name, _)| name != "RUST_LOG");
    let cluster = Cluster { kubeconfig: args.kubeconfig, context: args.context };
    let options = DoctorOptions {
        configuration: named.then_some(sources),
        cluster: (!args.no_kubernetes).then_some(cluster),
        namespace: args.namespace,
        service: args.service,
        token: args.token_file.as_deref().map(read_token).transpose()?.map(Token::new),
    };
    let diagnosis = super::runtime()?.block_on(examine(options, Arc::new(SystemClock)));
    let text = match args.output {
        Output::Table => diagnosis.to_text(),
        Output::Json => diagnosis.to_json(args.strict)?,
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::from(diagnosis.exit_code(args.strict)))
}
