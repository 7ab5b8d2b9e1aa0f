//! Runtimes whose root file system is a container image: what is run in it for functions from zip packages, and what of
//! Hearth's own is laid over it. Looks into the unpacked tree once; fetching images is elsewhere.
//!
//! | the image has | what runs |
//! |---|---|
//! | `/var/runtime/bootstrap`, as AWS's base images do | that |
//! | the interpreter of the identifier (`python3.12`, `node`) | it, with Hearth's runtime client at `/var/runtime` |
//! | neither, and the identifier is a custom runtime's | the function's own `bootstrap` |

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::LazyLock;

use hearth_ports::{CodeDigest, RuntimeId};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

use super::language::{image_arguments, name};
use super::{Client, Language, Prestart, Program, RUNTIMES, Root, Runtime};
use crate::protocol::{ImageHolds, ImageTree};

/// Where interpreters are looked for besides the image's own `PATH`.
const LANGUAGE_PROGRAMS: &str = "/var/lang/bin";
/// Source: Docker, of images that set none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where AWS's base images have their runtime client.
const BOOTSTRAP: &str = "/var/runtime/bootstrap";
const EXTENSIONS: &str = crate::protocol::EXTENSIONS;

/// The rows of the identifiers, in images that have a runtime client of their own, and in others. Only Hearth's client can wait
/// for its function.
static ROWS: LazyLock<[Vec<Runtime>; 2]> = LazyLock::new(|| {
    [false, true].map(|has_own| {
        let rows = RUNTIMES.iter().filter(|row| row.program != Program::Image);
        rows.map(|row| in_image(row, has_own)).collect()
    })
});

fn in_image(row: &Runtime, has_own: bool) -> Runtime {
    let program = match &row.program {
        // The image says which.
        Program::Interpreter { .. } => Program::Interpreter { program: BOOTSTRAP.to_owned(), arguments: Vec::new() },
        other => other.clone(),
    };
    let is_recorded = matches!(row.language, None | Some(Language::Python { .. } | Language::Node { .. })) || !has_own;
    // What the image says is right for its own client.
    let variables =
        if is_recorded { row.variables.clone() } else { vec![("PWD", super::language::TASK_ROOT.to_owned())] };
    let prestart = if has_own { Prestart::Never } else { row.prestart };
    Runtime { root: Root::Provided, program, variables, prestart, ..row.clone() }
}

/// An image that is the root of a runtime's functions.
#[derive(Debug)]
pub struct ImageRoot {
    /// Of the unpacked tree.
    pub digest: CodeDigest,
    pub runtime: &'static Runtime,
    /// With its arguments. `None` for custom runtimes, whose functions bring theirs.
    pub command: Option<(String, Vec<String>)>,
    /// Hearth's runtime client, which is laid over the image; `None` where that or the function brings one.
    pub client: Option<Client>,
    /// The image's own variables, which everything else overrides.
    pub variables: BTreeMap<String, String>,
    /// It has a directory of extensions.
    pub has_extensions: bool,
}

impl ImageRoot {
    /// Finds out how functions of this runtime run in an unpacked image with these variables (`NAME=value`).
    ///
    /// # Errors
    /// The image has no program for this runtime; what is missing.
    pub fn inspect(id: &RuntimeId, digest: CodeDigest, environment: &[String], tree: &Path) -> Result<Self, String> {
        let tree = Tree::open(tree).map_err(|error| format!("its files cannot be looked at: {error}"))?;
        let split = environment.iter().filter_map(|variable| variable.split_once('='));
        let variables: BTreeMap<String, String> = split
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let has_own = tree.is(BOOTSTRAP, FileType::RegularFile);
        let rows = &ROWS[usize::from(has_own)];
        let Some(runtime) = rows.iter().find(|row| row.id == &*id.0) else {
            return Err(format!("functions cannot have the runtime {}", id.0));
        };
        let language = runtime.language;
        let interpreter = language.and_then(|language| {
            let path = variables.get("PATH").map_or(PATH, String::as_str);
            let directories = std::iter::once(LANGUAGE_PROGRAMS).chain(path.split(':'));
            let mut programs = directories.map(|directory| format!("{directory}/{}", name(language)));
            programs.find(|program| program.starts_with('/') && tree.is(program, FileType::RegularFile))
        });
        let (command, client) = match (language, interpreter) {
            (None, _) => (None, None),
            (Some(_), _) if has_own => (Some((BOOTSTRAP.to_owned(), Vec::new())), None),
            (Some(language), Some(program)) => (Some((program, image_arguments(language))), Some(Client::of(language))),
            (Some(language), None) => {
                return Err(format!("it has neither {BOOTSTRAP} nor {} in its PATH", name(language)));
            }
        };
        let has_extensions = tree.is(EXTENSIONS, FileType::Directory);
        Ok(Self { digest, runtime, command, client, variables, has_extensions })
    }

    /// As what sandboxes have it.
    #[must_use]
    pub const fn tree(&self) -> ImageTree {
        ImageTree { digest: self.digest, holds: ImageHolds::Runtime(self.client) }
    }

    /// Whether what starts the function is the image's, which then looks after wrapper scripts itself.
    #[must_use]
    pub const fn has_own_client(&self) -> bool {
        self.client.is_none()
    }
}

/// An unpacked image, looked at as its processes will see it: links lead nowhere but into it.
struct Tree(OwnedFd);

impl Tree {
    fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    fn is(&self, path: &str, kind: FileType) -> bool {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.0, path, flags, Mode::empty(), resolve)
            .and_then(fstat)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == kind)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A tree with empty files.
    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("directory");
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("below")).expect("directory");
            std::fs::write(path, "").expect("file");
        }
        dir
    }

    fn inspect(id: &str, files: &[&str], environment: &[&str]) -> Result<ImageRoot, String> {
        let environment: Vec<String> = environment.iter().map(|variable| (*variable).to_owned()).collect();
        ImageRoot::inspect(&RuntimeId(id.into()), CodeDigest([1; 32]), &environment, tree(files).path())
    }

    #[test]
    fn the_image_s_own_runtime_client_is_used_where_there_is_one() {
        for id in ["python3.12", "nodejs22.x", "java21", "ruby3.4"] {
            let files = ["var/runtime/bootstrap", "var/lang/bin/python3.12", "var/lang/bin/node"];
            let root = inspect(id, &files, &[]).expect(id);
            assert_eq!(root.command, Some(("/var/runtime/bootstrap".to_owned(), vec![])), "{id}");
            assert_eq!(root.client, None, "{id}");
        }
    }

    #[test]
    fn else_its_interpreter_runs_hearth_s() {
        let python = inspect("python3.12", &["usr/local/bin/python3.12", "usr/bin/python3.12"], &[]).expect("python");
        let arguments = ["-I", "/var/runtime/bootstrap.py"].map(str::to_owned).to_vec();
        assert_eq!(python.command, Some(("/usr/local/bin/python3.12".to_owned(), arguments)));
        assert_eq!(python.client, Some(Client::Python));
        let node = inspect("nodejs22.x", &["odd/node"], &["PATH=/none:/odd", "A=1", "=x"]).expect("node");
        assert_eq!(node.command, Some(("/odd/node".to_owned(), vec!["/var/runtime/bootstrap.cjs".to_owned()])));
        let path = node.runtime.variables.iter().find(|(name, _)| *name == "NODE_PATH").expect("its modules");
        assert!(path.1.starts_with("/opt/nodejs/node22/node_modules:"));
        assert_eq!(node.variables["A"], "1");
        let java = inspect("java21", &["usr/bin/java"], &[]).expect("java");
        assert_eq!(java.client, Some(Client::Java));
        let (program, arguments) = java.command.expect("its interpreter");
        assert_eq!(program, "/usr/bin/java");
        assert!(arguments.ends_with(&["-jar".to_owned(), "/var/runtime/bootstrap.jar".to_owned()]), "{arguments:?}");
    }

    #[test]
    fn an_image_without_a_program_for_the_runtime_is_refused_with_what_is_missing() {
        let refused = inspect("python3.12", &["usr/bin/python3.11"], &[]).expect_err("another version");
        assert_eq!(refused, "it has neither /var/runtime/bootstrap nor python3.12 in its PATH");
        let refused = inspect("java21", &["usr/bin/javac"], &[]).expect_err("no java");
        assert_eq!(refused, "it has neither /var/runtime/bootstrap nor java in its PATH");
    }

    #[test]
    fn functions_with_a_custom_runtime_bring_their_program() {
        let root = inspect("provided.al2023", &["etc/os-release"], &[]).expect("custom");
        assert_eq!((root.command, root.client, root.has_extensions), (None, None, false));
        assert!(inspect("provided.al2", &["opt/extensions/one"], &[]).expect("custom").has_extensions);
    }

    #[test]
    fn links_are_followed_within_the_image_only() {
        let dir = tree(&["real/python3.12"]);
        std::fs::create_dir_all(dir.path().join("usr")).expect("directory");
        symlink("/real", dir.path().join("usr/bin")).expect("link");
        let id = RuntimeId("python3.12".into());
        let inspect = || ImageRoot::inspect(&id, CodeDigest([1; 32]), &[], dir.path());
        assert_eq!(inspect().expect("within").command.expect("program").0, "/usr/bin/python3.12");
        std::fs::remove_file(dir.path().join("real/python3.12")).expect("removed");
        let outside = tree(&["python3.12"]);
        symlink(outside.path().join("python3.12"), dir.path().join("real/python3.12")).expect("link");
        inspect().expect_err("it leads out");
    }

    #[test]
    fn only_hearth_s_client_waits_in_an_image_for_its_function() {
        let python = inspect("python3.12", &["usr/bin/python3.12"], &[]).expect("python");
        assert_eq!((python.runtime.prestart, python.runtime.root), (Prestart::Always, Root::Provided));
        let java = inspect("java21", &["usr/bin/java"], &[]).expect("java");
        assert_eq!(java.runtime.prestart, Prestart::PerMemory);
        assert!(java.runtime.changes_from_outside());
        let aws = inspect("python3.12", &["var/runtime/bootstrap", "usr/bin/python3.12"], &[]).expect("its own");
        assert_eq!(aws.runtime.prestart, Prestart::Never);
    }
}
