//! Asks a candidate what it is: Python, Node.js and Ruby by running them; Java and .NET by what they have beside them, which
//! their own loaders go by.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use serde::Deserialize;

use super::{Found, Interpreter};
use crate::runtimes::Language;

/// How long a candidate may take to say what it is.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
const ANSWER_POLL: Duration = Duration::from_millis(2);
/// Of a file that says what a Java is.
const RELEASE_BYTES_MAX: u64 = 64 << 10;

/// What a program is, if it is one of this language's version.
pub(super) fn ask(candidate: &Path, language: Language) -> Option<Found> {
    match language {
        _ if !language.has_client() => None,
        Language::Python { minor } => python(candidate, minor),
        Language::Node { major } => node(candidate, major),
        Language::Java { major } => java(candidate, major),
        Language::Ruby { major, minor } => ruby(candidate, major, minor),
        Language::Dotnet { major } => dotnet(candidate, major),
    }
}

/// With what every function may expect of the standard library: modules that a distribution may leave out, and those that
/// need libraries of the system. An interpreter that lacks them does not count.
const PYTHON_QUESTION: &str = "
import sys, os, json, sysconfig
import importlib.util, _ctypes, _sqlite3, _ssl
assert all(importlib.util.find_spec(name) for name in ('asyncio', 'ctypes', 'sqlite3', 'ssl'))
print(json.dumps({
    'minor': sys.version_info[1] if sys.version_info[0] == 3 else 0,
    'version': '.'.join(map(str, sys.version_info[:3])),
    'prefix': sys.base_prefix,
    'program': os.path.realpath(sys.executable),
    'library': os.path.dirname(os.__file__),
    'shared': bool(sysconfig.get_config_var('Py_ENABLE_SHARED')),
}))";

#[derive(Deserialize)]
struct PythonAnswer {
    minor: u8,
    version: String,
    prefix: PathBuf,
    program: PathBuf,
    library: PathBuf,
    shared: bool,
}

fn python(candidate: &Path, minor: u8) -> Option<Found> {
    let answer: PythonAnswer = answer(candidate, &["-I", "-S", "-c", PYTHON_QUESTION])?;
    if answer.minor != minor {
        return None;
    }
    let name = format!("python3.{minor}");
    let interpreter = if is_system(&answer.prefix) {
        Interpreter::System { program: answer.program, name, library: Some(answer.library) }
    } else {
        let complete =
            answer.prefix.join("bin").join(&name).is_file() && answer.prefix.join("lib").join(&name).is_dir();
        if !complete {
            return None;
        }
        Interpreter::Prefix { prefix: answer.prefix, needs_library_path: answer.shared }
    };
    Some(Found { interpreter, version: answer.version })
}

const NODE_QUESTION: &str =
    "process.stdout.write(JSON.stringify({version: process.versions.node, program: process.execPath}))";

#[derive(Deserialize)]
struct NodeAnswer {
    version: String,
    program: PathBuf,
}

fn node(candidate: &Path, major: u8) -> Option<Found> {
    let answer: NodeAnswer = answer(candidate, &["-e", NODE_QUESTION])?;
    if !answer.version.starts_with(&format!("{major}.")) {
        return None;
    }
    let bin = answer.program.parent()?;
    let prefix = bin.parent()?;
    let interpreter = if is_system(prefix) || !bin.ends_with("bin") {
        Interpreter::System { program: answer.program.clone(), name: "node".to_owned(), library: None }
    } else {
        Interpreter::prefix(prefix)
    };
    Some(Found { interpreter, version: answer.version })
}

/// Without gems: whose they are does not matter.
const RUBY_QUESTION: &str = "require 'json'; require 'rbconfig'; require 'socket'
print JSON.generate({version: RUBY_VERSION, prefix: RbConfig::CONFIG['prefix'], program: RbConfig.ruby,
                     shared: RbConfig::CONFIG['ENABLE_SHARED'] == 'yes'})";

#[derive(Deserialize)]
struct RubyAnswer {
    version: String,
    prefix: PathBuf,
    program: PathBuf,
    shared: bool,
}

fn ruby(candidate: &Path, major: u8, minor: u8) -> Option<Found> {
    let answer: RubyAnswer = answer(candidate, &["--disable=gems", "-e", RUBY_QUESTION])?;
    if !answer.version.starts_with(&format!("{major}.{minor}.")) {
        return None;
    }
    let interpreter = if is_system(&answer.prefix) {
        Interpreter::System { program: answer.program, name: "ruby".to_owned(), library: None }
    } else {
        Interpreter::Prefix { prefix: answer.prefix, needs_library_path: answer.shared }
    };
    Some(Found { interpreter, version: answer.version })
}

/// Starting one takes a tenth of a second and more, and it has a file that says it. Source: JEP 223, and the `release` file of
/// every build since Java 8.
fn java(candidate: &Path, major: u8) -> Option<Found> {
    let program = std::fs::canonicalize(candidate).ok()?;
    let home = program.parent()?.parent()?;
    let release = File::open(home.join("release")).ok()?;
    let mut text = String::new();
    release.take(RELEASE_BYTES_MAX).read_to_string(&mut text).ok()?;
    let version = text.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?.trim_matches('"');
    // Java 8 still called itself 1.8.
    let is_it =
        version.strip_prefix("1.").unwrap_or(version).split(['.', '_', '+', '-']).next() == Some(&major.to_string());
    let is_whole = home.join("lib/modules").is_file() || home.join("lib/rt.jar").is_file() || home.join("jre").is_dir();
    (is_it && is_whole).then(|| Found { interpreter: Interpreter::prefix(home), version: version.to_owned() })
}

/// Where an installation has its versions of the runtime; programs are run on the newest that fits. Source: .NET's design
/// documents, "host probing".
pub(super) const DOTNET_RUNTIMES: &str = "shared/Microsoft.NETCore.App";

fn dotnet(candidate: &Path, major: u8) -> Option<Found> {
    let program = std::fs::canonicalize(candidate).ok()?;
    let prefix = program.parent()?;
    let version = super::newest(&prefix.join(DOTNET_RUNTIMES), &format!("{major}.0."))
        .into_iter()
        .find(|version| version.join("libcoreclr.so").is_file())?;
    let version = version.file_name()?.to_str()?.to_owned();
    Some(Found { interpreter: Interpreter::prefix(prefix), version })
}

fn is_system(prefix: &Path) -> bool {
    [Path::new("/usr"), Path::new("/")].contains(&prefix)
}

/// Runs a candidate in an empty environment and reads its answer.
fn answer<A: serde::de::DeserializeOwned>(program: &Path, arguments: &[&str]) -> Option<A> {
    serde_json::from_slice(&output(program, arguments)?).ok()
}

/// What an interpreter writes when it is run in an empty environment. `None` when it fails or takes too long.
pub(in crate::runtimes) fn output(program: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    // Into a file: the interpreter never waits for us to read.
    let mut answer = File::from(memfd_create("answer", MemfdFlags::CLOEXEC).ok()?);
    let mut command = Command::new(program);
    if let Some((user, group)) = owner(program) {
        command.uid(user).gid(group);
    }
    let mut child = command
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

/// As whom a program is run by a process that is root: whoever else can change what is run there gets nothing by it. `None`:
/// only root can. Looks at the program, the link that leads to it, and the directories from which an interpreter takes its
/// library and settings.
fn owner(program: &Path) -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let real = std::fs::canonicalize(program).ok()?;
    let places = [program, &real].into_iter().flat_map(|program| program.ancestors().take(PLACES));
    let owners = places.filter_map(|place| std::fs::symlink_metadata(place).ok()).map(|at| (at.uid(), at.gid()));
    owners.into_iter().find(|(user, _)| *user != 0)
}

/// The program, its directory, and the one above, the interpreter's own.
const PLACES: usize = 3;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};

    use super::*;

    const SOMEBODY: u32 = 54_321;

    /// `bin/who`, which says as whom it runs, in a directory everybody may enter.
    fn installation() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("tempdir");
        let (bin, program) = (dir.path().join("bin"), dir.path().join("bin/who"));
        fs::create_dir(&bin).expect("directory");
        fs::write(&program, "#!/bin/sh\necho $(id -u) $(id -g) $(id -G)\n").expect("program");
        for path in [dir.path(), &bin, &program] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).expect("permissions");
        }
        dir
    }

    fn runs_as(program: &Path) -> String {
        String::from_utf8(output(program, &[]).expect("it runs")).expect("text").trim().to_owned()
    }

    #[test]
    fn who_can_change_an_interpreter_gets_no_other_rights_by_it() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("NOT TESTED: needs root");
            return;
        }
        let somebody = format!("{SOMEBODY} {SOMEBODY} {SOMEBODY}");
        for place in ["bin/who", "bin", ""] {
            let dir = installation();
            assert!(runs_as(&dir.path().join("bin/who")).starts_with("0 0"), "all root's");
            chown(dir.path().join(place), Some(SOMEBODY), Some(SOMEBODY)).expect("owner");
            assert_eq!(runs_as(&dir.path().join("bin/who")), somebody, "{place:?} is somebody's");
        }
        let (theirs, ours) = (tempfile::tempdir().expect("tempdir"), installation());
        let (link, target) = (theirs.path().join("python3.11"), ours.path().join("bin/who"));
        symlink(target, &link).expect("link");
        lchown(&link, Some(SOMEBODY), Some(SOMEBODY)).expect("owner");
        fs::set_permissions(theirs.path(), Permissions::from_mode(0o755)).expect("permissions");
        assert_eq!(runs_as(&link), somebody, "a link of somebody's, beside which settings may lie");
    }
}
