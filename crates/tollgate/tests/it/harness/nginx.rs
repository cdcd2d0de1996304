//! A real nginx with `auth_request`, set up as the documentation tells an operator to.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::Process;
use super::{IDENTITY_HEADERS, free_port, scratch};

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    /// Where clients connect.
    pub port: u16,
    pub process: Process,
    _dir: TempDir,
}

impl Nginx {
    /// Starts `binary` in front of `upstream`, asking the check door on `check` before every request.
    pub async fn start(binary: &Path, check: u16, upstream: u16) -> Self {
        let (port, alive) = (free_port(), free_port());
        let dir = scratch("nginx");
        let config = dir.path().join("nginx.conf");
        std::fs::write(&config, configuration(dir.path(), port, alive, check, upstream)).unwrap();
        let mut command = Command::new(binary);
        command.arg("-p").arg(dir.path()).arg("-c").arg(&config);
        // Its first complaints would go to a compiled-in path otherwise.
        command.args(["-e", "stderr"]);
        let mut process = Process::start("nginx", &mut command, &dir.path().join("nginx.log"));
        process.ready(&format!("http://127.0.0.1:{alive}/"), Duration::from_secs(20)).await;
        Self { port, process, _dir: dir }
    }
}

/// One process in the foreground, every path inside `dir`.
fn configuration(dir: &Path, port: u16, alive: u16, check: u16, upstream: u16) -> String {
    let mut identity = String::new();
    for name in IDENTITY_HEADERS {
        let variable = name.replace('-', "_");
        // A variable that the answer did not set is empty, and nginx leaves out a header whose value is empty: so the
        // client's own copy never gets through.
        writeln!(identity, "            auth_request_set ${variable} $upstream_http_{variable};").unwrap();
        writeln!(identity, "            proxy_set_header {name} ${variable};").unwrap();
    }
    let mut paths = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(paths, "    {kind}_temp_path {}/{kind};", dir.display()).unwrap();
    }
    format!(
        r#"
daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    map $http_upgrade $tollgate_connection {{ default upgrade; "" ""; }}
{paths}
    server {{
        listen 127.0.0.1:{alive};
        location / {{ return 200 "alive"; }}
    }}
    server {{
        listen 127.0.0.1:{port};
        location = /_tollgate {{
            internal;
            proxy_pass http://127.0.0.1:{check}/nginx;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Host $host;
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Original-Host $host;
            proxy_set_header Upgrade $http_upgrade;
        }}
        location / {{
            auth_request /_tollgate;
{identity}
            proxy_set_header Authorization "";
            proxy_set_header X-Api-Key "";
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $tollgate_connection;
            proxy_buffering off;
            proxy_pass http://127.0.0.1:{upstream};
        }}
    }}
}}
"#,
        dir = dir.display()
    )
}
