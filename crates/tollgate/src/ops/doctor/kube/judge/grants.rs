//! ReferenceGrants: whether one namespace lets another name its Services.

use super::super::object::Object;
use super::super::snapshot::{Kind, Snapshot};

/// Who wants to name a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Referrer<'a> {
    pub group: &'a str,
    pub kind: &'a str,
    pub namespace: &'a str,
}

impl<'a> Referrer<'a> {
    pub const fn policy(namespace: &'a str) -> Self {
        Self { group: "gateway.envoyproxy.io", kind: "SecurityPolicy", namespace }
    }

    pub const fn route(namespace: &'a str) -> Self {
        Self { group: "gateway.networking.k8s.io", kind: "HTTPRoute", namespace }
    }
}

/// Whether a grant covers the reference; when not, which one comes near and why it does not.
pub(super) enum Grant<'a> {
    /// In the same namespace, or granted, or nobody could look.
    Fine,
    /// Not granted.
    Missing(Option<(Object<'a>, String)>),
}

/// Looks for the grant. It stands in the target's namespace and names the referrer's kind exactly.
pub(super) fn find<'a>(
    snapshot: &'a Snapshot,
    referrer: Referrer<'_>,
    namespace: &str,
    service: &str,
) -> Grant<'a> {
    if referrer.namespace == namespace || !snapshot.has_seen(Kind::ReferenceGrant, namespace) {
        return Grant::Fine;
    }
    let grants: Vec<_> = snapshot.all(Kind::ReferenceGrant).filter(|g| g.namespace() == namespace).collect();
    let mut near = None;
    for grant in grants {
        let from = grant.list("/spec/from").find(|from| is_from(*from, referrer));
        let to = grant.list("/spec/to").find(|to| is_to(*to, service));
        match (from, to) {
            (Some(_), Some(_)) => return Grant::Fine,
            (Some(_), None) => near = Some((grant, format!("does not list the Service '{service}'"))),
            (None, Some(_)) if near.is_none() => {
                let wanted = format!("{} in the namespace '{}'", referrer.kind, referrer.namespace);
                near = Some((grant, format!("is not for {wanted}")));
            }
            _ => {}
        }
    }
    Grant::Missing(near)
}

fn is_from(from: Object<'_>, referrer: Referrer<'_>) -> bool {
    from.text("/group").unwrap_or_default() == referrer.group
        && from.text("/kind") == Some(referrer.kind)
        && from.text("/namespace") == Some(referrer.namespace)
}

fn is_to(to: Object<'_>, service: &str) -> bool {
    to.text("/group").unwrap_or_default().is_empty()
        && to.text("/kind") == Some("Service")
        && to.text("/name").is_none_or(|name| name == service)
}

/// The command that makes the grant.
pub(super) fn command(referrer: Referrer<'_>, namespace: &str, service: &str) -> String {
    let Referrer { group, kind, namespace: from } = referrer;
    let name = format!("allow-{}-{from}-{service}", kind.to_ascii_lowercase());
    format!(
        "kubectl apply -f - <<'EOF'\napiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata:\n  \
         name: {name}\n  namespace: {namespace}\nspec:\n  from:\n  - group: {group}\n    kind: {kind}\n    namespace: {from}\n  \
         to:\n  - group: \"\"\n    kind: Service\n    name: {service}\nEOF"
    )
}
