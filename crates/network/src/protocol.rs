//! What the server and hearth-network say to each other. Data types only; [`crate::seqpacket`] carries them.
//!
//! A sandbox is attached by a message and detached by closing a descriptor that came with it: no message can be lost that
//! way, whatever becomes of the server.

use std::net::SocketAddrV4;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::policy::{Denial, Policy};

/// The first message to hearth-network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    pub policy: Policy,
    /// User and group it becomes if it is started as root.
    pub identity: u32,
    /// The host's list of name servers.
    pub resolv_conf: PathBuf,
}

/// Server to hearth-network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// With four descriptors, see [`ATTACH_DESCRIPTORS`].
    Attach { environment: u64 },
}

/// TUN device, UDP socket and TCP listener of the name server, and the read end of a pipe: while its write end is open,
/// the sandbox stays attached.
pub const ATTACH_DESCRIPTORS: usize = 4;

/// Hearth-network to server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// First message.
    Ready,
    /// First and last message: why not.
    BootFailed { message: String },
    /// A sandbox has no network.
    NotAttached { environment: u64, message: String },
    /// A sandbox wanted to reach what the policy denies. Told a few times per sandbox, once per destination.
    Denied { environment: u64, destination: SocketAddrV4, denial: Denial },
    /// A sandbox has as many connections as it may. Told once.
    Full { environment: u64 },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::{ALLOW_MAX, BOOT_BYTES_MAX, MESSAGE_BYTES_MAX};
    use crate::policy::Outgoing;

    #[test]
    fn the_largest_configuration_fits() {
        let label = "x".repeat(63);
        let name = format!("{label}.{label}.{label}.{}:65535", "x".repeat(61));
        let policy = Policy::parse(Outgoing::None, &vec![name; ALLOW_MAX]).expect("policy");
        let boot = Boot { policy, identity: u32::MAX, resolv_conf: PathBuf::from("/".repeat(4_096)) };
        assert!(postcard::to_allocvec(&boot).expect("encodes").len() <= BOOT_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..MESSAGE_BYTES_MAX)) {
            let _ = postcard::from_bytes::<Request>(&bytes);
            let _ = postcard::from_bytes::<Reply>(&bytes);
            let _ = postcard::from_bytes::<Boot>(&bytes);
        }

        #[test]
        fn what_decodes_is_what_was_sent(environment in any::<u64>(), address in any::<u32>(), port in any::<u16>()) {
            let destination = SocketAddrV4::new(address.into(), port);
            let reply = Reply::Denied { environment, destination, denial: Denial::Private };
            let bytes = postcard::to_allocvec(&reply).expect("encodes");
            prop_assert_eq!(postcard::from_bytes::<Reply>(&bytes).expect("decodes"), reply);
        }
    }
}
