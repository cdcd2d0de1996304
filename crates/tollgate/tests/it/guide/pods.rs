//! Containers of the manifests as processes of this machine: the same program, arguments, environment and files; only the
//! paths of volumes are this machine's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::isolation::Place;
use super::objects::{Object, Objects, SYSTEM, config_map, list};
use crate::harness::keycloak::WATCHDOG;
use crate::harness::process::Process;
use crate::harness::{client, free_port, need, scratch};

/// The guide waits this long for Keycloak (and a machine that runs other tests meanwhile may need longer).
const KEYCLOAK_LIMIT: Duration = Duration::from_secs(300);

/// Makes a read-only tree of `$0` with the volumes on it that follow as `source target` pairs, then runs the rest.
const READ_ONLY: &str = r#"
home=$0
mount --bind "$home" "$home" && mount -o remount,bind,ro "$home" || exit 1
while [ "$1" != -- ]; do mkdir -p "$2" 2>/dev/null; mount --bind "$1" "$2" || exit 1; shift 2; done
shift
exec "$@"
"#;

/// A container's environment, with what comes from Secrets and ConfigMaps.
pub fn environment(objects: &Objects, workload: &Object, container: &str) -> Vec<(String, String)> {
    let variables = list(&workload.container(container)["env"]).iter();
    let value = |variable: &Value| {
        let from = &variable["valueFrom"]["secretKeyRef"];
        if from.is_null() {
            return variable["value"].as_str().unwrap().to_owned();
        }
        let secret = objects.get("Secret", workload.namespace(), from["name"].as_str().unwrap());
        secret.at("/stringData")[from["key"].as_str().unwrap()].as_str().unwrap().to_owned()
    };
    variables.map(|variable| (variable["name"].as_str().unwrap().to_owned(), value(variable))).collect()
}

/// A container's `command` or `args`.
pub fn words(workload: &Object, container: &str, which: &str) -> Vec<String> {
    list(&workload.container(container)[which]).iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// A pod's volumes as directories: ConfigMaps with their files, the others empty.
fn volumes(objects: &Objects, workload: &Object, dir: &Path) -> BTreeMap<String, PathBuf> {
    let volume = |volume: &Value| {
        let name = volume["name"].as_str().unwrap().to_owned();
        let path = dir.join(&name);
        std::fs::create_dir_all(&path).unwrap();
        if let Some(map) = volume["configMap"]["name"].as_str() {
            let data = objects.get("ConfigMap", workload.namespace(), map).at("/data").as_object().unwrap();
            for (key, text) in data {
                std::fs::write(path.join(key), text.as_str().unwrap()).unwrap();
            }
        }
        (name, path)
    };
    workload.list("/spec/template/spec/volumes").iter().map(volume).collect()
}

/// Where a container has its volumes: `(directory here, path in the container)`, parents before what is in them.
fn mounts(workload: &Object, container: &str, volumes: &BTreeMap<String, PathBuf>) -> Vec<(PathBuf, String)> {
    let mounts = list(&workload.container(container)["volumeMounts"]).iter();
    let mount = |mount: &Value| {
        let name = mount["name"].as_str().unwrap();
        (volumes[name].clone(), mount["mountPath"].as_str().unwrap().to_owned())
    };
    let mut mounts: Vec<_> = mounts.map(mount).collect();
    mounts.sort_by(|(_, one), (_, two)| one.cmp(two));
    mounts
}

/// A path in a container, here.
fn here(word: &str, mounts: &[(PathBuf, String)]) -> String {
    let inside = mounts.iter().rev().find(|(_, path)| word == path || word.starts_with(&format!("{path}/")));
    inside.map_or_else(|| word.to_owned(), |(dir, path)| format!("{}{}", dir.display(), &word[path.len()..]))
}

/// The pod of keycloak.yaml: Keycloak, and the container beside it that makes Step 6 true.
#[derive(Debug)]
pub struct KeycloakPod {
    keycloak: Process,
    setup: Process,
    _dir: TempDir,
}

impl KeycloakPod {
    /// Starts a new pod and waits until every container of it is ready, as `kubectl wait` does. `None` after a skip.
    pub async fn start(objects: &Objects, place: Place) -> Option<Self> {
        let (dist, java) = (need("TOLLGATE_TEST_KEYCLOAK")?, need("TOLLGATE_TEST_JAVA_HOME")?);
        let workload = objects.get("Deployment", SYSTEM, "keycloak");
        let dir = scratch("keycloak-pod");
        let home = dir.path().join("keycloak");
        let copied = Command::new("cp").arg("-a").arg(&dist).arg(&home).status().unwrap();
        assert!(copied.success(), "cannot copy {} to {}", dist.display(), home.display());
        std::fs::create_dir_all(home.join("data")).unwrap();
        let volumes = volumes(objects, workload, &dir.path().join("volumes"));

        // What the container that runs first is told to do, done here.
        let first = words(workload, "copy", "command");
        let home_text = home.display().to_string();
        let first_mounts = mounts(workload, "copy", &volumes);
        let first: Vec<String> =
            first.iter().map(|w| here(&w.replace("/opt/keycloak", &home_text), &first_mounts)).collect();
        assert!(Command::new(&first[0]).args(&first[1..]).status().unwrap().success(), "{first:?}");

        let mut command = Self::server(place, &home, &mounts(workload, "keycloak", &volumes));
        command.args(words(workload, "keycloak", "args"));
        command.envs(environment(objects, workload, "keycloak"));
        command.env("HOME_COPY", &home).env("KEEP_HOME", "1").env("JAVA_HOME", &java).env_remove("JAVA_OPTS");
        command.stdin(Stdio::piped());
        let log = dir.path().join("keycloak.log");
        let keycloak = Process::start_with_stdin("keycloak", &mut command, &log);

        let setup_mounts = mounts(workload, "setup", &volumes);
        let words_here = |which: &[String]| -> Vec<String> {
            which.iter().map(|word| here(word, &setup_mounts)).collect()
        };
        let command_line = words_here(&words(workload, "setup", "command"));
        let mut command = Command::new(&command_line[0]);
        command.args(&command_line[1..]).envs(environment(objects, workload, "setup"));
        command.env("KEYCLOAK_HOME", &home).env("SETUP_STATE", here("/setup", &setup_mounts));
        command.env("JAVA_HOME", &java);
        let setup = Process::start("keycloak-setup", &mut command, &dir.path().join("setup.log"));

        let probe = &workload.container("setup")["readinessProbe"]["exec"]["command"];
        let probe: Vec<String> = list(probe).iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        let mut pod = Self { keycloak, setup, _dir: dir };
        pod.ready(&words_here(&probe)).await;
        Some(pod)
    }

    /// The server; where it can be, on a tree that it cannot write to, but for its volumes.
    fn server(place: Place, home: &Path, mounts: &[(PathBuf, String)]) -> Command {
        let inside: Vec<_> = mounts
            .iter()
            .filter_map(|(dir, path)| Some((dir, home.join(path.strip_prefix("/opt/keycloak/")?))))
            .collect();
        if place.isolated {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--", "sh", "-c", READ_ONLY]).arg(home);
            for (dir, path) in inside {
                command.arg(dir).arg(path);
            }
            command.args(["--", "bash", "-c", WATCHDOG, "keycloak-watchdog"]);
            return command;
        }
        for (dir, path) in inside {
            std::fs::create_dir_all(&path).unwrap();
            let from = format!("{}/.", dir.display());
            assert!(Command::new("cp").arg("-r").arg(from).arg(path).status().unwrap().success());
        }
        let mut command = Command::new("bash");
        command.args(["-c", WATCHDOG, "keycloak-watchdog"]);
        command
    }

    async fn ready(&mut self, probe: &[String]) {
        let end = Instant::now() + KEYCLOAK_LIMIT;
        self.keycloak.ready("http://127.0.0.1:9000/health/ready", KEYCLOAK_LIMIT).await;
        while !Command::new(&probe[0]).args(&probe[1..]).status().unwrap().success() {
            let ended = self.setup.status();
            assert!(ended.is_none() && Instant::now() < end, "{ended:?}: {}", self.setup.log_tail());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Ends both containers, as a deleted pod does; the database goes with them.
    pub async fn end(mut self) {
        for process in [&mut self.setup, &mut self.keycloak] {
            process.signal("TERM");
            let ended = process.ended(Duration::from_secs(30)).await;
            assert!(ended.is_some(), "does not end:\n{}", process.log_tail());
        }
    }
}

/// The pod of self-service-deployment.yaml.
#[derive(Debug)]
pub struct TollgatePod {
    pub process: Process,
    _dir: TempDir,
}

impl TollgatePod {
    /// Starts it on the ConfigMap's configuration and the Secret's URL, and waits until its `readinessProbe` says yes.
    pub async fn start(objects: &Objects, place: Place) -> Self {
        let workload = objects.get("Deployment", SYSTEM, "self-service-app");
        let dir = scratch("tollgate-pod");
        let (config, url) = (dir.path().join("config.yaml"), dir.path().join("database-url"));
        std::fs::write(&config, place.local(config_map(objects))).unwrap();
        let secret = objects.get("Secret", SYSTEM, "postgresql").text("/stringData/url");
        std::fs::write(&url, place.local(secret)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(words(workload, "self-service-app", "args"));
        command.envs(environment(objects, workload, "self-service-app"));
        command.env("CONFIG_PATH", &config).env("TOLLGATE__DATABASE__URL_FILE", &url).env_remove("RUST_LOG");
        let mut process = Process::start("tollgate", &mut command, &dir.path().join("tollgate.log"));
        process.ready("http://127.0.0.1:3000/health/ready", Duration::from_secs(30)).await;
        Self { process, _dir: dir }
    }
}

/// The pod of ai-backend.yaml, on a port of its own, since Keycloak has 8080 here.
#[derive(Debug)]
pub struct BackendPod {
    pub port: u16,
    pub process: Process,
    _dir: TempDir,
}

impl BackendPod {
    pub async fn start(objects: &Objects) -> Self {
        let (port, dir) = (free_port(), scratch("backend-pod"));
        let workload = objects.get("Deployment", "model", "ai-backend");
        let arguments = words(workload, "ai-backend", "args");
        assert_eq!(arguments.last().map(String::as_str), Some("0.0.0.0:8080"), "{arguments:?}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(&arguments[..arguments.len() - 1]).arg(format!("127.0.0.1:{port}"));
        let mut process = Process::start("ai-backend", &mut command, &dir.path().join("backend.log"));
        process.ready(&format!("http://127.0.0.1:{port}/health"), Duration::from_secs(20)).await;
        Self { port, process, _dir: dir }
    }
}

/// The pod of auth-adapter.yaml, on a port of its own.
#[derive(Debug)]
pub struct AdapterPod {
    pub port: u16,
    pub process: Process,
    _dir: TempDir,
}

impl AdapterPod {
    /// Starts nginx as the container does. `None` after a skip.
    pub async fn start(objects: &Objects, place: Place) -> Option<Self> {
        let binary = need("TOLLGATE_TEST_NGINX")?;
        let (port, dir) = (free_port(), scratch("adapter-pod"));
        let workload = objects.get("Deployment", SYSTEM, "auth-adapter");
        let written = objects.get("ConfigMap", SYSTEM, "auth-adapter-config").text("/data/nginx.conf");
        let text = place.local(written).replace("listen 8080;", &format!("listen 127.0.0.1:{port};"));
        let text = text.replace("/tmp/", &format!("{}/", dir.path().display()));
        assert_ne!(text, place.local(written), "neither the port nor the directory were found");
        let config = dir.path().join("nginx.conf");
        std::fs::write(&config, text).unwrap();
        let words = words(workload, "auth-adapter", "command");
        let mut command = Command::new(binary);
        for word in &words[1..] {
            match word.as_str() {
                "/etc/auth-adapter/nginx.conf" => command.arg(&config),
                // As root it would become a user who may not enter the scratch directory.
                "daemon off;" => command.arg("daemon off; user root;"),
                other => command.arg(other),
            };
        }
        let mut process = Process::start("auth-adapter", &mut command, &dir.path().join("nginx.log"));
        let end = Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let ended = process.status();
            assert!(ended.is_none() && Instant::now() < end, "{ended:?}: {}", process.log_tail());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(Self { port, process, _dir: dir })
    }
}

/// What Tollgate's readiness says about the store.
pub async fn store_state() -> String {
    let answer = client::http().get("http://127.0.0.1:9464/health/ready").send().await.unwrap();
    let report: Value = answer.json().await.unwrap();
    let store = list(&report["components"]).iter().find(|component| component["name"] == "store");
    store.and_then(|store| store["state"].as_str()).unwrap_or("not configured").to_owned()
}
