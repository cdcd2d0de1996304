//! From what was read to what is wrong: no I/O, no clock, the same findings for the same objects.

mod asked;
mod gateways;
mod grants;
mod pods;
mod policies;
mod routes;
mod services;
mod settings;
mod tls;

use super::expect::Expect;
use super::object::Object;
use super::snapshot::{Kind, Snapshot};
use crate::ops::doctor::finding::Finding;

pub(super) use self::asked::asked;

/// The class of Envoy Gateway.
const CONTROLLER: &str = "gateway.envoyproxy.io/gatewayclass-controller";
/// How Envoy Gateway is installed.
const INSTALL: &str = "kubectl apply --server-side --force-conflicts -f \
                       https://github.com/envoyproxy/gateway/releases/download/v1.5.3/install.yaml";

/// Judges a snapshot.
pub fn judge(snapshot: &Snapshot, expect: &Expect) -> Vec<Finding> {
    let mut scene = Scene { snapshot, expect, findings: Vec::new() };
    scene.refused();
    if scene.foundations() {
        gateways::judge(&mut scene);
        routes::judge(&mut scene);
        policies::judge(&mut scene);
        tls::judge(&mut scene);
    }
    services::judge(&mut scene);
    pods::judge(&mut scene);
    scene.findings
}

/// What every judge works with.
struct Scene<'a> {
    snapshot: &'a Snapshot,
    expect: &'a Expect,
    findings: Vec<Finding>,
}

impl<'a> Scene<'a> {
    fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// What the API server did not show.
    fn refused(&mut self) {
        let refused: Vec<Finding> = self
            .snapshot
            .refused()
            .map(|(kind, namespace, why)| {
                let scope = namespace.map_or("-A".to_owned(), |namespace| format!("-n {namespace}"));
                Finding::unseen(
                    "kube_unreadable",
                    format!("{} {scope}", kind.plural()),
                    why,
                    format!(
                        "let this user read them: kubectl auth can-i list {} {scope}; everything else was looked at",
                        kind.plural()
                    ),
                )
            })
            .collect();
        self.findings.extend(refused);
    }

    /// Whether both APIs are there, without which nothing below can be.
    fn foundations(&mut self) -> bool {
        let mut there = true;
        for (kind, code, what) in [
            (Kind::Gateway, "gateway_api_missing", "the Gateway API is not installed"),
            (Kind::SecurityPolicy, "envoy_gateway_missing", "Envoy Gateway is not installed"),
        ] {
            if self.snapshot.is_served(kind) == Some(false) {
                self.add(Finding::error(code, format!("API {}", kind.api().0), what, INSTALL));
                there = false;
            }
        }
        there
    }

    /// The Gateways that Envoy Gateway runs.
    fn gateways(&self) -> Vec<Object<'a>> {
        let ours = |gateway: &Object<'_>| {
            let class = gateway.text("/spec/gatewayClassName").unwrap_or_default();
            let class = self.snapshot.all(Kind::GatewayClass).find(|known| known.name() == class);
            class.is_none_or(|class| class.text("/spec/controllerName") == Some(CONTROLLER))
        };
        self.snapshot.all(Kind::Gateway).filter(ours).collect()
    }
}

/// The names among `known` that are nearest to a wrong one, for "did you mean".
fn nearest<'n>(wrong: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let near = |name: &&str| strsim::damerau_levenshtein(wrong, name) <= 1 + wrong.len() / 4;
    known.filter(near).min_by_key(|name| strsim::damerau_levenshtein(wrong, name))
}
