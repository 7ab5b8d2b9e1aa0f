//! The addresses inside a sandbox. The same in each: they are worlds of their own.
//!
//! ```text
//! sandbox: lo   127.0.0.1, 169.254.100.1 (Hearth's services, DNS)
//!          eth0 169.254.100.6 ── TUN ──▶ hearth-network ──▶ ordinary sockets of the host
//! ```
//!
//! There is no IPv6: no address, no route. A function's `connect` to an IPv6 address fails at once with "network is
//! unreachable", and programs go on with IPv4.

use std::net::{Ipv4Addr, SocketAddrV4};

/// Name of the TUN device (`IFF_TUN | IFF_NO_PI`, persistent).
pub const DEVICE_NAME: &str = "eth0";
/// Settings of the namespace, beneath `/proc/sys/net`, before the device is up. The second: a connection whose process
/// was killed, and whose other end is gone too, must not keep the namespace for minutes.
pub const NAMESPACE_SETTINGS: &[(&str, &str)] =
    &[("ipv6/conf/eth0/disable_ipv6", "1"), ("ipv4/tcp_orphan_retries", "1")];
/// The device's address. It stands alone (`/32`): the default route leads into the device without a gateway.
pub const DEVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 6);
pub const DEVICE_NETMASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 255);
/// The most a packet can have. No datagram is ever split inside, so nothing has to be put together again.
pub const DEVICE_MTU: u16 = u16::MAX;

/// Who answers for what cannot be reached.
pub const GATEWAY_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 5);
/// Stands for the host's 127.0.0.1, for the ports that allow entries name.
pub const HOST_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 2);
/// The name of [`HOST_ADDRESS`].
pub const HOST_NAME: &str = "host.hearth.internal";

/// Where Hearth's own services are inside. Recorded from Lambda.
pub const SERVICES_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 1);
/// The names of [`SERVICES_ADDRESS`].
pub const SERVICES_NAMES: &[&str] = &["sandbox.localdomain", "sandbox"];
/// The name server of `/etc/resolv.conf`.
pub const DNS_SOCKET: SocketAddrV4 = SocketAddrV4::new(SERVICES_ADDRESS, 53);
