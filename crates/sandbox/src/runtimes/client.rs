//! Hearth's runtime clients: what asks the Runtime API for events and calls the handler. Their files become `/var/runtime`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Language, bytecode};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Client {
    Python,
    Node,
    Java,
    Ruby,
    Dotnet,
}

pub const CLIENTS: [Client; 5] = [Client::Python, Client::Node, Client::Java, Client::Ruby, Client::Dotnet];

/// .NET's way of being told which of the versions beside it to run a program on.
const DOTNET_CONFIG: &str = "Bootstrap.runtimeconfig.json";
/// What it says there for the oldest that can run it.
const DOTNET_VERSION: &str = "\"8.0.0\"";

impl Client {
    #[must_use]
    pub const fn of(language: Language) -> Self {
        match language {
            Language::Python { .. } => Self::Python,
            Language::Node { .. } => Self::Node,
            Language::Java { .. } => Self::Java,
            Language::Ruby { .. } => Self::Ruby,
            Language::Dotnet { .. } => Self::Dotnet,
        }
    }

    /// Its files: their names and contents. Where the interpreter is known, Python's is [compiled](bytecode) too.
    #[must_use]
    pub const fn files(self) -> &'static [(&'static str, &'static [u8])] {
        match self {
            Self::Python => &[(bytecode::SOURCE, PYTHON_BYTES)],
            Self::Node => &[
                ("bootstrap.cjs", include_bytes!("../../../../runtimes/node/bootstrap.cjs")),
                ("function.cjs", include_bytes!("../../../../runtimes/node/function.cjs")),
                ("log.cjs", include_bytes!("../../../../runtimes/node/log.cjs")),
                ("response-stream.cjs", include_bytes!("../../../../runtimes/node/response-stream.cjs")),
                ("warm-up.mjs", include_bytes!("../../../../runtimes/node/warm-up.mjs")),
                ("runtime-api.cjs", include_bytes!("../../../../runtimes/node/runtime-api.cjs")),
            ],
            Self::Java => &[("bootstrap.jar", include_bytes!("../../../../runtimes/java/bootstrap.jar"))],
            Self::Ruby => &[("bootstrap.rb", include_bytes!("../../../../runtimes/ruby/bootstrap.rb"))],
            Self::Dotnet => &[
                ("Bootstrap.dll", include_bytes!("../../../../runtimes/dotnet/Bootstrap.dll")),
                (DOTNET_CONFIG, include_bytes!("../../../../runtimes/dotnet/Bootstrap.runtimeconfig.json")),
            ],
        }
    }

    /// The files as a language's version needs them: .NET's say which version runs them, and it would take any newer one.
    #[must_use]
    pub fn files_for(language: Language) -> Vec<(&'static str, Cow<'static, [u8]>)> {
        let content = |name: &str, bytes: &'static [u8]| match language {
            Language::Dotnet { major } if name == DOTNET_CONFIG => {
                let text = String::from_utf8_lossy(bytes).replace(DOTNET_VERSION, &format!("\"{major}.0.0\""));
                Cow::Owned(text.into_bytes())
            }
            _ => Cow::Borrowed(bytes),
        };
        Self::of(language).files().iter().map(|(name, bytes)| (*name, content(name, bytes))).collect()
    }
}

/// The bootstrap's source.
pub(super) const PYTHON: &str = include_str!("../../../../runtimes/python/bootstrap.py");
const PYTHON_BYTES: &[u8] = PYTHON.as_bytes();
