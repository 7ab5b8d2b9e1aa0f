//! May this destination be reached? Pure: what the machine looks like comes in as parameters.
//!
//! Outgoing is what the internet can see, and nothing else: every special-purpose range is closed, and so is the host
//! itself under whatever address. `[network] allow` opens the user's own services, one by one.

mod allow;
mod range;

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};

use crate::address::{HOST_ADDRESS, HOST_NAME};
use crate::limits::ALLOW_MAX;
pub use allow::{Allow, AllowError};
pub use range::Ipv4Range;

/// `[network] outgoing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outgoing {
    /// Public addresses can be reached.
    #[default]
    Internet,
    /// Only what an allow entry opens.
    None,
}

/// What sandboxes may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    outgoing: Outgoing,
    allow: Vec<Allow>,
}

/// What the policy says about a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Connect here: the destination itself, or the host's loopback where the destination stands for it.
    Connect(SocketAddrV4),
    Denied(Denial),
}

/// Why a destination is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Denial {
    #[error("it is loopback")]
    Loopback,
    #[error("it is link-local, where cloud metadata services are")]
    LinkLocal,
    #[error("it is a private address")]
    Private,
    #[error("it is not an address of the internet")]
    SpecialPurpose,
    #[error("it is multicast or broadcast")]
    Multicast,
    #[error("it is an address of this machine")]
    HostItself,
    #[error("no entry host.hearth.internal:PORT names this port")]
    HostPort,
    #[error("outgoing is \"none\"")]
    OutgoingNone,
}

impl Denial {
    /// Whether an entry of `[network] allow` could open it.
    #[must_use]
    pub fn can_be_allowed(self) -> bool {
        !matches!(self, Self::Loopback | Self::LinkLocal | Self::Multicast)
    }
}

const fn range(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Range {
    Ipv4Range::new(Ipv4Addr::new(a, b, c, d), prefix)
}

/// What no entry opens: it means something else inside than outside, or goes to more than one.
const NEVER: &[(Ipv4Range, Denial)] = &[
    (range(0, 0, 0, 0, 8), Denial::SpecialPurpose),
    (range(127, 0, 0, 0, 8), Denial::Loopback),
    (range(169, 254, 0, 0, 16), Denial::LinkLocal),
    (range(224, 0, 0, 0, 4), Denial::Multicast),
    (range(255, 255, 255, 255, 32), Denial::Multicast),
];

/// What is not the internet. Source: IANA IPv4 Special-Purpose Address Registry, all that is not globally reachable;
/// single reachable addresses inside a closed range (192.0.0.9, 192.0.0.10) stay closed with it.
const SPECIAL: &[(Ipv4Range, Denial)] = &[
    (range(10, 0, 0, 0, 8), Denial::Private),
    (range(100, 64, 0, 0, 10), Denial::Private),
    (range(172, 16, 0, 0, 12), Denial::Private),
    (range(192, 168, 0, 0, 16), Denial::Private),
    (range(192, 0, 0, 0, 24), Denial::SpecialPurpose),
    (range(192, 0, 2, 0, 24), Denial::SpecialPurpose),
    (range(192, 88, 99, 0, 24), Denial::SpecialPurpose),
    (range(198, 18, 0, 0, 15), Denial::SpecialPurpose),
    (range(198, 51, 100, 0, 24), Denial::SpecialPurpose),
    (range(203, 0, 113, 0, 24), Denial::SpecialPurpose),
    (range(240, 0, 0, 0, 4), Denial::SpecialPurpose),
    // A public address that Azure routes to the machine's own host. Source: Azure, "What is IP address 168.63.129.16?"
    (range(168, 63, 129, 16, 32), Denial::SpecialPurpose),
];

fn find(table: &[(Ipv4Range, Denial)], address: Ipv4Addr) -> Option<Denial> {
    table.iter().find(|(range, _)| range.contains(address)).map(|(_, denial)| *denial)
}

impl Policy {
    /// From the configuration.
    ///
    /// # Errors
    /// [`AllowError`], which names the entry and says what to write.
    pub fn parse<S: AsRef<str>>(outgoing: Outgoing, allow: &[S]) -> Result<Self, AllowError> {
        if allow.len() > ALLOW_MAX {
            return Err(AllowError::TooMany);
        }
        let allow = allow.iter().map(|entry| entry.as_ref().parse()).collect::<Result<_, _>>()?;
        Ok(Self { outgoing, allow })
    }

    #[must_use]
    pub fn outgoing(&self) -> Outgoing {
        self.outgoing
    }

    /// The names whose addresses allow entries open, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.allow.iter().filter_map(Allow::name)
    }

    /// `is_own`: is it an address of this machine? `has_address`: does this name, one of [`Policy::names`], have it?
    pub fn decide(
        &self,
        destination: SocketAddrV4,
        is_own: impl FnOnce(Ipv4Addr) -> bool,
        has_address: impl Fn(&str, Ipv4Addr) -> bool,
    ) -> Verdict {
        let address = *destination.ip();
        if address == HOST_ADDRESS {
            let port = destination.port();
            return if self.allow.contains(&Allow::Host { port }) {
                Verdict::Connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
            } else {
                Verdict::Denied(Denial::HostPort)
            };
        }
        if let Some(denial) = find(NEVER, address) {
            return Verdict::Denied(denial);
        }
        let is_opened = |is_own: bool| self.allow.iter().any(|entry| entry.opens(destination, is_own, &has_address));
        let closed = find(SPECIAL, address).or((self.outgoing == Outgoing::None).then_some(Denial::OutgoingNone));
        match closed {
            // Whose address it is makes no difference, and finding out takes time.
            Some(denial) if !is_opened(false) => Verdict::Denied(denial),
            _ if is_own(address) && !is_opened(true) => Verdict::Denied(Denial::HostItself),
            _ => Verdict::Connect(destination),
        }
    }
}

/// The entry of `[network] allow` that opens a destination.
#[must_use]
pub fn advice(destination: SocketAddrV4) -> String {
    let place = if *destination.ip() == HOST_ADDRESS { HOST_NAME.to_owned() } else { destination.ip().to_string() };
    format!("[network] allow = [\"{place}:{}\"]", destination.port())
}

#[cfg(test)]
mod tests;
