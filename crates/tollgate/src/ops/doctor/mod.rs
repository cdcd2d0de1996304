//! `tollgate doctor`: looks at a cluster and at a configuration with everything that it names, and says what is wrong, where,
//! and by which command or edit it is mended.

pub mod finding;
pub mod kube;
mod service;

use std::sync::Arc;

use ::kube::Config;

pub use self::finding::{Diagnosis, Finding, Severity};
use self::kube::{Cluster, ClusterError, Expect};
use super::token::Token;
use crate::clock::Clock;
use crate::config::Sources;

/// What to look at.
#[derive(Debug)]
pub struct DoctorOptions {
    /// The configuration; `None` when nobody named one.
    pub configuration: Option<Sources>,
    /// The cluster; `None` leaves it out.
    pub cluster: Option<Cluster>,
    /// Tollgate's namespace there.
    pub namespace: String,
    /// Tollgate's Service there.
    pub service: String,
    /// A token that should be accepted.
    pub token: Option<Token>,
}

/// Looks at everything.
pub async fn examine(options: DoctorOptions, clock: Arc<dyn Clock>) -> Diagnosis {
    let mut diagnosis = Diagnosis::default();
    let mut expect = Expect { namespace: options.namespace, service: options.service, configured: None };
    match &options.configuration {
        None => diagnosis.extend([Finding::note(
            "config_none",
            "configuration",
            "none was named (--config FILE or CONFIG_PATH), so issuers, database and ports were not looked at",
        )]),
        Some(sources) => {
            let (findings, configured) =
                service::examine(sources, options.token.as_ref(), clock.as_ref(), &expect).await;
            diagnosis.extend(findings);
            expect.configured = configured;
        }
    }
    match &options.cluster {
        None => diagnosis.extend([Finding::note("kube_left_out", "Kubernetes", "left out, as asked")]),
        Some(cluster) => diagnosis.extend(visit(cluster, expect).await),
    }
    diagnosis
}

async fn visit(cluster: &Cluster, expect: Expect) -> Vec<Finding> {
    let named = cluster.kubeconfig.is_some() || cluster.context.is_some();
    let place =
        cluster.kubeconfig.as_ref().map_or("Kubernetes".to_owned(), |path| path.display().to_string());
    let config = match cluster.config().await {
        Ok(config) => config,
        Err(error) if !named => {
            let what = format!("{error}; Kubernetes was not looked at, the rest was");
            return vec![Finding::note("kube_none", place, what)];
        }
        Err(error) => {
            let mend =
                "check --kubeconfig and --context; on k3s: sudo cp /etc/rancher/k3s/k3s.yaml ~/.kube/config";
            return vec![Finding::unseen("kube_config", place, error.to_string(), mend)];
        }
    };
    match examine_cluster(config, expect).await {
        Ok(findings) => findings,
        Err(error) => {
            let mend = "is the cluster up, and is this its kubeconfig? kubectl get nodes; without Kubernetes say --no-kubernetes";
            vec![Finding::unseen("kube_unreachable", place, error.to_string(), mend)]
        }
    }
}

/// Reads a cluster and judges it.
///
/// # Errors
/// The API server does not answer.
pub async fn examine_cluster(config: Config, expect: Expect) -> Result<Vec<Finding>, ClusterError> {
    let snapshot = kube::collect(config, &expect.namespace).await?;
    let expect = expect.or_from(&snapshot);
    Ok(kube::judge(&snapshot, &expect))
}
