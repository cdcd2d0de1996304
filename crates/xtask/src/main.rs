//! Chores, run as `cargo xtask <chore>`.

#![expect(clippy::print_stdout, reason = "chores talk to their terminal")]

mod bindings;
mod fuzz;

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
}

fn main() -> anyhow::Result<()> {
    match Chore::parse() {
        Chore::Generate => bindings::generate(&bindings::committed()),
        Chore::Fuzz { seconds, target } => fuzz::run(seconds, target.as_deref()),
    }
}
