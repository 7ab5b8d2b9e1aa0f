//! Which addresses topics may tell: whoever subscribes an endpoint has the server connect to it, and must not reach by that
//! what he could not reach himself.
//!
//! A server that only its own machine can reach (it listens on loopback) connects to whatever its users could: loopback
//! and private networks, too. Every other server, and every server for endpoints that function code subscribed, connects to
//! what functions may reach: the internet, and what `[network] allow` opens. Link-local addresses and those of cloud
//! metadata services are closed to everybody, always.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, UdpSocket};

use hearth_network::address::HOST_ADDRESS;
use hearth_network::policy::{Denial, Verdict, advice};
use hearth_network::{Outgoing, Policy};
use hearth_sns::Reach;

/// Cloud metadata services outside the link-local ranges. Sources: AWS EC2 user guide ("Instance metadata"), Google Compute
/// Engine ("View and query VM metadata"), Alibaba Cloud ECS ("Instance metadata"), Oracle Cloud ("Instance metadata").
const METADATA: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// Ranges inside 2000::/3 that lead somewhere else: first bits and their number. Source: IANA IPv6 Special-Purpose Address
/// Registry.
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

pub(super) struct EndpointReach {
    /// What functions may reach.
    policy: Policy,
    /// Only this machine reaches the server.
    is_local: bool,
}

impl EndpointReach {
    pub(super) fn new(policy: Policy, listening: SocketAddr) -> Self {
        Self { policy, is_local: listening.ip().is_loopback() }
    }

    fn decide(
        &self,
        host: &str,
        address: SocketAddr,
        by_outsider: bool,
        is_own: impl Fn(IpAddr) -> bool,
    ) -> Result<(), Denial> {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        if METADATA.contains(&ip) {
            return Err(Denial::LinkLocal);
        }
        let denial = match ip {
            IpAddr::V4(ip) => self.decide_v4(host, SocketAddrV4::new(ip, port), is_own),
            IpAddr::V6(ip) => self.decide_v6(ip, is_own),
        };
        match denial {
            Some(Denial::Loopback | Denial::Private | Denial::HostItself) if self.is_local && by_outsider => Ok(()),
            Some(denial) => Err(denial),
            None => Ok(()),
        }
    }

    fn decide_v4(&self, host: &str, destination: SocketAddrV4, is_own: impl Fn(IpAddr) -> bool) -> Option<Denial> {
        // Inside sandboxes one of them stands for this machine.
        if destination.ip().is_link_local() {
            return Some(Denial::LinkLocal);
        }
        let decide = |destination| {
            let has_address = |name: &str, _| name.eq_ignore_ascii_case(host);
            match self.policy.decide(destination, |address| is_own(IpAddr::V4(address)), has_address) {
                Verdict::Connect(_) => None,
                Verdict::Denied(denial) => Some(denial),
            }
        };
        // As functions reach it: by an entry `host.hearth.internal:PORT`.
        let is_opened = || decide(SocketAddrV4::new(HOST_ADDRESS, destination.port())).is_none();
        match decide(destination) {
            Some(Denial::Loopback) if is_opened() => None,
            denial => denial,
        }
    }

    fn decide_v6(&self, ip: Ipv6Addr, is_own: impl Fn(IpAddr) -> bool) -> Option<Denial> {
        let is_in = |(first, bits): &(Ipv6Addr, u32)| (ip.to_bits() ^ first.to_bits()) >> (128 - bits) == 0;
        if ip.is_loopback() {
            return Some(Denial::Loopback);
        }
        if ip.is_unique_local() {
            return Some(Denial::Private);
        }
        if ip.is_unicast_link_local() {
            return Some(Denial::LinkLocal);
        }
        if !is_in(&(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)) || SPECIAL_V6.iter().any(is_in) {
            return Some(Denial::SpecialPurpose);
        }
        if self.policy.outgoing() == Outgoing::None {
            return Some(Denial::OutgoingNone);
        }
        is_own(IpAddr::V6(ip)).then_some(Denial::HostItself)
    }
}

impl Reach for EndpointReach {
    fn check(&self, host: &str, address: SocketAddr, by_outsider: bool) -> Result<(), String> {
        let denied = self.decide(host, address, by_outsider, is_own);
        denied.map_err(|denial| match (denial.can_be_allowed(), address) {
            (true, SocketAddr::V4(destination)) => format!("{denial}; {} opens it", advice(destination)),
            _ => denial.to_string(),
        })
    }
}

/// Whether it is an address of this machine: nobody else can bind to it.
fn is_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [&str; 2] = ["93.184.216.34", "2a00::1"];

    fn reach(listening: &str, allow: &[&str]) -> EndpointReach {
        let policy = Policy::parse(Outgoing::Internet, allow).expect("a policy");
        EndpointReach::new(policy, listening.parse().expect("an address"))
    }

    fn allows(reach: &EndpointReach, ip: &str, by_outsider: bool) -> bool {
        let is_own = |ip: IpAddr| OWN.contains(&ip.to_string().as_str());
        let ip: IpAddr = ip.parse().expect("an address");
        reach.decide("intern.example", SocketAddr::new(ip, 8_000), by_outsider, is_own).is_ok()
    }

    const PUBLIC: [&str; 2] = ["1.1.1.1", "2606:4700::1111"];
    const NEAR: [&str; 8] =
        ["127.0.0.1", "127.8.9.1", "::1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "fd12::1", "::ffff:127.0.0.1"];

    #[test]
    fn whoever_is_on_this_machine_has_it_reach_what_he_could() {
        let laptop = reach("127.0.0.1:4566", &[]);
        assert!(PUBLIC.iter().chain(&NEAR).chain(&OWN).all(|ip| allows(&laptop, ip, true)));
    }

    #[test]
    fn a_server_for_others_is_no_stepping_stone_and_none_is_for_functions() {
        for (reach, by_outsider) in [(reach("0.0.0.0:4566", &[]), true), (reach("127.0.0.1:4566", &[]), false)] {
            assert!(PUBLIC.iter().all(|ip| allows(&reach, ip, by_outsider)));
            let open: Vec<_> = NEAR.iter().chain(&OWN).filter(|ip| allows(&reach, ip, by_outsider)).collect();
            assert!(open.is_empty(), "{open:?}");
        }
    }

    #[test]
    fn metadata_and_what_is_no_single_machine_is_closed_always() {
        let allow = ["10.0.0.0/8:8000"];
        for reach in [reach("127.0.0.1:4566", &allow), reach("0.0.0.0:4566", &allow)] {
            for ip in [
                "169.254.169.254",
                "169.254.100.2",
                "::ffff:169.254.169.254",
                "fe80::1",
                "fd00:ec2::254",
                "fd20:ce::254",
                "100.100.100.200",
                "192.0.0.192",
                "168.63.129.16",
                "0.0.0.0",
                "::",
                "224.0.0.1",
                "ff02::1",
                "64:ff9b::a9fe:a9fe",
                "2002:a9fe:a9fe::1",
                "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            ] {
                assert!(!allows(&reach, ip, true), "{ip}");
            }
        }
    }

    #[test]
    fn the_configuration_opens_what_it_names() {
        let reach = reach("0.0.0.0:4566", &["10.0.0.0/8:8000", "host.hearth.internal:8000", "intern.example:8000"]);
        assert!(["10.1.2.3", "127.0.0.1", "192.168.7.7"].iter().all(|ip| allows(&reach, ip, false)));
        let is_own = |_| false;
        let other: SocketAddr = "10.1.2.3:22".parse().expect("an address");
        assert!(reach.decide("elsewhere.example", other, true, is_own).is_err());
        let other: SocketAddr = "192.168.7.7:8000".parse().expect("an address");
        assert!(reach.decide("elsewhere.example", other, true, is_own).is_err());
    }
}
