//! A real Caddy with `forward_auth`, set up as the documentation tells an operator to.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::Process;
use super::{IDENTITY_HEADERS, free_port, scratch};

/// A running Caddy.
#[derive(Debug)]
pub struct Caddy {
    /// Where clients connect.
    pub port: u16,
    pub process: Process,
    _dir: TempDir,
}

impl Caddy {
    /// Starts `binary` in front of `upstream`, asking the check door on `check` before every request.
    pub async fn start(binary: &Path, check: u16, upstream: u16) -> Self {
        let (port, alive) = (free_port(), free_port());
        let dir = scratch("caddy");
        let config = dir.path().join("Caddyfile");
        std::fs::write(&config, configuration(port, alive, check, upstream)).unwrap();
        let mut command = Command::new(binary);
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&config);
        // Where it would keep certificates and its last configuration.
        for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(variable, dir.path());
        }
        let mut process = Process::start("caddy", &mut command, &dir.path().join("caddy.log"));
        process.ready(&format!("http://127.0.0.1:{alive}/"), Duration::from_secs(20)).await;
        Self { port, process, _dir: dir }
    }
}

fn configuration(port: u16, alive: u16, check: u16, upstream: u16) -> String {
    let identity = IDENTITY_HEADERS.join(" ");
    format!(
        "
{{
    admin off
    auto_https off
}}
http://:{alive} {{
    bind 127.0.0.1
    respond alive
}}
http://:{port} {{
    bind 127.0.0.1
    # In exactly this order: what a client nominates for removal and its own identity headers go first, its credential last.
    @upgrade header Upgrade *
    route {{
        request_header -Connection
        request_header -X-Tollgate*
        request_header -X_Tollgate*
        request_header -X.Tollgate*
        forward_auth 127.0.0.1:{check} {{
            uri /forward-auth
            header_up Upgrade {{header.Upgrade}}
            copy_headers {identity}
        }}
        request_header -Authorization
        request_header -X-Api-Key
        request_header @upgrade Connection Upgrade
        reverse_proxy 127.0.0.1:{upstream} {{
            flush_interval -1
        }}
    }}
}}
"
    )
}
