//! One rule about a field, and whether it holds.

use std::net::IpAddr;

use serde_json::{Number, Value};

use crate::fault::Fault;
use crate::text::TextRule;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rule {
    /// `null`, a boolean, a number or a text.
    Exact(Value),
    Text(TextRule),
    /// None of these.
    AnythingBut(Vec<Value>),
    /// A text that none of these is about; what is no text is none of them either.
    AnythingButText(Vec<TextRule>),
    Numeric(Range),
    Exists(bool),
    Cidr(Cidr),
}

impl Rule {
    /// `leaves`: all scalars at the field's place; nothing where there is no such field.
    pub(crate) fn matches(&self, leaves: &[&Value]) -> bool {
        match self {
            Self::Exists(wanted) => *wanted != leaves.is_empty(),
            rule => leaves.iter().any(|leaf| rule.matches_leaf(leaf)),
        }
    }

    fn matches_leaf(&self, leaf: &Value) -> bool {
        match self {
            Self::Exact(wanted) => is_same(wanted, leaf),
            Self::Text(rule) => leaf.as_str().is_some_and(|text| rule.matches(text)),
            Self::AnythingBut(unwanted) => !unwanted.iter().any(|unwanted| is_same(unwanted, leaf)),
            Self::AnythingButText(rules) => {
                leaf.as_str().is_none_or(|text| !rules.iter().any(|rule| rule.matches(text)))
            }
            Self::Numeric(range) => leaf.as_f64().is_some_and(|number| range.contains(number)),
            Self::Cidr(cidr) => leaf.as_str().and_then(|text| text.parse().ok()).is_some_and(|ip| cidr.contains(ip)),
            // About the field, not about a value of it.
            Self::Exists(_) => false,
        }
    }
}

/// Numbers are the same when their values are: 300, 300.0 and 3e2.
fn is_same(wanted: &Value, leaf: &Value) -> bool {
    match (wanted, leaf) {
        (Value::Number(wanted), Value::Number(number)) => wanted == number || is_same_float(wanted, number),
        (wanted, leaf) => wanted == leaf,
    }
}

/// Only where one of them is written with a fraction or exponent: large whole numbers are compared exactly.
fn is_same_float(wanted: &Number, number: &Number) -> bool {
    (wanted.is_f64() || number.is_f64()) && wanted.as_f64() == number.as_f64()
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) value: f64,
    pub(crate) is_included: bool,
}

/// From `low` to `high`; `None` is without bound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: Option<Bound>,
    pub(crate) high: Option<Bound>,
}

impl Range {
    pub(crate) fn contains(&self, number: f64) -> bool {
        let above = self.low.is_none_or(|low| number > low.value || (low.is_included && number == low.value));
        let below = self.high.is_none_or(|high| number < high.value || (high.is_included && number == high.value));
        above && below
    }
}

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    base: IpAddr,
    prefix_bits: u32,
}

impl Cidr {
    /// # Errors
    /// The fault, in the order of the real service.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let slashed = text.split_once('/').filter(|(_, bits)| !bits.is_empty() && !bits.contains('/'));
        let (address, bits) = slashed.ok_or(Fault::CidrSlash)?;
        let bits: i32 = bits.parse().map_err(|_| Fault::CidrBits)?;
        let base: IpAddr = address.parse().map_err(|_| Fault::CidrAddress { address: address.to_owned() })?;
        let prefix_bits = u32::try_from(bits).ok().filter(|bits| *bits <= width(base)).ok_or(Fault::CidrWidth)?;
        Ok(Self { base, prefix_bits })
    }

    fn contains(self, ip: IpAddr) -> bool {
        width(ip) == width(self.base) && block(ip, self.prefix_bits) == block(self.base, self.prefix_bits)
    }

    /// Whether it is of IPv6, the bits of its prefix, and these.
    pub(crate) fn key(self) -> (bool, u32, u128) {
        (self.base.is_ipv6(), self.prefix_bits, block(self.base, self.prefix_bits))
    }
}

/// The first bits of an address.
pub(crate) fn block(ip: IpAddr, prefix_bits: u32) -> u128 {
    let number = match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    };
    number.checked_shr(width(ip) - prefix_bits).unwrap_or(0)
}

const fn width(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(_) => u32::BITS,
        IpAddr::V6(_) => u128::BITS,
    }
}
