//! A real Kubernetes API server with its own etcd: no nodes and no controllers, but every check that the server makes of
//! an object, with the custom resource definitions that a test installs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Process;
use super::{free_port, need, scratch};

/// From start to ready; some seconds alone, more while other tests use the processors.
const START_LIMIT: Duration = Duration::from_secs(120);

/// The token of the one user, who may do everything.
const TOKEN: &str = "test-administrator";

/// A running API server and etcd; both end with it, and their data goes.
#[derive(Debug)]
pub struct Kube {
    programs: PathBuf,
    kubeconfig: PathBuf,
    port: u16,
    // Dropped in this order: the server before what it stands on.
    api: Process,
    _etcd: Process,
    dir: TempDir,
}

impl Kube {
    /// Starts both, and returns when the server says that it is ready. `None` after a skip when they are not there.
    pub async fn start() -> Option<Self> {
        let programs = need("TOLLGATE_TEST_KUBERNETES")?;
        let dir = scratch("kube");
        let (etcd_url, etcd) = start_etcd(&programs, dir.path()).await;
        let (port, api) = start_api(&programs, dir.path(), &etcd_url);
        let kubeconfig = dir.path().join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_text(dir.path(), port).to_string()).unwrap();
        let mut kube = Self { programs, kubeconfig, port, api, _etcd: etcd, dir };
        kube.ready().await;
        Some(kube)
    }

    /// For `--kubeconfig` of the programs that a test starts.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A directory that ends with this server.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// `kubectl` with these arguments and this standard input, run to its end.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(self.programs.join("kubectl"));
        // What kubectl remembers of a server's kinds would otherwise outlive the server.
        command
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .arg("--cache-dir")
            .arg(self.dir.path().join("cache"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A kubectl that refuses its arguments does not read; its answer says so.
        let _not_read = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// [`Kube::kubectl`] that must succeed; its standard output.
    pub fn run(&self, arguments: &[&str], input: &str) -> String {
        let output = self.kubectl(arguments, input);
        assert!(output.status.success(), "kubectl {arguments:?}:\n{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Installs every custom resource definition in these directories, and waits until each is served.
    pub fn install(&self, definitions: &[PathBuf]) {
        for directory in definitions {
            // The annotation of a client-side apply would be too large for some of them.
            let directory = directory.to_str().unwrap();
            self.run(&["apply", "--server-side", "--force-conflicts", "-f", directory], "");
        }
        self.run(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"], "");
    }

    /// What the server says of these objects without keeping them: `Ok`, or what kubectl printed.
    pub fn dry_run(&self, objects: &[Value]) -> Result<String, String> {
        let input = super::manifests::write(objects);
        let output = self
            .kubectl(&["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"], &input);
        if output.status.success() { Ok(text(&output)) } else { Err(text(&output)) }
    }

    /// Keeps these objects, with their statuses: where only a controller would write one, through the subresource.
    pub fn apply(&self, objects: &[Value]) {
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.run(&apply, &super::manifests::write(objects));
        let with_status: Vec<_> = objects
            .iter()
            .filter(|object| object.get("status").is_some())
            .map(|object| {
                let name = json!({"name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"]});
                json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": name, "status": object["status"]})
            })
            .collect();
        if !with_status.is_empty() {
            let status = super::manifests::write(&with_status);
            self.run(&[&apply[..], &["--subresource=status"]].concat(), &status);
        }
    }

    /// Removes one object, if it is there.
    pub fn delete(&self, object: &Value) {
        let document = object.to_string();
        self.run(&["delete", "--ignore-not-found", "--now", "--wait=false", "-f", "-"], &document);
    }

    async fn ready(&mut self) {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            assert!(self.api.status().is_none(), "kube-apiserver ended:\n{}", self.api.log_tail());
            if self.kubectl(&["get", "--raw", "/readyz"], "").status.success() {
                return;
            }
            assert!(Instant::now() < deadline, "kube-apiserver was not ready:\n{}", self.api.log_tail());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// All that a program printed.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn start_etcd(programs: &Path, dir: &Path) -> (String, Process) {
    let (client_url, peer_url) =
        (format!("http://127.0.0.1:{}", free_port()), format!("http://127.0.0.1:{}", free_port()));
    let mut command = Command::new(programs.join("etcd"));
    command.arg("--data-dir").arg(dir.join("etcd"));
    command.args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url]);
    command.args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url]);
    command.args(["--initial-cluster", &format!("default={peer_url}"), "--unsafe-no-fsync"]);
    let mut etcd = Process::start("etcd", &mut command, &dir.join("etcd.log"));
    etcd.ready(&format!("{client_url}/health"), START_LIMIT).await;
    (client_url, etcd)
}

fn start_api(programs: &Path, dir: &Path, etcd: &str) -> (u16, Process) {
    let port = free_port();
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    std::fs::write(path("server.crt"), parameters.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(path("server.key"), key.serialize_pem()).unwrap();
    // Signs the tokens of service accounts, which nobody here asks for; the server does not start without.
    let accounts = rcgen::KeyPair::generate().unwrap();
    std::fs::write(path("accounts.key"), accounts.serialize_pem()).unwrap();
    std::fs::write(path("accounts.pub"), accounts.public_key_pem()).unwrap();
    std::fs::write(path("tokens.csv"), format!("{TOKEN},admin,admin,system:masters\n")).unwrap();

    let mut command = Command::new(programs.join("kube-apiserver"));
    for (flag, value) in [
        ("etcd-servers", etcd),
        ("bind-address", "127.0.0.1"),
        ("secure-port", &port.to_string()),
        ("tls-cert-file", &path("server.crt")),
        ("tls-private-key-file", &path("server.key")),
        ("cert-dir", &path("certificates")),
        ("token-auth-file", &path("tokens.csv")),
        ("authorization-mode", "AlwaysAllow"),
        ("service-account-issuer", "https://kubernetes.default.svc"),
        ("service-account-key-file", &path("accounts.pub")),
        ("service-account-signing-key-file", &path("accounts.key")),
        // As k3s has it.
        ("service-cluster-ip-range", "10.43.0.0/16"),
        // No controller makes the account that this would ask for.
        ("disable-admission-plugins", "ServiceAccount"),
    ] {
        command.arg(format!("--{flag}={value}"));
    }
    (port, Process::start("kube-apiserver", &mut command, &dir.join("kube-apiserver.log")))
}

fn kubeconfig_text(dir: &Path, port: u16) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"), "certificate-authority": dir.join("server.crt"),
        }}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    })
}
