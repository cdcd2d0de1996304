//! The operators' tools against real programs: a gateway that is right and gateways that are not.

mod bench;
mod doctor;
mod image;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate::clock::SystemClock;
use tollgate::dev::backend::{BackendOptions, router};

use crate::harness::scratch;
use crate::harness::server::Server;
use crate::stand::Stand;

/// The sample backend of `tollgate dev`.
async fn sample_backend() -> Server {
    Server::start(router(BackendOptions::new(Arc::new(SystemClock)))).await
}

/// Files with tokens, as an operator has them.
struct Tokens {
    dir: TempDir,
}

impl Tokens {
    fn of(stand: &Stand) -> Self {
        let tokens = Self { dir: scratch("tokens") };
        std::fs::write(tokens.path("valid"), format!("{}\n", stand.token())).unwrap();
        let expired = stand.token_with(&json!({"iat": 1_700_000_000, "exp": 1_700_000_300}));
        std::fs::write(tokens.path("expired"), expired).unwrap();
        tokens
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Runs a tool with `--output json`; its exit code and what it printed.
fn tool(arguments: &[&str]) -> (i32, Value) {
    let output = crate::harness::tollgate::run(&[arguments, &["--output", "json"]].concat());
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let printed = serde_json::from_str(&printed)
        .unwrap_or_else(|_| json!({"stdout": printed, "stderr": String::from_utf8_lossy(&output.stderr)}));
    (output.status.code().unwrap(), printed)
}
