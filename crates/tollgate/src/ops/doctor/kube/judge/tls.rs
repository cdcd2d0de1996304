//! Whether Envoy and Tollgate's gRPC door agree on TLS.

use super::super::snapshot::Kind;
use super::asked::{Protocol, asked};
use super::{Finding, Scene};

pub(super) fn judge(scene: &mut Scene<'_>) {
    let Some(configured) = scene.expect.configured.clone() else { return };
    let (namespace, name) = (scene.expect.namespace.as_str(), scene.expect.service.as_str());
    let asks = scene.snapshot.all(Kind::SecurityPolicy).flat_map(|policy| asked(policy).collect::<Vec<_>>());
    let direct =
        asks.filter(|a| a.protocol == Protocol::Grpc && a.name == name && a.namespace == namespace).count()
            > 0;
    if !direct || !scene.snapshot.has_seen(Kind::BackendTlsPolicy, namespace) {
        return;
    }
    let policy = scene.snapshot.all(Kind::BackendTlsPolicy).find(|policy| {
        policy.namespace() == namespace
            && policy.list("/spec/targetRefs").any(|target| {
                target.text("/name") == Some(name)
                    && target.text("/sectionName").is_none_or(|port| port == "grpc" || port == "3001")
            })
    });
    match (policy, configured.grpc_tls) {
        (Some(policy), false) => scene.add(Finding::error(
            "tls_not_spoken",
            policy.place(),
            format!("Envoy speaks TLS to the gRPC door, and {} has no server.grpc.tls", configured.source),
            "set server.grpc.tls (deployment/variants/tls.yaml does both ends), or delete the BackendTLSPolicy",
        )),
        (None, true) => scene.add(Finding::error(
            "tls_expected",
            format!("Service {namespace}/{name}"),
            format!("{} has server.grpc.tls, and no BackendTLSPolicy tells Envoy", configured.source),
            "kubectl apply -f deployment/variants/tls.yaml, or take server.grpc.tls out",
        )),
        (Some(policy), true) => scene.add(Finding::ok("tls", policy.place(), "Envoy and the gRPC door speak TLS")),
        (None, false) => {}
    }
}
