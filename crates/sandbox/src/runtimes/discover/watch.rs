//! Notices that there may be another interpreter, without looking for one: something has changed in a directory in which they
//! are looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::SystemTime;

use hearth_types::runtime::languages;

use super::Search;
use super::ask::DOTNET_RUNTIMES;
use crate::runtimes::Language;

/// Looks without a change after which a last one is worth it: who installs an interpreter is not done with its program.
const SETTLED_LOOKS: u32 = 15;

/// What the directories of a search looked like.
#[derive(Debug, Default)]
pub struct Watch {
    search: Search,
    changed: BTreeMap<PathBuf, Option<SystemTime>>,
    /// Until the last look; 0 when it was.
    looks: u32,
}

impl Watch {
    /// From now on; what was there before is nothing new.
    #[must_use]
    pub fn new(search: Search) -> Self {
        let changed = times(search.directories());
        Self { search, changed, looks: 0 }
    }

    #[must_use]
    pub const fn search(&self) -> &Search {
        &self.search
    }

    /// Whether it is worth to look now. While nothing changes, a call costs one system call for each directory, in some tens of
    /// microseconds.
    pub fn is_due(&mut self) -> bool {
        if times(self.changed.keys().cloned()) == self.changed {
            self.looks = self.looks.saturating_sub(1);
            return self.looks == 1;
        }
        // There may be more directories now. Whatever changes from here on is seen next time.
        self.changed = times(self.search.directories());
        self.looks = SETTLED_LOOKS;
        true
    }
}

impl Search {
    /// The directories in which something changes when an interpreter comes: there they may be, or not yet.
    fn directories(&self) -> BTreeSet<PathBuf> {
        let mut all: BTreeSet<PathBuf> = self.installed.iter().chain(&self.javas).cloned().collect();
        for language in languages() {
            for program in self.programs(language) {
                let Some(directory) = program.parent() else { continue };
                if let Language::Dotnet { .. } = language {
                    all.insert(directory.join(DOTNET_RUNTIMES));
                }
                // And in what an interpreter has beside its program, which may come last.
                if let Some(prefix) = directory.parent().filter(|_| directory.ends_with("bin")) {
                    all.extend([prefix.to_owned(), prefix.join("lib")]);
                }
                all.insert(directory.to_owned());
            }
            all.extend(self.managed(language).map(|(_, versions)| versions));
        }
        all
    }
}

/// When each was last changed. `None`: it is not there.
fn times(directories: impl IntoIterator<Item = PathBuf>) -> BTreeMap<PathBuf, Option<SystemTime>> {
    let time = |directory: &PathBuf| std::fs::metadata(directory).and_then(|directory| directory.modified()).ok();
    directories.into_iter().map(|directory| (directory.clone(), time(&directory))).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Its directories have changed a while ago: two changes may have the same time.
    fn watch(search: Search, root: &Path) -> Watch {
        let mut rest = vec![root.to_owned()];
        while let Some(directory) = rest.pop() {
            let entries = fs::read_dir(&directory).expect("directory");
            rest.extend(entries.map(|entry| entry.expect("entry").path()).filter(|path| path.is_dir()));
            let opened = fs::File::open(&directory).expect("directory");
            opened.set_modified(SystemTime::UNIX_EPOCH).expect("time");
        }
        Watch::new(search)
    }

    #[test]
    fn nothing_is_due_while_nothing_changes_and_once_more_when_a_change_is_over() {
        let home = tempfile::tempdir().expect("tempdir");
        let search = Search { home: Some(home.path().to_owned()), ..Search::default() };
        let mut watch = watch(search, home.path());
        assert!((0..100).all(|_| !watch.is_due()));
        fs::create_dir_all(home.path().join(".nvm/versions/node")).expect("directory");
        assert!(watch.is_due());
        assert_eq!((0..100).filter(|_| watch.is_due()).count(), 1);
    }

    #[test]
    fn interpreters_are_noticed_wherever_they_are_looked_for() {
        for program in [
            ".pyenv/versions/3.13.1/bin/python3.13",
            ".nvm/versions/node/v22.1.0/bin/node",
            ".rbenv/versions/3.3.1/bin/ruby",
            ".sdkman/candidates/java/21.0.1-tem/bin/java",
            ".dotnet/shared/Microsoft.NETCore.App/8.0.1",
            "path/python3.12",
            "usr/bin/ruby",
            "jvm/java-21/bin/java",
            "jvm/java-21/release",
            "jvm/java-21/lib/modules",
            "runtimes/nodejs22/bin/node",
        ] {
            let home = tempfile::tempdir().expect("tempdir");
            let at = |path: &str| home.path().join(path);
            let search = Search {
                home: Some(home.path().to_owned()),
                path: vec![at("path")],
                prefixes: vec![at("usr")],
                javas: vec![at("jvm")],
                ..Search::default()
            };
            let mut watch = watch(search.with_installed(at("runtimes")), home.path());
            let program = at(program);
            // As installers do: the directories, then what is in them.
            fs::create_dir_all(program.parent().expect("below")).expect("directory");
            let _ = watch.is_due();
            assert!(!watch.is_due());
            for directory in program.ancestors().skip(1).take_while(|directory| directory.starts_with(home.path())) {
                fs::File::open(directory).and_then(|opened| opened.set_modified(SystemTime::UNIX_EPOCH)).expect("time");
            }
            let _ = watch.is_due();
            fs::write(&program, "").expect("file");
            assert!(watch.is_due(), "{program:?}");
        }
    }
}
