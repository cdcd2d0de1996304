//! Tollgate and Envoy as `deployment/systemd/` configures them, on ports and paths of a test.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::objects::deployment;
use crate::harness::envoy::Envoy;
use crate::harness::process::Process;
use crate::harness::{free_port, scratch};

/// A file of `deployment/systemd/`.
pub fn shipped(file: &str) -> String {
    std::fs::read_to_string(deployment().join("systemd").join(file)).unwrap()
}

/// A running Tollgate on `tollgate.yaml`.
#[derive(Debug)]
pub struct Machine {
    pub tollgate: Process,
    grpc: u16,
    _dir: TempDir,
}

impl Machine {
    /// Starts it with this issuer and these variables, and waits until it is ready.
    pub async fn start(issuer: &str, variables: &[(String, String)]) -> Self {
        let dir = scratch("machine");
        let mut config = shipped("tollgate.yaml").replace("http://localhost:8080/realms/master", issuer);
        let ports = [3000, 3001, 3002, 9464].map(|written: u16| (written, free_port()));
        for (written, port) in ports {
            let there = config.replace(&format!("127.0.0.1:{written}"), &format!("127.0.0.1:{port}"));
            assert_ne!(config, there, "port {written}");
            config = there;
        }
        let state = dir.path().join("tollgate.db");
        config = config.replace("/var/lib/tollgate/tollgate.db", &state.display().to_string());
        let file = dir.path().join("tollgate.yaml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(["serve", "--config"]).arg(&file).env_remove("RUST_LOG");
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let mut tollgate = Process::start("tollgate", &mut command, &dir.path().join("tollgate.log"));
        let ready = format!("http://127.0.0.1:{}/health/ready", ports[0].1);
        tollgate.ready(&ready, Duration::from_secs(30)).await;
        Self { tollgate, grpc: ports[1].1, _dir: dir }
    }

    /// Puts an Envoy on `envoy.yaml` in front, with a change to the cluster `tollgate`.
    pub async fn front(&self, binary: &Path, upstream: u16, change: impl FnOnce(&mut Value)) -> Envoy {
        let mut front: Value = serde_saphyr::from_str(&shipped("envoy.yaml")).unwrap();
        let (gateway, admin) = (free_port(), free_port());
        let endpoint = |cluster: usize| {
            format!(
                "/static_resources/clusters/{cluster}/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address"
            )
        };
        for (pointer, written, port) in [
            ("/admin/address".to_owned(), 9901, admin),
            ("/static_resources/listeners/0/address".to_owned(), 10080, gateway),
            (endpoint(0), 3001, self.grpc),
            (endpoint(1), 8081, upstream),
        ] {
            let address = &mut front.pointer_mut(&pointer).unwrap()["socket_address"];
            assert_eq!(address["port_value"], written, "{pointer}");
            address["port_value"] = json!(port);
        }
        change(&mut front["static_resources"]["clusters"][0]);
        Envoy::start_with(binary, gateway, admin, &front).await
    }
}
