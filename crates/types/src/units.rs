//! Units that must not be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Memory or disk in MiB. Lambda's documents say "MB" and mean this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mebibytes(pub u32);

impl Mebibytes {
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0 as u64 * 1024 * 1024
    }

    /// Rounds up, as the REPORT line does.
    #[must_use]
    pub const fn from_bytes_ceil(bytes: u64) -> Self {
        Self(bytes.div_ceil(1024 * 1024) as u32)
    }
}

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A span of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    #[must_use]
    pub const fn duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}
