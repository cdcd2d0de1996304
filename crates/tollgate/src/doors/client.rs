//! Whose address a key's limits and its last use are judged by: the gateway's peer, or a header that the gateway writes. Pure.

use std::net::IpAddr;

use tollgate_core::headers::Headers;

/// Where a door finds the client's address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientSource {
    /// Who is connected to the gateway, as the gateway reports it. Behind another proxy that is the proxy.
    #[default]
    Peer,
    /// The header of this name, in lower case. The gateway overwrites it on every request; a check without it has no client.
    Header(String),
}

/// The address of one check's client, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The address.
    At(IpAddr),
    /// The gateway did not tell its peer's address.
    NotTold,
    /// The header is not there: the gateway does not write it.
    HeaderMissing,
    /// The header is there more than once: the gateway adds to a client's copy instead of overwriting it.
    HeaderRepeated,
    /// The header is not one IP address.
    HeaderMalformed,
}

impl ClientSource {
    /// The client of a check with these headers, whose peer is as the door found it. A header never falls back to the peer: that
    /// would judge every client of a proxy as the proxy.
    pub fn find(&self, headers: &Headers<'_>, peer: Option<IpAddr>) -> Client {
        let Self::Header(name) = self else {
            return peer.map_or(Client::NotTold, |address| Client::At(address.to_canonical()));
        };
        let mut lines = headers.all(name);
        match (lines.next(), lines.next()) {
            (None, _) => Client::HeaderMissing,
            (Some(_), Some(_)) => Client::HeaderRepeated,
            (Some(value), None) => {
                let address = std::str::from_utf8(value).ok().and_then(|text| text.parse::<IpAddr>().ok());
                // One client under one name: a listener on IPv6 knows IPv4 clients as ::ffff:a.b.c.d.
                address.map_or(Client::HeaderMalformed, |address| Client::At(address.to_canonical()))
            }
        }
    }
}

impl Client {
    /// The address, when there is one.
    pub const fn address(self) -> Option<IpAddr> {
        match self {
            Self::At(address) => Some(address),
            _ => None,
        }
    }

    /// Why there is none, for the log.
    pub const fn problem(self) -> Option<&'static str> {
        match self {
            Self::At(_) | Self::NotTold => None,
            Self::HeaderMissing => Some("the header of client_address is missing"),
            Self::HeaderRepeated => Some("the header of client_address is there more than once"),
            Self::HeaderMalformed => Some("the header of client_address is not one IP address"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn headers<'a>(values: &[&'a [u8]]) -> Headers<'a> {
        let mut headers = Headers::default();
        for value in values {
            headers.push("X-Client", value);
        }
        headers
    }

    #[test]
    fn v6_a_header_is_one_address_or_nothing() {
        let source = ClientSource::Header("x-client".into());
        let peer: Option<IpAddr> = "10.0.0.1".parse().ok();
        for (values, expected) in [
            (vec![b"192.0.2.7".as_slice()], Client::At("192.0.2.7".parse().unwrap())),
            (vec![b"2001:db8::7"], Client::At("2001:db8::7".parse().unwrap())),
            (vec![b"::ffff:192.0.2.7"], Client::At("192.0.2.7".parse().unwrap())),
            (vec![], Client::HeaderMissing),
            (vec![b"192.0.2.7", b"192.0.2.7"], Client::HeaderRepeated),
            (vec![b"192.0.2.7", b""], Client::HeaderRepeated),
            (vec![b""], Client::HeaderMalformed),
            (vec![b"192.0.2.7,10.0.0.1"], Client::HeaderMalformed),
            (vec![b"192.0.2.7, 10.0.0.1"], Client::HeaderMalformed),
            (vec![b"192.0.2.7:80"], Client::HeaderMalformed),
            (vec![b"[2001:db8::7]"], Client::HeaderMalformed),
            (vec![b"10.0.0.0/8"], Client::HeaderMalformed),
            (vec![b"010.0.0.1"], Client::HeaderMalformed),
            (vec![b"unix:/x"], Client::HeaderMalformed),
            (vec![b"10.0.0.1\xff"], Client::HeaderMalformed),
            (vec![b"-"], Client::HeaderMalformed),
        ] {
            let found = source.find(&headers(&values), peer);
            assert_eq!(found, expected, "{values:?}");
            let known = matches!(found, Client::At(_));
            assert_eq!((found.address().is_some(), found.problem().is_none()), (known, known));
        }
    }

    #[test]
    fn v6_the_peer_counts_only_when_it_is_asked_for() {
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        let told = headers(&[b"192.0.2.7"]);
        assert_eq!(ClientSource::Peer.find(&told, Some(peer)), Client::At(peer));
        assert_eq!(ClientSource::Peer.find(&told, None), Client::NotTold);
    }
}
