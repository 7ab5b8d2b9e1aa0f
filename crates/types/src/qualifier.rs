//! Versions and qualifiers of a function.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A function version: `$LATEST` or a published number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Version {
    Latest,
    Published(u64),
}

impl Version {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "$LATEST" => Some(Self::Latest),
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().map(Self::Published),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$LATEST"),
            Self::Published(number) => number.fmt(f),
        }
    }
}

/// What a caller may put behind a function's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Qualifier {
    Version(Version),
    Alias(String),
}

impl Qualifier {
    /// Digits are a version, everything else but `$LATEST` an alias (an alias name is never all digits).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Version::parse(text).map_or_else(|| Self::Alias(text.to_owned()), Self::Version)
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => version.fmt(f),
            Self::Alias(name) => f.write_str(name),
        }
    }
}
