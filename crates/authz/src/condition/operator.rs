//! What each operator compares: a value of the policy, read once, with a value of a request.

use std::net::IpAddr;

use crate::evaluate::ConditionKeys;
use crate::pattern::{Pattern, Reading};

/// The operators without their negations, which say the opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Numeric(Compare),
    Date(Compare),
    Bool,
    Binary,
    IpAddress,
    Arn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equals,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Name, operator, whether it says the opposite. `ArnEquals` and `ArnLike` are the same.
const OPERATORS: &[(&str, Operator, bool)] = &[
    ("StringEquals", Operator::StringEquals, false),
    ("StringNotEquals", Operator::StringEquals, true),
    ("StringEqualsIgnoreCase", Operator::StringEqualsIgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Operator::StringEqualsIgnoreCase, true),
    ("StringLike", Operator::StringLike, false),
    ("StringNotLike", Operator::StringLike, true),
    ("NumericEquals", Operator::Numeric(Compare::Equals), false),
    ("NumericNotEquals", Operator::Numeric(Compare::Equals), true),
    ("NumericLessThan", Operator::Numeric(Compare::Less), false),
    ("NumericLessThanEquals", Operator::Numeric(Compare::LessOrEqual), false),
    ("NumericGreaterThan", Operator::Numeric(Compare::Greater), false),
    ("NumericGreaterThanEquals", Operator::Numeric(Compare::GreaterOrEqual), false),
    ("DateEquals", Operator::Date(Compare::Equals), false),
    ("DateNotEquals", Operator::Date(Compare::Equals), true),
    ("DateLessThan", Operator::Date(Compare::Less), false),
    ("DateLessThanEquals", Operator::Date(Compare::LessOrEqual), false),
    ("DateGreaterThan", Operator::Date(Compare::Greater), false),
    ("DateGreaterThanEquals", Operator::Date(Compare::GreaterOrEqual), false),
    ("Bool", Operator::Bool, false),
    ("BinaryEquals", Operator::Binary, false),
    ("IpAddress", Operator::IpAddress, false),
    ("NotIpAddress", Operator::IpAddress, true),
    ("ArnEquals", Operator::Arn, false),
    ("ArnLike", Operator::Arn, false),
    ("ArnNotEquals", Operator::Arn, true),
    ("ArnNotLike", Operator::Arn, true),
];

impl Operator {
    pub(super) fn named(name: &str) -> Option<(Self, bool)> {
        let found = OPERATORS.iter().find(|(known, _, _)| *known == name)?;
        Some((found.1, found.2))
    }
}

impl Compare {
    fn holds(self, value: f64, wanted: f64) -> bool {
        match self {
            // Written numbers, not results of a computation: 5 and 5.0 are the same, and so are 0 and -0.
            Self::Equals => value == wanted,
            Self::Less => value < wanted,
            Self::LessOrEqual => value <= wanted,
            Self::Greater => value > wanted,
            Self::GreaterOrEqual => value >= wanted,
        }
    }
}

/// A value of the policy.
#[derive(Debug)]
pub(super) enum Wanted {
    Text(Pattern),
    /// The six parts of an ARN.
    Arn(Box<[Pattern; 6]>),
    Number(Compare, f64),
    /// Seconds since the epoch.
    Date(Compare, f64),
    Bool(bool),
    Binary(String),
    Network {
        address: u128,
        prefix_bits: u32,
        is_v4: bool,
    },
    /// Not a value of the operator's kind: nothing matches it.
    Nothing,
}

impl Wanted {
    pub(super) fn read(operator: Operator, text: &str, variables: bool, keys: &mut Vec<String>) -> Self {
        // Variables are for text: string and ARN operators.
        let plain = Reading { wildcards: false, is_arn: false, variables, ignores_case: false };
        let like = Reading { wildcards: true, ..plain };
        match operator {
            Operator::StringEquals => Self::Text(Pattern::read(text, plain, keys)),
            Operator::StringEqualsIgnoreCase => {
                Self::Text(Pattern::read(text, Reading { ignores_case: true, ..plain }, keys))
            }
            Operator::StringLike => Self::Text(Pattern::read(text, like, keys)),
            Operator::Arn => six(text, variables)
                .map_or(Self::Nothing, |parts| Self::Arn(Box::new(parts.map(|part| Pattern::read(part, like, keys))))),
            Operator::Numeric(compare) => number(text).map_or(Self::Nothing, |wanted| Self::Number(compare, wanted)),
            Operator::Date(compare) => date(text).map_or(Self::Nothing, |wanted| Self::Date(compare, wanted)),
            Operator::Bool => boolean(text).map_or(Self::Nothing, Self::Bool),
            Operator::Binary => Self::Binary(text.to_owned()),
            Operator::IpAddress => network(text).unwrap_or(Self::Nothing),
        }
    }

    pub(super) fn matches(&self, value: &str, keys: &dyn ConditionKeys) -> bool {
        match self {
            Self::Text(pattern) => pattern.matches(value, keys),
            Self::Arn(parts) => six(value, false)
                .is_some_and(|values| parts.iter().zip(values).all(|(part, value)| part.matches(value, keys))),
            Self::Number(compare, wanted) => number(value).is_some_and(|value| compare.holds(value, *wanted)),
            Self::Date(compare, wanted) => date(value).is_some_and(|value| compare.holds(value, *wanted)),
            Self::Bool(wanted) => boolean(value) == Some(*wanted),
            Self::Binary(wanted) => value == wanted,
            Self::Network { address, prefix_bits, is_v4 } => value.parse::<IpAddr>().is_ok_and(|value| {
                let (value, value_is_v4) = bits(value.to_canonical());
                let width = if *is_v4 { 32 } else { 128 };
                value_is_v4 == *is_v4 && shifted(value, width - prefix_bits) == shifted(*address, width - prefix_bits)
            }),
            Self::Nothing => false,
        }
    }
}

/// An ARN's parts; the last may hold colons. So may variables, which have no part of their own to end.
fn six(text: &str, has_variables: bool) -> Option<[&str; 6]> {
    let mut rest = Some(text);
    let mut next = |is_last: bool| {
        let text = rest?;
        let mut in_variable = false;
        let colon = text.char_indices().find(|(at, c)| {
            in_variable |= has_variables && text[*at..].starts_with("${");
            in_variable &= *c != '}';
            *c == ':' && !in_variable
        });
        match colon.filter(|_| !is_last) {
            Some((at, _)) => {
                rest = Some(&text[at + 1..]);
                Some(&text[..at])
            }
            None => {
                rest = None;
                Some(text)
            }
        }
    };
    Some([next(false)?, next(false)?, next(false)?, next(false)?, next(false)?, next(true)?])
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// ISO 8601, or seconds since the epoch. Source: "Date condition operators".
fn date(text: &str) -> Option<f64> {
    if let Some(seconds) = number(text) {
        return Some(seconds);
    }
    let text = text.trim();
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_millisecond() as f64 / 1_000.0);
    }
    // Without a zone, and without a time, it is UTC and midnight.
    let at = text.parse::<jiff::civil::DateTime>().ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(at.as_millisecond() as f64 / 1_000.0)
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// `203.0.113.0/24`, or one address. Source: RFC 4632.
fn network(text: &str) -> Option<Wanted> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let (address, is_v4) = bits(address.parse().ok()?);
    let width = if is_v4 { 32 } else { 128 };
    let prefix_bits = match prefix {
        Some(prefix) => prefix.parse::<u32>().ok().filter(|prefix| *prefix <= width)?,
        None => width,
    };
    Some(Wanted::Network { address, prefix_bits, is_v4 })
}

fn bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), true),
        IpAddr::V6(address) => (address.into(), false),
    }
}

/// A shift by all bits leaves nothing.
const fn shifted(value: u128, by: u32) -> u128 {
    match value.checked_shr(by) {
        Some(value) => value,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Values;

    struct Keys;

    impl ConditionKeys for Keys {
        fn values(&self, key: &str) -> Option<Values<'_>> {
            match key {
                "aws:account" => Some(Values::One("1".into())),
                "aws:name" => Some(Values::One("r".into())),
                _ => None,
            }
        }
    }

    fn matches(operator: &str, wanted: &str, value: &str) -> bool {
        let (operator, _) = Operator::named(operator).expect("known");
        Wanted::read(operator, wanted, true, &mut Vec::new()).matches(value, &Keys)
    }

    // Source: "IAM JSON policy elements: Condition operators", the section of each kind.
    #[test]
    fn values_of_each_kind_compare_as_the_guide_says() {
        for (operator, wanted, value, expected) in [
            ("StringEquals", "a*", "a*", true),
            ("StringEquals", "a*", "ab", false),
            ("StringEqualsIgnoreCase", "ÄB", "äb", true),
            ("StringLike", "a:*", "a:b:c", true),
            ("NumericEquals", "5", "5.0", true),
            ("NumericEquals", "5", "five", false),
            ("NumericEquals", "nan", "nan", false),
            ("NumericEquals", "zero", "0", false),
            ("NumericLessThan", "zero", "-1", false),
            ("NumericEquals", "0", "-0.0", true),
            ("NumericLessThan", "-1", "-2", true),
            ("DateEquals", "2026-01-12", "2026-01-12T00:00:00Z", true),
            ("DateEquals", "2026-01-12T01:00:00+01:00", "2026-01-12T00:00:00Z", true),
            ("DateLessThan", "2026-01-12T00:00:00Z", "1768175999", true),
            ("DateLessThan", "tomorrow", "1768175999", false),
            ("Bool", "true", "TRUE", true),
            ("Bool", "yes", "yes", false),
            ("BinaryEquals", "YQ==", "YQ==", true),
            ("IpAddress", "203.0.113.0/24", "203.0.113.255", true),
            ("IpAddress", "203.0.113.0/24", "203.0.114.0", false),
            ("IpAddress", "203.0.113.9", "203.0.113.9", true),
            ("IpAddress", "0.0.0.0/0", "8.8.8.8", true),
            ("IpAddress", "0.0.0.0/0", "2001:db8::1", false),
            ("IpAddress", "0.0.0.0/0", "::1", false),
            ("IpAddress", "::/0", "2001:db8::1", true),
            ("IpAddress", "::/0", "8.8.8.8", false),
            ("IpAddress", "2001:db8::/32", "2001:db8:1::1", true),
            ("IpAddress", "203.0.113.0/24", "::ffff:203.0.113.7", true),
            ("IpAddress", "203.0.113.0/33", "203.0.113.0", false),
            ("ArnLike", "arn:aws:sns:*:1:t", "arn:aws:sns:us-east-1:1:t", true),
            ("ArnLike", "arn:aws:sns:*:t", "arn:aws:sns:us-east-1:1:t", false),
            ("ArnLike", "arn:aws:sqs:r:1:a:*", "arn:aws:sqs:r:1:a:b:c", true),
            ("ArnEquals", "arn:aws:iam::1:role/*", "arn:aws:iam::1:role/p/r", true),
            ("ArnEquals", "*", "arn:aws:iam::1:role/r", false),
            ("ArnEquals", "arn:aws:iam::1:role/r", "arn:aws:iam::1", false),
            ("ArnLike", "arn:aws:iam::${aws:Account}:role/${aws:Name}", "arn:aws:iam::1:role/r", true),
            ("ArnLike", "arn:aws:iam::${aws:Account}:role/${aws:Name}", "arn:aws:iam::2:role/r", false),
            ("StringEquals", "${aws:Name}", "r", true),
            ("NumericEquals", "${aws:Account}", "1", false),
        ] {
            assert_eq!(matches(operator, wanted, value), expected, "{operator} {wanted} {value}");
        }
    }
}
