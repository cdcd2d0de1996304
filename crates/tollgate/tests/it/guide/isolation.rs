//! A place where the guide's ports and names are what the guide says. Its commands say `localhost:8080`, the manifests say
//! `keycloak.envoy-gateway-system.svc.cluster.local:8080`; on a machine where other tests run, neither can be had as it is.
//!
//! So the test starts itself again, alone, in namespaces of its own: a loopback device that nobody else uses, an /etc/hosts
//! that knows the cluster's names, and processes that all end when the test does.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;

use regex::Regex;

use super::objects::Objects;
use crate::harness::{scratch, variable};

/// Tells the second start that it is inside.
const INSIDE: &str = "TOLLGATE_TEST_INSIDE";

/// Brings up the loopback device and the names, then runs what it is given.
const ENTER: &str = r#"ip link set lo up && mount --bind "$0" /etc/hosts && exec "$@""#;

/// Where a test runs.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Whether the names of the cluster lead to this machine, and mounts can be made.
    pub isolated: bool,
}

/// Gives a place to run in, or `None` when the test has been run in one, and has passed.
///
/// Without the right to make namespaces the test runs where it is, with the cluster's names replaced in what it reads
/// ([`Place::local`]); the ports must then be free.
pub fn enter(test: &str, ports: &[u16]) -> Option<Place> {
    if variable(INSIDE).is_some() {
        return Some(Place { isolated: true });
    }
    let namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let dir = scratch("isolation");
    let hosts = dir.path().join("hosts");
    std::fs::write(&hosts, names()).unwrap();
    let within = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["--", "sh", "-c", ENTER]).arg(&hosts).arg(program).args(arguments);
        command.env(INSIDE, "1").output()
    };
    if within(Path::new("true"), &[]).is_ok_and(|tried| tried.status.success()) {
        let again = std::env::current_exe().unwrap();
        let ran = within(&again, &["--exact", test, "--nocapture"]).unwrap();
        let (said, wrong) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success() && said.contains("1 passed"), "{test}, alone:\n{said}\n{wrong}");
        return None;
    }
    for &port in ports {
        assert!(
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok(),
            "port {port} is taken, which the guide's commands use, and this user may not make network namespaces; \
             stop what listens there, or run the tests as root"
        );
    }
    Some(Place { isolated: false })
}

impl Place {
    /// Text of a manifest as it can be used here: as it is, or with the cluster's names replaced by this machine's address.
    pub fn local(self, text: &str) -> String {
        if self.isolated {
            return text.to_owned();
        }
        let name = Regex::new(r"[a-z0-9-]+\.[a-z0-9-]+\.svc\.cluster\.local").unwrap();
        name.replace_all(text, "127.0.0.1").into_owned()
    }
}

/// Every Service's name, for /etc/hosts.
fn names() -> String {
    let objects = Objects::shipped();
    let services = objects.of_kind("Service");
    let name = |service: &super::objects::Object| {
        format!("{}.{}.svc.cluster.local", service.name(), service.namespace())
    };
    let names: Vec<String> = services.map(name).collect();
    format!("127.0.0.1 localhost {}\n::1 localhost\n", names.join(" "))
}
