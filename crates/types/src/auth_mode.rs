//! How strictly a server holds callers to their policies.

use serde::{Deserialize, Serialize};

/// What `--auth` chooses. Function code is held to its role in every mode, see [`SandboxAuth`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Credentials Hearth does not know act as their account's root; policies are not evaluated.
    #[default]
    Open,
    /// As open, but policies are evaluated, and what would be denied is logged.
    Soft,
    /// Credentials must be known and policies hold.
    Enforce,
}

impl AuthMode {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Soft => "soft",
            Self::Enforce => "enforce",
        }
    }
}

impl std::fmt::Display for AuthMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What `--sandbox-auth` chooses: how requests that function code makes are authorised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxAuth {
    /// Known credentials only, held to their policies whatever the mode is.
    #[default]
    Role,
    /// As requests from outside are.
    Open,
}
