//! The policy with what it has to know about this machine: its own addresses, and those of the names in allow entries.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::lookup_host;
use tokio::time::{Instant, sleep, timeout};

use crate::limits::{NAME_ADDRESSES_MAX, NAME_FRESH, NAME_KEPT, NAME_REFRESH, NAME_TIMEOUT, OWN_ADDRESSES_FRESH};
use crate::policy::{Outgoing, Policy, Verdict};

/// One for all sandboxes.
pub(crate) struct Gate {
    policy: Policy,
    own: Mutex<OwnAddresses>,
    names: HashMap<String, Name>,
}

#[derive(Default)]
struct OwnAddresses {
    read: Option<Instant>,
    addresses: HashSet<Ipv4Addr>,
}

/// A name of an allow entry.
#[derive(Default)]
struct Name {
    known: Mutex<Known>,
    /// One look-up at a time.
    looking: tokio::sync::Mutex<()>,
}

/// What the host says about a name; `None` when it cannot say.
pub(crate) type Found = Option<Vec<Ipv4Addr>>;

#[derive(Default)]
struct Known {
    read: Option<Instant>,
    /// `None`: the host could not say.
    current: Found,
    /// When each address was last seen.
    seen: Vec<(Ipv4Addr, Instant)>,
}

impl Gate {
    pub(crate) fn new(policy: Policy) -> Arc<Self> {
        let names = policy.names().map(|name| (name.to_owned(), Name::default())).collect();
        Arc::new(Self { policy, own: Mutex::default(), names })
    }

    pub(crate) fn outgoing(&self) -> Outgoing {
        self.policy.outgoing()
    }

    pub(crate) fn decide(&self, destination: SocketAddrV4) -> Verdict {
        self.policy.decide(destination, |address| self.is_own(address), |name, address| self.has(name, address))
    }

    /// Keeps what the names stand for up to date, for functions that connect without asking for the name.
    pub(crate) async fn refresh(self: Arc<Self>) {
        if self.names.is_empty() {
            return;
        }
        loop {
            for name in self.names.keys() {
                self.addresses(name).await;
            }
            sleep(NAME_REFRESH).await;
        }
    }

    /// The addresses of a name of an allow entry, as the host knows them; `None` for other names. What is answered here
    /// is open from then on.
    pub(crate) async fn addresses(&self, name: &str) -> Option<Found> {
        let name_of_entry = self.names.get(name)?;
        if let Some(current) = name_of_entry.known.lock().fresh() {
            return Some(current);
        }
        let _looking = name_of_entry.looking.lock().await;
        if let Some(current) = name_of_entry.known.lock().fresh() {
            return Some(current);
        }
        let found = match timeout(NAME_TIMEOUT, lookup_host((name, 0))).await {
            Ok(Ok(found)) => Some(found.filter_map(ipv4).take(NAME_ADDRESSES_MAX).collect()),
            Ok(Err(_)) | Err(_) => None,
        };
        Some(name_of_entry.known.lock().learn(found))
    }

    fn has(&self, name: &str, address: Ipv4Addr) -> bool {
        self.names.get(name).is_some_and(|name| name.known.lock().has(address))
    }

    /// Two opinions: the interfaces' addresses, and whether the kernel would talk to the address as itself (that knows
    /// local routes too). When neither can be had, it is taken for our own.
    fn is_own(&self, address: Ipv4Addr) -> bool {
        let mut own = self.own.lock();
        if own.read.is_none_or(|read| read.elapsed() >= OWN_ADDRESSES_FRESH) {
            let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return true };
            own.addresses = interfaces
                .filter_map(|interface| interface.address.as_ref()?.as_sockaddr_in().map(|address| address.ip()))
                .collect();
            own.read = Some(Instant::now());
        }
        own.addresses.contains(&address) || is_route_local(address)
    }
}

/// Asks the routing table by connecting a UDP socket, which sends nothing. No route is no reason to say yes: connecting
/// will fail by itself.
fn is_route_local(address: Ipv4Addr) -> bool {
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) else { return true };
    if socket.connect((address, 1)).is_err() {
        return false;
    }
    !matches!(socket.local_addr(), Ok(SocketAddr::V4(local)) if *local.ip() != address && !local.ip().is_loopback())
}

fn ipv4(address: SocketAddr) -> Option<Ipv4Addr> {
    match address {
        SocketAddr::V4(address) => Some(*address.ip()),
        SocketAddr::V6(_) => None,
    }
}

impl Known {
    fn fresh(&self) -> Option<Found> {
        self.read.filter(|read| read.elapsed() < NAME_FRESH).map(|_| self.current.clone())
    }

    fn learn(&mut self, found: Found) -> Found {
        let now = Instant::now();
        let addresses = found.as_deref().unwrap_or_default();
        self.seen.retain(|(address, seen)| seen.elapsed() < NAME_KEPT && !addresses.contains(address));
        self.seen.splice(0..0, addresses.iter().map(|address| (*address, now)));
        self.seen.truncate(NAME_ADDRESSES_MAX);
        self.read = Some(now);
        self.current.clone_from(&found);
        found
    }

    fn has(&self, address: Ipv4Addr) -> bool {
        self.seen.iter().any(|(known, seen)| *known == address && seen.elapsed() < NAME_KEPT)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn loopback_is_an_address_of_this_machine() {
        let gate = Gate::new(Policy::default());
        assert!(gate.is_own(Ipv4Addr::LOCALHOST));
        // Not on an interface, but the kernel talks to it as itself.
        assert!(gate.is_own(Ipv4Addr::new(127, 1, 2, 3)));
        assert!(!gate.is_own(Ipv4Addr::new(1, 1, 1, 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_stays_open_for_a_while_after_its_name_has_moved() {
        let (before, after) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let mut known = Known::default();
        assert_eq!(known.fresh(), None);
        known.learn(Some(vec![before]));
        assert_eq!(known.fresh(), Some(Some(vec![before])));
        tokio::time::advance(NAME_FRESH).await;
        assert_eq!(known.fresh(), None);
        known.learn(Some(vec![after]));
        assert!(known.has(before) && known.has(after));
        assert_eq!(known.fresh(), Some(Some(vec![after])));
        tokio::time::advance(NAME_KEPT - NAME_FRESH - Duration::from_secs(1)).await;
        known.learn(Some(vec![after]));
        assert!(known.has(before));
        tokio::time::advance(NAME_FRESH).await;
        assert!(!known.has(before) && known.has(after));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_with_ever_new_addresses_is_bounded() {
        let mut known = Known::default();
        for address in 0..1_000 {
            known.learn(Some(vec![Ipv4Addr::from_bits(address)]));
        }
        assert_eq!(known.seen.len(), NAME_ADDRESSES_MAX);
        assert!(known.has(Ipv4Addr::from_bits(999)));
    }

    #[tokio::test]
    async fn only_names_of_entries_are_looked_up() {
        let policy = Policy::parse(Outgoing::Internet, &["localhost:80"]).expect("policy");
        let gate = Gate::new(policy);
        assert_eq!(gate.addresses("localhost").await, Some(Some(vec![Ipv4Addr::LOCALHOST])));
        assert_eq!(gate.addresses("example.com").await, None);
        // A name does not open what is never open.
        assert!(matches!(gate.decide(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80)), Verdict::Denied(_)));
    }
}
