//! Which clients this machine can run.

use std::path::{Path, PathBuf};

use hearth_sandbox::runtimes::{Interpreter, Language, Search};

use crate::null_runtime::{Client, Programs};

/// The clients this machine can run: the very interpreters Hearth finds.
pub(crate) struct Interpreters {
    stock: Programs,
    python: Option<Programs>,
    node: Option<Programs>,
}

impl Interpreters {
    pub(crate) fn find(runtimes: &Path) -> Self {
        let search = Search::from_environment();
        let programs = |language, name: &str| {
            let (program, library_path) = match search.interpreter(language)? {
                Interpreter::Prefix { prefix, needs_library_path } => {
                    (prefix.join("bin").join(name), needs_library_path.then(|| prefix.join("lib")))
                }
                Interpreter::System { program, .. } => (program, None),
            };
            Some(Programs { runtimes: runtimes.to_owned(), python: program.clone(), node: program, library_path })
        };
        Self {
            stock: Programs {
                runtimes: runtimes.to_owned(),
                python: PathBuf::new(),
                node: PathBuf::new(),
                library_path: None,
            },
            python: programs(Language::Python { minor: 11 }, "python3.11"),
            node: programs(Language::Node { major: 20 }, "node"),
        }
    }

    pub(crate) fn of(&self, client: Client) -> Option<&Programs> {
        match client {
            Client::Stock | Client::Small => Some(&self.stock),
            Client::Python => self.python.as_ref(),
            Client::Node => self.node.as_ref(),
        }
    }
}
