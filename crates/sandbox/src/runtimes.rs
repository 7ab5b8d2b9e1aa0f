//! Which runtimes can run: for each identifier of the [catalogue](hearth_types::runtime) the root file system it gets, what is
//! run, and what it finds in its environment. Finding interpreters on this machine is in [`discover`].

pub mod bytecode;
pub(crate) mod class_archive;
pub mod client;
pub mod discover;
pub mod image;
mod installed;
mod language;
pub mod prestart;

use std::sync::LazyLock;

use hearth_ports::{IMAGE_RUNTIME, RuntimeId};
pub use hearth_types::Language;
use hearth_types::runtime::{self, CATALOG};
use serde::{Deserialize, Serialize};

use crate::environment::Unsupported;
pub use client::{CLIENTS, Client};
pub use discover::{Found, Interpreter, Search, Watch};
pub use image::ImageRoot;
pub use installed::{IMAGE_EXTENSION, installed_images, place};
pub(crate) use language::memory_variables;
pub use language::name as program_name;
pub use prestart::Prestart;

/// A root file system that environments share read-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Root {
    /// System libraries and tools only.
    Provided,
    /// And an interpreter.
    With(Language),
}

impl Root {
    /// Every root that an identifier of the catalogue has.
    #[must_use]
    pub fn all() -> Vec<Self> {
        std::iter::once(Self::Provided).chain(runtime::languages().into_iter().map(Self::With)).collect()
    }

    /// What has to be found on this machine for it.
    #[must_use]
    pub const fn language(self) -> Option<Language> {
        match self {
            Self::Provided => None,
            Self::With(language) => Some(language),
        }
    }

    /// What is in its `/var/runtime`.
    #[must_use]
    pub const fn client(self) -> Option<Client> {
        match self {
            Self::Provided => None,
            Self::With(language) => Some(Client::of(language)),
        }
    }
}

/// What is run for a runtime identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The image says it.
    Image,
    /// The function brings its own. Source: Lambda developer guide, "Building a custom runtime".
    Bootstrap,
    /// In its arguments [`MEMORY`] stands for the function's memory in MiB.
    Interpreter { program: String, arguments: Vec<String> },
}

/// See [`Program::Interpreter`].
pub const MEMORY: &str = "{memory_mib}";

/// One row of the table.
#[derive(Clone, Debug)]
pub struct Runtime {
    pub id: &'static str,
    pub root: Root,
    /// The interpreter's, wherever it is: in an image, too.
    pub language: Option<Language>,
    pub program: Program,
    /// Variables besides those every runtime has; the function may override them.
    pub variables: Vec<(&'static str, String)>,
    pub prestart: Prestart,
    /// Variables, besides those every process reads at its start, that this interpreter reads only then. A trailing `*`
    /// stands for all names that begin so.
    pub read_at_start: &'static [&'static str],
}

impl Runtime {
    const fn without_interpreter(id: &'static str, program: Program) -> Self {
        Self {
            id,
            root: Root::Provided,
            language: None,
            program,
            variables: Vec::new(),
            prestart: Prestart::Never,
            read_at_start: &[],
        }
    }
}

/// Where a custom runtime's program is looked for.
pub const BOOTSTRAPS: &[&str] = &["/var/runtime/bootstrap", "/var/task/bootstrap", "/opt/bootstrap"];
/// How the identifiers of runtimes begin whose functions bring their program.
const CUSTOM: &str = "provided.";

/// The rows of what can run somewhere: images, custom runtimes, and each language of the catalogue.
pub static RUNTIMES: LazyLock<Vec<Runtime>> = LazyLock::new(|| {
    // Where an image is mounted; it leaves nothing of the root.
    let images = Runtime::without_interpreter(IMAGE_RUNTIME, Program::Image);
    let rows = CATALOG.iter().filter(|row| row.is_offered()).filter_map(|row| match row.language {
        Some(language) => Some(language::runtime(row.id, language)),
        None if row.id.starts_with(CUSTOM) => Some(Runtime::without_interpreter(row.id, Program::Bootstrap)),
        None => None,
    });
    std::iter::once(images).chain(rows).collect()
});

/// The row of an identifier.
///
/// # Errors
/// [`Unsupported`] with the identifiers there are.
pub fn find(id: &RuntimeId) -> Result<&'static Runtime, Unsupported> {
    RUNTIMES.iter().find(|runtime| runtime.id == &*id.0).ok_or_else(|| {
        let known: Vec<&str> = RUNTIMES.iter().map(|runtime| runtime.id).filter(|id| *id != IMAGE_RUNTIME).collect();
        Unsupported::Never(format!("the runtime {} is not supported; supported are {}", id.0, known.join(", ")))
    })
}

/// Says what to do so that functions of this root can run.
#[must_use]
pub fn missing(root: Root) -> Unsupported {
    Unsupported::NotReady(match root.language() {
        Some(language) => format!(
            "{language} was not found on this machine; `hearth runtimes install` gets it, or install it, for example with \
             {}",
            language::remedy(language)
        ),
        None => "the system libraries of this machine could not be mounted".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_runtime_is_refused_with_the_known_ones() {
        let refused = find(&RuntimeId("python2.7".into())).expect_err("not supported");
        assert!(
            matches!(&refused, Unsupported::Never(why) if why.contains("python2.7") && why.contains("provided.al2023")),
            "{refused}"
        );
    }

    #[test]
    fn every_root_is_used_and_every_identifier_is_listed_once() {
        for root in Root::all() {
            assert!(RUNTIMES.iter().any(|runtime| runtime.root == root), "{root:?}");
        }
        for runtime in &*RUNTIMES {
            assert_eq!(RUNTIMES.iter().filter(|other| other.id == runtime.id).count(), 1, "{}", runtime.id);
        }
    }

    #[test]
    fn whatever_functions_can_be_created_with_can_run_somewhere() {
        for row in CATALOG.iter().filter(|row| row.is_offered() && row.id != "custom") {
            let runtime = find(&RuntimeId(row.id.into())).expect(row.id);
            assert_eq!(runtime.root.language(), row.language, "{}", row.id);
        }
    }
}
