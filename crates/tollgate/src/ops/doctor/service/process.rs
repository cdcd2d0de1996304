//! A Tollgate that runs on this machine with this configuration: its ports, what its readiness says, and what its metrics tell
//! of issuers that callers named and it does not accept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::Settings;
use crate::ops::doctor::finding::Finding;

/// For one connection or one answer.
const LIMIT: Duration = Duration::from_secs(2);

/// Looks at the four ports.
pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let server = &settings.server;
    let ports = [
        ("server.http.listen", server.http.listen.0),
        ("server.grpc.listen", server.grpc.listen.0),
        ("server.check.listen", server.check.listen.0),
        ("server.metrics.listen", server.metrics.listen.0),
    ];
    let mut open = Vec::new();
    for (name, address) in ports {
        open.push((name, address, is_open(reachable(address)).await));
    }
    if open.iter().all(|(_, _, open)| !open) {
        return vec![Finding::note(
            "process_none",
            "process",
            "no Tollgate runs here on these ports; `tollgate serve` starts it",
        )];
    }
    let mut findings = Vec::new();
    for (name, address, _) in open.iter().filter(|(_, _, open)| !open) {
        let what = "nothing listens here, though other ports of the same configuration are open";
        let mend = "was the configuration changed since the start? Ports take effect after a restart";
        findings.push(Finding::error("port_closed", format!("{name} {address}"), what, mend));
    }
    let (http, metrics) = (reachable(server.http.listen.0), reachable(server.metrics.listen.0));
    if open[0].2 {
        findings.extend(foreign("server.http.listen", http).await);
    }
    if open[3].2 {
        findings.extend(readiness(metrics).await);
        findings.extend(counters(metrics).await);
    }
    findings
}

/// A listener on every address is asked on loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

async fn is_open(address: SocketAddr) -> bool {
    matches!(timeout(LIMIT, TcpStream::connect(address)).await, Ok(Ok(_)))
}

async fn get(address: SocketAddr, path: &str) -> Option<String> {
    let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build().ok()?;
    client.get(format!("http://{address}{path}")).send().await.ok()?.text().await.ok()
}

async fn readiness(address: SocketAddr) -> Vec<Finding> {
    let place = format!("http://{address}/health/ready");
    let body = get(address, "/health/ready").await.unwrap_or_default();
    let report: Value = serde_json::from_str(&body).unwrap_or_default();
    match report.get("components").and_then(Value::as_array) {
        Some(components) => judge(&place, components),
        None => vec![not_ours("server.metrics.listen", address)],
    }
}

/// An error when another program answers on the people's port.
async fn foreign(setting: &str, address: SocketAddr) -> Option<Finding> {
    let body = get(address, "/health").await.unwrap_or_default();
    let ours = serde_json::from_str::<Value>(&body).is_ok_and(|answer| answer["status"] == "live");
    (!ours).then(|| not_ours(setting, address))
}

fn not_ours(setting: &str, address: SocketAddr) -> Finding {
    let mend = format!(
        "another program has the port (ss -ltnp sport = :{}), or {setting} is not this process's",
        address.port()
    );
    Finding::error("port_foreign", format!("http://{address}"), "what answers here is not Tollgate", mend)
}

fn judge(place: &str, components: &[Value]) -> Vec<Finding> {
    let text = |component: &Value, name: &str| {
        component.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut findings = Vec::new();
    for component in components {
        let what = format!("{}: {}", text(component, "name"), text(component, "detail"));
        let mend = "mend what it names; it recovers by itself";
        match text(component, "state").as_str() {
            "not_ready" => findings.push(Finding::error("process_not_ready", place, what, mend)),
            "degraded" => findings.push(Finding::warning("process_degraded", place, what, mend)),
            _ => {}
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("process", place, "ready"));
    }
    findings
}

async fn counters(address: SocketAddr) -> Vec<Finding> {
    let place = format!("http://{address}/metrics");
    tell(&place, &get(address, "/metrics").await.unwrap_or_default())
}

fn tell(place: &str, metrics: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let version = metrics
        .lines()
        .find_map(|line| line.strip_prefix("tollgate_build_info{version=\"")?.split('"').next());
    if let Some(version) = version.filter(|version| *version != env!("CARGO_PKG_VERSION")) {
        let what = format!("the running version is {version}, this one is {}", env!("CARGO_PKG_VERSION"));
        findings.push(Finding::note("process_version", place, what));
    }
    let sum = |name: &str, with: &str| -> f64 {
        let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains(with));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let unknown = sum("tollgate_checks_total{", "code=\"token_issuer_unknown\"");
    if unknown > 0.0 {
        findings.push(Finding::warning(
            "issuer_seen_unknown",
            place,
            format!("{unknown} checks were refused because no issuer accepts the token's iss"),
            "the decision log's denial.reason names it; if it is one of yours by another name, add it to accepted_issuers",
        ));
    }
    if sum("tollgate_panics_total", "") > 0.0 {
        let mend = "a bug; please report it with the log around it";
        findings.push(Finding::error("process_panicked", place, "checks panicked, and were denied", mend));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn readiness_is_told_part_by_part() {
        let codes = |states: &[&str]| -> Vec<&'static str> {
            let parts: Vec<Value> =
                states.iter().map(|state| json!({"name": "x", "state": state, "detail": "d"})).collect();
            judge("", &parts).iter().map(|finding| finding.code).collect()
        };
        assert_eq!(codes(&["ready", "ready"]), ["process"]);
        assert_eq!(codes(&["ready", "degraded", "not_ready"]), ["process_degraded", "process_not_ready"]);
    }

    #[test]
    fn metrics_tell_of_issuers_that_nobody_accepts() {
        let text = "tollgate_build_info{version=\"0.0.9\"} 1\n\
                    tollgate_checks_total{door=\"envoy_grpc\",verdict=\"deny\",code=\"token_issuer_unknown\"} 3\n\
                    tollgate_panics_total 0\n";
        let findings = tell("", text);
        let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["process_version", "issuer_seen_unknown"]);
        assert!(findings[1].what.starts_with("3 checks"), "{}", findings[1].what);
        assert_eq!(tell("", ""), []);
    }
}
