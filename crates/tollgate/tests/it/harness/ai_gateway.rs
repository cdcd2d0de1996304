//! A real Envoy AI Gateway without a cluster (`aigw run`): it holds an Envoy Gateway, a real Envoy, and the processor that
//! reads models out of bodies.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::MutexGuard;

use super::apart::apart;
use super::envoy_gateway::{ALONE, listening};
use super::process::Process;
use super::{free_port, manifests, need, scratch};

/// The version of Envoy that the `aigw` of scripts/kube-tools/ai-gateway would download.
const ENVOY_VERSION: &str = "1.38.1";

/// A running `aigw`; everything that it started ends with it.
#[derive(Debug)]
pub struct AiGateway {
    process: Process,
    _dir: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl AiGateway {
    /// Serves these objects and returns when something listens on `port`, the port of their Gateway. `None` after a skip
    /// when there is no `aigw`, or it cannot be run apart.
    pub async fn start(objects: &[Value], port: u16) -> Option<Self> {
        let (folder, envoy) = (need("TOLLGATE_TEST_AI_GATEWAY")?, need("TOLLGATE_TEST_ENVOY_NEW")?);
        // Envoy Gateway's fixed ports, and 1061 of its own.
        let alone = ALONE.lock().await;
        let dir = scratch("aigw");
        let home = dir.path().join("home");
        let place = home.join("data/envoy-versions").join(ENVOY_VERSION).join("bin");
        std::fs::create_dir_all(&place).unwrap();
        symlink(envoy, place.join("envoy")).unwrap();
        let config = dir.path().join("config.yaml");
        std::fs::write(&config, manifests::write(objects)).unwrap();

        let mut command = apart(&folder.join("aigw"), &home, &manifests::hosts(objects), &[])?;
        command
            .args(["run", "--debug", "--run-id", "0", "--admin-port", &free_port().to_string()])
            .arg(&config);
        at_home(&mut command, &home);
        let mut process = Process::start("aigw", &mut command, &dir.path().join("aigw.log"));
        listening(&mut process, port).await;
        Some(Self { process, _dir: dir, _alone: alone })
    }

    /// What it and its Envoy have logged.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

impl Drop for AiGateway {
    fn drop(&mut self) {
        // As in EnvoyGateway: the process that we hold hears nothing else.
        self.process.kill();
    }
}

/// Everything that it keeps goes below `home`.
fn at_home(command: &mut Command, home: &Path) {
    for place in ["config", "data", "state"] {
        command.env(format!("AIGW_{}_HOME", place.to_uppercase()), home.join(place));
    }
    command.env("AIGW_RUNTIME_DIR", home.join("run"));
}
