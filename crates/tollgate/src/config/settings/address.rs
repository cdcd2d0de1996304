//! Addresses and networks as they are written in a configuration.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::validate::header_name;

/// An IP address and a port to listen on, such as `0.0.0.0:3001` or `[::]:3001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Listen(pub SocketAddr);

/// Where the client's address is found: `peer`, or `header:` and a header's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClientAddress {
    /// Who is connected to the gateway.
    #[default]
    Peer,
    /// A header that the gateway writes; its name in lower case.
    Header(String),
}

/// Headers that a proxy passes on or adds to: what a client wrote would count.
const NEVER_OVERWRITTEN: [&str; 4] = ["x-forwarded-for", "forwarded", "via", "host"];

/// A network in CIDR form, such as `10.0.0.0/8`; a single address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(pub IpNet);

impl Listen {
    /// This port on every IPv4 address of the machine.
    pub(super) fn any(port: u16) -> Self {
        Self(SocketAddr::from(([0, 0, 0, 0], port)))
    }

    /// Whether two listeners cannot both be opened.
    pub fn collides_with(self, other: Self) -> bool {
        let (a, b) = (self.0, other.0);
        a.port() != 0
            && a.port() == b.port()
            && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| "write an IP address and a port, such as 0.0.0.0:3001 or [::]:3001".to_owned())
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map(Self)
            .map_err(|_| "write a network such as 10.0.0.0/8, or one address".to_owned())
    }
}

impl FromStr for ClientAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "peer" {
            return Ok(Self::Peer);
        }
        let name = text
            .strip_prefix("header:")
            .ok_or("write peer, or header:NAME such as header:x-envoy-external-address")?;
        let name = header_name(name).map_err(|_| format!("'{name}' is not a header's name"))?;
        if NEVER_OVERWRITTEN.contains(&name.as_str()) {
            return Err(format!(
                "'{name}' holds what clients write; name a header that the gateway overwrites"
            ));
        }
        Ok(Self::Header(name))
    }
}

impl TryFrom<String> for ClientAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ClientAddress> for String {
    fn from(client: ClientAddress) -> Self {
        match client {
            ClientAddress::Peer => "peer".to_owned(),
            ClientAddress::Header(name) => format!("header:{name}"),
        }
    }
}

impl JsonSchema for ClientAddress {
    fn schema_name() -> Cow<'static, str> {
        "ClientAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "client-address"})
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        listen.0.to_string()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.0.to_string()
    }
}

impl JsonSchema for Listen {
    fn schema_name() -> Cow<'static, str> {
        "Listen".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "socket-address"})
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "network"})
    }
}
