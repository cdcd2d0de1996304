//! The half that needs no cluster: the configuration, and everything that it names.

mod clients;
mod database;
mod issuers;
mod process;
mod token;

use super::finding::Finding;
use super::kube::Configured;
use super::kube::Expect;
use crate::clock::Clock;
use crate::config::{Loaded, Place, Problem, Sources, load};
use crate::ops::token::Token;

/// Looks at a configuration; what a cluster must agree with, when it could be read.
pub(super) async fn examine(
    sources: &Sources,
    token: Option<&Token>,
    clock: &dyn Clock,
    expect: &Expect,
) -> (Vec<Finding>, Option<Configured>) {
    let file = sources.file().map_or("environment".to_owned(), |path| path.display().to_string());
    let loaded = match load(sources) {
        Ok(loaded) => loaded,
        Err(error) => return (error.problems.iter().map(|problem| broken(problem, &file)).collect(), None),
    };
    let mut findings = vec![Finding::ok("config", file.clone(), summary(&loaded))];
    findings.extend(loaded.warnings.iter().map(|problem| doubtful(problem, &file)));
    let mut keys = Vec::new();
    for plan in &loaded.compiled.issuers {
        let (seen, set) = issuers::examine(plan, clock, expect).await;
        findings.extend(seen);
        keys.push((plan, set));
    }
    if let Some(token) = token {
        findings.push(token::examine(token, &keys, loaded.settings.checks.max_token_bytes, clock.now()));
    }
    findings.push(database::examine(&loaded.settings, expect).await);
    findings.extend(clients::examine(&loaded.settings, clock.now()).await);
    findings.extend(process::examine(&loaded.settings).await);
    let tree = serde_json::to_value(&loaded.settings).unwrap_or_default();
    (findings, Some(Configured::of(&tree, file)))
}

fn summary(loaded: &Loaded) -> String {
    let policy = &loaded.compiled.policy;
    format!("usable: {} routes, {} issuers", policy.routes().len(), policy.issuers().len())
}

fn place(problem: &Problem, file: &str) -> String {
    let at = match &problem.place {
        Some(Place::File { path, line }) if *line > 0 => format!("{}:{line}", path.display()),
        Some(Place::File { path, .. }) => path.display().to_string(),
        Some(Place::Environment(name)) => name.to_string(),
        None => file.to_owned(),
    };
    if problem.path.is_empty() { at } else { format!("{at} {}", problem.path) }
}

fn broken(problem: &Problem, file: &str) -> Finding {
    let mend = "mend it as it says; `tollgate config check` says when it is right";
    Finding::error("config_broken", place(problem, file), problem.text.clone(), mend)
}

fn doubtful(problem: &Problem, file: &str) -> Finding {
    let mend = format!("if that is not meant, change {}", problem.path);
    Finding::warning("config_doubtful", place(problem, file), problem.text.clone(), mend)
}

/// Whether a host's name means something inside a cluster only.
fn is_cluster_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host.ends_with(".svc")
        || host.ends_with(".cluster.local")
        || (!host.contains(['.', ':']) && host != "localhost")
}

/// How to look from where such names mean something.
fn look_inside(expect: &Expect) -> String {
    format!(
        "that name means something inside the cluster only; look from there: kubectl exec -n {} deployment/self-service-app -- \
         tollgate doctor",
        expect.namespace
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_cluster_are_known() {
        for name in
            ["keycloak", "keycloak.envoy-gateway-system.svc", "a.b.svc.cluster.local", "a.cluster.local."]
        {
            assert!(is_cluster_name(name), "{name}");
        }
        for name in ["localhost", "login.example.com", "10.0.0.1", "::1"] {
            assert!(!is_cluster_name(name), "{name}");
        }
    }
}
