//! SecurityPolicies: that they are there, point at something, were accepted, and ask the right Service on the right port.

use tollgate_core::lookup::Lookup;

use super::super::object::Object;
use super::super::snapshot::{Kind, Snapshot};
use super::asked::{Asked, Protocol, asked};
use super::gateways::{not_looked_at, stale};
use super::grants::{self, Grant, Referrer};
use super::{Finding, Scene, nearest, settings};

/// What a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub kind: &'a str,
    pub name: &'a str,
}

/// Every target of a policy: by name, and by selector.
pub(super) fn targets<'a>(snapshot: &'a Snapshot, policy: Object<'a>) -> Vec<Target<'a>> {
    let one = policy.0.pointer("/spec/targetRef").map(Object);
    let named = policy.list("/spec/targetRefs").chain(one).map(|target| Target {
        kind: target.text("/kind").unwrap_or_default(),
        name: target.text("/name").unwrap_or_default(),
    });
    let mut all: Vec<Target<'a>> = named.collect();
    for selector in policy.list("/spec/targetSelectors") {
        let kind = selector.text("/kind").unwrap_or_default();
        let Some(of) = [Kind::Gateway, Kind::HttpRoute].into_iter().find(|of| of.api().1 == kind) else {
            continue;
        };
        let wanted = selector.0.pointer("/matchLabels").and_then(serde_json::Value::as_object);
        let fits = |object: &Object<'_>| {
            let mut labels = wanted.into_iter().flatten();
            object.namespace() == policy.namespace()
                && labels.all(|(name, value)| object.label(name) == value.as_str())
        };
        all.extend(snapshot.all(of).filter(fits).map(|object| Target { kind, name: object.name() }));
    }
    all
}

pub(super) fn judge(scene: &mut Scene<'_>) {
    if !scene.snapshot.has_seen(Kind::SecurityPolicy, "") {
        return;
    }
    let policies: Vec<Object<'_>> =
        scene.snapshot.all(Kind::SecurityPolicy).filter(|policy| policy.has("/spec/extAuth")).collect();
    if policies.is_empty() {
        scene.add(Finding::error(
            "policy_missing",
            "SecurityPolicy",
            "no SecurityPolicy asks for a check: every request passes",
            "kubectl apply -f deployment/ext-authz-policy.yaml",
        ));
    }
    for policy in policies {
        let before = scene.findings.len();
        target(scene, policy);
        for asked in asked(policy) {
            service(scene, policy, asked);
        }
        settings::judge(scene, policy);
        status(scene, policy);
        if scene.findings.len() == before {
            let whom: Vec<String> = asked(policy)
                .map(|a| {
                    format!(
                        "{}/{}:{} over {}",
                        a.namespace,
                        a.name,
                        a.port.unwrap_or_default(),
                        a.protocol.field()
                    )
                })
                .collect();
            scene.add(Finding::ok("policy", policy.place(), format!("accepted, asks {}", whom.join(", "))));
        }
    }
}

pub(super) fn edit(policy: Object<'_>) -> String {
    format!("kubectl edit securitypolicy {} -n {}", policy.name(), policy.namespace())
}

fn target(scene: &mut Scene<'_>, policy: Object<'_>) {
    let targets = targets(scene.snapshot, policy);
    if targets.is_empty() {
        let mend = format!(
            "{}: set spec.targetRefs to the route, as deployment/ext-authz-policy.yaml does",
            edit(policy)
        );
        scene.add(Finding::error("policy_target_missing", policy.place(), "it targets nothing", mend));
    }
    for Target { kind, name } in targets {
        let Some(of) = [Kind::Gateway, Kind::HttpRoute].into_iter().find(|of| of.api().1 == kind) else {
            continue;
        };
        if !matches!(scene.snapshot.find(of, policy.namespace(), name), Lookup::Absent) {
            continue;
        }
        let elsewhere = scene.snapshot.all(of).find(|object| object.name() == name);
        let here = scene.snapshot.all(of).filter(|object| object.namespace() == policy.namespace());
        let mend = match (elsewhere, nearest(name, here.map(Object::name))) {
            (Some(other), _) => format!(
                "a policy only reaches its own namespace, and that {kind} is in '{}': move the policy there (metadata.namespace)",
                other.namespace()
            ),
            (None, Some(meant)) => {
                format!("{}: spec.targetRefs names '{name}'; did you mean '{meant}'?", edit(policy))
            }
            (None, None) => {
                format!("kubectl get {} -n {}; then {}", of.plural(), policy.namespace(), edit(policy))
            }
        };
        let what = format!("its target {kind} {}/{name} does not exist", policy.namespace());
        scene.add(Finding::error("policy_target_missing", policy.place(), what, mend));
    }
}

fn service(scene: &mut Scene<'_>, policy: Object<'_>, asked: Asked<'_>) {
    if asked.kind != "Service" {
        let what =
            format!("asks the {} {}/{}, which is not looked into", asked.kind, asked.namespace, asked.name);
        scene.add(Finding::note("policy_other_backend", policy.place(), what));
        return;
    }
    let Asked { name, namespace, .. } = asked;
    let (own, field) = (scene.expect.service.clone(), asked.protocol.field());
    let service = match scene.snapshot.find(Kind::Service, namespace, name) {
        Lookup::Found(service) => service,
        Lookup::Unavailable => return,
        Lookup::Absent => {
            let known =
                scene.snapshot.all(Kind::Service).filter(|s| s.namespace() == namespace).map(Object::name);
            let meant = nearest(name, known).map_or_else(
                || format!("Tollgate's is {}/{own}", scene.expect.namespace),
                |meant| format!("did you mean '{meant}'?"),
            );
            let what = format!(
                "asks the Service {namespace}/{name}, which does not exist: every request on its routes gets 500"
            );
            let mend = format!("{}: spec.extAuth.{field}.backendRefs; {meant}", edit(policy));
            scene.add(Finding::error("policy_service_missing", policy.place(), what, mend));
            return;
        }
    };
    let referrer = Referrer::policy(policy.namespace());
    if let Grant::Missing(near) = grants::find(scene.snapshot, referrer, namespace, name) {
        let near = near.map_or(String::new(), |(grant, why)| format!(" ({} {why})", grant.place()));
        let what = format!(
            "no ReferenceGrant lets it name the Service {namespace}/{name}{near}: every request on its routes gets 500"
        );
        scene.add(Finding::error(
            "policy_grant_missing",
            policy.place(),
            what,
            grants::command(referrer, namespace, name),
        ));
    }
    port(scene, policy, asked, service);
    if let Some(finding) = super::services::unready(scene.snapshot, service)
        && !scene.findings.contains(&finding)
    {
        scene.add(finding);
    }
}

fn port(scene: &mut Scene<'_>, policy: Object<'_>, asked: Asked<'_>, service: Object<'_>) {
    let Asked { protocol, name, namespace, port, .. } = asked;
    let field = protocol.field();
    let ports: Vec<i64> = service.list("/spec/ports").filter_map(|port| port.number("/port")).collect();
    let ours = name == scene.expect.service && namespace == scene.expect.namespace;
    let Some(port) = port.filter(|port| ports.contains(port)) else {
        let asks = port.map_or("no port".to_owned(), |port| format!("port {port}"));
        let right = if ours { protocol.port().to_string() } else { format!("{ports:?}") };
        let what = format!(
            "asks {namespace}/{name} on {asks}, which has {ports:?}: every request on its routes gets 500"
        );
        let mend = format!("{}: set spec.extAuth.{field}.backendRefs' port to {right}", edit(policy));
        scene.add(Finding::error("policy_port_missing", policy.place(), what, mend));
        return;
    };
    if !ours {
        // An adapter in front of the HTTP door is usual; nothing stands in front of the gRPC one.
        if protocol == Protocol::Grpc {
            let what = format!(
                "asks {namespace}/{name}, which is not Tollgate's Service {}/{}",
                scene.expect.namespace, scene.expect.service
            );
            let mend = format!(
                "{}; or, if Tollgate has that name here, say --namespace {namespace} --service {name}",
                edit(policy)
            );
            scene.add(Finding::warning("policy_asks_other", policy.place(), what, mend));
        }
        return;
    }
    if port == protocol.port() {
        return;
    }
    let why = match (protocol, port) {
        (_, 3000) => "3000 is for people and probes; it answers no checks",
        (Protocol::Grpc, 3002) => "3002 speaks HTTP, and the policy asks over gRPC",
        (Protocol::Http, 3001) => "3001 speaks gRPC, and the policy asks over HTTP",
        _ => "that port answers no checks",
    };
    let what = format!("asks {namespace}/{name} on port {port}: {why}");
    let mend = format!("{}: set spec.extAuth.{field}.backendRefs' port to {}", edit(policy), protocol.port());
    scene.add(Finding::error("policy_port_wrong", policy.place(), what, mend));
}

fn status(scene: &mut Scene<'_>, policy: Object<'_>) {
    let ancestors: Vec<Object<'_>> = policy.list("/status/ancestors").collect();
    if ancestors.is_empty() {
        scene.add(not_looked_at(policy));
        return;
    }
    for ancestor in ancestors {
        let Some(accepted) = ancestor.condition("/conditions", "Accepted") else { continue };
        if accepted.is_stale(policy) {
            scene.add(stale(policy));
        }
        if !accepted.holds() {
            let mend = match accepted.reason() {
                "Conflicted" => "another SecurityPolicy has the same target, and one target has one policy: kubectl get securitypolicy -A".to_owned(),
                "TargetNotFound" => format!("{}: spec.targetRefs must name a route or Gateway of its own namespace", edit(policy)),
                _ => format!("kubectl describe securitypolicy {} -n {}; until then its routes answer 500", policy.name(), policy.namespace()),
            };
            scene.add(Finding::error("policy_not_accepted", policy.place(), accepted.why(), mend));
        }
        if let Some(overridden) = ancestor.condition("/conditions", "Overridden")
            && overridden.holds()
        {
            scene.add(Finding::note("policy_overridden", policy.place(), overridden.why()));
        }
    }
}
