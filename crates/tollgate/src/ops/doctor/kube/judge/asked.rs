//! Whom a SecurityPolicy asks for verdicts.

use super::super::object::Object;

/// The protocol of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `spec.extAuth.grpc`
    Grpc,
    /// `spec.extAuth.http`
    Http,
}

/// One backend of `spec.extAuth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    pub protocol: Protocol,
    /// `Service`, unless said otherwise.
    pub kind: &'a str,
    pub name: &'a str,
    /// The policy's own, unless said otherwise.
    pub namespace: &'a str,
    pub port: Option<i64>,
}

impl Protocol {
    pub const fn field(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }

    /// The port of Tollgate's Service that speaks it.
    pub const fn port(self) -> i64 {
        match self {
            Self::Grpc => 3001,
            Self::Http => 3002,
        }
    }
}

/// Every backend that a policy asks. Newer policies list them; older ones may name a single one.
pub fn asked(policy: Object<'_>) -> impl Iterator<Item = Asked<'_>> {
    let of = move |protocol: Protocol| {
        let field = format!("/spec/extAuth/{}", protocol.field());
        let one = policy.0.pointer(&format!("{field}/backendRef")).map(Object);
        let many = policy.list(&format!("{field}/backendRefs")).collect::<Vec<_>>();
        many.into_iter().chain(one).map(move |reference| Asked {
            protocol,
            kind: reference.text("/kind").unwrap_or("Service"),
            name: reference.text("/name").unwrap_or_default(),
            namespace: reference.text("/namespace").unwrap_or(policy.namespace()),
            port: reference.number("/port"),
        })
    };
    of(Protocol::Grpc).chain(of(Protocol::Http))
}
