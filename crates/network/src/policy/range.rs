//! A range of IPv4 addresses.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// `10.0.0.0/8`: the addresses whose first `prefix` bits are those of `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv4Range {
    first: Ipv4Addr,
    prefix: u8,
}

impl Ipv4Range {
    /// A `prefix` above 32 means 32; bits of `first` behind it are not looked at.
    #[must_use]
    pub const fn new(first: Ipv4Addr, prefix: u8) -> Self {
        Self { first, prefix: if prefix > 32 { 32 } else { prefix } }
    }

    const fn mask(self) -> u32 {
        if self.prefix == 0 { 0 } else { u32::MAX << (32 - self.prefix) }
    }

    /// The lowest address.
    #[must_use]
    pub const fn base(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first.to_bits() & self.mask())
    }

    #[must_use]
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    #[must_use]
    pub const fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask() == self.first.to_bits() & self.mask()
    }

    /// Whether every address of `other` is in it.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.first)
    }

    #[must_use]
    pub const fn is_single(self) -> bool {
        self.prefix == 32
    }
}
