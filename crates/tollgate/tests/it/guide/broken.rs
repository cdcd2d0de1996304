//! Manifests that are wrong, and what the contract says about each: without these a rule that never finds anything would
//! look like a manifest that is right.

use serde_json::{Value, json};

use super::contract::findings;
use super::objects::Objects;

/// What is done to the shipped objects, and a part of the finding that it must cause.
type Case = (fn(&mut Objects), &'static str);

fn container(object: &mut Value) -> &mut Value {
    &mut object["spec"]["template"]["spec"]["containers"][0]
}

fn remove(object: &mut Value, name: &str) {
    object.as_object_mut().unwrap().remove(name);
}

const CASES: [Case; 35] = [
    // Names.
    (|o| o.remove("ReferenceGrant", "allow-security-policy-refs"), "the guide needs the ReferenceGrant"),
    (|o| o.remove("Namespace", "model"), "nothing makes the namespace 'model'"),
    (
        |o| {
            o.edit("Deployment", "keycloak", |d| {
                d["spec"]["template"]["metadata"]["labels"]["app"] = json!("kc");
            });
        },
        "must have the label app: keycloak",
    ),
    (
        |o| {
            o.edit("Gateway", "ai-gateway", |g| {
                g["metadata"]["name"] = json!("gateway");
            });
        },
        "Step 6 types",
    ),
    (
        |o| {
            o.edit("Service", "self-service-svc", |s| {
                s["spec"]["ports"][0]["port"] = json!(8000);
            });
        },
        "must have the ports",
    ),
    // References.
    (
        |o| {
            o.edit("Service", "keycloak", |s| {
                s["spec"]["selector"]["app"] = json!("kc");
            });
        },
        "its selector chooses the pods of 0 workloads",
    ),
    (
        |o| {
            o.edit("Service", "keycloak", |s| {
                s["spec"]["ports"][0]["targetPort"] = json!("web");
            });
        },
        "has no port \"web\"",
    ),
    (|o| o.remove("Secret", "postgresql"), "there is no Secret postgresql"),
    (|o| o.edit("Secret", "postgresql", |s| remove(&mut s["stringData"], "url")), "has no key url"),
    (|o| o.remove("ConfigMap", "keycloak-setup"), "there is no ConfigMap keycloak-setup"),
    (
        |o| {
            o.edit("Deployment", "auth-adapter", |d| {
                container(d)["volumeMounts"][1]["name"] = json!("temp");
            });
        },
        "mounts the volume temp",
    ),
    (
        |o| {
            o.edit("Service", "keycloak", |s| {
                s["metadata"]["name"] = json!("idp");
            });
        },
        "there is no such Service",
    ),
    (
        |o| {
            o.edit("ConfigMap", "self-service-config", |c| {
                let text = c["data"]["config.yaml"]
                    .as_str()
                    .unwrap()
                    .replace(":8080/realms/master", ":8180/realms/master");
                c["data"]["config.yaml"] = json!(text);
            });
        },
        "that Service has no such port",
    ),
    // Routes and policies.
    (|o| o.remove("GatewayClass", "envoy"), "there is no GatewayClass envoy"),
    (
        |o| {
            o.edit("HTTPRoute", "ai-http-route", |r| {
                r["spec"]["parentRefs"][0]["name"] = json!("eg");
            });
        },
        "there is no Gateway envoy-gateway-system/\"eg\"",
    ),
    (
        |o| {
            o.edit("Gateway", "ai-gateway", |g| {
                g["spec"]["listeners"][0]["allowedRoutes"] = json!({});
            });
        },
        "takes no routes from other namespaces",
    ),
    (
        |o| {
            o.edit("HTTPRoute", "ai-http-route", |r| {
                r["spec"]["hostnames"] = json!(["other.local.dev"]);
            });
        },
        "no entry of Tollgate's routes is for \"other.local.dev\"",
    ),
    (|o| o.remove("ReferenceGrant", "allow-ai-http-route"), "no ReferenceGrant in model lets it name"),
    (
        |o| {
            o.edit("ReferenceGrant", "allow-security-policy-refs", |g| {
                g["spec"]["from"][0]["kind"] = json!("HTTPRoute");
            });
        },
        "no ReferenceGrant in envoy-gateway-system lets it name the Service self-service-svc",
    ),
    (
        |o| {
            o.edit("ReferenceGrant", "allow-security-policy-refs", |g| {
                for to in g["spec"]["to"].as_array_mut().unwrap() {
                    remove(to, "name");
                }
            });
        },
        "no ReferenceGrant in envoy-gateway-system lets it name",
    ),
    (
        |o| {
            o.edit("SecurityPolicy", "self-service-authz", |p| {
                p["spec"]["targetRefs"][0]["name"] = json!("route");
            });
        },
        "there is no HTTPRoute route in its namespace",
    ),
    (
        |o| {
            o.edit("SecurityPolicy", "self-service-authz", |p| {
                p["spec"]["extAuth"]["grpc"]["backendRefs"][0]["port"] = json!(3000);
            });
        },
        "checks over grpc are answered on port 3001, not 3000",
    ),
    (
        |o| {
            o.edit("SecurityPolicy", "self-service-authz", |p| {
                p["spec"]["extAuth"]["grpc"]["backendRefs"][0]["name"] = json!("auth-adapter");
            });
        },
        "auth-adapter has no port 3001",
    ),
    (
        |o| {
            o.edit("SecurityPolicy", "self-service-authz", |p| {
                p["spec"]["extAuth"]["failOpen"] = json!(true);
            });
        },
        "must say failOpen: false",
    ),
    (
        |o| {
            o.edit("ClientTrafficPolicy", "ai-gateway", |p| {
                p["spec"]["headers"]["earlyRequestHeaders"]["remove"].as_array_mut().unwrap().remove(0);
            });
        },
        "lets a client's own x-tollgate-subject in",
    ),
    (
        |o| {
            o.edit("ClientTrafficPolicy", "ai-gateway", |p| {
                let removed = p["spec"]["headers"]["earlyRequestHeaders"]["remove"].as_array_mut().unwrap();
                removed.retain(|name| name != "x-envoy-external-address");
            });
        },
        "lets a client's own x-envoy-external-address in",
    ),
    // Pods.
    (
        |o| {
            o.edit("Deployment", "ai-backend", |d| {
                remove(&mut d["spec"]["template"]["spec"]["securityContext"], "runAsNonRoot");
            });
        },
        "its pods are not held back: securityContext.runAsNonRoot",
    ),
    (
        |o| {
            o.edit("Deployment", "self-service-app", |d| {
                container(d)["securityContext"]["readOnlyRootFilesystem"] = json!(false);
            });
        },
        "lacks readOnlyRootFilesystem",
    ),
    (
        |o| {
            o.edit("Deployment", "auth-adapter", |d| {
                container(d)["image"] = json!("nginx:alpine");
            });
        },
        "lacks a pinned image",
    ),
    (
        |o| o.edit("Deployment", "keycloak", |d| remove(container(d), "readinessProbe")),
        "has no readinessProbe",
    ),
    (
        |o| {
            o.edit("Deployment", "keycloak", |d| {
                container(d)["resources"]["limits"]["memory"] = json!("3Gi");
            });
        },
        "the guide's machine has room for",
    ),
    // Secrets.
    (
        |o| {
            o.edit("ConfigMap", "self-service-config", |c| {
                let text = c["data"]["config.yaml"].as_str().unwrap();
                c["data"]["config.yaml"] = json!(text.replace(
                    "url_file: /app/secrets/database-url",
                    "url: postgres://tollgate:hunter2@postgresql:5432/tollgate"
                ));
            });
        },
        "config.yaml holds a secret",
    ),
    (
        |o| {
            o.edit("Deployment", "keycloak", |d| {
                container(d)["env"][1] = json!({"name": "KC_BOOTSTRAP_ADMIN_PASSWORD", "value": "admin"});
            });
        },
        "KC_BOOTSTRAP_ADMIN_PASSWORD stands in the open",
    ),
    // Network.
    (|o| o.remove("NetworkPolicy", "self-service-app"), "no NetworkPolicy guards port 3001"),
    (
        |o| o.edit("NetworkPolicy", "self-service-app", |p| remove(&mut p["spec"]["ingress"][0], "from")),
        "lets everybody reach port 3001 of self-service-app",
    ),
];

#[test]
fn what_is_wrong_is_found() {
    for (at, (break_it, expected)) in CASES.iter().enumerate() {
        let mut objects = Objects::shipped();
        break_it(&mut objects);
        let found: Vec<String> = findings(&objects).iter().map(ToString::to_string).collect();
        assert!(
            found.iter().any(|finding| finding.contains(expected)),
            "case {at}: expected '{expected}', found {found:#?}"
        );
    }
}

#[test]
fn a_wrong_variant_is_found() {
    let cases: [(&str, Case); 5] = [
        (
            "variants/adapter.yaml",
            (
                |o| {
                    o.edit("SecurityPolicy", "self-service-authz", |p| {
                        p["spec"]["extAuth"]["http"]["headersToBackend"].as_array_mut().unwrap().pop();
                    });
                },
                "does not copy x-tollgate-check-id",
            ),
        ),
        (
            "variants/http-door.yaml",
            (
                |o| {
                    o.edit("SecurityPolicy", "self-service-authz", |p| {
                        p["spec"]["extAuth"]["http"]["backendRefs"][0]["port"] = json!(3000);
                    });
                },
                "checks over http are answered on port 3002, not 3000",
            ),
        ),
        (
            "variants/http-door.yaml",
            (
                |o| {
                    o.edit("SecurityPolicy", "self-service-authz", |p| {
                        p["spec"]["extAuth"]["http"]["path"] = json!("/check");
                    });
                },
                "its path is not server.check.envoy_prefix",
            ),
        ),
        (
            "variants/replicas.yaml",
            (
                |o| {
                    o.edit("Deployment", "self-service-app", |d| {
                        d["spec"]["replicas"] = json!(3);
                    });
                },
                "says a number of replicas",
            ),
        ),
        (
            "variants/tls.yaml",
            (
                |o| {
                    o.edit("BackendTLSPolicy", "self-service-svc-grpc", |p| {
                        p["spec"]["targetRefs"][0]["sectionName"] = json!("http2");
                    });
                },
                "there is no port \"http2\"",
            ),
        ),
    ];
    for (file, (break_it, expected)) in cases {
        let mut objects = Objects::shipped().with(file);
        break_it(&mut objects);
        let found: Vec<String> = findings(&objects).iter().map(ToString::to_string).collect();
        assert!(
            found.iter().any(|finding| finding.contains(expected)),
            "{file}: '{expected}' not in {found:#?}"
        );
    }
}
