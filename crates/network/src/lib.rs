//! The network of sandboxes: what a function may reach, and how it gets there.
//!
//! A sandbox has a TUN device and no other way out. Its packets go to the process **hearth-network**, which ends every
//! TCP connection and UDP flow itself and goes on with an ordinary socket of the host: a NAT in user space. So it needs
//! no privilege, no forwarding, no firewall rule and no bridge, works whatever the host's firewall says about forwarding,
//! and leaves nothing behind.
//!
//! | where | what |
//! |---|---|
//! | [`policy`] | may this destination be reached? Pure |
//! | [`address`], [`limits`] | the addresses inside; every bound |
//! | [`client`] | the server's side |
//! | [`process`], [`protocol`], [`seqpacket`] | the process, and how the server talks to it |
//! | `sandbox` | one sandbox's device and flows |
//! | `tcp`, `udp`, `dns` | one flow; the name server |
//! | `packet`, `budget` | packets to and from bytes; how much per second. Pure |
//! | `gate` | the policy with this machine's addresses and names |
//!
//! ```text
//! function ─▶ eth0 (TUN) ─▶ sandbox task ─┬▶ tcp task (smoltcp) ─▶ socket ─▶ outside
//!                                         └▶ udp task           ─▶ socket ─▶ outside
//! function ─▶ 169.254.100.1:53 ─▶ dns task ─▶ the host's name servers
//! ```
//!
//! Nothing here knows a function, an API, or how a sandbox is made.

pub mod address;
mod budget;
pub mod client;
mod dns;
mod gate;
pub mod limits;
mod packet;
pub mod policy;
mod privileges;
pub mod process;
pub mod protocol;
mod sandbox;
pub mod seqpacket;
mod tcp;
mod tun;
mod udp;

pub use client::{Attachment, NetworkClient, NetworkConfig, NetworkError, NetworkProcess};
pub use policy::{Allow, AllowError, Outgoing, Policy};
pub use process::network_main_if_requested;
