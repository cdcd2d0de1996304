//! What a check costs, measured from outside: the gRPC door and the way through Envoy, each beside a floor in the same
//! run. Run it with `cargo bench -p tollgate --bench checks -- [--seconds N] [--markdown FILE]`.
//!
//! Two loads are used. The closed loop finds the throughput: a fixed number of calls is always in flight. The open loop
//! finds the latency: calls start on a schedule, and a late call is measured from when it should have started, so that a
//! stall is seen by every call that it delays (no coordinated omission). A single call at a time shows the bare latency.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to its terminal")]

mod database;
mod floor;
mod gateway;
mod keys;
mod load;
mod rig;
mod scenario;
mod table;

use std::time::Duration;

use clap::Parser;

/// Measures checks against a floor in the same run.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds of each measured phase.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Only the gRPC door, no Envoy.
    #[arg(long)]
    grpc_only: bool,
    /// Only API keys.
    #[arg(long)]
    keys_only: bool,
    /// The largest number of API keys.
    #[arg(long, default_value_t = 1_000_000)]
    keys: usize,
    /// Where `initdb` and `postgres` are; without it API keys are not measured.
    #[arg(long, env = "TOLLGATE_TEST_POSTGRES_BIN")]
    postgres_bin: Option<std::path::PathBuf>,
    /// Writes the result as Markdown to this file too.
    #[arg(long)]
    markdown: Option<std::path::PathBuf>,
    /// Serves constant answers on this port and does nothing else: the floor runs in a process of its own, as
    /// Tollgate does.
    #[arg(long, hide = true)]
    floor_port: Option<u16>,
    /// Accepted because cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if let Some(port) = options.floor_port {
            return floor::serve(port).await;
        }
        let phase = Duration::from_secs(options.seconds);
        let (seen, fresh) = if options.keys_only { (2, 0) } else { (scenario::SEEN, 24_000) };
        let rig = rig::Rig::start(seen, fresh).await?;
        let mut report = if options.keys_only { Vec::new() } else { scenario::grpc(&rig, phase).await? };
        let verify = rig.raw_verify_micros();
        if !options.grpc_only && !options.keys_only {
            report.extend(gateway::through_envoy(&rig, phase).await?);
        }
        let mut facts = keys::Facts(Vec::new());
        if let Some(bin) = &options.postgres_bin {
            let mut sizes: Vec<usize> = [10, 10_000].into_iter().filter(|n| *n < options.keys).collect();
            sizes.push(options.keys);
            let (rows, more) = keys::run(&rig, bin, &sizes, phase).await?;
            report.extend(rows);
            facts = more;
        } else {
            eprintln!("API keys are not measured: --postgres-bin does not say where initdb is");
        }
        let text = table::markdown(&report, &facts, verify, &table::hardware());
        println!("{text}");
        if let Some(path) = options.markdown {
            std::fs::write(path, text)?;
        }
        Ok(())
    })
}
