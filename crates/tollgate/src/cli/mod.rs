//! The command line. Exit codes: 0 done, 1 failed or denied, 2 wrong usage, 78 unusable configuration; for commands over the
//! API also 69 try again later, and 77 sign in or get other rights. Where a command gives them a narrower meaning, its own
//! module says so.

mod admin;
mod api;
mod audit;
mod bench;
mod check;
pub mod config;
mod dev;
mod doctor;
mod gateway;
mod healthcheck;
mod serve;
mod verify;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Authorization and token accounting for AI gateways.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, about, max_term_width = 100)]
struct Cli {
    /// The configuration file; `CONFIG_PATH` names it too.
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gate: answer Envoy, nginx, Traefik and Caddy until SIGTERM.
    Serve,
    /// Show the whole thing on this machine: issuer, backend, gate and a real Envoy.
    Dev(dev::DevArgs),
    /// Explain one decision, step by step, without a gateway.
    Check(check::CheckArgs),
    /// Check or show the configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Ask a running process whether it is ready; for container health checks.
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Try a gateway from outside: what it must refuse and what it must let through.
    Verify(verify::VerifyArgs),
    /// Look at cluster, configuration and everything it names; say what is wrong and how to mend it.
    Doctor(doctor::DoctorArgs),
    /// Measure a gateway under load.
    Bench(bench::BenchArgs),
    /// Sign in at the issuer of a Tollgate, for the commands below.
    Login(api::login::LoginArgs),
    /// Forget the login.
    Logout(api::login::PlainArgs),
    /// Who am I?
    Whoami(api::login::PlainArgs),
    /// API keys: make, list, change, rotate and revoke them.
    Keys(api::keys::KeyArgs),
    /// Projects, which own keys.
    Projects(api::projects::ProjectArgs),
    /// Members of a project or an organization.
    Members(api::members::MemberArgs),
    /// Invitations that wait for you.
    Invitations(api::invitations::InvitationArgs),
    /// Service accounts of a project.
    ServiceAccounts(api::service_accounts::ServiceAccountArgs),
    /// Organizations, which own projects.
    Orgs(api::organizations::OrganizationArgs),
    /// Who did what.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// First steps and emergencies at the database itself, without a running server.
    Admin(admin::AdminArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// The latest entries, over the API.
    List(api::audit::AuditListArgs),
    /// Check the chain of the whole log, at the database itself.
    Verify(audit::VerifyArgs),
    /// Write entries as lines of JSON, at the database itself.
    Export(audit::ExportArgs),
}

/// Parses the process's arguments and runs what they ask for.
pub fn main() -> ExitCode {
    let Cli { config, command } = Cli::parse();
    // Every TLS user in the process shares one provider; installed twice it is still this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let done = match command {
        Command::Serve => serve::run(config.as_deref()),
        Command::Dev(args) => dev::run(args),
        Command::Check(args) => check::run(config.as_deref(), &args),
        Command::Config(command) => command.run(config.as_deref()),
        Command::Healthcheck(args) => healthcheck::run(config.as_deref(), &args),
        Command::Verify(args) => verify::run(args),
        Command::Doctor(args) => doctor::run(config.as_deref(), args),
        Command::Bench(args) => bench::run(args),
        Command::Login(args) => api::login::login(args),
        Command::Logout(args) => api::login::logout(&args),
        Command::Whoami(args) => api::login::whoami(args),
        Command::Keys(args) => api::keys::main(args),
        Command::Projects(args) => api::projects::main(args),
        Command::Members(args) => api::members::main(args),
        Command::Invitations(args) => api::invitations::main(args),
        Command::ServiceAccounts(args) => api::service_accounts::main(args),
        Command::Orgs(args) => api::organizations::main(args),
        Command::Audit(AuditCommand::List(args)) => api::audit::list(args),
        Command::Audit(AuditCommand::Verify(args)) => audit::run_verify(config.as_deref(), &args),
        Command::Audit(AuditCommand::Export(args)) => audit::run_export(config.as_deref(), args),
        Command::Admin(args) => admin::run(config.as_deref(), args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tollgate", &mut script);
            std::io::stdout().write_all(&script).map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
    };
    done.unwrap_or_else(|error| {
        // Nothing is left to do if standard error is gone too.
        let _ = writeln!(std::io::stderr(), "tollgate: {error:#}");
        api::exit_code(&error).unwrap_or(ExitCode::FAILURE)
    })
}

/// A runtime for a command, with all cores.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    use anyhow::Context as _;
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")
}

/// 128 bits from the operating system.
fn random_seed() -> anyhow::Result<u128> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("the operating system gives no random numbers"))?;
    Ok(u128::from_ne_bytes(bytes))
}
