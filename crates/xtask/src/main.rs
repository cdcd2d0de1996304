//! Chores, run as `cargo xtask <chore>`.

mod bindings;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(about = "Chores of the Tollgate repository")]
enum Chore {
    /// Compiles crates/tollgate-envoy/proto into committed Rust.
    Generate,
}

fn main() -> anyhow::Result<()> {
    match Chore::parse() {
        Chore::Generate => bindings::generate(&bindings::committed()),
    }
}
