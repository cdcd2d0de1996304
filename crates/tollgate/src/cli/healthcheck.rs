//! `tollgate healthcheck`: one request to the process's own readiness, for images that have no curl.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::config::{Sources, load};

/// What to ask.
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// The address to ask; by default the configured `server.metrics.listen`, which says what is not ready, and for --live
    /// `server.http.listen`.
    #[arg(long)]
    address: Option<SocketAddr>,
    /// Ask only whether the process lives.
    #[arg(long)]
    live: bool,
}

/// Asks; exits with 0 for yes and 1 for no.
///
/// # Errors
/// There is nothing to ask.
pub fn run(path: Option<&Path>, args: &HealthcheckArgs) -> anyhow::Result<ExitCode> {
    let mut address = match args.address {
        Some(address) => address,
        None => {
            let server = load(&Sources::of_process(path)).context("the configuration")?.settings.server;
            if args.live { server.http.listen.0 } else { server.metrics.listen.0 }
        }
    };
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let url = format!("http://{address}/health{}", if args.live { "" } else { "/ready" });
    let (ok, body) = super::runtime()?.block_on(async {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build()?;
        let response =
            client.get(&url).send().await.with_context(|| format!("nobody answers at {address}"))?;
        anyhow::Ok((response.status().is_success(), response.text().await?))
    })?;
    writeln!(std::io::stdout(), "{body}")?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
