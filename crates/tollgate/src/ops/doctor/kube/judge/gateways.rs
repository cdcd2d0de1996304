//! Gateways: their class, whether Envoy Gateway took them, and the proxies that it made for them.

use super::super::object::Object;
use super::super::snapshot::{CONTROLLER_NAMESPACE, Kind};
use super::{CONTROLLER, Finding, Scene};

const CONTROLLER_PODS: &str =
    "kubectl get pods -n envoy-gateway-system -l app.kubernetes.io/name=gateway-helm";

pub(super) fn judge(scene: &mut Scene<'_>) {
    if !scene.snapshot.has_seen(Kind::Gateway, "") {
        return;
    }
    let gateways = scene.gateways();
    if gateways.is_empty() {
        scene.add(Finding::error(
            "gateway_missing",
            "Gateway",
            "no Gateway is there",
            "kubectl apply -f deployment/gateway.yaml",
        ));
    }
    for gateway in gateways {
        class(scene, gateway);
        if accepted(scene, gateway) {
            programmed(scene, gateway);
        }
        proxy(scene, gateway);
    }
}

fn class(scene: &mut Scene<'_>, gateway: Object<'_>) {
    let name = gateway.text("/spec/gatewayClassName").unwrap_or_default();
    let Some(class) = scene.snapshot.all(Kind::GatewayClass).find(|class| class.name() == name) else {
        if scene.snapshot.has_seen(Kind::GatewayClass, "") {
            let what = format!("its class '{name}' does not exist");
            let mend = format!(
                "kubectl apply -f deployment/gateway.yaml, or make a GatewayClass '{name}' with controllerName {CONTROLLER}"
            );
            scene.add(Finding::error("gateway_class_missing", gateway.place(), what, mend));
        }
        return;
    };
    match class.condition("/status/conditions", "Accepted") {
        Some(accepted) if accepted.holds() => {}
        Some(accepted) => scene.add(Finding::error(
            "gateway_class_not_accepted",
            class.place(),
            accepted.why(),
            format!(
                "kubectl describe gatewayclass {name}; its parametersRef must name an EnvoyProxy that exists"
            ),
        )),
        None => scene.add(not_looked_at(class)),
    }
}

/// No controller has written a status.
pub(super) fn not_looked_at(object: Object<'_>) -> Finding {
    Finding::error(
        "status_missing",
        object.place(),
        "no controller has looked at it",
        format!("is Envoy Gateway running? {CONTROLLER_PODS}"),
    )
}

/// Judged from an older edit.
pub(super) fn stale(object: Object<'_>) -> Finding {
    Finding::warning(
        "status_stale",
        object.place(),
        "its latest edit has not been looked at yet",
        format!("wait some seconds; if it stays: {CONTROLLER_PODS}"),
    )
}

fn accepted(scene: &mut Scene<'_>, gateway: Object<'_>) -> bool {
    let Some(accepted) = gateway.condition("/status/conditions", "Accepted") else {
        scene.add(not_looked_at(gateway));
        return false;
    };
    if accepted.is_stale(gateway) {
        scene.add(stale(gateway));
    }
    if !accepted.holds() {
        scene.add(Finding::error("gateway_not_accepted", gateway.place(), accepted.why(), describe(gateway)));
    }
    accepted.holds()
}

fn programmed(scene: &mut Scene<'_>, gateway: Object<'_>) {
    let addresses: Vec<&str> = gateway.list("/status/addresses").filter_map(|a| a.text("/value")).collect();
    match gateway.condition("/status/conditions", "Programmed") {
        Some(programmed) if programmed.holds() => scene.add(Finding::ok(
            "gateway",
            gateway.place(),
            format!("accepted and programmed, address {}", addresses.join(", ")),
        )),
        // On k3s Traefik has port 80, so the load balancer's own pods wait for it; the node's port works all the same.
        Some(programmed) if programmed.reason() == "AddressNotAssigned" => scene.add(Finding::warning(
            "gateway_no_address",
            gateway.place(),
            format!("it works through the node's port only: {}", programmed.why()),
            "on k3s Traefik holds port 80: use the NodePort, or install k3s with --disable traefik, or set \
             envoyService.type: NodePort in the EnvoyProxy",
        )),
        Some(programmed) => {
            scene.add(Finding::error(
                "gateway_not_programmed",
                gateway.place(),
                programmed.why(),
                describe(gateway),
            ));
        }
        None => scene.add(not_looked_at(gateway)),
    }
}

fn describe(gateway: Object<'_>) -> String {
    format!("kubectl describe gateway {} -n {}", gateway.name(), gateway.namespace())
}

/// The Service through which clients reach the proxies of a Gateway.
fn proxy(scene: &mut Scene<'_>, gateway: Object<'_>) {
    let owned = |service: &Object<'_>| {
        service.label("gateway.envoyproxy.io/owning-gateway-name") == Some(gateway.name())
            && service.label("gateway.envoyproxy.io/owning-gateway-namespace") == Some(gateway.namespace())
    };
    let found = scene.snapshot.all(Kind::Service).find(owned);
    let Some(service) = found else {
        let seen = [CONTROLLER_NAMESPACE, gateway.namespace()];
        if seen.iter().all(|namespace| scene.snapshot.has_seen(Kind::Service, namespace)) {
            scene.add(Finding::error(
                "proxy_missing",
                gateway.place(),
                "Envoy Gateway has made no proxy for it",
                format!("{CONTROLLER_PODS}; its log says why: kubectl logs -n envoy-gateway-system deployment/envoy-gateway"),
            ));
        }
        return;
    };
    let ports: Vec<String> = service
        .list("/spec/ports")
        .map(|port| match (port.number("/port"), port.number("/nodePort")) {
            (Some(port), Some(node)) => format!("{port} (node port {node})"),
            (Some(port), None) => port.to_string(),
            _ => String::new(),
        })
        .collect();
    match super::services::ready(scene.snapshot, service) {
        Some(0) => scene.add(Finding::error(
            "proxy_not_ready",
            service.place(),
            "no proxy pod is ready",
            format!("kubectl get pods -n {} -l app.kubernetes.io/component=proxy", service.namespace()),
        )),
        Some(count) => scene.add(Finding::ok(
            "proxy",
            service.place(),
            format!(
                "{}, port {}, {count} ready",
                service.text("/spec/type").unwrap_or("ClusterIP"),
                ports.join(", ")
            ),
        )),
        None => {}
    }
}
