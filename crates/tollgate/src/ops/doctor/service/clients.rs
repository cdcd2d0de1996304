//! Whether limits of keys to addresses judge the clients, or a proxy that all of them come through.

use std::net::IpAddr;

use tollgate_core::time::Timestamp;

use crate::app::store_options;
use crate::config::Settings;
use crate::ops::doctor::finding::Finding;
use crate::store::{AddressUse, address_use};

/// Uses of so many seconds are looked at.
const RECENT_SECS: i64 = 3600;

/// Looks at the keys and their last uses. A database that cannot be read is another finding's business.
pub(super) async fn examine(settings: &Settings, now: Timestamp) -> Option<Finding> {
    let options = store_options(settings).ok()??;
    judge(&address_use(&options, now.plus_secs(-RECENT_SECS)).await.ok()?)
}

/// One or two private addresses are what a load balancer or a node's address translation looks like.
fn judge(found: &AddressUse) -> Option<Finding> {
    if found.bound == 0 || found.seen.is_empty() || found.seen.len() > 2 {
        return None;
    }
    if !found.seen.iter().all(|address| is_private(address.to_canonical())) {
        return None;
    }
    let seen = found.seen.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let what = format!(
        "{} keys are bound to addresses, and in the last hour every key was used from {seen}: is that the client, or a proxy?",
        found.bound
    );
    let mend = "let the gateway write the client's address into a header (server.grpc.client_address), and tell it how many \
                proxies to trust";
    Some(Finding::warning("clients_one_address", "server.grpc.client_address", what, mend))
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            // 100.64.0.0/10 is a provider's translation, RFC 6598.
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn v6_one_or_two_private_addresses_for_bound_keys_are_told() {
        let of = |bound, seen: &[&str]| {
            judge(&AddressUse { bound, seen: seen.iter().map(|a| a.parse().unwrap()).collect() })
        };
        for seen in [
            &["10.0.0.1"][..],
            &["127.0.0.1", "192.168.1.1"],
            &["fd00::1"],
            &["100.64.3.4"],
            &["::ffff:10.1.1.1"],
        ] {
            let finding = of(2, seen).unwrap();
            assert_eq!(finding.code, "clients_one_address");
            assert!(finding.what.contains(seen[0].trim_start_matches("::ffff:")), "{}", finding.what);
        }
        assert_eq!(of(0, &["10.0.0.1"]), None, "no key is bound");
        assert_eq!(of(2, &[]), None, "no key was used");
        assert_eq!(of(2, &["10.0.0.1", "10.0.0.2", "10.0.0.3"]), None, "many clients");
        assert_eq!(of(2, &["203.0.113.7"]), None, "a client of the internet");
        assert_eq!(of(2, &["10.0.0.1", "100.128.0.1"]), None);
    }
}
