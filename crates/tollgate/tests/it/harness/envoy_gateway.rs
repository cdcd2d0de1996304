//! Real Envoy Gateways, the oldest that the guide's line has and the newest: their own judgement of manifests
//! (`egctl x translate`), and the gateway itself with a real Envoy, without a cluster.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};

use super::apart::{MountPoint, apart};
use super::process::Process;
use super::{kube, manifests, need, scratch};

/// From start to a listener that accepts connections.
const START_LIMIT: Duration = Duration::from_secs(90);

/// Its control plane listens on fixed ports (18000, 18002, 19000, 8081), so that only one runs at a time.
pub static ALONE: Mutex<()> = Mutex::const_new(());

/// One release: its programs, its custom resource definitions, and the Envoy that it is tested with.
#[derive(Clone, Debug)]
pub struct Release {
    pub name: &'static str,
    pub folder: PathBuf,
    pub envoy: PathBuf,
    old: bool,
}

impl Release {
    /// The 1.5 line, as the guide has it, with the oldest Envoy that the tests have.
    pub fn old() -> Option<Self> {
        let (folder, envoy) = (need("TOLLGATE_TEST_GATEWAY_OLD")?, need("TOLLGATE_TEST_ENVOY_OLD")?);
        Some(Self { name: "old", folder, envoy, old: true })
    }

    /// The newest, with the newest Envoy.
    pub fn new() -> Option<Self> {
        let (folder, envoy) = (need("TOLLGATE_TEST_GATEWAY_NEW")?, need("TOLLGATE_TEST_ENVOY_NEW")?);
        Some(Self { name: "new", folder, envoy, old: false })
    }

    /// Both; `None` after a skip when one is not there.
    pub fn both() -> Option<[Self; 2]> {
        Some([Self::old()?, Self::new()?])
    }

    /// The custom resource definitions, of Gateway API and of Envoy Gateway.
    pub fn definitions(&self) -> PathBuf {
        self.folder.join("crds")
    }

    /// The objects with the statuses that this release would give them, or what it said instead.
    pub fn judge(&self, objects: &[Value]) -> Result<Vec<Value>, String> {
        let dir = scratch("egctl");
        let file = dir.path().join("objects.yaml");
        std::fs::write(&file, manifests::write(&with_addresses(objects))).unwrap();
        let output = Command::new(self.folder.join("egctl"))
            .args(["x", "translate", "--from", "gateway-api", "--to", "gateway-api", "-o", "yaml", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        if !output.status.success() {
            return Err(kube::text(&output));
        }
        let said = String::from_utf8(output.stdout).unwrap();
        Ok(manifests::parse(&said).iter().flat_map(members).collect())
    }
}

impl Release {
    /// How pods are made is no use here, where there is one process; how Envoy logs stays.
    fn on_host(&self, objects: &[Value]) -> Vec<Value> {
        let mut objects = objects.to_vec();
        for proxy in objects.iter_mut().filter(|object| object["kind"] == "EnvoyProxy") {
            let spec = proxy["spec"].as_object_mut().unwrap();
            spec.remove("provider");
            if !self.old {
                let host = json!({"type": "Host", "host": {"envoyVersion": ENVOY_VERSION}});
                spec.insert("provider".into(), host);
            }
        }
        objects
    }
}

/// Services that have no cluster address get one; it stands for whatever a cluster would give.
fn with_addresses(objects: &[Value]) -> Vec<Value> {
    let mut objects = objects.to_vec();
    for (number, object) in objects.iter_mut().enumerate() {
        let spec = &object["spec"];
        if object["kind"] == "Service" && spec.get("clusterIP").is_none() {
            object["spec"]["clusterIP"] = json!(format!("10.43.7.{}", number + 1));
        }
    }
    objects
}

/// egctl prints one document whose members are lists of objects by kind.
fn members(document: &Value) -> Vec<Value> {
    let lists = document.as_object().into_iter().flatten();
    let objects = lists.flat_map(|(name, list)| match list {
        Value::Array(objects) => objects.clone(),
        // One GatewayClass and its EnvoyProxy are no lists.
        Value::Object(_) if ["gatewayClass", "envoyProxyForGatewayClass"].contains(&name.as_str()) => {
            vec![list.clone()]
        }
        _ => Vec::new(),
    });
    objects.collect()
}

/// Every condition in an object's status that says no: `Kind namespace/name: type=status reason: message`.
pub fn complaints(objects: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for object in objects {
        for condition in conditions(&object["status"]) {
            // These two are good news when they are false.
            let good = if ["Conflicted", "OverlappingTLSConfig"].iter().any(|kind| condition["type"] == *kind)
            {
                "False"
            } else {
                "True"
            };
            // Nobody runs the proxy that this waits for.
            let waits = condition["type"] == "Programmed" && condition["reason"] != "Invalid";
            if condition["status"] != good && !waits {
                found.push(format!(
                    "{}: {} {}",
                    manifests::id(object),
                    condition["reason"],
                    condition["message"]
                ));
            }
        }
    }
    found
}

/// All conditions, however deep: a route's are below its parents, a policy's below its ancestors.
pub fn conditions(status: &Value) -> Vec<&Value> {
    match status {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| match member {
                Value::Array(conditions) if name == "conditions" => conditions.iter().collect(),
                _ => conditions(member),
            })
            .collect(),
        Value::Array(members) => members.iter().flat_map(conditions).collect(),
        _ => Vec::new(),
    }
}

/// A running Envoy Gateway with its Envoy; both end with it.
#[derive(Debug)]
pub struct EnvoyGateway {
    process: Process,
    dir: TempDir,
    _certificates: MountPoint,
    _alone: MutexGuard<'static, ()>,
}

impl EnvoyGateway {
    /// Serves these objects and returns when something listens on `port`, the port of a listener of theirs. `None`
    /// after a skip when it cannot be run apart.
    ///
    /// Services are not there without a cluster: see [`manifests::on_this_machine`].
    pub async fn start(release: &Release, objects: &[Value], port: u16) -> Option<Self> {
        let alone = ALONE.lock().await;
        let dir = scratch("envoy-gateway");
        let home = dir.path().join("home");
        let objects_dir = dir.path().join("objects");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::create_dir_all(&objects_dir).unwrap();
        std::fs::write(objects_dir.join("objects.yaml"), manifests::write(&release.on_host(objects)))
            .unwrap();
        let config = dir.path().join("config.yaml");
        std::fs::write(&config, configuration(&objects_dir).to_string()).unwrap();
        place_envoy(release, &home);

        // 1.5 keeps certificates and Envoys here, whatever it is told; the newer one below its home.
        let certificates = MountPoint::new("/tmp/envoy-gateway");
        let binds = [(home.as_path(), certificates.path())];
        let log = dir.path().join("envoy-gateway.log");
        let hosts = manifests::hosts(objects);
        let at_home = |arguments: &[&str]| {
            let mut command = apart(&release.folder.join("envoy-gateway"), &home, &hosts, &binds)?;
            command.args(arguments).env("ENVOY_VERSION", ENVOY_VERSION);
            Some(command)
        };
        let made = at_home(&["certgen", "--local"])?.output().unwrap();
        assert!(made.status.success(), "{}", kube::text(&made));
        let mut command = at_home(&["server", "--config-path", config.to_str().unwrap()])?;
        let mut process = Process::start("envoy-gateway", &mut command, &log);
        listening(&mut process, port).await;
        Some(Self { process, dir, _certificates: certificates, _alone: alone })
    }

    /// What it and its Envoy have logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// A directory that ends with it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for EnvoyGateway {
    fn drop(&mut self) {
        // The process that we hold only waits and hears no other signal; with it everything in its namespace ends.
        self.process.kill();
    }
}

/// The version under which the tests' Envoy is put where each release looks before it would download one. Nobody compares
/// the name with the program.
const ENVOY_VERSION: &str = "1.39.0";

fn place_envoy(release: &Release, home: &Path) {
    let versions = if release.old { "versions" } else { ".local/share/envoy-gateway/envoy-versions" };
    let place = home.join(versions).join(ENVOY_VERSION).join("bin");
    std::fs::create_dir_all(&place).unwrap();
    symlink(&release.envoy, place.join("envoy")).unwrap();
}

fn configuration(objects: &Path) -> Value {
    json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        "provider": {"type": "Custom", "custom": {
            "resource": {"type": "File", "file": {"paths": [objects]}},
            "infrastructure": {"type": "Host", "host": {}},
        }},
        "extensionApis": {"enableBackend": true},
    })
}

/// Waits until somebody listens. Panics with the end of the log when the process ends first or takes too long.
pub async fn listening(process: &mut Process, port: u16) {
    let deadline = Instant::now() + START_LIMIT;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(process.status().is_none(), "it ended before it listened:\n{}", process.log_tail());
        assert!(Instant::now() < deadline, "nothing listened on {port}:\n{}", process.log_tail());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
