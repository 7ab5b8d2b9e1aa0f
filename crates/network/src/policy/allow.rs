//! Entries of `[network] allow`: what they look like and what they open.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::range::Ipv4Range;
use super::{Denial, NEVER};
use crate::address::HOST_NAME;

/// Characters of a name. Source: RFC 1035, section 2.3.4.
const NAME_LENGTH_MAX: usize = 253;
const LABEL_LENGTH_MAX: usize = 63;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Allow {
    /// `10.0.0.0/8`, `192.168.1.5:5432`
    Range { range: Ipv4Range, port: Option<u16> },
    /// `db.internal:5432`, in lower case.
    Name { name: String, port: Option<u16> },
    /// `host.hearth.internal:5432`
    Host { port: u16 },
}

/// An entry that opens nothing, or not what it seems to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllowError {
    #[error(
        "network.allow has more than {} entries; name ranges instead of single addresses",
        crate::limits::ALLOW_MAX
    )]
    TooMany,
    #[error(
        "network.allow: \"{0}\" is neither an address, a range nor a name; \
         write for example \"10.0.0.0/8\", \"192.168.1.5:5432\" or \"db.internal:5432\""
    )]
    Unreadable(String),
    #[error("network.allow: \"{entry}\": the port must be between 1 and 65535")]
    Port { entry: String },
    #[error("network.allow: \"{entry}\" has bits behind its prefix; write \"{base}/{prefix}\"")]
    HostBits { entry: String, base: Ipv4Addr, prefix: u8 },
    #[error(
        "network.allow: \"{0}\" is IPv6, which sandboxes do not have; write the service's IPv4 address or its name"
    )]
    Ipv6(String),
    #[error(
        "network.allow: \"{entry}\" can never be opened: {denial}; \
         for a service on this machine write \"host.hearth.internal:PORT\" and connect to that name"
    )]
    Never { entry: String, denial: Denial },
    #[error("network.allow: \"{0}\" needs the port of the service on this machine: \"host.hearth.internal:5432\"")]
    HostWithoutPort(String),
}

impl Allow {
    /// The name whose addresses it opens.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name { name, .. } => Some(name),
            Self::Range { .. } | Self::Host { .. } => None,
        }
    }

    /// The host itself is not opened in passing, by a range that happens to have it or a name that happens to be it:
    /// only by an entry that says one address or name and one port.
    pub(super) fn opens(
        &self,
        destination: SocketAddrV4,
        is_own: bool,
        has_address: impl Fn(&str, Ipv4Addr) -> bool,
    ) -> bool {
        let opens_port = |port: Option<u16>| port.map_or(!is_own, |port| port == destination.port());
        match self {
            Self::Range { range, port } => {
                range.contains(*destination.ip()) && opens_port(*port) && (!is_own || range.is_single())
            }
            Self::Name { name, port } => opens_port(*port) && has_address(name, *destination.ip()),
            Self::Host { .. } => false,
        }
    }
}

impl FromStr for Allow {
    type Err = AllowError;

    fn from_str(entry: &str) -> Result<Self, AllowError> {
        let unreadable = || AllowError::Unreadable(entry.to_owned());
        let bare = entry.trim_start_matches('[').split([']', '/', '%']).next().unwrap_or_default();
        if bare.parse::<Ipv6Addr>().is_ok() {
            return Err(AllowError::Ipv6(entry.to_owned()));
        }
        let (place, port) = match entry.split_once(':') {
            None => (entry, None),
            Some((place, port)) => match port.parse() {
                Ok(port) if port > 0 => (place, Some(port)),
                Ok(_) => return Err(AllowError::Port { entry: entry.to_owned() }),
                Err(_) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                    return Err(AllowError::Port { entry: entry.to_owned() });
                }
                Err(_) => return Err(unreadable()),
            },
        };
        if let Some(range) = read_range(place) {
            return check_range(entry, range, place.contains('/')).map(|range| Self::Range { range, port });
        }
        let name = place.strip_suffix('.').unwrap_or(place).to_ascii_lowercase();
        match port {
            Some(port) if name == HOST_NAME => Ok(Self::Host { port }),
            None if name == HOST_NAME => Err(AllowError::HostWithoutPort(entry.to_owned())),
            port if is_name(&name) => Ok(Self::Name { name, port }),
            _ => Err(unreadable()),
        }
    }
}

/// `1.2.3.4` or `1.2.3.0/24`
fn read_range(text: &str) -> Option<Ipv4Range> {
    let (address, prefix) = match text.split_once('/') {
        None => (text, 32),
        Some((address, prefix)) => (address, prefix.parse().ok().filter(|prefix| *prefix <= 32)?),
    };
    Some(Ipv4Range::new(address.parse().ok()?, prefix)).filter(|_| !text.contains("/+"))
}

fn check_range(entry: &str, range: Ipv4Range, has_prefix: bool) -> Result<Ipv4Range, AllowError> {
    let base = range.base();
    if let Some((_, denial)) = NEVER.iter().find(|(never, _)| never.covers(range)) {
        return Err(AllowError::Never { entry: entry.to_owned(), denial: *denial });
    }
    // `10.1.2.3/8` may be a slip for `10.1.2.3`: rather ask than open sixteen million addresses.
    if has_prefix && !entry.starts_with(&format!("{base}/")) {
        return Err(AllowError::HostBits { entry: entry.to_owned(), base, prefix: range.prefix() });
    }
    Ok(range)
}

/// A host name. Source: RFC 1123, section 2.1; underscores as the resolvers of today allow. The last label has a
/// letter, so that a mistyped address is no name.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_LENGTH_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= NAME_LENGTH_MAX
        && name.split('.').all(is_label)
        && name.rsplit('.').next().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()))
}
