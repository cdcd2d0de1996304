//! What the cluster is judged against: Tollgate's names and ports there, and what its configuration says.

use std::time::Duration;

use serde_json::Value;

use super::object::Object;
use super::snapshot::{Kind, Snapshot};

/// The ConfigMap that configures Tollgate in the integration guide's deployment.
const CONFIG_MAP: &str = "self-service-config";
/// A variable by which a deployment switches TLS on.
const TLS_VARIABLE: &str = "TOLLGATE__SERVER__GRPC__TLS__CERT_FILE";

/// What should be there.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// Tollgate's namespace.
    pub namespace: String,
    /// Tollgate's Service.
    pub service: String,
    /// What its configuration says; `None` when there is none to read.
    pub configured: Option<Configured>,
}

/// The part of a configuration that a gateway must agree with.
#[derive(Clone, Debug, PartialEq)]
pub struct Configured {
    /// Where it was read, for a reader.
    pub source: String,
    /// `checks.deadline_ms`.
    pub deadline: Duration,
    /// `server.check.envoy_prefix`.
    pub envoy_prefix: Option<String>,
    /// Whether the gRPC door speaks TLS.
    pub grpc_tls: bool,
    /// The host patterns of each route; `None` takes any host.
    pub hosts: Vec<Option<Vec<String>>>,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            namespace: super::snapshot::CONTROLLER_NAMESPACE.to_owned(),
            service: "self-service-svc".to_owned(),
            configured: None,
        }
    }
}

impl Expect {
    /// Takes what the cluster's own ConfigMap says, unless a configuration is known already.
    #[must_use]
    pub fn or_from(mut self, snapshot: &Snapshot) -> Self {
        if self.configured.is_none() {
            self.configured = from_config_map(snapshot, &self.namespace);
        }
        self
    }
}

impl Configured {
    /// Reads a configuration file's tree, as far as it matters here. Missing keys have their defaults.
    pub fn of(tree: &Value, source: impl Into<String>) -> Self {
        let tree = Object(tree);
        let route = |route: Object<'_>| {
            route.has("/hosts").then(|| route.texts("/hosts").map(str::to_owned).collect())
        };
        let deadline = tree.number("/checks/deadline_ms").and_then(|ms| u64::try_from(ms).ok());
        Self {
            source: source.into(),
            deadline: Duration::from_millis(deadline.unwrap_or(DEFAULT_DEADLINE_MS)),
            envoy_prefix: tree.text("/server/check/envoy_prefix").map(str::to_owned),
            grpc_tls: tree.has("/server/grpc/tls"),
            hosts: tree.list("/routes").map(route).collect(),
        }
    }

    /// Whether some route takes this host.
    pub fn covers(&self, host: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_prefix("*.") {
            Some(parent) => host
                .to_ascii_lowercase()
                .strip_suffix(&parent.to_ascii_lowercase())
                .is_some_and(|rest| rest.ends_with('.')),
            None => pattern == "*" || pattern.eq_ignore_ascii_case(host),
        };
        self.hosts.iter().any(|hosts| hosts.as_ref().is_none_or(|hosts| hosts.iter().any(fits)))
    }
}

/// `checks.deadline_ms` unless it is set.
const DEFAULT_DEADLINE_MS: u64 = 100;

fn from_config_map(snapshot: &Snapshot, namespace: &str) -> Option<Configured> {
    let maps = || snapshot.all(Kind::ConfigMap).filter(|map| map.namespace() == namespace);
    let has_file = |map: &Object<'_>| map.0.pointer("/data/config.yaml").is_some();
    let ours = |map: &Object<'_>| map.label("app.kubernetes.io/name") == Some("tollgate");
    let map = maps()
        .find(|map| map.name() == CONFIG_MAP && has_file(map))
        .or_else(|| maps().find(|map| ours(map) && has_file(map)))?;
    let text = map.0.pointer("/data/config.yaml")?.as_str()?;
    let tree: Value = serde_saphyr::from_str(text).ok()?;
    let mut configured = Configured::of(&tree, map.place());
    let by_variable =
        |map: Object<'_>| map.0.pointer("/data").is_some_and(|data| data.get(TLS_VARIABLE).is_some());
    configured.grpc_tls |= maps().any(by_variable);
    Some(configured)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_defaults_are_the_products() {
        let settings = crate::config::Settings::default();
        assert_eq!(settings.checks.deadline_ms, DEFAULT_DEADLINE_MS);
        let tree = serde_json::to_value(&settings).unwrap();
        let configured = Configured::of(&tree, "defaults");
        assert_eq!(configured.deadline, Duration::from_millis(100));
        assert!(!configured.grpc_tls && configured.envoy_prefix.is_none() && configured.hosts.is_empty());
    }

    #[test]
    fn hosts_are_covered_as_routes_cover_them() {
        let of = |routes: Value| Configured::of(&json!({"routes": routes}), "");
        assert!(!of(json!([])).covers("a.test"));
        assert!(of(json!([{"name": "any"}])).covers("a.test"));
        let some = of(json!([{"hosts": ["ai.test"]}, {"hosts": ["*.wild.test"]}]));
        assert!(some.covers("AI.test") && some.covers("x.wild.test") && !some.covers("wild.test"));
        assert!(!some.covers("xwild.test"));
    }
}
