//! Places for connections: so many for a port, so many for one address, and a few that are kept for probes when all others
//! are taken.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

/// Whom an address counts as: an IPv6 network of 64 bits is one customer, who may take any address in it; IPv4 is counted by
/// address, also where it is written as IPv6.
pub fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            Ipv6Addr::from(network).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// The places of one port.
#[derive(Clone, Debug)]
pub struct Seats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    most_per_address: usize,
    /// Peers that speak for many, such as a proxy: only the port's bound holds for them.
    exempt: Vec<IpNet>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<IpAddr, usize>,
}

/// One place; free again when dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Seats,
    of: IpAddr,
}

impl Seats {
    pub fn new(most: usize, most_per_address: usize, exempt: Vec<IpNet>) -> Self {
        Self(Arc::new(Inner { most, most_per_address, exempt, taken: Mutex::default() }))
    }

    /// A place for this address, if there is one.
    pub fn take(&self, address: IpAddr) -> Option<Seat> {
        let Inner { most, most_per_address, exempt, .. } = &*self.0;
        let (address, of) = (address.to_canonical(), counted_as(address));
        let many = exempt.iter().any(|net| net.contains(&address));
        let mut taken = self.taken();
        let own = taken.by.get(&of).copied().unwrap_or_default();
        if taken.all >= *most || (own >= *most_per_address && !many) {
            return None;
        }
        taken.all += 1;
        taken.by.insert(of, own + 1);
        Some(Seat { seats: self.clone(), of })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.all -= 1;
        if let Some(own) = taken.by.get_mut(&self.of) {
            *own -= 1;
            if *own == 0 {
                taken.by.remove(&self.of);
            }
        }
    }
}

/// Places for probes. One more than there are ends the oldest: a probe is over within milliseconds, and whoever only takes
/// places has to take all of them in that time.
#[derive(Debug)]
pub struct Reserve {
    most: usize,
    open: VecDeque<CancellationToken>,
}

impl Reserve {
    pub const fn new(most: usize) -> Self {
        Self { most, open: VecDeque::new() }
    }

    /// A place; the connection on it ends when the token is cancelled.
    pub fn take(&mut self) -> CancellationToken {
        if self.open.len() >= self.most.max(1)
            && let Some(oldest) = self.open.pop_front()
        {
            oldest.cancel();
        }
        let token = CancellationToken::new();
        self.open.push_back(token.clone());
        token
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn v2_an_ipv6_network_of_64_bits_counts_as_one() {
        for (a, b, same) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
        ] {
            assert_eq!(counted_as(ip(a)) == counted_as(ip(b)), same, "{a} {b}");
        }
    }

    #[test]
    fn v2_one_address_never_takes_every_seat() {
        let seats = Seats::new(4, 2, vec!["10.0.0.0/8".parse().unwrap()]);
        let a = [seats.take(ip("2001:db8::1")), seats.take(ip("2001:db8::2"))];
        assert!(a.iter().all(Option::is_some));
        assert!(seats.take(ip("2001:db8::3")).is_none(), "the same network");
        let b = seats.take(ip("10.0.0.1"));
        drop(a);
        let more = [seats.take(ip("10.0.0.1")), seats.take(ip("10.0.0.1")), seats.take(ip("10.0.0.1"))];
        assert!(b.is_some() && more.iter().all(Option::is_some), "a proxy speaks for many");
        assert!(seats.take(ip("192.0.2.1")).is_none(), "the port is full");
        drop((b, more));
        assert!(seats.taken().by.is_empty());
    }

    #[test]
    fn v2_a_reserved_seat_is_always_had() {
        let mut reserve = Reserve::new(2);
        let tokens: Vec<_> = (0..5).map(|_| reserve.take()).collect();
        let ended: Vec<bool> = tokens.iter().map(CancellationToken::is_cancelled).collect();
        assert_eq!(ended, [true, true, true, false, false]);
    }
}
