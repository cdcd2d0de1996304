//! `tollgate bench`: a load on a gateway. Exit codes: 0 every request ended as expected, 1 some did not or nothing was sent.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use http::Method;
use tokio_util::sync::CancellationToken;

use super::gateway::{GatewayArgs, Output, TokenArgs};
use crate::clock::SystemClock;
use crate::ops::bench::{BenchOptions, Progress, run as bench};

/// The load.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    token: TokenArgs,
    /// Not used here; named so that the short form of the global option is free for the concurrency.
    #[arg(long, hide = true)]
    config: Option<PathBuf>,
    /// Stop after this many requests.
    #[arg(short = 'n', long, value_name = "N")]
    requests: Option<u64>,
    /// Stop after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u64>,
    /// Requests under way at once; 10 unless --rate is given.
    #[arg(short, long, value_name = "C")]
    concurrency: Option<usize>,
    /// Start this many requests a second, whether earlier ones have ended or not.
    #[arg(long, value_name = "R")]
    rate: Option<f64>,
    /// Path with query.
    #[arg(long, default_value = "/")]
    path: String,
    /// The method; POST when there is a body.
    #[arg(long)]
    method: Option<Method>,
    /// A file with a JSON body.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The status that counts as right, such as 403 to measure refusals; any success without it.
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..=599))]
    expect_status: Option<u16>,
    /// Seconds that one request may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout_secs: u64,
    /// The gateway is on another machine, and it is yours.
    #[arg(long)]
    yes_not_loopback: bool,
    /// The form of the result.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Writes the result as JSON to this file too.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Makes the load; exits with 0 when every request ended as expected and 1 otherwise.
///
/// # Errors
/// The load has no bounds, or nothing could be sent.
pub fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let body = args
        .body
        .as_ref()
        .map(|file| std::fs::read(file).with_context(|| format!("--body {}", file.display())));
    let body = body.transpose()?;
    let usual = if body.is_some() { Method::POST } else { Method::GET };
    let options = BenchOptions {
        gateway: args.gateway.gateway()?,
        token: args.token.source()?,
        path: args.path,
        method: args.method.unwrap_or(usual),
        body,
        requests: args.requests,
        duration: args.duration.map(Duration::from_secs),
        concurrency: args.concurrency,
        rate: args.rate,
        expect_status: args.expect_status,
        timeout: Duration::from_secs(args.timeout_secs),
        not_loopback: args.yes_not_loopback,
    };
    let terminal = std::io::stderr().is_terminal();
    let mut progress = |at: Progress| {
        if terminal {
            let seconds = at.elapsed.as_secs();
            let rate = at.requests / seconds.max(1);
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(
                std::io::stderr(),
                "\r\x1b[K{seconds} s: {} requests, {rate} a second, {} unexpected",
                at.requests,
                at.unexpected
            );
        }
    };
    let report = super::runtime()?.block_on(async {
        let stop = CancellationToken::new();
        let interrupted = stop.clone();
        tokio::spawn(async move {
            // Without a handler Ctrl-C ends the process, and the measurement with it.
            if tokio::signal::ctrl_c().await.is_ok() {
                interrupted.cancel();
            }
        });
        bench(options, Arc::new(SystemClock), stop, &mut progress).await
    })?;
    if terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let json = serde_json::to_string_pretty(&report)?;
    if let Some(file) = &args.record {
        std::fs::write(file, format!("{json}\n")).with_context(|| format!("--record {}", file.display()))?;
    }
    let text = if args.output == Output::Json { json } else { report.to_text() };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
