//! One good cluster, and every way in which it can be broken: each gives its own finding, with a way to mend it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod cluster;

use serde_json::json;

use self::cluster::Cluster;
use super::Expect;
use super::judge::judge;
use super::snapshot::{Kind, Listing, Snapshot};
use crate::ops::doctor::finding::{Finding, Severity};

fn examine(cluster: Cluster) -> Vec<Finding> {
    let snapshot = Snapshot::of(cluster.0);
    let expect = Expect::default().or_from(&snapshot);
    judge(&snapshot, &expect)
}

fn troubles(findings: &[Finding]) -> Vec<(Severity, &'static str)> {
    let wrong = findings.iter().filter(|finding| finding.severity > Severity::Note);
    wrong.map(|finding| (finding.severity, finding.code)).collect()
}

#[test]
fn the_guides_deployment_is_fine() {
    let findings = examine(Cluster::good());
    assert_eq!(troubles(&findings), [], "{findings:#?}");
    let fine: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(fine, ["gateway", "proxy", "route", "policy", "service", "pods"]);
    let proxy = findings.iter().find(|finding| finding.code == "proxy").unwrap();
    assert!(proxy.what.contains("80 (node port 31380)"), "{}", proxy.what);
}

#[test]
fn its_variants_are_fine() {
    let mut adapter = Cluster::good();
    adapter.over_http("auth-adapter", 8080);
    let mut door = Cluster::good();
    door.over_http("self-service-svc", 3002);
    let mut wide = Cluster::good();
    let policy = wide.policy();
    policy["metadata"]["namespace"] = "envoy-gateway-system".into();
    policy["spec"]["targetRefs"][0] = json!({"kind": "Gateway", "name": "ai-gateway"});
    let mut selected = Cluster::good();
    selected.get("HTTPRoute", "ai-http-route")["metadata"]["labels"] = json!({"guard": "yes"});
    selected.policy()["spec"]["targetRefs"] = json!([]);
    selected.policy()["spec"]["targetSelectors"] =
        json!([{"kind": "HTTPRoute", "matchLabels": {"guard": "yes"}}]);
    let mut single = Cluster::good();
    let target = single.policy()["spec"]["targetRefs"][0].take();
    single.policy()["spec"]["targetRefs"] = json!([]);
    single.policy()["spec"]["targetRef"] = target;
    let mut tls = Cluster::good();
    tls.0.push(json!({"kind": "ConfigMap", "metadata": {"name": "self-service-env", "namespace": "envoy-gateway-system"},
        "data": {"TOLLGATE__SERVER__GRPC__TLS__CERT_FILE": "/app/tls/tls.crt"}}));
    tls.0.push(
        json!({"kind": "BackendTLSPolicy", "metadata": {"name": "t", "namespace": "envoy-gateway-system"},
        "spec": {"targetRefs": [{"kind": "Service", "name": "self-service-svc", "sectionName": "grpc"}]}}),
    );
    for (name, cluster) in [
        ("adapter", adapter),
        ("door", door),
        ("wide", wide),
        ("selected", selected),
        ("single", single),
        ("tls", tls),
    ] {
        let findings = examine(cluster);
        assert_eq!(troubles(&findings), [], "{name}: {findings:#?}");
    }
}

type Break = fn(&mut Cluster);
type Troubles = &'static [(Severity, &'static str)];

/// What is broken, how, and the findings that say so.
const BROKEN: &[(&str, Break, Troubles)] = {
    use Severity::{Error as E, Warning as W};
    const STATUS: &str = "/status/conditions";
    const PARENT: &str = "/status/parents/0/conditions";
    const ANCESTOR: &str = "/status/ancestors/0/conditions";
    &[
        ("no class", |c| c.drop("GatewayClass", "envoy"), &[(E, "gateway_class_missing")]),
        (
            "class refused",
            |c| c.refuse("GatewayClass", "envoy", STATUS, "Accepted", "InvalidParameters"),
            &[(E, "gateway_class_not_accepted")],
        ),
        (
            "no gateway",
            |c| c.drop("Gateway", "ai-gateway"),
            &[(E, "gateway_missing"), (E, "route_parent_missing")],
        ),
        (
            "gateway refused",
            |c| c.refuse("Gateway", "ai-gateway", STATUS, "Accepted", "Invalid"),
            &[(E, "gateway_not_accepted")],
        ),
        (
            "gateway not programmed",
            |c| c.refuse("Gateway", "ai-gateway", STATUS, "Programmed", "Invalid"),
            &[(E, "gateway_not_programmed")],
        ),
        (
            "Traefik has the port",
            |c| c.refuse("Gateway", "ai-gateway", STATUS, "Programmed", "AddressNotAssigned"),
            &[(W, "gateway_no_address")],
        ),
        ("no controller", |c| c.get("Gateway", "ai-gateway")["status"] = json!({}), &[(E, "status_missing")]),
        (
            "an edit unseen",
            |c| c.get("Gateway", "ai-gateway")["metadata"]["generation"] = json!(2),
            &[(W, "status_stale")],
        ),
        (
            "no proxy",
            |c| c.drop("Service", "envoy-envoy-gateway-system-ai-gateway-78adb12c"),
            &[(E, "proxy_missing")],
        ),
        (
            "proxy not ready",
            |c| c.drop("EndpointSlice", "envoy-envoy-gateway-system-ai-gateway-78adb12c-x7k2p"),
            &[(E, "proxy_not_ready")],
        ),
        (
            "no route",
            |c| c.drop("HTTPRoute", "ai-http-route"),
            &[(E, "route_missing"), (E, "policy_target_missing")],
        ),
        (
            "route refused",
            |c| c.refuse("HTTPRoute", "ai-http-route", PARENT, "Accepted", "NotAllowedByListeners"),
            &[(E, "route_not_accepted")],
        ),
        (
            "route unresolved",
            |c| c.refuse("HTTPRoute", "ai-http-route", PARENT, "ResolvedRefs", "RefNotPermitted"),
            &[(E, "route_refs_unresolved")],
        ),
        ("backend missing", |c| c.drop("Service", "ai-backend"), &[(E, "route_backend_missing")]),
        (
            "backend port",
            |c| {
                c.get("HTTPRoute", "ai-http-route")["spec"]["rules"][0]["backendRefs"][0]["port"] =
                    json!(8080);
            },
            &[(E, "route_backend_port")],
        ),
        (
            "route grant missing",
            |c| c.drop("ReferenceGrant", "allow-ai-http-route"),
            &[(E, "route_grant_missing")],
        ),
        (
            "host unknown to Tollgate",
            |c| c.get("HTTPRoute", "ai-http-route")["spec"]["hostnames"] = json!(["other.dev"]),
            &[(W, "route_host_unknown")],
        ),
        (
            "unguarded route",
            |c| {
                let mut other = c.get("HTTPRoute", "ai-http-route").clone();
                other["metadata"]["name"] = "open".into();
                c.0.push(other);
            },
            &[(W, "route_unguarded")],
        ),
        (
            "guard replaced",
            |c| {
                let mut wide = c.policy().clone();
                wide["metadata"] = json!({"name": "wide", "namespace": "envoy-gateway-system"});
                wide["spec"]["targetRefs"][0] = json!({"kind": "Gateway", "name": "ai-gateway"});
                c.0.push(wide);
                c.policy()["spec"].as_object_mut().unwrap().remove("extAuth");
            },
            &[(E, "route_guard_replaced")],
        ),
        (
            "no policy",
            |c| c.drop("SecurityPolicy", "self-service-authz"),
            &[(W, "route_unguarded"), (E, "policy_missing")],
        ),
        (
            "policy refused",
            |c| c.refuse("SecurityPolicy", "self-service-authz", ANCESTOR, "Accepted", "Invalid"),
            &[(E, "policy_not_accepted")],
        ),
        (
            "policy conflicts",
            |c| c.refuse("SecurityPolicy", "self-service-authz", ANCESTOR, "Accepted", "Conflicted"),
            &[(E, "policy_not_accepted")],
        ),
        ("policy unseen", |c| c.policy()["status"] = json!({}), &[(E, "status_missing")]),
        (
            "wrong target",
            |c| c.policy()["spec"]["targetRefs"][0]["name"] = "ai-http-rout".into(),
            &[(W, "route_unguarded"), (E, "policy_target_missing")],
        ),
        (
            "policy in another namespace than its route",
            |c| c.policy()["metadata"]["namespace"] = "envoy-gateway-system".into(),
            &[(W, "route_unguarded"), (E, "policy_target_missing")],
        ),
        ("wrong service", |c| c.asked()["name"] = "self-service".into(), &[(E, "policy_service_missing")]),
        ("wrong namespace", |c| c.asked()["namespace"] = "model".into(), &[(E, "policy_service_missing")]),
        (
            "another service over gRPC",
            |c| (c.asked()["name"], c.asked()["port"]) = ("auth-adapter".into(), json!(8080)),
            &[(W, "policy_asks_other")],
        ),
        ("port for people", |c| c.asked()["port"] = json!(3000), &[(E, "policy_port_wrong")]),
        ("HTTP port over gRPC", |c| c.asked()["port"] = json!(3002), &[(E, "policy_port_wrong")]),
        ("gRPC port over HTTP", |c| c.over_http("self-service-svc", 3001), &[(E, "policy_port_wrong")]),
        ("no such port", |c| c.asked()["port"] = json!(4001), &[(E, "policy_port_missing")]),
        ("adapter's port", |c| c.over_http("auth-adapter", 80), &[(E, "policy_port_missing")]),
        (
            "policy grant missing",
            |c| c.drop("ReferenceGrant", "allow-security-policy-refs"),
            &[(E, "policy_grant_missing")],
        ),
        (
            "grant for routes only",
            |c| {
                c.get("ReferenceGrant", "allow-security-policy-refs")["spec"]["from"][0]["kind"] =
                    "HTTPRoute".into();
            },
            &[(E, "policy_grant_missing")],
        ),
        (
            "grant for another service",
            |c| {
                c.get("ReferenceGrant", "allow-security-policy-refs")["spec"]["to"] =
                    json!([{"kind": "Service", "name": "auth-adapter"}]);
            },
            &[(E, "policy_grant_missing")],
        ),
        (
            "fails open",
            |c| c.policy()["spec"]["extAuth"]["failOpen"] = json!(true),
            &[(E, "policy_fails_open")],
        ),
        (
            "gives up too early",
            |c| c.policy()["spec"]["extAuth"]["timeout"] = "50ms".into(),
            &[(E, "policy_timeout")],
        ),
        (
            "identity stays behind",
            |c| {
                c.over_http("self-service-svc", 3002);
                c.policy()["spec"]["extAuth"]["http"]["headersToBackend"] = json!(["authorization"]);
            },
            &[(W, "policy_headers_to_backend")],
        ),
        (
            "keys unseen",
            |c| {
                c.over_http("self-service-svc", 3002);
                c.policy()["spec"]["extAuth"]["headersToExtAuth"] = json!([]);
            },
            &[(W, "policy_headers_to_check")],
        ),
        (
            "another path than the door's",
            |c| {
                c.over_http("self-service-svc", 3002);
                c.policy()["spec"]["extAuth"]["http"]["path"] = "/auth".into();
            },
            &[(E, "policy_path")],
        ),
        (
            "service missing",
            |c| c.drop("Service", "self-service-svc"),
            &[(E, "policy_service_missing"), (E, "service_missing")],
        ),
        ("checks for anyone", |c| c.drop("NetworkPolicy", "self-service-app"), &[(W, "checks_open")]),
        (
            "a network policy for others",
            |c| {
                c.get("NetworkPolicy", "self-service-app")["spec"]["podSelector"]["matchLabels"]["app"] =
                    "other".into();
            },
            &[(W, "checks_open")],
        ),
        (
            "no endpoints",
            |c| c.drop("EndpointSlice", "self-service-svc-x7k2p"),
            &[(E, "service_no_endpoints")],
        ),
        (
            "endpoints not ready",
            |c| {
                c.get("EndpointSlice", "self-service-svc-x7k2p")["endpoints"][0]["conditions"]["ready"] =
                    json!(false);
            },
            &[(E, "service_no_endpoints")],
        ),
        (
            "a port that leads nowhere",
            |c| {
                c.get("EndpointSlice", "self-service-svc-x7k2p")["ports"] =
                    json!([{"name": "rest", "port": 3000}]);
            },
            &[(E, "service_port_unserved")],
        ),
        (
            "an image that is nowhere",
            |c| {
                let pod = c.get("Pod", "self-service-app-6d9f7b-abcde");
                pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
                pod["status"]["containerStatuses"][0]["state"] =
                    json!({"waiting": {"reason": "ImagePullBackOff"}});
            },
            &[(E, "pod_image")],
        ),
        (
            "no room",
            |c| {
                let pod = c.get("Pod", "self-service-app-6d9f7b-abcde");
                pod["status"] = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]});
            },
            &[(E, "pod_unscheduled")],
        ),
        (
            "TLS at one end",
            |c| {
                c.0.push(json!({"kind": "BackendTLSPolicy", "metadata": {"name": "t", "namespace": "envoy-gateway-system"},
                "spec": {"targetRefs": [{"kind": "Service", "name": "self-service-svc"}]}}));
            },
            &[(E, "tls_not_spoken")],
        ),
        (
            "TLS at the other end",
            |c| {
                c.get("ConfigMap", "self-service-config")["data"]["config.yaml"] =
                    "server: {grpc: {tls: {cert_file: /c, key_file: /k}}}\nroutes: [{name: all}]".into();
            },
            &[(E, "tls_expected")],
        ),
    ]
};

#[test]
fn every_break_has_its_finding_and_its_mend() {
    for (name, damage, expected) in BROKEN {
        let mut cluster = Cluster::good();
        damage(&mut cluster);
        let findings = examine(cluster);
        assert_eq!(troubles(&findings), *expected, "{name}: {findings:#?}");
        for finding in findings.iter().filter(|finding| finding.severity > Severity::Note) {
            assert!(finding.mend.as_ref().is_some_and(|mend| mend.len() > 10), "{name}: {finding:?}");
            assert!(!finding.place.is_empty() && !finding.what.is_empty(), "{name}: {finding:?}");
        }
    }
}

#[test]
fn a_missing_grant_comes_with_one_that_mends_it() {
    let mut cluster = Cluster::good();
    cluster.drop("ReferenceGrant", "allow-security-policy-refs");
    let findings = examine(cluster.clone());
    let finding = findings.iter().find(|finding| finding.code == "policy_grant_missing").unwrap();
    let mend = finding.mend.clone().unwrap();
    let yaml = mend
        .strip_prefix("kubectl apply -f - <<'EOF'\n")
        .and_then(|rest| rest.strip_suffix("\nEOF"))
        .unwrap();
    cluster.0.push(serde_saphyr::from_str(yaml).unwrap());
    let findings = examine(cluster);
    assert_eq!(troubles(&findings), [], "{findings:#?}");
}

#[test]
fn a_wrong_name_comes_with_the_right_one() {
    let mend = |damage: Break, code: &str| {
        let mut cluster = Cluster::good();
        damage(&mut cluster);
        let findings = examine(cluster);
        findings.iter().find(|finding| finding.code == code).unwrap().mend.clone().unwrap()
    };
    let wrong_service = mend(|c| c.asked()["name"] = "self-service-scv".into(), "policy_service_missing");
    assert!(wrong_service.contains("did you mean 'self-service-svc'"), "{wrong_service}");
    let far_service = mend(|c| c.asked()["name"] = "x".into(), "policy_service_missing");
    assert!(far_service.contains("Tollgate's is envoy-gateway-system/self-service-svc"), "{far_service}");
    let wrong_port = mend(|c| c.asked()["port"] = json!(3000), "policy_port_wrong");
    assert!(
        wrong_port.contains("kubectl edit securitypolicy self-service-authz -n default")
            && wrong_port.ends_with("3001"),
        "{wrong_port}"
    );
    let moved = mend(|c| c.policy()["metadata"]["namespace"] = "other".into(), "policy_target_missing");
    assert!(moved.contains("is in 'default': move the policy there"), "{moved}");
}

#[test]
fn what_may_not_be_read_is_unseen_and_nothing_is_made_of_it() {
    let good = Snapshot::of(Cluster::good().0);
    let mut snapshot = Snapshot::default();
    for kind in Kind::ALL {
        let items = good.all(kind).map(|object| object.0.clone()).collect();
        let refused = matches!(kind, Kind::Service | Kind::EndpointSlice | Kind::ReferenceGrant | Kind::Pod);
        let listing = if refused { Listing::Refused("forbidden".into()) } else { Listing::Items(items) };
        snapshot.insert(kind, None, listing);
    }
    let findings = judge(&snapshot, &Expect::default());
    let unseen = [(Severity::Unseen, "kube_unreadable"); 4];
    assert_eq!(troubles(&findings), unseen, "{findings:#?}");
    assert!(findings[0].mend.as_ref().unwrap().contains("kubectl auth can-i list"), "{:?}", findings[0]);
}

#[test]
fn a_cluster_without_the_apis_says_how_to_install_them() {
    let mut snapshot = Snapshot::default();
    for kind in Kind::ALL {
        let ours = kind.api().0.starts_with("gateway.");
        snapshot.insert(kind, None, if ours { Listing::NotServed } else { Listing::Items(Vec::new()) });
    }
    let findings = judge(&snapshot, &Expect::default());
    let expected = ["gateway_api_missing", "envoy_gateway_missing", "service_missing"];
    assert_eq!(findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), expected);
    assert!(findings[0].mend.as_ref().unwrap().contains("install.yaml"));
}

#[test]
fn only_namespaces_that_matter_are_read() {
    let mut cluster = Cluster::good();
    cluster.get("HTTPRoute", "ai-http-route")["spec"]["rules"][0]["backendRefs"][0]["namespace"] =
        "elsewhere".into();
    let snapshot = Snapshot::of(cluster.0);
    assert_eq!(snapshot.namespaces("tollgate"), ["default", "elsewhere", "envoy-gateway-system", "tollgate"]);
}
