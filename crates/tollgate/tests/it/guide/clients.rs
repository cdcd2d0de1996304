//! The client's address, as the manifests and the files beside systemd have Envoy tell it: behind a proxy that is trusted, and
//! with everything that a client can write.

use serde_json::{Value, json};
use tollgate::dev::envoy::CLIENT_ADDRESS_HEADER;

use super::envoy::{Ports, bootstrap};
use super::machine::shipped;
use super::objects::Objects;
use crate::client_address::{Bound, SPOOFS};
use crate::harness::envoy::{BINARIES, Envoy};
use crate::harness::upstream::Upstream;
use crate::harness::{free_port, need};

const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

fn config() -> Value {
    let shipped = Objects::shipped();
    let map = shipped.get("ConfigMap", super::objects::SYSTEM, "self-service-config");
    serde_saphyr::from_str(map.text("/data/config.yaml")).unwrap()
}

/// What every one of the shipped gateways must do with one proxy in front.
async fn judges_clients(bound: &Bound, envoy: &Envoy, upstream: &Upstream, what: &str) {
    for (forwarded, status) in [
        ("10.9.8.7", [200, 403, 200]),
        ("203.0.113.66", [403, 403, 200]),
        ("10.9.8.7, 203.0.113.66", [403, 403, 200]),
        ("203.0.113.66, 10.9.8.7", [200, 403, 200]),
    ] {
        for (key, expected) in status.into_iter().enumerate() {
            let said = bound.ask(envoy.port, key, &[("x-forwarded-for", forwarded)]).await;
            assert_eq!(said, expected, "{what} {forwarded} key {key}\n{}", bound.stand.tollgate.log());
        }
    }
    for spoof in SPOOFS {
        let headers = [&[("x-forwarded-for", "203.0.113.66")], spoof].concat();
        assert_eq!(bound.ask(envoy.port, 0, &headers).await, 403, "{what} {spoof:?}");
    }
    // Any spelling of an identity header, on a request that passes.
    let aliases = [
        ("X.Tollgate.User", "root"),
        ("x-tollgate.subject", "root"),
        ("X.Tollgate-Key.Id", "root"),
        ("x.account.id", "root"),
        ("x-project.id", "root"),
        ("x-model-policy", "all"),
    ];
    let before = upstream.seen().len();
    let headers = [&[("x-forwarded-for", "10.9.8.7")][..], &aliases].concat();
    assert_eq!(bound.ask(envoy.port, 0, &headers).await, 200, "{what}");
    let seen = &upstream.seen()[before];
    for (name, value) in &seen.headers {
        assert!(value != b"root" && value != b"all", "{what}: {name} reached the backend");
    }
    assert_eq!(seen.values(CLIENT_ADDRESS_HEADER), [""; 0], "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn v6_the_manifests_judge_the_client() {
    let config = config();
    let said = config["server"]["grpc"]["client_address"].as_str().unwrap();
    assert_eq!(config["server"]["check"]["client_address"], said);
    let bound = Bound::start(said).await;
    let ports = bound.stand.tollgate.ports;
    for binary in BINARIES {
        let Some(binary) = need(binary) else { return };
        for (file, door) in [(None, ports.grpc), (Some("variants/http-door.yaml"), ports.check)] {
            let objects = file.map_or_else(Objects::shipped, |file| Objects::shipped().with(file));
            let policy = objects.of_kind("SecurityPolicy").next().unwrap();
            let upstream = Upstream::start().await;
            let (gateway, admin) = (free_port(), free_port());
            let places = Ports { gateway, admin, backend: upstream.port(), adapter: 9 };
            let mut whole = bootstrap(&objects, policy, places);
            let manager = whole.pointer_mut(MANAGER).unwrap();
            manager["xff_num_trusted_hops"] = json!(1);
            manager["access_log"] = json!([]);
            manager["route_config"]["virtual_hosts"][0]["domains"] = json!(["*"]);
            let check =
                "/static_resources/clusters/1/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
            whole.pointer_mut(check).unwrap()["socket_address"]["port_value"] = json!(door);
            let envoy = Envoy::start_with(&binary, gateway, admin, &whole).await;
            judges_clients(&bound, &envoy, &upstream, file.unwrap_or("grpc")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v6_the_files_beside_systemd_judge_the_client() {
    let config: Value = serde_saphyr::from_str(&shipped("tollgate.yaml")).unwrap();
    let bound = Bound::start(config["server"]["grpc"]["client_address"].as_str().unwrap()).await;
    for binary in BINARIES {
        let Some(binary) = need(binary) else { return };
        let upstream = Upstream::start().await;
        let (gateway, admin) = (free_port(), free_port());
        let mut front: Value = serde_saphyr::from_str(&shipped("envoy.yaml")).unwrap();
        let cluster = |number: usize| {
            format!(
                "/static_resources/clusters/{number}/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address"
            )
        };
        for (pointer, port) in [
            ("/admin/address".to_owned(), admin),
            ("/static_resources/listeners/0/address".to_owned(), gateway),
            (cluster(0), bound.stand.tollgate.ports.grpc),
            (cluster(1), upstream.port()),
        ] {
            front.pointer_mut(&pointer).unwrap()["socket_address"]["port_value"] = json!(port);
        }
        let manager = front.pointer_mut(MANAGER).unwrap();
        assert_eq!(manager["xff_num_trusted_hops"], 0, "for who has a proxy in front to change");
        manager["xff_num_trusted_hops"] = json!(1);
        manager["route_config"]["virtual_hosts"][0]["domains"] = json!(["*"]);
        let envoy = Envoy::start_with(&binary, gateway, admin, &front).await;
        judges_clients(&bound, &envoy, &upstream, "systemd").await;
    }
}
