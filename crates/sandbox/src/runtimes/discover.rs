//! Finds the interpreters this machine has: its own, those of its users' version managers, and those Hearth has installed.
//! Names and places lie (a version manager's shim is a shell script, a distribution may leave half of the standard library
//! out), so each candidate is [asked](ask) what it is; one of another version is never taken.

mod ask;
mod managed;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{Language, Root, language};
pub(super) use ask::output;
use managed::{Managed, managed};
pub use watch::Watch;

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
    pub(super) fn prefix(prefix: &Path) -> Self {
        Self::Prefix { prefix: prefix.to_owned(), needs_library_path: false }
    }

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
            (Self::Prefix { prefix, .. }, Some(language)) => prefix.join(language::program(language)),
            (Self::Prefix { prefix, .. }, None) => prefix.clone(),
        }
    }

    /// Where it is, for people.
    #[must_use]
    pub fn place(&self) -> &Path {
        match self {
            Self::Prefix { prefix, .. } => prefix,
            Self::System { program, .. } => program,
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

/// An interpreter, and which patch release it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub interpreter: Interpreter,
    pub version: String,
}

/// Where to look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// What Hearth has installed: a directory for each [language](Language::slug), looked at first.
    pub installed: Option<PathBuf>,
    /// Directories that have the interpreter in `bin`, in order.
    pub prefixes: Vec<PathBuf>,
    pub path: Vec<PathBuf>,
    pub home: Option<PathBuf>,
    /// Variables that say where a version manager or a language is.
    pub variables: BTreeMap<String, PathBuf>,
    /// Directories of Javas, a directory each.
    pub javas: Vec<PathBuf>,
    /// Directories with a .NET in each.
    pub dotnets: Vec<PathBuf>,
}

/// The variables that are looked at.
const VARIABLES: &[&str] = &[
    "ASDF_DATA_DIR",
    "DOTNET_ROOT",
    "FNM_DIR",
    "JAVA_HOME",
    "MISE_DATA_DIR",
    "NVM_DIR",
    "PYENV_ROOT",
    "RBENV_ROOT",
    "SDKMAN_DIR",
    "UV_PYTHON_INSTALL_DIR",
    "rvm_path",
];

impl Search {
    /// The system's interpreters, then those of this process's user. The system's come first: a distribution's Python
    /// starts in a fifth of the time of a version manager's, and shares more memory (measured).
    #[must_use]
    pub fn from_environment() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"));
        let variable = |name: &&str| Some(((*name).to_owned(), PathBuf::from(std::env::var_os(*name)?)));
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        Self {
            installed: None,
            prefixes: paths(&["/usr", "/usr/local"]),
            path: std::env::split_paths(&path).collect(),
            home: std::env::var_os("HOME").map(PathBuf::from),
            variables: VARIABLES.iter().filter_map(variable).collect(),
            javas: paths(&["/usr/lib/jvm"]),
            dotnets: paths(&["/usr/lib/dotnet", "/usr/lib64/dotnet", "/usr/share/dotnet"]),
        }
    }

    /// And in what Hearth has installed there.
    #[must_use]
    pub fn with_installed(self, directory: PathBuf) -> Self {
        Self { installed: Some(directory), ..self }
    }

    /// Every root that can be had, with its interpreter.
    #[must_use]
    pub fn interpreters(&self) -> Vec<(Root, Interpreter)> {
        let all = self.all().into_iter();
        all.map(|(language, found)| (Root::With(language), found.interpreter)).collect()
    }

    /// Every language that functions can have here. Asking takes a while each: as many are asked at once as there are
    /// processors.
    #[must_use]
    pub fn all(&self) -> Vec<(Language, Found)> {
        let languages = hearth_types::runtime::languages();
        let (next, all) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some(language) = languages.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Some(found) = self.find(*language) {
                            all.lock().insert(*language, found);
                        }
                    }
                });
            }
        });
        all.into_inner().into_iter().collect()
    }

    /// The languages that functions can have here besides those that have a root.
    #[must_use]
    pub fn missing(&self, roots: &BTreeSet<Root>) -> Vec<Language> {
        let languages = hearth_types::runtime::languages().into_iter();
        languages.filter(|language| !roots.contains(&Root::With(*language)) && self.find(*language).is_some()).collect()
    }

    #[must_use]
    pub fn interpreter(&self, language: Language) -> Option<Interpreter> {
        Some(self.find(language)?.interpreter)
    }

    /// The first candidate that is what it should be.
    #[must_use]
    pub fn find(&self, language: Language) -> Option<Found> {
        self.candidates(language).into_iter().find_map(|program| ask::ask(&program, language))
    }

    /// Where a version manager is, whether or not it is there.
    #[must_use]
    pub fn place(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        self.variables.get(variable).cloned().or_else(|| Some(self.home.as_ref()?.join(below_home)))
    }

    fn candidates(&self, language: Language) -> Vec<PathBuf> {
        let mut candidates = self.programs(language);
        candidates.retain(|candidate| candidate.is_file());
        candidates
    }

    /// Where the interpreter could be, in order.
    fn programs(&self, language: Language) -> Vec<PathBuf> {
        let program = language::program(language);
        let mut prefixes: Vec<PathBuf> = Vec::new();
        prefixes.extend(self.installed.iter().map(|directory| directory.join(language.slug())));
        match language {
            Language::Java { .. } => {
                prefixes.extend(self.variables.get("JAVA_HOME").cloned());
                prefixes.extend(self.javas.iter().flat_map(|directory| newest(directory, "")));
            }
            Language::Dotnet { .. } => {
                prefixes.extend(self.place("DOTNET_ROOT", ".dotnet"));
                prefixes.extend(self.dotnets.iter().cloned());
            }
            Language::Python { .. } | Language::Node { .. } | Language::Ruby { .. } => {}
        }
        prefixes.extend(self.prefixes.iter().cloned());
        for (managed, versions) in self.managed(language) {
            prefixes
                .extend(newest(&versions, &managed.version).into_iter().map(|version| version.join(managed.folder)));
        }
        let programs = prefixes.into_iter().map(|prefix| prefix.join(&program));
        programs.chain(self.path.iter().map(|directory| directory.join(language::name(language)))).collect()
    }

    /// With the directory of the versions.
    fn managed(&self, language: Language) -> impl Iterator<Item = (Managed, PathBuf)> + '_ {
        managed(language).into_iter().filter_map(|managed| {
            let versions = self.place(managed.variable, managed.home)?.join(managed.versions);
            Some((managed, versions))
        })
    }
}

/// Directories whose name starts with `version`, the highest numbers behind it first.
fn newest(dir: &Path, version: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let numbers = |name: &str| {
        let rest = name.strip_prefix(version)?;
        let numbers = rest.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
        let numbers: Vec<u32> = numbers.filter_map(|digits| digits.parse().ok()).collect();
        // Of a version that is asked for, the next number has to follow at once.
        (version.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit())).then_some(numbers)
    };
    let mut found: Vec<(Vec<u32>, PathBuf)> =
        entries.flatten().filter_map(|entry| Some((numbers(entry.file_name().to_str()?)?, entry.path()))).collect();
    found.sort_unstable_by(|left, right| right.cmp(left));
    found.into_iter().map(|(_, path)| path).collect()
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
        for name in ["3.11.9", "3.11.10", "3.1.2", "3.12.0", "3.11.x", "other"] {
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
        let answer = r#"{"minor":99,"version":"3.99.1","prefix":"/usr","program":"/usr/bin/python3.99","library":"/usr/lib/python3.99","shared":false}"#;
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

    fn file(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().expect("below")).expect("directory");
        std::fs::write(path, text).expect("file");
    }

    fn java(root: &Path, prefix: &str, version: &str) -> PathBuf {
        let prefix = root.join(prefix);
        file(&prefix.join("bin/java"), "");
        file(&prefix.join("lib/modules"), "");
        file(&prefix.join("release"), &format!("IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"{version}\"\n"));
        prefix
    }

    #[test]
    fn a_java_is_of_the_major_version_it_says_and_whole() {
        let dir = tempfile::tempdir().expect("tempdir");
        let javas = [
            java(dir.path(), "a", "21.0.1"),
            java(dir.path(), "b", "17"),
            java(dir.path(), "c", "1.8.0_412"),
            java(dir.path(), "d", "11.0.2"),
        ];
        std::fs::remove_file(dir.path().join("d/lib/modules")).expect("removed");
        let search = Search { javas: vec![dir.path().to_owned()], ..Search::default() };
        let found = |major| search.find(Language::Java { major }).map(|found| (found.interpreter, found.version));
        assert_eq!(found(21), Some((Interpreter::prefix(&javas[0]), "21.0.1".to_owned())));
        assert_eq!(found(17), Some((Interpreter::prefix(&javas[1]), "17".to_owned())));
        assert_eq!(found(8), Some((Interpreter::prefix(&javas[2]), "1.8.0_412".to_owned())));
        assert_eq!((found(11), found(2), found(25)), (None, None, None), "half of one, and none");
    }

    #[test]
    fn what_java_home_names_comes_before_the_systems() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (system, own) = (java(dir.path(), "jvm/system", "21.0.1"), java(dir.path(), "own", "21.0.2"));
        let variables = |home| BTreeMap::from([("JAVA_HOME".to_owned(), home)]);
        let javas = vec![dir.path().join("jvm")];
        let search = Search { javas, variables: variables(own.clone()), ..Search::default() };
        assert_eq!(search.interpreter(Language::Java { major: 21 }), Some(Interpreter::prefix(&own)));
        let other = Search { variables: variables(java(dir.path(), "old", "17")), ..search };
        assert_eq!(other.interpreter(Language::Java { major: 21 }), Some(Interpreter::prefix(&system)));
    }

    #[test]
    fn a_dotnet_has_the_newest_patch_of_the_major_version_beside_it() {
        let dir = tempfile::tempdir().expect("tempdir");
        let prefix = dir.path().join("dotnet");
        file(&prefix.join("dotnet"), "");
        for version in ["6.0.36", "8.0.4", "8.0.11", "10.0.1"] {
            file(&prefix.join("shared/Microsoft.NETCore.App").join(version).join("libcoreclr.so"), "");
        }
        let search = Search { dotnets: vec![prefix.clone()], ..Search::default() };
        let version = |major| search.find(Language::Dotnet { major }).map(|found| found.version);
        assert_eq!(version(8).as_deref(), Some("8.0.11"));
        assert_eq!(version(10).as_deref(), Some("10.0.1"));
        assert_eq!((version(1), version(9)), (None, None), "never another one");
        assert_eq!(version(6), None, "there, but the runtime client does not run on it");
    }

    #[test]
    fn version_managers_are_looked_through_where_they_are_or_where_a_variable_says() {
        let home = tempfile::tempdir().expect("tempdir");
        let places = [
            (Language::Python { minor: 99 }, ".pyenv/versions/3.99.4", "bin/python3.99"),
            (
                Language::Python { minor: 99 },
                ".local/share/uv/python/cpython-3.99.4-linux-x86_64-gnu",
                "bin/python3.99",
            ),
            (Language::Python { minor: 99 }, ".local/share/mise/installs/python/3.99.4", "bin/python3.99"),
            (Language::Node { major: 99 }, ".nvm/versions/node/v99.1.0", "bin/node"),
            (Language::Node { major: 99 }, ".local/share/fnm/node-versions/v99.1.0/installation", "bin/node"),
            (Language::Node { major: 99 }, ".asdf/installs/nodejs/99.1.0", "bin/node"),
            (Language::Ruby { major: 9, minor: 9 }, ".rbenv/versions/9.9.1", "bin/ruby"),
            (Language::Ruby { major: 9, minor: 9 }, ".rvm/rubies/ruby-9.9.1", "bin/ruby"),
            (Language::Java { major: 99 }, ".sdkman/candidates/java/99.0.1-tem", "bin/java"),
            (Language::Dotnet { major: 99 }, ".dotnet", "dotnet"),
        ];
        let at_home = Search { home: Some(home.path().to_owned()), ..Search::default() };
        for (language, place, program) in places {
            let program = home.path().join(place).join(program);
            assert!(!at_home.candidates(language).contains(&program), "{program:?}");
            file(&program, "");
            assert!(at_home.candidates(language).contains(&program), "{program:?}");
        }
        let elsewhere = tempfile::tempdir().expect("tempdir");
        let variables = BTreeMap::from([("PYENV_ROOT".to_owned(), elsewhere.path().to_owned())]);
        let search = Search { variables, ..Search::default() };
        let program = elsewhere.path().join("versions/3.99.0/bin/python3.99");
        file(&program, "");
        assert_eq!(search.candidates(Language::Python { minor: 99 }), [program]);
    }

    #[test]
    fn what_hearth_has_installed_comes_first() {
        let dir = tempfile::tempdir().expect("tempdir");
        let system = fake_prefix(dir.path(), "usr", "node", "");
        let installed = dir.path().join("runtimes");
        let own = fake_prefix(&installed, "nodejs99", "node", "").join("bin/node");
        let search = Search { prefixes: vec![system.clone()], ..Search::default() }.with_installed(installed);
        assert_eq!(search.candidates(Language::Node { major: 99 }), [own, system.join("bin/node")]);
    }
}
