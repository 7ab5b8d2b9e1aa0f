//! Finds the interpreters this machine has. Each candidate is run once and asked what it is: names and places lie (a
//! version manager's shim is a shell script, a distribution may leave half of the standard library out).

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use super::{Language, Root};

/// How long a candidate may take to say what it is.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
const ANSWER_POLL: Duration = Duration::from_millis(2);

/// How an interpreter gets to `/var/lang`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interpreter {
    /// It has a directory of its own, which becomes `/var/lang`.
    Prefix { prefix: PathBuf, needs_library_path: bool },
    /// It is spread over the system's directories: the program becomes `/var/lang/bin/<name>`, its library
    /// `/var/lang/lib/<name>`.
    System { program: PathBuf, name: String, library: Option<PathBuf> },
}

impl Interpreter {
    /// Whether it finds its shared library only through `LD_LIBRARY_PATH`.
    #[must_use]
    pub const fn needs_library_path(&self) -> bool {
        matches!(self, Self::Prefix { needs_library_path: true, .. })
    }

    /// The program that is run for a root.
    #[must_use]
    pub fn program(&self, root: Root) -> PathBuf {
        match (self, root.language()) {
            (Self::System { program, .. }, _) => program.clone(),
            (Self::Prefix { prefix, .. }, Some(Language::Python { minor })) => {
                prefix.join(format!("bin/python3.{minor}"))
            }
            (Self::Prefix { prefix, .. }, _) => prefix.join("bin/node"),
        }
    }

    /// Tells one build from another: every update of an interpreter replaces its program.
    pub(crate) fn build(&self, root: Root) -> String {
        let program = self.program(root);
        let (bytes, changed) = match std::fs::metadata(&program) {
            Ok(metadata) => (metadata.len(), metadata.modified().ok()),
            // It was there when it was found.
            Err(_) => (0, None),
        };
        let since_epoch = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        format!("{} {bytes} {}", program.display(), since_epoch.as_nanos())
    }
}

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Looked at first, in order: directories that have the interpreter in `bin`.
    pub prefixes: Vec<PathBuf>,
    pub path: Vec<PathBuf>,
    pub home: Option<PathBuf>,
    pub pyenv: Option<PathBuf>,
}

impl Search {
    /// The system's interpreters, then those of this process's user. The system's come first: a distribution's Python
    /// starts in a fifth of the time of a version manager's, and shares more memory (measured).
    #[must_use]
    pub fn from_environment() -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"));
        Self {
            prefixes: ["/usr", "/usr/local"].map(PathBuf::from).to_vec(),
            path: std::env::split_paths(&path).collect(),
            pyenv: std::env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(".pyenv"))),
            home,
        }
    }

    /// Every root that can be had, with its interpreter.
    #[must_use]
    pub fn interpreters(&self) -> Vec<(Root, Interpreter)> {
        let found = |root: Root| Some((root, self.interpreter(root.language()?)?));
        Root::ALL.into_iter().filter_map(found).collect()
    }

    /// The first candidate that is what it should be.
    #[must_use]
    pub fn interpreter(&self, language: Language) -> Option<Interpreter> {
        self.candidates(language).into_iter().find_map(|program| match language {
            Language::Python { minor } => ask_python(&program, minor),
            Language::Node { major } => ask_node(&program, major),
        })
    }

    fn candidates(&self, language: Language) -> Vec<PathBuf> {
        let name = match language {
            Language::Python { minor } => format!("python3.{minor}"),
            Language::Node { .. } => "node".to_owned(),
        };
        let below = |dir: Option<PathBuf>, version: String| dir.map(|dir| newest(&dir, &version)).unwrap_or_default();
        let home = |rest: &str| self.home.as_ref().map(|home| home.join(rest));
        let managed = match language {
            Language::Python { minor } => [
                below(self.pyenv.as_ref().map(|pyenv| pyenv.join("versions")), format!("3.{minor}.")),
                below(home(".local/share/uv/python"), format!("cpython-3.{minor}.")),
            ],
            Language::Node { major } => [
                below(home(".nvm/versions/node"), format!("v{major}.")),
                below(home(".local/share/fnm/node-versions"), format!("v{major}."))
                    .into_iter()
                    .map(|dir| dir.join("installation"))
                    .collect(),
            ],
        };
        let prefixes = self.prefixes.iter().cloned().chain(managed.into_iter().flatten());
        let mut candidates: Vec<PathBuf> = prefixes.map(|prefix| prefix.join("bin").join(&name)).collect();
        candidates.extend(self.path.iter().map(|dir| dir.join(&name)));
        candidates.retain(|candidate| candidate.is_file());
        candidates
    }
}

/// Directories whose name starts with `version`, the highest number behind it first.
fn newest(dir: &Path, version: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let number = |name: &str| {
        let digits: String = name.strip_prefix(version)?.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    let mut found: Vec<(u32, PathBuf)> =
        entries.flatten().filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path()))).collect();
    found.sort_unstable_by(|left, right| right.cmp(left));
    found.into_iter().map(|(_, path)| path).collect()
}

/// What every function may expect of the standard library; an interpreter that fails to import it does not count.
const PYTHON_QUESTION: &str = "
import sys, os, json, sysconfig
import asyncio, ctypes, sqlite3, ssl
print(json.dumps({
    'minor': sys.version_info[1] if sys.version_info[0] == 3 else 0,
    'prefix': sys.base_prefix,
    'program': os.path.realpath(sys.executable),
    'library': os.path.dirname(os.__file__),
    'shared': bool(sysconfig.get_config_var('Py_ENABLE_SHARED')),
}))";

#[derive(Deserialize)]
struct PythonAnswer {
    minor: u8,
    prefix: PathBuf,
    program: PathBuf,
    library: PathBuf,
    shared: bool,
}

fn ask_python(candidate: &Path, minor: u8) -> Option<Interpreter> {
    let answer: PythonAnswer = ask(candidate, &["-I", "-S", "-c", PYTHON_QUESTION])?;
    if answer.minor != minor {
        return None;
    }
    let name = format!("python3.{minor}");
    if is_system(&answer.prefix) {
        return Some(Interpreter::System { program: answer.program, name, library: Some(answer.library) });
    }
    let complete = answer.prefix.join("bin").join(&name).is_file() && answer.prefix.join("lib").join(&name).is_dir();
    complete.then_some(Interpreter::Prefix { prefix: answer.prefix, needs_library_path: answer.shared })
}

const NODE_QUESTION: &str =
    "process.stdout.write(JSON.stringify({version: process.versions.node, program: process.execPath}))";

#[derive(Deserialize)]
struct NodeAnswer {
    version: String,
    program: PathBuf,
}

fn ask_node(candidate: &Path, major: u8) -> Option<Interpreter> {
    let answer: NodeAnswer = ask(candidate, &["-e", NODE_QUESTION])?;
    if !answer.version.starts_with(&format!("{major}.")) {
        return None;
    }
    let bin = answer.program.parent()?;
    let prefix = bin.parent()?;
    if is_system(prefix) || !bin.ends_with("bin") {
        return Some(Interpreter::System { program: answer.program, name: "node".to_owned(), library: None });
    }
    Some(Interpreter::Prefix { prefix: prefix.to_owned(), needs_library_path: false })
}

fn is_system(prefix: &Path) -> bool {
    [Path::new("/usr"), Path::new("/")].contains(&prefix)
}

/// Runs a candidate in an empty environment and reads its answer.
fn ask<A: serde::de::DeserializeOwned>(program: &Path, arguments: &[&str]) -> Option<A> {
    serde_json::from_slice(&output(program, arguments)?).ok()
}

/// What an interpreter writes when it is run in an empty environment. `None` when it fails or takes too long.
pub(super) fn output(program: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    // Into a file: the interpreter never waits for us to read.
    let mut answer = File::from(memfd_create("answer", MemfdFlags::CLOEXEC).ok()?);
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(answer.try_clone().ok()?)
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let started = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if started.elapsed() > ANSWER_WAIT_MAX {
            let _ = child.kill();
            break;
        }
        std::thread::sleep(ANSWER_POLL);
    }
    let status = child.wait().ok()?;
    let mut bytes = Vec::new();
    answer.rewind().ok()?;
    answer.read_to_end(&mut bytes).ok()?;
    status.success().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A directory with a program in `bin` that prints `answer`.
    fn fake_prefix(root: &Path, prefix: &str, name: &str, answer: &str) -> PathBuf {
        let prefix = root.join(prefix);
        std::fs::create_dir_all(prefix.join("bin")).expect("directory");
        let program = prefix.join("bin").join(name);
        std::fs::write(&program, format!("#!/bin/sh\necho '{answer}'\n")).expect("program");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("mode");
        prefix
    }

    #[test]
    fn the_newest_patch_release_comes_first() {
        let dir = tempfile::tempdir().expect("tempdir");
        for name in ["3.11.9", "3.11.10", "3.1.2", "3.12.0", "other"] {
            std::fs::create_dir(dir.path().join(name)).expect("directory");
        }
        let names: Vec<_> = newest(dir.path(), "3.11.");
        assert_eq!(names, [dir.path().join("3.11.10"), dir.path().join("3.11.9")]);
    }

    #[test]
    fn a_program_of_another_version_does_not_count() {
        let dir = tempfile::tempdir().expect("tempdir");
        let old = fake_prefix(dir.path(), "old", "node", r#"{"version":"18.1.0","program":"/old/bin/node"}"#);
        let right = fake_prefix(dir.path(), "right", "node", r#"{"version":"20.1.0","program":"/right/bin/node"}"#);
        let search = |prefixes: &[&PathBuf]| Search {
            prefixes: prefixes.iter().map(|dir| (*dir).clone()).collect(),
            ..Search::default()
        };
        assert_eq!(
            search(&[&old, &right]).interpreter(Language::Node { major: 20 }),
            Some(Interpreter::Prefix { prefix: "/right".into(), needs_library_path: false })
        );
    }

    #[test]
    fn an_interpreter_that_lacks_parts_of_its_library_does_not_count() {
        let dir = tempfile::tempdir().expect("tempdir");
        let broken = fake_prefix(dir.path(), "broken", "python3.99", "ImportError");
        let search = Search { prefixes: vec![broken], ..Search::default() };
        assert_eq!(search.interpreter(Language::Python { minor: 99 }), None);
    }

    #[test]
    fn an_interpreter_in_the_systems_directories_is_taken_apart() {
        let dir = tempfile::tempdir().expect("tempdir");
        let answer = r#"{"minor":99,"prefix":"/usr","program":"/usr/bin/python3.99","library":"/usr/lib/python3.99","shared":false}"#;
        let prefix = fake_prefix(dir.path(), "p", "python3.99", answer);
        let search = Search { prefixes: vec![prefix], ..Search::default() };
        assert_eq!(
            search.interpreter(Language::Python { minor: 99 }),
            Some(Interpreter::System {
                program: "/usr/bin/python3.99".into(),
                name: "python3.99".to_owned(),
                library: Some("/usr/lib/python3.99".into()),
            })
        );
    }
}
