//! How many HTTP connections there may be: in all, and of one address.
//!
//! A proxy on this machine speaks for many, so loopback addresses are bounded only in all. In IPv6 who
//! has one address has a network of them, so the network counts. Invariant: every seat that was given is
//! free again when it is dropped.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;

/// Connections at a time; fewer where the system gives fewer file handles.
pub(crate) const CONNECTIONS_MAX: u32 = 4_096;
/// Connections of one address: an office behind one address has some hundreds of screens.
const OF_ONE_MAX: u32 = 512;

/// Everybody who is connected.
#[derive(Debug)]
pub(crate) struct Crowd {
    here: Mutex<Here>,
    all_max: u32,
    of_one_max: u32,
    /// Connections turned away for there being too many.
    pub(crate) over_limit: AtomicU64,
    /// Connections that ended because nothing was asked on them.
    pub(crate) idle: AtomicU64,
    /// Handshakes that came to nothing.
    pub(crate) handshakes: AtomicU64,
}

#[derive(Debug, Default)]
struct Here {
    all: u32,
    by_address: HashMap<IpAddr, u32, foldhash::fast::RandomState>,
}

/// A place among them.
#[derive(Debug)]
pub(crate) struct Seat {
    crowd: Arc<Crowd>,
    address: Option<IpAddr>,
}

impl Crowd {
    pub(crate) fn new(all_max: u32) -> Self {
        Self::with(all_max, OF_ONE_MAX)
    }

    fn with(all_max: u32, of_one_max: u32) -> Self {
        let counter = AtomicU64::default;
        let (over_limit, idle, handshakes) = (counter(), counter(), counter());
        Self { here: Mutex::default(), all_max, of_one_max, over_limit, idle, handshakes }
    }

    /// How many are here.
    pub(crate) fn count(&self) -> u32 {
        self.here.lock().all
    }

    /// A seat, if there is one for that address.
    pub(crate) fn seat(crowd: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let address = counted_as(address);
        let mut here = crowd.here.lock();
        let others =
            address.map_or(0, |address| here.by_address.get(&address).copied().unwrap_or(0));
        if here.all >= crowd.all_max || others >= crowd.of_one_max {
            crowd.over_limit.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        here.all += 1;
        if let Some(address) = address {
            here.by_address.insert(address, others + 1);
        }
        Some(Seat { crowd: Arc::clone(crowd), address })
    }
}

/// The address that a connection counts for; none for this machine's own.
fn counted_as(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(IpAddr::V4(address)),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            Some(IpAddr::V6(Ipv6Addr::from_bits(network)))
        }
    }
}

impl Seat {
    pub(super) fn note_idle(&self) {
        self.crowd.idle.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_handshake(&self) {
        self.crowd.handshakes.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut here = self.crowd.here.lock();
        here.all -= 1;
        let Some(address) = self.address else { return };
        let Some(count) = here.by_address.get_mut(&address) else { return };
        *count -= 1;
        if *count == 0 {
            here.by_address.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(crowd: &Arc<Crowd>, address: &str) -> Option<Seat> {
        Crowd::seat(crowd, address.parse().unwrap())
    }

    #[test]
    fn one_address_has_so_many_seats_and_a_seat_is_free_when_its_holder_leaves() {
        let crowd = Arc::new(Crowd::with(10, 2));
        let first = seat(&crowd, "192.0.2.1").unwrap();
        let _second = seat(&crowd, "::ffff:192.0.2.1").unwrap();
        assert!(seat(&crowd, "192.0.2.1").is_none());
        assert!(seat(&crowd, "192.0.2.2").is_some());
        drop(first);
        assert!(seat(&crowd, "192.0.2.1").is_some());
        assert_eq!(crowd.over_limit.load(Ordering::Relaxed), 1);
        assert_eq!((crowd.count(), crowd.here.lock().by_address.len()), (1, 1));
    }

    #[test]
    fn a_network_of_ipv6_is_one_sender() {
        let crowd = Arc::new(Crowd::with(10, 1));
        let _one = seat(&crowd, "2001:db8:0:1::1").unwrap();
        assert!(seat(&crowd, "2001:db8:0:1:ffff::2").is_none());
        assert!(seat(&crowd, "2001:db8:0:2::1").is_some());
    }

    #[test]
    fn a_proxy_on_this_machine_is_bounded_only_with_all_others() {
        let crowd = Arc::new(Crowd::with(3, 1));
        let _all = ["127.0.0.1", "127.0.0.1", "::1"].map(|address| seat(&crowd, address).unwrap());
        assert!(seat(&crowd, "127.0.0.1").is_none());
        assert!(seat(&crowd, "192.0.2.1").is_none());
    }
}
