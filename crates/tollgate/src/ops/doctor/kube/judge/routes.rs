//! HTTPRoutes: attached, resolved, and guarded by a policy that asks.

use super::super::object::Object;
use super::super::snapshot::Kind;
use super::gateways::{not_looked_at, stale};
use super::grants::{self, Grant, Referrer};
use super::{Finding, Scene, nearest};
use tollgate_core::lookup::Lookup;

pub(super) fn judge(scene: &mut Scene<'_>) {
    if !scene.snapshot.has_seen(Kind::HttpRoute, "") {
        return;
    }
    let routes = attached(scene);
    if routes.is_empty() {
        scene.add(Finding::error(
            "route_missing",
            "HTTPRoute",
            "no HTTPRoute names a Gateway of Envoy Gateway",
            "kubectl apply -f deployment/http-route.yaml",
        ));
    }
    for route in routes {
        let before = scene.findings.len();
        parents(scene, route);
        for rule in route.list("/spec/rules") {
            for backend in rule.list("/backendRefs") {
                self::backend(scene, route, backend);
            }
        }
        guard(scene, route);
        hosts(scene, route);
        if scene.findings.len() == before {
            scene.add(Finding::ok("route", route.place(), "accepted, its backends found, guarded"));
        }
    }
}

/// The routes that name a Gateway of Envoy Gateway, or one that does not exist.
fn attached<'a>(scene: &Scene<'a>) -> Vec<Object<'a>> {
    let ours = scene.gateways();
    let names_ours = |route: &Object<'_>| {
        parent_gateways(*route).any(|(namespace, name)| {
            let there =
                scene.snapshot.all(Kind::Gateway).any(|g| g.name() == name && g.namespace() == namespace);
            !there || ours.iter().any(|g| g.name() == name && g.namespace() == namespace)
        })
    };
    scene.snapshot.all(Kind::HttpRoute).filter(names_ours).collect()
}

/// Namespace and name of every Gateway that a route names.
pub(super) fn parent_gateways<'a>(route: Object<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let gateways =
        route.list("/spec/parentRefs").filter(|p| p.text("/kind").is_none_or(|kind| kind == "Gateway"));
    gateways.map(move |parent| {
        (parent.text("/namespace").unwrap_or(route.namespace()), parent.text("/name").unwrap_or_default())
    })
}

fn parents(scene: &mut Scene<'_>, route: Object<'_>) {
    for (namespace, name) in parent_gateways(route) {
        if matches!(scene.snapshot.find(Kind::Gateway, namespace, name), Lookup::Absent) {
            let known = scene.snapshot.all(Kind::Gateway).map(|g| (g.namespace(), g.name()));
            let others: Vec<String> = known.map(|(namespace, name)| format!("{namespace}/{name}")).collect();
            scene.add(Finding::error(
                "route_parent_missing",
                route.place(),
                format!("its Gateway {namespace}/{name} does not exist"),
                format!("set spec.parentRefs to one that does ({})", others.join(", ")),
            ));
        }
    }
    let statuses: Vec<Object<'_>> = route.list("/status/parents").collect();
    if statuses.is_empty() {
        scene.add(not_looked_at(route));
        return;
    }
    for status in statuses {
        for (kind, code) in [("Accepted", "route_not_accepted"), ("ResolvedRefs", "route_refs_unresolved")] {
            let Some(condition) = status.condition("/conditions", kind) else { continue };
            if condition.is_stale(route) {
                scene.add(stale(route));
            }
            if !condition.holds() {
                let mend = advice(condition.reason(), route);
                scene.add(Finding::error(code, route.place(), condition.why(), mend));
            }
        }
    }
}

fn advice(reason: &str, route: Object<'_>) -> String {
    let describe = format!("kubectl describe httproute {} -n {}", route.name(), route.namespace());
    match reason {
        "NotAllowedByListeners" => {
            "the Gateway's listener does not take routes from this namespace: set allowedRoutes.namespaces.from: All on it".into()
        }
        "NoMatchingListenerHostname" => "give the route a host that the listener has, or the listener no host".into(),
        "NoMatchingParent" => "parentRefs' sectionName or port names no listener of the Gateway".into(),
        "RefNotPermitted" => format!("a ReferenceGrant is missing in the backend's namespace; {describe}"),
        "BackendNotFound" => format!("a backend's Service is missing; {describe}"),
        _ => describe,
    }
}

fn backend(scene: &mut Scene<'_>, route: Object<'_>, backend: Object<'_>) {
    if backend.text("/kind").is_some_and(|kind| kind != "Service") {
        return;
    }
    let namespace = backend.text("/namespace").unwrap_or(route.namespace());
    let name = backend.text("/name").unwrap_or_default();
    let place = route.place();
    let service = match scene.snapshot.find(Kind::Service, namespace, name) {
        Lookup::Found(service) => service,
        Lookup::Unavailable => return,
        Lookup::Absent => {
            let known = scene.snapshot.all(Kind::Service).filter(|s| s.namespace() == namespace);
            let meant = nearest(name, known.map(Object::name));
            let meant = meant.map_or(String::new(), |meant| format!("; did you mean '{meant}'?"));
            let what = format!("its backend Service {namespace}/{name} does not exist{meant}");
            let mend = format!(
                "kubectl get svc -n {namespace}; then kubectl edit httproute {} -n {}",
                route.name(),
                route.namespace()
            );
            scene.add(Finding::error("route_backend_missing", place, what, mend));
            return;
        }
    };
    let port = backend.number("/port");
    let ports: Vec<i64> = service.list("/spec/ports").filter_map(|port| port.number("/port")).collect();
    if port.is_none_or(|port| !ports.contains(&port)) {
        let asked = port.map_or("no port".to_owned(), |port| format!("port {port}"));
        let what = format!("asks {namespace}/{name} on {asked}, which has {ports:?}");
        let mend = format!(
            "kubectl edit httproute {} -n {}: set port to {ports:?}",
            route.name(),
            route.namespace()
        );
        scene.add(Finding::error("route_backend_port", place.clone(), what, mend));
    }
    let referrer = Referrer::route(route.namespace());
    if let Grant::Missing(near) = grants::find(scene.snapshot, referrer, namespace, name) {
        let near = near.map_or(String::new(), |(grant, why)| format!(" ({} {why})", grant.place()));
        let what = format!("no ReferenceGrant lets it name the Service {namespace}/{name}{near}");
        scene.add(Finding::error(
            "route_grant_missing",
            place,
            what,
            grants::command(referrer, namespace, name),
        ));
    }
    services_ready(scene, service);
}

fn services_ready(scene: &mut Scene<'_>, service: Object<'_>) {
    if let Some(finding) = super::services::unready(scene.snapshot, service)
        && !scene.findings.contains(&finding)
    {
        scene.add(finding);
    }
}

/// A route is guarded when a policy with `extAuth` targets it or a Gateway above it. A policy on the route replaces the
/// Gateway's whole, so one without `extAuth` takes the guard away.
fn guard(scene: &mut Scene<'_>, route: Object<'_>) {
    if !scene.snapshot.has_seen(Kind::SecurityPolicy, "") {
        return;
    }
    let targets = |policy: &Object<'_>, kind: &str, namespace: &str, name: &str| {
        policy.namespace() == namespace
            && super::policies::targets(scene.snapshot, *policy)
                .iter()
                .any(|t| t.kind == kind && t.name == name)
    };
    let on_route: Vec<Object<'_>> = scene
        .snapshot
        .all(Kind::SecurityPolicy)
        .filter(|policy| targets(policy, "HTTPRoute", route.namespace(), route.name()))
        .collect();
    if on_route.iter().any(|policy| policy.has("/spec/extAuth")) {
        return;
    }
    let mut gateways = parent_gateways(route);
    let above = gateways.any(|(namespace, name)| {
        let mut policies = scene.snapshot.all(Kind::SecurityPolicy);
        policies.any(|policy| policy.has("/spec/extAuth") && targets(&policy, "Gateway", namespace, name))
    });
    let merged = on_route.iter().all(|policy| policy.has("/spec/mergeType"));
    if let Some(policy) = on_route.first()
        && above
        && !merged
    {
        let what =
            format!("{} replaces the Gateway's policy for it, and does not ask for a check", policy.place());
        let mend = "give that policy the same extAuth, or spec.mergeType: StrategicMerge (Envoy Gateway 1.8 and newer)";
        scene.add(Finding::error("route_guard_replaced", route.place(), what, mend));
    } else if !above {
        let mend = format!(
            "target it by a SecurityPolicy in its own namespace '{}' (as deployment/ext-authz-policy.yaml does), or guard the \
             whole Gateway: kubectl apply -f deployment/variants/gateway-wide.yaml",
            route.namespace()
        );
        scene.add(Finding::warning("route_unguarded", route.place(), "requests on it are not checked", mend));
    }
}

/// Hosts that Tollgate's own routes do not name are denied.
fn hosts(scene: &mut Scene<'_>, route: Object<'_>) {
    let Some(configured) = &scene.expect.configured else { return };
    let uncovered: Vec<&str> =
        route.texts("/spec/hostnames").filter(|host| !configured.covers(host)).collect();
    if !uncovered.is_empty() {
        let what = format!(
            "no entry of `routes` in {} takes the host {}: Tollgate denies every request on it",
            configured.source,
            uncovered.join(", ")
        );
        let mend = format!(
            "add to its routes: - {{name: {}, hosts: [{}], paths: [{{prefix: /}}], access: authenticated}}",
            route.name(),
            uncovered.join(", ")
        );
        scene.add(Finding::warning("route_host_unknown", route.place(), what, mend));
    }
}
