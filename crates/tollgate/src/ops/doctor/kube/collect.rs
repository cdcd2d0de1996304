//! Reading a cluster through its API, with the user's own rights. Nothing is written, and no Secret is read.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use kube::api::{Api, DynamicObject, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::ApiResource;
use kube::discovery::{self, ApiGroup};
use kube::{Client, Config};
use serde_json::Value;
use thiserror::Error;

use super::snapshot::{Kind, Listing, Snapshot};

/// For the whole visit.
const LIMIT: Duration = Duration::from_secs(30);
/// Objects in one answer.
const PAGE: u32 = 500;

/// How a cluster is found.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// The kubeconfig; without it `KUBECONFIG`, `~/.kube/config`, or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; the current one without.
    pub context: Option<String>,
}

/// Why a cluster could not be looked at.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// There is no kubeconfig and this is no pod.
    #[error("there is no kubeconfig: {0}")]
    NoConfig(String),
    /// The kubeconfig that was named cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    BadConfig(String),
    /// The API server did not answer.
    #[error("the API server {server} does not answer: {why}")]
    Unreachable {
        /// Its address.
        server: String,
        /// The innermost cause.
        why: String,
    },
}

impl Cluster {
    /// The client configuration.
    ///
    /// # Errors
    /// [`ClusterError::NoConfig`] when none was named and none is there; [`ClusterError::BadConfig`] otherwise.
    pub async fn config(&self) -> Result<Config, ClusterError> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let bad = |error: &dyn std::error::Error| ClusterError::BadConfig(innermost(error));
        match &self.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(|error| bad(&error))?;
                Config::from_custom_kubeconfig(file, &options).await.map_err(|error| bad(&error))
            }
            None if self.context.is_some() => {
                Config::from_kubeconfig(&options).await.map_err(|error| bad(&error))
            }
            None => Config::infer().await.map_err(|error| ClusterError::NoConfig(innermost(&error))),
        }
    }
}

/// Reads everything that is judged: the gateway's objects of the whole cluster, and Services, slices and pods of the
/// namespaces that they name. `namespace` is Tollgate's own.
///
/// # Errors
/// [`ClusterError::Unreachable`]. What the user may not read is in the snapshot as refused.
pub async fn collect(config: Config, namespace: &str) -> Result<Snapshot, ClusterError> {
    let server = config.cluster_url.to_string();
    let unreachable = |why: String| ClusterError::Unreachable { server: server.clone(), why };
    match tokio::time::timeout(LIMIT, read(config, namespace)).await {
        Ok(Ok(snapshot)) => Ok(snapshot),
        Ok(Err(error)) => Err(unreachable(innermost(&error))),
        Err(_) => Err(unreachable(format!("no answer within {} s", LIMIT.as_secs()))),
    }
}

async fn read(config: Config, namespace: &str) -> Result<Snapshot, kube::Error> {
    let client = Client::try_from(config)?;
    let served = client.list_api_groups().await?;
    let mut groups: Vec<ApiGroup> = Vec::new();
    for name in
        ["gateway.networking.k8s.io", "gateway.envoyproxy.io", "discovery.k8s.io", "networking.k8s.io"]
    {
        if served.groups.iter().any(|group| group.name == name) {
            groups.push(discovery::group(&client, name).await?);
        }
    }
    let mut snapshot = Snapshot::default();
    let wide = [
        Kind::GatewayClass,
        Kind::Gateway,
        Kind::HttpRoute,
        Kind::ReferenceGrant,
        Kind::BackendTlsPolicy,
        Kind::SecurityPolicy,
    ];
    let listings = wide.map(|kind| list(&client, resource(&groups, kind), None));
    for (kind, listing) in wide.into_iter().zip(join_all(listings).await) {
        snapshot.insert(kind, None, listing);
    }
    for place in snapshot.namespaces(namespace) {
        let kinds = [Kind::Service, Kind::EndpointSlice, Kind::Pod];
        let listings = kinds.map(|kind| list(&client, resource(&groups, kind), Some(&place)));
        for (kind, listing) in kinds.into_iter().zip(join_all(listings).await) {
            snapshot.insert(kind, Some(&place), listing);
        }
    }
    // Only to compare with, so what may not be read of these is no finding.
    for kind in [Kind::ConfigMap, Kind::NetworkPolicy] {
        let listing = list(&client, resource(&groups, kind), Some(namespace)).await;
        if let Listing::Items(_) = &listing {
            snapshot.insert(kind, Some(namespace), listing);
        }
    }
    Ok(snapshot)
}

/// The most stable version that the server has of a kind.
fn resource(groups: &[ApiGroup], kind: Kind) -> Option<ApiResource> {
    let (group, name) = kind.api();
    if group.is_empty() {
        let gvk = kube::core::GroupVersionKind::gvk("", "v1", name);
        return Some(ApiResource::from_gvk_with_plural(&gvk, kind.plural()));
    }
    let group = groups.iter().find(|known| known.name() == group)?;
    let mut resources = group.resources_by_stability().into_iter();
    resources.find(|(resource, _)| resource.kind == name).map(|(resource, _)| resource)
}

async fn list(client: &Client, resource: Option<ApiResource>, namespace: Option<&str>) -> Listing {
    let Some(resource) = resource else { return Listing::NotServed };
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let mut items = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = match api.list(&params).await {
            Ok(page) => page,
            Err(error) => return refusal(&error),
        };
        for object in page.items {
            match serde_json::to_value(object) {
                Ok(value) => items.push(named(value, &resource)),
                Err(error) => return Listing::Refused(error.to_string()),
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Listing::Items(items),
        }
    }
}

/// Objects in a list come without their kind.
fn named(mut object: Value, resource: &ApiResource) -> Value {
    object["kind"] = resource.kind.clone().into();
    object["apiVersion"] = resource.api_version.clone().into();
    object
}

fn refusal(error: &kube::Error) -> Listing {
    match error {
        kube::Error::Api(status) if status.code == 404 => Listing::NotServed,
        kube::Error::Api(status) => Listing::Refused(status.message.clone()),
        other => Listing::Refused(innermost(other)),
    }
}

/// The last cause in the chain says the most.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = next.to_string();
        cause = next.source();
    }
    text
}
