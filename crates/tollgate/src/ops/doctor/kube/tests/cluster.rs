//! The integration guide's deployment as a cluster in which all is well, in the form in which the API gives it.

use serde_json::{Value, json};

/// Objects by `Kind namespace/name`, to be changed by a test before they are judged.
#[derive(Clone, Debug)]
pub(super) struct Cluster(pub Vec<Value>);

const SYSTEM: &str = "envoy-gateway-system";

fn conditions(kinds: &[&str]) -> Value {
    let condition = |kind: &&str| json!({"type": kind, "status": "True", "reason": kind, "message": "", "observedGeneration": 1});
    kinds.iter().map(condition).collect()
}

fn object(kind: &str, namespace: &str, name: &str, more: Value) -> Value {
    let mut object = more;
    object["kind"] = kind.into();
    let labels = object.get("labels").cloned().unwrap_or(json!({}));
    object["metadata"] = json!({"name": name, "namespace": namespace, "generation": 1, "labels": labels});
    object
}

fn service(namespace: &str, name: &str, app: &str, ports: &[(&str, u16)]) -> Value {
    let ports: Vec<Value> =
        ports.iter().map(|(name, port)| json!({"name": name, "port": port, "targetPort": name})).collect();
    object(
        "Service",
        namespace,
        name,
        json!({"spec": {"type": "ClusterIP", "selector": {"app": app}, "ports": ports}}),
    )
}

fn slice(namespace: &str, service: &str, ports: &[(&str, u16)]) -> Value {
    let ports: Vec<Value> = ports.iter().map(|(name, port)| json!({"name": name, "port": port})).collect();
    object(
        "EndpointSlice",
        namespace,
        &format!("{service}-x7k2p"),
        json!({
            "labels": {"kubernetes.io/service-name": service},
            "endpoints": [{"addresses": ["10.42.0.9"], "conditions": {"ready": true}}],
            "ports": ports,
        }),
    )
}

fn pod(namespace: &str, app: &str) -> Value {
    let status = json!({
        "phase": "Running",
        "conditions": conditions(&["PodScheduled", "Ready"]),
        "containerStatuses": [{"name": app, "image": "tollgate:0.1.0", "state": {"running": {}}}],
    });
    object(
        "Pod",
        namespace,
        &format!("{app}-6d9f7b-abcde"),
        json!({"labels": {"app": app}, "status": status}),
    )
}

const OWN: [(&str, u16); 3] = [("rest", 3000), ("grpc", 3001), ("check", 3002)];

impl Cluster {
    /// All is well.
    pub fn good() -> Self {
        let gateway = "gateway.networking.k8s.io";
        let mut proxy =
            service(SYSTEM, "envoy-envoy-gateway-system-ai-gateway-78adb12c", "envoy", &[("http-80", 80)]);
        proxy["metadata"]["labels"] = json!({
            "gateway.envoyproxy.io/owning-gateway-name": "ai-gateway",
            "gateway.envoyproxy.io/owning-gateway-namespace": SYSTEM,
        });
        proxy["spec"]["ports"][0]["nodePort"] = json!(31380);
        let grant = |namespace: &str, name: &str, group: &str, kind: &str, services: &[&str]| {
            let to: Vec<Value> =
                services.iter().map(|s| json!({"group": "", "kind": "Service", "name": s})).collect();
            let spec = json!({"from": [{"group": group, "kind": kind, "namespace": "default"}], "to": to});
            object("ReferenceGrant", namespace, name, json!({"spec": spec}))
        };
        let config = "server: {check: {envoy_prefix: /envoy}}\nroutes: [{name: ai, hosts: [ai.local.dev], paths: [{prefix: /}], access: authenticated}]\n";
        Self(vec![
            object(
                "GatewayClass",
                "",
                "envoy",
                json!({
                    "spec": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
                    "status": {"conditions": conditions(&["Accepted"])},
                }),
            ),
            object(
                "Gateway",
                SYSTEM,
                "ai-gateway",
                json!({
                    "spec": {"gatewayClassName": "envoy", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
                    "status": {
                        "addresses": [{"value": "192.168.4.35"}],
                        "conditions": conditions(&["Accepted", "Programmed"]),
                    },
                }),
            ),
            object(
                "HTTPRoute",
                "default",
                "ai-http-route",
                json!({
                    "spec": {
                        "parentRefs": [{"group": gateway, "kind": "Gateway", "name": "ai-gateway", "namespace": SYSTEM}],
                        "hostnames": ["ai.local.dev"],
                        "rules": [{"backendRefs": [{"kind": "Service", "name": "ai-backend", "namespace": "model", "port": 80}]}],
                    },
                    "status": {"parents": [{"conditions": conditions(&["Accepted", "ResolvedRefs"])}]},
                }),
            ),
            object(
                "SecurityPolicy",
                "default",
                "self-service-authz",
                json!({
                    "spec": {
                        "targetRefs": [{"group": gateway, "kind": "HTTPRoute", "name": "ai-http-route"}],
                        "extAuth": {"failOpen": false, "grpc": {"backendRefs": [
                            {"kind": "Service", "name": "self-service-svc", "namespace": SYSTEM, "port": 3001},
                        ]}},
                    },
                    "status": {"ancestors": [{"conditions": conditions(&["Accepted"])}]},
                }),
            ),
            grant(
                SYSTEM,
                "allow-security-policy-refs",
                "gateway.envoyproxy.io",
                "SecurityPolicy",
                &["self-service-svc", "auth-adapter"],
            ),
            grant("model", "allow-ai-http-route", gateway, "HTTPRoute", &["ai-backend"]),
            service(SYSTEM, "self-service-svc", "self-service-app", &OWN),
            slice(SYSTEM, "self-service-svc", &OWN),
            pod(SYSTEM, "self-service-app"),
            service(SYSTEM, "auth-adapter", "auth-adapter", &[("http", 8080)]),
            slice(SYSTEM, "auth-adapter", &[("http", 8080)]),
            pod(SYSTEM, "auth-adapter"),
            service("model", "ai-backend", "ai-backend", &[("http", 80)]),
            slice("model", "ai-backend", &[("http", 8080)]),
            pod("model", "ai-backend"),
            proxy,
            slice(SYSTEM, "envoy-envoy-gateway-system-ai-gateway-78adb12c", &[("http-80", 10080)]),
            object(
                "NetworkPolicy",
                SYSTEM,
                "self-service-app",
                json!({"spec": {"podSelector": {"matchLabels": {"app": "self-service-app"}}, "policyTypes": ["Ingress"]}}),
            ),
            object("ConfigMap", SYSTEM, "self-service-config", json!({"data": {"config.yaml": config}})),
        ])
    }

    /// The object of this kind and name.
    pub fn get(&mut self, kind: &str, name: &str) -> &mut Value {
        let found =
            self.0.iter_mut().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// Takes the object of this kind and name away.
    pub fn drop(&mut self, kind: &str, name: &str) {
        let before = self.0.len();
        self.0.retain(|object| object["kind"] != kind || object["metadata"]["name"] != name);
        assert_ne!(self.0.len(), before, "there is no {kind} {name}");
    }

    /// The policy that asks for checks.
    pub fn policy(&mut self) -> &mut Value {
        self.get("SecurityPolicy", "self-service-authz")
    }

    /// The backend that the policy asks.
    pub fn asked(&mut self) -> &mut Value {
        &mut self.policy()["spec"]["extAuth"]["grpc"]["backendRefs"][0]
    }

    /// The policy asks over HTTP instead, as the variants do.
    pub fn over_http(&mut self, service: &str, port: u16) {
        self.policy()["spec"]["extAuth"] = json!({
            "headersToExtAuth": ["x-api-key"],
            "http": {
                "backendRefs": [{"kind": "Service", "name": service, "namespace": SYSTEM, "port": port}],
                "path": "/envoy", "headersToBackend": ["x-tollgate-subject"],
            },
        });
    }

    /// Sets a condition of an object to false for a reason.
    pub fn refuse(&mut self, kind: &str, name: &str, pointer: &str, condition: &str, reason: &str) {
        let list = self.get(kind, name).pointer_mut(pointer).and_then(Value::as_array_mut);
        let list = list.unwrap_or_else(|| panic!("{kind} {name} has no {pointer}"));
        let found = list.iter_mut().find(|c| c["type"] == condition);
        let found = found.unwrap_or_else(|| panic!("{kind} {name} has no condition {condition}"));
        (found["status"], found["reason"]) = ("False".into(), reason.into());
        found["message"] = "because of the test".into();
    }
}
