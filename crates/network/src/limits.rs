//! Every bound of hearth-network, in one table. All hold per sandbox unless their name says otherwise, so that what one
//! sandbox does to its network stays its own trouble.

use std::time::Duration;

/// Sandboxes that can be attached at once.
pub const SANDBOXES_MAX: usize = 2_048;
/// TCP connections and UDP flows of a sandbox at once. Lambda gives an environment 1,024 descriptors for everything.
pub const FLOWS_MAX: usize = 512;
/// The same, of all sandboxes together. With the buffers below this bounds the memory of the process.
pub const FLOWS_TOTAL_MAX: usize = 16_384;

/// How long the flows of a sandbox that is detached may take to end by themselves.
pub const FLOWS_END_WAIT_MAX: Duration = Duration::from_secs(1);

/// Bytes that wait in a TCP connection from the sandbox to the outside.
pub const TCP_RECEIVE_BUFFER_BYTES: usize = 128 * 1_024;
/// Bytes that wait in a TCP connection from the outside to the sandbox, until they are acknowledged.
pub const TCP_SEND_BUFFER_BYTES: usize = 128 * 1_024;
/// Largest TCP packet we send and ask for, headers included. The link is memory, so fewer and larger are faster; the
/// buffers hold several, so that neither side waits for the other.
pub const TCP_PACKET_BYTES_MAX: usize = 32 * 1_024;
/// Packets of a TCP connection that wait for its task. More wait in the device, whose queue the kernel bounds.
pub const TCP_PACKETS_WAITING_MAX: usize = 8;
/// How long the outside may take to accept a TCP connection.
pub const TCP_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the sandbox may leave data unacknowledged before its connection is given up.
pub const TCP_UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(60);
/// Silence after which a peer outside is asked whether it is still there.
pub const TCP_KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// Silence after which a UDP flow is forgotten. RFC 4787, requirement 5: not less than two minutes.
pub const UDP_IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Silence after which a UDP flow may be forgotten to make room for another flow of the sandbox.
pub const UDP_EVICTION_IDLE: Duration = Duration::from_secs(10);

/// Packets that are read from a sandbox in a second; more wait in the device, whose queue the kernel bounds. Over twice of
/// what the fastest transfer needs, and little enough that a flood leaves processor time to others.
pub const PACKETS_PER_SECOND: u32 = 50_000;
/// How many packets one counts for that opens a flow or is refused: it costs as much.
pub const PACKETS_PER_NEW_FLOW: u32 = 10;
/// Packets read from one sandbox, or datagrams for it, before the others have their turn.
pub const PACKETS_PER_TURN: usize = 8;

/// DNS queries of a sandbox that wait for an answer. Further ones are answered with a failure.
pub const DNS_QUERIES_MAX: usize = 64;
/// DNS queries of a sandbox in a second; more are dropped. Source: Amazon VPC user guide, "DNS attributes", quotas: 1,024
/// packets per second and network interface.
pub const DNS_QUERIES_PER_SECOND: u32 = 1_024;
/// Queries that wait for the host's name servers, of all sandboxes together; further ones wait for their turn.
pub const DNS_QUERIES_TOTAL_MAX: usize = 1_024;
/// TCP connections to the name server of a sandbox.
pub const DNS_CONNECTIONS_MAX: usize = 8;
/// Bytes of a query. A question is at most 271; the rest is for options.
pub const DNS_QUERY_BYTES_MAX: usize = 1_232;
/// How long one of the host's name servers may take before the next is asked.
pub const DNS_TRY_TIMEOUT: Duration = Duration::from_millis(2_000);
/// How often each of them is asked.
pub const DNS_TRIES: usize = 2;
/// Silence after which a TCP connection to the name server is closed.
pub const DNS_CONNECTION_IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Name servers that are used. Source: resolv.conf(5), MAXNS.
pub const DNS_SERVERS_MAX: usize = 3;
/// Bytes of the host's `resolv.conf` that are read.
pub const RESOLV_CONF_BYTES_MAX: u64 = 64 * 1_024;

/// Entries of `[network] allow`.
pub const ALLOW_MAX: usize = 256;
/// How long an answer for a name of an allow entry is used without asking again.
pub const NAME_FRESH: Duration = Duration::from_secs(5);
/// How often such names are looked up even if nobody asks.
pub const NAME_REFRESH: Duration = Duration::from_secs(60);
/// How long an address stays open after its name was last seen to have it.
pub const NAME_KEPT: Duration = Duration::from_secs(600);
/// Addresses that are kept of a name.
pub const NAME_ADDRESSES_MAX: usize = 64;
/// How long looking up a name may take.
pub const NAME_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the list of the host's own addresses is used before it is read again.
pub const OWN_ADDRESSES_FRESH: Duration = Duration::from_secs(1);

/// Refused destinations a sandbox's log is told of.
pub const REFUSALS_REPORTED_MAX: usize = 16;
/// Reports that wait for the server; more are dropped.
pub const REPORTS_WAITING_MAX: usize = 256;
/// Bytes of a [`crate::protocol::Request`] or [`crate::protocol::Reply`].
pub const MESSAGE_BYTES_MAX: usize = 1_024;
/// Bytes of a [`crate::protocol::Boot`]: the allow entries.
pub const BOOT_BYTES_MAX: usize = 128 * 1_024;
