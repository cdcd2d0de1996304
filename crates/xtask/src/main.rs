//! Chores, run as `cargo xtask <chore>`.

#![expect(clippy::print_stdout, reason = "chores talk to their terminal")]

mod bindings;
mod fuzz;
mod sbom;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(about = "Chores of the Tollgate repository")]
enum Chore {
    /// Compiles crates/tollgate-envoy/proto into committed Rust.
    Generate,
    /// Runs every fuzz target (or one) for a while, from the committed seeds.
    Fuzz {
        /// Seconds for each target.
        #[arg(long, default_value_t = 20)]
        seconds: u64,
        /// One target only.
        target: Option<String>,
    },
    /// Writes the bill of materials of the binary (CycloneDX).
    Sbom {
        /// The file; standard output without it.
        #[arg(long)]
        output: Option<std::path::PathBuf>,
    },
}

fn main() -> anyhow::Result<()> {
    match Chore::parse() {
        Chore::Generate => bindings::generate(&bindings::committed()),
        Chore::Fuzz { seconds, target } => fuzz::run(seconds, target.as_deref()),
        Chore::Sbom { output } => sbom::write(output.as_deref()),
    }
}
