//! The rig: real programs (Tollgate, Envoy, nginx, Caddy, Keycloak) and small test servers (issuer, upstream), each a
//! value that ends its process when dropped. Everything listens on 127.0.0.1.
//!
//! `scripts/test` names the real programs in `TOLLGATE_TEST_…` variables. A test asks [`need`] for one and returns when
//! it is not there; the skip is written down and counted, never silent.
#![expect(dead_code, reason = "a rig offers more than any one state of the tests uses")]

pub mod ai_gateway;
pub mod apart;
pub mod caddy;
pub mod client;
pub mod envoy;
pub mod envoy_gateway;
pub mod grpc;
pub mod issuer;
pub mod keycloak;
pub mod kube;
pub mod manifests;
pub mod nginx;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod server;
pub mod tollgate;
pub mod upstream;

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

/// The identity headers that Tollgate sets for a backend, as the proxies in front are told to copy them.
pub const IDENTITY_HEADERS: [&str; 9] = [
    "x-tollgate-subject",
    "x-tollgate-user",
    "x-tollgate-email",
    "x-tollgate-issuer",
    "x-tollgate-key-id",
    "x-tollgate-project",
    "x-tollgate-organization",
    "x-tollgate-groups",
    "x-tollgate-check-id",
];

/// Writes down that the calling test cannot run here. The caller returns right after.
///
/// libtest has no "skipped" and hides what a passing test prints, so the line goes to the file that
/// `TOLLGATE_SKIP_LOG` names; `scripts/test` counts it and prints the reason at the end.
pub fn skip(reason: &str) {
    #[expect(clippy::print_stderr, reason = "shown with --nocapture")]
    {
        eprintln!("SKIPPED: {reason}");
    }
    if let Some(path) = variable("TOLLGATE_SKIP_LOG") {
        let thread = std::thread::current();
        let line = format!("{}\t{reason}\n", thread.name().unwrap_or("unnamed test"));
        let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}

/// The path in an environment variable, or a skip of the calling test when it is unset.
pub fn need(name: &str) -> Option<PathBuf> {
    let path = variable(name);
    if path.is_none() {
        skip(&format!(
            "{name} is not set; scripts/setup-tests or scripts/setup-kube gets the program, and scripts/test runs both"
        ));
    }
    path
}

/// An environment variable that holds a path; empty counts as unset.
#[expect(clippy::disallowed_methods, reason = "the test command tells the rig where the real programs are")]
pub fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A scratch directory beside the build's own files, removed on drop.
pub fn scratch(name: &str) -> TempDir {
    tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A TCP port on 127.0.0.1 that nobody listens on, never the same twice in this process.
///
/// Taken below the range that the kernel uses for outgoing connections, so that none of those can grab it between
/// this call and the moment a child process binds it.
pub fn free_port() -> u16 {
    const FIRST: u32 = 16_384;
    const COUNT: u32 = 16_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test processes that run side by side start at different places.
    let offset = std::process::id().wrapping_mul(257);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + offset.wrapping_add(step) % COUNT).unwrap();
        // Envoy Gateway's own, which cannot be told to take others.
        if [18_000, 18_001, 18_002, 19_000, 19_001].contains(&port) {
            continue;
        }
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
