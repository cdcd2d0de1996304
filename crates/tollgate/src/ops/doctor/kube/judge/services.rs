//! Services: Tollgate's own with its ports, and whether anything is ready behind each.

use tollgate_core::lookup::Lookup;

use super::super::object::Object;
use super::super::snapshot::{Kind, Snapshot};
use super::{Finding, Scene, nearest};

/// The ports of Tollgate's Service, and what they are for.
const PORTS: [(i64, &str); 3] =
    [(3000, "people and probes"), (3001, "checks over gRPC"), (3002, "checks over HTTP")];

pub(super) fn judge(scene: &mut Scene<'_>) {
    let (namespace, name) = (scene.expect.namespace.clone(), scene.expect.service.clone());
    let service = match scene.snapshot.find(Kind::Service, &namespace, &name) {
        Lookup::Found(service) => service,
        Lookup::Unavailable => return,
        Lookup::Absent => {
            let known =
                scene.snapshot.all(Kind::Service).filter(|s| s.namespace() == namespace).map(Object::name);
            let meant = nearest(&name, known);
            let meant = meant.map_or(String::new(), |meant| {
                format!("; or, if it is called '{meant}' here: --service {meant}")
            });
            scene.add(Finding::error(
                "service_missing",
                format!("Service {namespace}/{name}"),
                "Tollgate's Service does not exist",
                format!("kubectl apply -f deployment/self-service-deployment.yaml{meant}"),
            ));
            return;
        }
    };
    let ports: Vec<i64> = service.list("/spec/ports").filter_map(|port| port.number("/port")).collect();
    for (port, what) in PORTS {
        if !ports.contains(&port) {
            let mend = "kubectl apply -f deployment/self-service-deployment.yaml";
            scene.add(Finding::warning(
                "service_port_missing",
                service.place(),
                format!("it has no port {port} ({what})"),
                mend,
            ));
        }
    }
    who_may_ask(scene, service);
    match (unready(scene.snapshot, service), ready(scene.snapshot, service)) {
        (Some(finding), _) => {
            if !scene.findings.contains(&finding) {
                scene.add(finding);
            }
        }
        (None, Some(count)) => scene.add(Finding::ok("service", service.place(), format!("{count} ready"))),
        (None, None) => {}
    }
}

/// A check tells what a credential is worth, so only gateways should be able to ask for one.
fn who_may_ask(scene: &mut Scene<'_>, service: Object<'_>) {
    if !scene.snapshot.has_seen(Kind::NetworkPolicy, service.namespace()) {
        return;
    }
    let labels = service.0.pointer("/spec/selector").and_then(serde_json::Value::as_object);
    let selects = |policy: &Object<'_>| {
        let wanted = policy.0.pointer("/spec/podSelector/matchLabels").and_then(serde_json::Value::as_object);
        let mut wanted = wanted.into_iter().flatten();
        let types: Vec<&str> = policy.texts("/spec/policyTypes").collect();
        policy.namespace() == service.namespace()
            && (types.is_empty() || types.contains(&"Ingress"))
            && wanted.all(|(name, value)| labels.is_some_and(|labels| labels.get(name) == Some(value)))
    };
    if !scene.snapshot.all(Kind::NetworkPolicy).any(|policy| selects(&policy)) {
        scene.add(Finding::warning(
            "checks_open",
            service.place(),
            "no NetworkPolicy selects its pods: any pod of the cluster can ask for checks, and so try credentials",
            "kubectl apply -f deployment/self-service-deployment.yaml, whose NetworkPolicy lets only Envoy ask",
        ));
    }
}

/// The slices of a Service.
fn slices<'a>(snapshot: &'a Snapshot, service: Object<'a>) -> impl Iterator<Item = Object<'a>> {
    snapshot.all(Kind::EndpointSlice).filter(move |slice| {
        slice.namespace() == service.namespace()
            && slice.label("kubernetes.io/service-name") == Some(service.name())
    })
}

/// How many addresses are ready behind a Service; `None` when nobody could look.
pub(super) fn ready(snapshot: &Snapshot, service: Object<'_>) -> Option<usize> {
    if !snapshot.has_seen(Kind::EndpointSlice, service.namespace()) {
        return None;
    }
    let endpoints = slices(snapshot, service).flat_map(|slice| slice.list("/endpoints").collect::<Vec<_>>());
    // Left out means ready (the API's own rule).
    let ready = endpoints.filter(|endpoint| {
        !matches!(endpoint.0.pointer("/conditions/ready"), Some(serde_json::Value::Bool(false)))
    });
    Some(ready.map(|endpoint| endpoint.list("/addresses").count()).sum())
}

/// What is wrong behind a Service, if anything.
pub(super) fn unready(snapshot: &Snapshot, service: Object<'_>) -> Option<Finding> {
    let (namespace, name) = (service.namespace(), service.name());
    if ready(snapshot, service)? > 0 {
        return unserved_port(snapshot, service);
    }
    let selector = service.0.pointer("/spec/selector").and_then(serde_json::Value::as_object);
    let selected = |pod: &Object<'_>| {
        let mut labels = selector.into_iter().flatten();
        pod.namespace() == namespace && labels.all(|(label, value)| pod.label(label) == value.as_str())
    };
    let has_selector = selector.is_some_and(|selector| !selector.is_empty());
    let pods = snapshot.all(Kind::Pod).filter(selected).count();
    let labels: Vec<String> = selector
        .into_iter()
        .flatten()
        .map(|(label, value)| format!("{label}={}", value.as_str().unwrap_or_default()))
        .collect();
    let labels = labels.join(",");
    let (what, mend) = if has_selector && pods == 0 && snapshot.has_seen(Kind::Pod, namespace) {
        (
            format!("nothing is behind it: no pod has the labels {labels}"),
            format!(
                "is its Deployment there, and are its labels those? kubectl get deployments,pods -n {namespace} --show-labels"
            ),
        )
    } else {
        (
            "nothing is ready behind it".to_owned(),
            format!(
                "kubectl get pods -n {namespace} -l {labels}; kubectl describe endpointslices -n {namespace} -l kubernetes.io/service-name={name}"
            ),
        )
    };
    Some(Finding::error("service_no_endpoints", service.place(), what, mend))
}

/// A port whose `targetPort` no pod has.
fn unserved_port(snapshot: &Snapshot, service: Object<'_>) -> Option<Finding> {
    let served: Vec<Option<&str>> = slices(snapshot, service)
        .flat_map(|slice| slice.list("/ports").collect::<Vec<_>>())
        .map(|port| port.text("/name").filter(|name| !name.is_empty()))
        .collect();
    let unserved = |port: &Object<'_>| !served.contains(&port.text("/name").filter(|name| !name.is_empty()));
    let port = service.list("/spec/ports").find(unserved)?;
    let target = port.0.get("targetPort").map(ToString::to_string).unwrap_or_default();
    Some(Finding::error(
        "service_port_unserved",
        service.place(),
        format!(
            "its port {} leads nowhere: no pod has the port {target}",
            port.number("/port").unwrap_or_default()
        ),
        format!(
            "kubectl edit svc {} -n {}: targetPort must be a port (or its name) of the pods",
            service.name(),
            service.namespace()
        ),
    ))
}
