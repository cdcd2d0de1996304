//! What was read from a cluster, all of it before anything is judged.

use std::collections::BTreeMap;

use serde_json::Value;
use tollgate_core::lookup::Lookup;

use super::object::Object;

/// A kind of object that the doctor reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `gateway.networking.k8s.io`
    GatewayClass,
    /// `gateway.networking.k8s.io`
    Gateway,
    /// `gateway.networking.k8s.io`
    HttpRoute,
    /// `gateway.networking.k8s.io`
    ReferenceGrant,
    /// `gateway.networking.k8s.io`
    BackendTlsPolicy,
    /// `gateway.envoyproxy.io`
    SecurityPolicy,
    /// `v1`
    Service,
    /// `discovery.k8s.io`
    EndpointSlice,
    /// `v1`
    Pod,
    /// `networking.k8s.io`
    NetworkPolicy,
    /// `v1`; only those that configure Tollgate
    ConfigMap,
}

/// The objects of one kind, in the whole cluster or in one namespace.
#[derive(Clone, Debug)]
pub enum Listing {
    /// All of them.
    Items(Vec<Value>),
    /// The API server does not know the kind.
    NotServed,
    /// The API server did not say; why.
    Refused(String),
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By kind, and by namespace where only that was read.
    listings: BTreeMap<(Kind, Option<String>), Listing>,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::GatewayClass,
        Self::Gateway,
        Self::HttpRoute,
        Self::ReferenceGrant,
        Self::BackendTlsPolicy,
        Self::SecurityPolicy,
        Self::Service,
        Self::EndpointSlice,
        Self::Pod,
        Self::NetworkPolicy,
        Self::ConfigMap,
    ];

    /// Group and kind as the API names them.
    pub const fn api(self) -> (&'static str, &'static str) {
        const GATEWAY: &str = "gateway.networking.k8s.io";
        match self {
            Self::GatewayClass => (GATEWAY, "GatewayClass"),
            Self::Gateway => (GATEWAY, "Gateway"),
            Self::HttpRoute => (GATEWAY, "HTTPRoute"),
            Self::ReferenceGrant => (GATEWAY, "ReferenceGrant"),
            Self::BackendTlsPolicy => (GATEWAY, "BackendTLSPolicy"),
            Self::SecurityPolicy => ("gateway.envoyproxy.io", "SecurityPolicy"),
            Self::Service => ("", "Service"),
            Self::EndpointSlice => ("discovery.k8s.io", "EndpointSlice"),
            Self::Pod => ("", "Pod"),
            Self::NetworkPolicy => ("networking.k8s.io", "NetworkPolicy"),
            Self::ConfigMap => ("", "ConfigMap"),
        }
    }

    /// The name that `kubectl` takes.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::GatewayClass => "gatewayclasses",
            Self::Gateway => "gateways",
            Self::HttpRoute => "httproutes",
            Self::ReferenceGrant => "referencegrants",
            Self::BackendTlsPolicy => "backendtlspolicies",
            Self::SecurityPolicy => "securitypolicies",
            Self::Service => "services",
            Self::EndpointSlice => "endpointslices",
            Self::Pod => "pods",
            Self::NetworkPolicy => "networkpolicies",
            Self::ConfigMap => "configmaps",
        }
    }
}

impl Snapshot {
    /// Adds a listing of the whole cluster (`None`) or of one namespace.
    pub fn insert(&mut self, kind: Kind, namespace: Option<&str>, listing: Listing) {
        self.listings.insert((kind, namespace.map(str::to_owned)), listing);
    }

    /// A cluster that holds exactly these objects, for tests and for files.
    pub fn of(objects: impl IntoIterator<Item = Value>) -> Self {
        let mut by_kind: BTreeMap<Kind, Vec<Value>> = Kind::ALL.map(|kind| (kind, Vec::new())).into();
        for object in objects {
            let named = Object(&object).text("/kind").unwrap_or_default().to_owned();
            let kind = Kind::ALL.into_iter().find(|kind| kind.api().1 == named);
            if let Some(list) = kind.and_then(|kind| by_kind.get_mut(&kind)) {
                list.push(object);
            }
        }
        let listings = by_kind.into_iter().map(|(kind, items)| ((kind, None), Listing::Items(items)));
        Self { listings: listings.collect() }
    }

    /// Every object of a kind that was read.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = Object<'_>> {
        let lists = self.listings.iter().filter(move |((of, _), _)| *of == kind);
        let items = lists.flat_map(|(_, listing)| match listing {
            Listing::Items(items) => items.as_slice(),
            Listing::NotServed | Listing::Refused(_) => &[],
        });
        items.map(Object)
    }

    /// One object: there, not there, or nobody could look.
    pub fn find(&self, kind: Kind, namespace: &str, name: &str) -> Lookup<Object<'_>> {
        let mut all = self.all(kind);
        match all.find(|object| object.name() == name && object.namespace() == namespace) {
            Some(object) => Lookup::Found(object),
            None if self.has_seen(kind, namespace) => Lookup::Absent,
            None => Lookup::Unavailable,
        }
    }

    /// Whether all objects of a kind in a namespace were read.
    pub fn has_seen(&self, kind: Kind, namespace: &str) -> bool {
        let read = |scope: Option<String>| {
            matches!(self.listings.get(&(kind, scope)), Some(Listing::Items(_) | Listing::NotServed))
        };
        read(None) || read(Some(namespace.to_owned()))
    }

    /// Whether the API server knows the kind; `None` when it did not say.
    pub fn is_served(&self, kind: Kind) -> Option<bool> {
        let mut known = None;
        for ((of, _), listing) in &self.listings {
            match listing {
                Listing::Items(_) if *of == kind => return Some(true),
                Listing::NotServed if *of == kind => known = Some(false),
                _ => {}
            }
        }
        known
    }

    /// What could not be read: the kind, the namespace if it was one, and why.
    pub fn refused(&self) -> impl Iterator<Item = (Kind, Option<&str>, &str)> {
        self.listings.iter().filter_map(|((kind, namespace), listing)| match listing {
            Listing::Refused(why) => Some((*kind, namespace.as_deref(), why.as_str())),
            Listing::Items(_) | Listing::NotServed => None,
        })
    }

    /// The namespaces whose Services and pods matter: Tollgate's own, the gateways', and those that routes and policies
    /// name.
    pub fn namespaces(&self, own: &str) -> Vec<String> {
        let mut all = std::collections::BTreeSet::from([own.to_owned(), CONTROLLER_NAMESPACE.to_owned()]);
        for kind in [Kind::Gateway, Kind::HttpRoute, Kind::SecurityPolicy] {
            for object in self.all(kind) {
                if kind != Kind::SecurityPolicy || object.has("/spec/extAuth") {
                    all.insert(object.namespace().to_owned());
                }
            }
        }
        for route in self.all(Kind::HttpRoute) {
            let backends = route.list("/spec/rules").flat_map(|rule| rule.list("/backendRefs"));
            all.extend(backends.filter_map(|backend| backend.text("/namespace")).map(str::to_owned));
        }
        for policy in self.all(Kind::SecurityPolicy) {
            let asked = super::judge::asked(policy);
            all.extend(asked.map(|asked| asked.namespace.to_owned()));
        }
        all.into_iter().collect()
    }
}

/// Where Envoy Gateway is installed, and with it the proxies that it makes, unless told otherwise.
pub const CONTROLLER_NAMESPACE: &str = "envoy-gateway-system";
